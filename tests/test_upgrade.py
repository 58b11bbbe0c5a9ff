"""Every released schema, with data in it and its own code still running, becomes the present one."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from metrics.check import check
from metrics.database import Database
from metrics.migrate import MIGRATIONS, is_current, migrate
from metrics.settings import load_settings
from metrics.statements import SQL_FOLDER
from tests.conftest import Server
from tests.fold import EVERY, find_differences, fold
from tests.test_privacy import keep_writing

SOME = EVERY[::9]
# The last file of each release.
RELEASES = ("0008_guard_rows", "0010_keep_usual_primaries", "0016_fold_periods", "0022_forget_in_customers_and_beacons")
WITH_BEACONS, WITH_FOLD = RELEASES[1:], RELEASES[2:]
PEOPLE = 40
FILL = """
INSERT INTO users (email, first_name, created_at)
SELECT n || '@example.co.tz', 'Person', now() - n * interval '10 days' FROM generate_series(1, {people}) AS n;
INSERT INTO services (title) VALUES ('Braids'), ('Repair');
INSERT INTO orders (user_id, total_amount, status, payment_status, created_at)
SELECT u.id, 1000 * n, (ARRAY['completed', 'cancelled', 'pending'])[1 + n % 3], (ARRAY['paid', 'refunded'])[1 + n % 2],
    now() - n * interval '9 days'
FROM users AS u CROSS JOIN generate_series(1, 6) AS n WHERE u.email NOT LIKE '1%';
INSERT INTO service_bookings (service_id, user_id, status, created_at)
SELECT s.id, u.id, (ARRAY['pending', 'cancelled'])[1 + n % 2], now() - n * interval '20 days'
FROM users AS u CROSS JOIN services AS s CROSS JOIN generate_series(1, 3) AS n;
INSERT INTO user_sessions (session_id, user_id, started_at, last_activity_at, ended_at, is_bot, device_type)
SELECT gen_random_uuid(), CASE WHEN n % 5 > 0 THEN u.id END, now() - n * interval '7 hours',
    now() - n * interval '7 hours', CASE WHEN n > 3 THEN now() - n * interval '6 hours' END, n % 7 = 0,
    (ARRAY['mobile', 'desktop', NULL])[1 + n % 3]
FROM users AS u CROSS JOIN generate_series(0, 20) AS n;
"""


def write_shop(connection: psycopg.Connection[Any], rng: Random, users: list[UUID], kept: Counter[str]) -> None:
    """What the shop's own code does, and a tracker without an endpoint."""
    user_id = rng.choice(users)
    with connection.transaction():
        connection.execute("INSERT INTO orders (user_id, total_amount) VALUES (%s, 5)", [user_id])
        connection.execute("INSERT INTO service_bookings (user_id, status) VALUES (%s, 'pending')", [user_id])
    kept["orders"] += 1
    kept["service_bookings"] += 1
    connection.execute("UPDATE users SET city = 'Dodoma' WHERE id = %s", [user_id])
    connection.execute(
        "INSERT INTO user_sessions (session_id, user_id, ended_at) VALUES (%s, %s, now())", [str(uuid4()), user_id]
    )
    kept["user_sessions"] += 1


def write_beacons(connection: psycopg.Connection[Any], rng: Random, users: list[UUID], kept: Counter[str]) -> None:
    """What the endpoint of the second release and of every later one calls, as its role."""
    session_id = str(uuid4())
    for t, kind in enumerate(("start", "heartbeat", "end"), start=1):
        beacon = {"n": 0, "session_id": session_id, "t": t, "user_id": str(rng.choice(users)), "reason": "gone"}
        connection.execute(
            f"SELECT * FROM metrics_{kind}_sessions(%s::json, '30 minutes', '1 day')", [json.dumps([beacon])]
        )
    kept["user_sessions"] += 1


def read_pages(connection: psycopg.Connection[Any], rng: Random, users: list[UUID], kept: Counter[str]) -> None:
    """What every dashboard reads, as its role."""
    connection.execute("SELECT id, email, full_name, total_spent FROM metrics_customers ORDER BY total_sessions DESC")
    connection.execute("SELECT started_at, ended_at FROM metrics_sessions WHERE user_id = %s", [rng.choice(users)])


Work = Callable[[psycopg.Connection[Any], Random, list[UUID], Counter[str]], None]


class Crew:
    """The writers and readers of a release, each in its role, and what they wrote."""

    def __init__(self, release: str, users: list[UUID]) -> None:
        self.works: list[tuple[Work, str]] = [(write_shop, ""), (write_shop, ""), (read_pages, "metrics_reader")]
        if release in WITH_BEACONS:
            self.works += [(write_beacons, "metrics_beacon")] * 2
        self._users = users
        self._rngs = [Random(seed) for seed in range(len(self.works))]
        self._kept: list[Counter[str]] = [Counter() for _ in self.works]

    def write(self, connection: psycopg.Connection[Any], number: int) -> None:
        writer, turn = divmod(number, 1_000_000)
        work, role = self.works[writer]
        if turn == 1 and role:
            connection.execute(f"SET ROLE {role}")
        work(connection, self._rngs[writer], self._users, self._kept[writer])

    def count(self, table: str) -> int:
        return sum(one[table] for one in self._kept)


def count_rows(database: Database, table: str) -> int:
    with database.write() as connection:
        number: int = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
    return number


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", ["embedded_server", "debian_server"])
def test_its_code_runs_on_while_it_becomes_the_present_one(
    request: pytest.FixtureRequest, name: str, release: str, tmp_path: Path
) -> None:
    server: Server = request.getfixturevalue(name)
    url = server.create_database(template="template0")
    for path in MIGRATIONS.glob("*.sql"):
        if path.stem <= release:
            shutil.copy(path, tmp_path)
    with psycopg.connect(url) as connection:
        connection.execute((SQL_FOLDER / "demo_shop.sql").read_bytes())
    migrate(url, log=lambda line: None, folder=tmp_path)
    with psycopg.connect(url) as connection:
        connection.execute(FILL.format(people=PEOPLE).encode())
        users = [user_id for (user_id,) in connection.execute("SELECT id FROM users")]
    database = Database(replace(load_settings({}), database_url=url), url)
    if release in WITH_FOLD:
        fold(database)
    tables = ("orders", "service_bookings", "user_sessions")
    before = {table: count_rows(database, table) for table in tables}
    crew = Crew(release, users)
    with keep_writing(database, crew.write, len(crew.works)) as failures:
        done = migrate(url, log=lambda line: None)
    assert not failures, failures[0]
    assert done
    assert migrate(url, log=lambda line: None) == []
    with database.write() as connection:
        assert is_current(connection)
    assert {table: count_rows(database, table) for table in tables} == {
        table: before[table] + crew.count(table) for table in tables
    }
    with database.write() as connection:
        connection.execute("SELECT metrics_sweep_sessions('30 minutes', '1 day', 100000)")
    fold(database)
    assert not list(check(database, full=True))
    assert not find_differences(database, SOME)
    database.close()
    server.drop_database(url)
