"""A real server for every test, a fresh database for each, and the people in them.

Alice, Bob and Charlie are customers, Ada is an admin. `KEEPDB=1` keeps the database of every test and prints its URL.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from metrics.database import Database
from metrics.embedded import start_embedded, stop_embedded
from metrics.migrate import migrate
from metrics.settings import Settings, load_settings
from metrics.statements import SQL_FOLDER
from metrics.viewer import Viewer

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
TEMPLATE = "metrics_template"
_numbers = count(1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where several files run at a time, the tests of one stay together, and those that share the tracker's visits."""
    from xdist.scheduler import LoadFileScheduling

    class TogetherScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return "tracker" if "browser/test_tracker_" in file else file

    return TogetherScheduling(config, log)


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL with a template database that holds an empty, migrated shop."""

    url: str
    settings: Settings

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True)

    def get_url(self, name: str) -> str:
        head, _, query = self.url.partition("?")
        return head.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")

    def create_database(self, *, template: str = TEMPLATE) -> str:
        """The URL of a fresh database."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.get_url(name)

    def drop_database(self, url: str) -> None:
        name = url.partition("?")[0].rpartition("/")[2]
        if os.environ.get("KEEPDB"):
            print(f"kept {url}")
            return
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def prepare_template(server: Server) -> Server:
    with server.connect() as connection:
        # Nothing of it has to outlive the machine.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
    url = server.get_url(TEMPLATE)
    with psycopg.connect(url) as connection:
        connection.execute((SQL_FOLDER / "demo_shop.sql").read_bytes())
    migrate(url, log=lambda line: None)
    return server


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[Server]:
    """The embedded PostgreSQL 18."""
    with tempfile.TemporaryDirectory(prefix="cm-") as folder:
        settings = replace(load_settings({}), home=Path(folder))
        yield prepare_template(Server(start_embedded(settings), settings))
        stop_embedded(settings)


@pytest.fixture(scope="session")
def debian_server() -> Iterator[Server]:
    """Debian's PostgreSQL 15, where it is installed."""
    if not (DEBIAN_15 / "initdb").exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed on this machine")
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="cm15-"))
    if user:
        shutil.chown(folder, user)

    def run(*command: object) -> None:
        subprocess.run([str(word) for word in command], check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)

    data = folder / "data"
    run(DEBIAN_15 / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
    flags = f"-h '' -k {folder} -c fsync=off"
    run(DEBIAN_15 / "pg_ctl", "-D", data, "-o", flags, "-l", folder / "log", "-w", "start")
    try:
        yield prepare_template(Server(f"postgresql://postgres@/postgres?host={folder}", load_settings({})))
    finally:
        run(DEBIAN_15 / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def url(embedded_server: Server) -> Iterator[str]:
    """The URL of a fresh, migrated, empty shop."""
    fresh = embedded_server.create_database()
    yield fresh
    embedded_server.drop_database(fresh)


@pytest.fixture
def empty_url(embedded_server: Server) -> Iterator[str]:
    """The URL of a database with no table at all."""
    fresh = embedded_server.create_database(template="template0")
    yield fresh
    embedded_server.drop_database(fresh)


@pytest.fixture
def database(url: str, embedded_server: Server) -> Iterator[Database]:
    """A fresh, migrated, empty shop on the embedded server."""
    opened = Database(replace(embedded_server.settings, database_url=url), url)
    yield opened
    opened.close()


@pytest.fixture(params=["embedded_server", "debian_server"])
def any_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The same on each server that is installed."""
    server: Server = request.getfixturevalue(request.param)
    fresh = server.create_database()
    opened = Database(replace(server.settings, database_url=fresh), fresh)
    yield opened
    opened.close()
    server.drop_database(fresh)


@pytest.fixture
def ada() -> Viewer:
    """The admin."""
    return Viewer("ada@shop.example", "admin")


def add_customer(database: Database, first_name: str, last_name: str) -> UUID:
    """A customer registered a year ago."""
    with database.write() as connection:
        row = connection.execute(
            "INSERT INTO users (email, first_name, last_name, created_at) "
            "VALUES (%s, %s, %s, now() - interval '365 days') RETURNING id",
            (f"{first_name}@example.co.tz".lower(), first_name, last_name),
        ).fetchone()
    assert row
    return row[0]


@pytest.fixture
def alice(database: Database) -> UUID:
    """A customer."""
    return add_customer(database, "Alice", "Mushi")


@pytest.fixture
def bob(database: Database) -> UUID:
    """A second customer."""
    return add_customer(database, "Bob", "Temu")


@pytest.fixture
def charlie(database: Database) -> UUID:
    """A third customer, for whoever must see nothing of the others."""
    return add_customer(database, "Charlie", "Swai")
