"""The summary equals a recount, whatever happens to the tables under it and in whatever order."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from metrics.database import Database
from tests.operations import EVENTS, KINDS, Operations
from tests.recount import SUMMARY_FIELDS, Customer, count_customers, read_base
from tests.shop import allow_nulls, clear_shop, fill_shop, make_id

Connection = psycopg.Connection[Any]
STEPS = st.lists(st.tuples(st.sampled_from(list(KINDS)), st.sampled_from(EVENTS)), min_size=1, max_size=14)


def list_summaries(connection: Connection) -> dict[UUID, dict[str, Any]]:
    """Every summary row; never active, stored as -infinity, reads as None, no primary as Unknown."""
    stored = {"last_login": "last_login_at", "latest_activity_at": "nullif(%s, '-infinity')"}
    names = ", ".join(f"{stored.get(name, name)} AS {name}".replace("%s", name) for name in SUMMARY_FIELDS)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT user_id, {names},"
            f" coalesce(primary_device_type, 'Unknown') AS primary_device,"
            f" coalesce(primary_browser, 'Unknown') AS primary_browser,"
            f" coalesce(primary_os, 'Unknown') AS primary_os FROM user_activity_summary"
        )
        return {row["user_id"]: row for row in rows}


def find_differences(
    expected: dict[UUID, Customer],
    summaries: dict[UUID, dict[str, Any]],
    logins: dict[UUID, datetime] | None = None,
) -> list[str]:
    """Where the summary is not the recount, one sentence each; logins are the highest ever seen."""
    found = []
    if missing := expected.keys() ^ summaries.keys():
        found.append(f"summary rows missing or left over: {sorted(map(str, missing))}")
    for key, one in expected.items():
        if key not in summaries:
            continue
        row = summaries[key]
        wanted = {name: getattr(one, name) for name in SUMMARY_FIELDS}
        if logins is not None and key in logins:
            # A login stays when its session goes, and so does the activity that it was.
            wanted["last_login"] = logins[key]
            wanted["latest_activity_at"] = max(
                moment for moment in (logins[key], one.last_order_at, one.last_booking_at) if moment
            )
        found += [
            f"{key} {name}: summary {row[name]!r}, recount {value!r}"
            for name, value in wanted.items()
            if row[name] != value
        ]
        found += [
            f"{key} primary_{name}: summary {row['primary_' + name]!r}, recount {allowed}"
            for name, allowed in one.primary.items()
            if row["primary_" + name] not in allowed
        ]
    return found


def make_users(connection: Connection, count: int, seed: int = 7) -> list[UUID]:
    source = random.Random(seed)
    users = sorted(make_id(source) for _ in range(count))
    connection.execute("INSERT INTO users (id) SELECT unnest(%s::uuid[])", [users])
    connection.execute(
        "INSERT INTO services (id, title) VALUES (%s, 'Oil change'), (%s, 'Car wash')",
        [make_id(source), make_id(source)],
    )
    return users


def raise_logins(logins: dict[UUID, datetime], connection: Connection) -> None:
    """Keep the highest start ever seen of each person; a removed person is forgotten."""
    customers = count_customers(read_base(connection), "all", datetime.now().astimezone())
    for gone in logins.keys() - customers.keys():
        del logins[gone]
    for key, one in customers.items():
        if one.last_login is not None:
            logins[key] = max(one.last_login, logins.get(key, one.last_login))


@pytest.fixture(name="empty_shop")
def fixture_empty_shop(any_database: Database) -> Iterator[Database]:
    with any_database.write() as connection:
        allow_nulls(connection)
        clear_shop(connection)
    yield any_database
    with any_database.write() as connection:
        clear_shop(connection)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS, seed=st.integers(0, 2**20))
def test_it_equals_a_recount_after_any_sequence(empty_shop: Database, steps: list[tuple[str, str]], seed: int) -> None:
    with empty_shop.write() as connection:
        clear_shop(connection)
        make_users(connection, 5)
        as_of = datetime.now().astimezone()
        operations = Operations(connection, seed, as_of)
        logins: dict[UUID, datetime] = {}
        for kind, table in steps:
            operations.do(kind, table)
            raise_logins(logins, connection)
        expected = count_customers(read_base(connection), "all", as_of)
        differences = find_differences(expected, list_summaries(connection), logins)
    assert not differences, "\n".join([*differences, *operations.log])


def test_it_equals_a_recount_on_a_whole_shop(empty_shop: Database) -> None:
    as_of = empty_shop.now()
    with empty_shop.write() as connection:
        fill_shop(connection, as_of)
        expected = count_customers(read_base(connection), "all", as_of)
        assert not find_differences(expected, list_summaries(connection))


def get_login(connection: Connection, user_id: UUID) -> datetime | None:
    row = connection.execute("SELECT last_login_at FROM user_activity_summary WHERE user_id = %s", [user_id]).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    "deed",
    [
        "DELETE FROM user_sessions",
        "TRUNCATE user_sessions",
        "UPDATE user_sessions SET started_at = started_at - interval '1 day'",
        "UPDATE user_sessions SET user_id = NULL",
        "UPDATE user_sessions SET is_bot = true",
    ],
)
def test_it_never_lowers_a_last_login(empty_shop: Database, deed: str) -> None:
    started = empty_shop.now() - timedelta(hours=1)
    with empty_shop.write() as connection:
        [asha] = make_users(connection, 1)
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at) VALUES ('a', %s, %s)",
            [asha, started],
        )
    with empty_shop.write() as connection:
        connection.execute(deed)
        assert get_login(connection, asha) == started
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at) VALUES ('b', %s, %s)",
            [asha, started - timedelta(days=3)],
        )
        assert get_login(connection, asha) == started


def test_it_forgets_a_removed_person(empty_shop: Database) -> None:
    with empty_shop.write() as connection:
        [asha] = make_users(connection, 1)
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at) VALUES ('a', %s, now())",
            [asha],
        )
        connection.execute("DELETE FROM users")
        assert not list_summaries(connection)
        connection.execute("INSERT INTO users (id) VALUES (%s)", [asha])
        assert get_login(connection, asha) is None


def test_it_brings_the_order_before_back(empty_shop: Database) -> None:
    """Cancelled, deleted, moved away or unpaid: each time the one before it is the last again."""
    now = empty_shop.now()
    with empty_shop.write() as connection:
        asha, juma = make_users(connection, 2)
        connection.execute(
            "INSERT INTO orders (id, user_id, total_amount, status, payment_status, created_at)"
            " SELECT gen_random_uuid(), %s, n * 10, 'completed', 'paid', %s - n * interval '1 h'"
            " FROM generate_series(0, 4) AS n",
            [asha, now],
        )
        for deed in (
            "UPDATE orders SET status = 'cancelled' WHERE total_amount = 0",
            "DELETE FROM orders WHERE total_amount = 10",
            f"UPDATE orders SET user_id = '{juma}' WHERE total_amount = 20",
            "UPDATE orders SET payment_status = 'refunded' WHERE total_amount = 30",
        ):
            connection.execute(deed)
            expected = count_customers(read_base(connection), "all", now)
            assert not find_differences(expected, list_summaries(connection))
        summaries = list_summaries(connection)
    assert summaries[asha]["last_order_amount"] == 40
    assert summaries[asha]["total_spent"] == 40
    assert summaries[juma]["last_order_amount"] == 20


class Writer(threading.Thread):
    """Random statements over the same customers, each its own transaction, on rows of its own.

    Rows of its own, because two statements that update the same rows may deadlock on those
    rows in any Postgres; the customers they count for are everybody's.
    """

    def __init__(self, url: str, seed: int, users: list[UUID], statements: int) -> None:
        super().__init__()
        self.url, self.users, self.statements = url, users, statements
        self.random = random.Random(seed)
        self.mine: dict[str, list[UUID]] = {table: [] for table in EVENTS}
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                for _ in range(self.statements):
                    self.write(connection)
        except BaseException as error:
            self.error = error

    def write(self, connection: Connection) -> None:
        chance = self.random
        table = chance.choice(EVENTS)
        mine = self.mine[table]
        kind = chance.choice(("insert", "insert", "move", "delete", "touch", "visit"))
        some = chance.sample(mine, min(len(mine), 5))
        if kind == "insert":
            ids = [make_id(chance) for _ in range(chance.randint(1, 8))]
            people = [chance.choice([*self.users, None]) for _ in ids]
            extra = {
                "user_sessions": ("session_id", "this.id::text"),
                "orders": ("total_amount, status, payment_status", "25, 'completed', 'paid'"),
                "service_bookings": ("status", "'pending'"),
                "reviews": ("rating", "4"),
            }[table]
            connection.execute(
                f"INSERT INTO {table} (id, user_id, {extra[0]}) SELECT this.id, this.user_id,"
                f" {extra[1]} FROM unnest(%s::uuid[], %s::uuid[]) AS this (id, user_id)",
                [ids, people],
            )
            mine += ids
        elif kind == "move":
            connection.execute(
                f"UPDATE {table} SET user_id = (%s::uuid[])[1 + (random() * 9)::int] WHERE id = ANY(%s)",
                [self.users, some],
            )
        elif kind == "delete":
            connection.execute(f"DELETE FROM {table} WHERE id = ANY(%s)", [some])
            self.mine[table] = [key for key in mine if key not in some]
        elif kind == "touch":
            connection.execute("UPDATE users SET city = 'Dodoma' WHERE id = %s", [chance.choice(self.users)])
        else:  # one customer's visit and order in one transaction
            user, session, order = chance.choice(self.users), make_id(chance), make_id(chance)
            with connection.transaction():
                connection.execute(
                    "INSERT INTO user_sessions (id, session_id, user_id) VALUES (%s, %s, %s)",
                    [session, str(session), user],
                )
                connection.execute(
                    "INSERT INTO orders (id, user_id, total_amount) VALUES (%s, %s, 5)",
                    [order, user],
                )
            self.mine["user_sessions"].append(session)
            self.mine["orders"].append(order)


def test_it_loses_nothing_between_concurrent_writers(empty_shop: Database) -> None:
    with empty_shop.write() as connection:
        users = make_users(connection, 10)
    writers = [Writer(empty_shop.url, seed, users, statements=60) for seed in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=120)
    assert [writer.error for writer in writers] == [None] * len(writers)
    assert not any(writer.is_alive() for writer in writers)
    with empty_shop.write() as connection:
        expected = count_customers(read_base(connection), "all", datetime.now().astimezone())
        summaries = list_summaries(connection)
        # A login may be higher than a recount finds: its session was moved or deleted since.
        for key, row in summaries.items():
            assert row["last_login"] is None or row["last_login"] >= (expected[key].last_login or row["last_login"])
        logins = {key: row["last_login"] for key, row in summaries.items() if row["last_login"]}
    assert sum(one.total_sessions for one in expected.values()) > 100
    assert not find_differences(expected, summaries, logins)
