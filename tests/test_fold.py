"""What is kept of each period, with what moved since, is what counting the rows themselves gives: at any moment."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrics.customers import CustomerQuery, export_customers
from metrics.database import FOLD_REACH, Database
from metrics.folder import Folder
from tests.fold import ADA, EVERY, find_differences, fold
from tests.operations import EVENTS, KINDS, Operations
from tests.shop import allow_nulls, clear_shop, fill_shop
from tests.test_summary import make_users

STEPS = st.lists(
    st.one_of(st.just(("fold", "")), st.tuples(st.sampled_from(list(KINDS)), st.sampled_from(EVENTS))),
    min_size=2,
    max_size=12,
)


@pytest.fixture(name="shop")
def fixture_shop(any_database: Database) -> Database:
    with any_database.write() as connection:
        allow_nulls(connection)
        clear_shop(connection)
        fill_shop(connection, any_database.now())
    return any_database


def test_every_choice_is_the_same_either_way(shop: Database) -> None:
    fold(shop)
    assert shop.is_folded(shop.now())
    assert not find_differences(shop, EVERY)


def test_it_is_the_same_before_the_next_fold(shop: Database) -> None:
    """New rows, changes and removals are in the log, and moments before and after the fold are asked for."""
    fold(shop)
    with shop.write() as connection:
        operations = Operations(connection, 5, shop.now())
        for kind, table in product(KINDS, EVENTS):
            if kind not in ("truncate", "change_nothing"):
                operations.do(kind, table)
    assert shop.is_folded(shop.now())
    some = Random(3).sample(EVERY, 16)
    assert not find_differences(shop, some, timedelta(), timedelta(seconds=1), timedelta(minutes=12))
    fold(shop)
    assert not find_differences(shop, EVERY[::5])


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS, seed=st.integers(0, 2**20))
def test_it_is_the_same_after_any_sequence(database: Database, steps: list[tuple[str, str]], seed: int) -> None:
    with database.write() as connection:
        allow_nulls(connection)
        clear_shop(connection)
        make_users(connection, 5)
    fold(database)
    with psycopg.connect(database.url, autocommit=True) as connection:
        operations = Operations(connection, seed, database.now())
        for kind, table in steps:
            if kind == "fold":
                fold(database)
            else:
                operations.do(kind, table)
    differences = find_differences(database, Random(seed).sample(EVERY, 8), timedelta(), timedelta(minutes=7))
    assert not differences, "\n".join([*differences, *operations.log])


def test_time_alone_moves_it(database: Database) -> None:
    """Rows leave one window and enter another by the hour alone; the fold walks there in steps."""
    with database.write() as connection:
        allow_nulls(connection)
        make_users(connection, 5)
        operations = Operations(connection, 11, database.now())
        for _ in range(40):
            operations.bulk_insert("user_sessions")
            operations.bulk_insert("orders")
            operations.bulk_insert("service_bookings")
    fold(database)
    for hours in (1, 5, 20, 50):
        with database.write() as connection:
            # As if nobody had folded for so long.
            for statement in (
                "UPDATE metrics_fold SET folded_until = folded_until - %(ago)s",
                "UPDATE user_sessions SET started_at = started_at - %(ago)s,"
                " last_activity_at = last_activity_at - %(ago)s, ended_at = ended_at - %(ago)s",
                "UPDATE orders SET created_at = created_at - %(ago)s",
                "UPDATE service_bookings SET created_at = created_at - %(ago)s",
                "UPDATE users SET created_at = created_at - %(ago)s",
                "UPDATE metrics_period_customers AS kept SET latest_activity_at = s.latest_activity_at"
                " FROM user_activity_summary AS s WHERE s.user_id = kept.user_id",
            ):
                connection.execute(statement, {"ago": timedelta(hours=hours)})
            # What the triggers said of it never happened.
            connection.execute("DELETE FROM metrics_changes")
        fold_again(database)
        assert not find_differences(database, EVERY[::7])


def fold_again(database: Database) -> None:
    """What steps lead to is what counting from nothing gives."""
    fold(database)
    with database.write() as connection:
        stepped = list_kept(connection)
        connection.execute("UPDATE metrics_fold SET timezone = NULL")
    fold(database)
    with database.write() as connection:
        for counted, kept in zip(list_kept(connection), stepped, strict=True):
            assert kept == counted


def test_it_is_the_same_while_others_write_and_fold(shop: Database) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(seed: int) -> None:
        random = Random(seed)
        kinds = ["insert", "bulk_insert", "change_word", "change_time", "move", "delete", "upsert", "add_users"]
        try:
            with psycopg.connect(shop.url, autocommit=True) as connection:
                operations = Operations(connection, seed, datetime.now().astimezone())
                while not stop.wait(0.01):
                    with connection.transaction():
                        operations.do(random.choice(kinds), random.choice(EVENTS))
        except BaseException as error:
            failures.append(error)

    def fold_often() -> None:
        try:
            while not stop.wait(0.05):
                fold(shop)
        except BaseException as error:
            failures.append(error)

    fold(shop)
    threads = [threading.Thread(target=write, args=(seed,)) for seed in (101, 102)] + [
        threading.Thread(target=fold_often)
    ]
    for thread in threads:
        thread.start()
    try:
        differences = []
        for seed in range(6):
            random = Random(seed)
            age = timedelta(seconds=random.choice((0, 2, 90)))
            differences += find_differences(shop, random.sample(EVERY, 10), age)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert not differences, "\n".join(differences)


def test_a_fold_that_is_stopped_changes_nothing(shop: Database) -> None:
    fold(shop)
    with shop.write() as connection:
        Operations(connection, 8, shop.now()).bulk_insert("user_sessions")
    with shop.write() as connection:
        before = list_kept(connection)
        # Whoever holds a row that the fold must write keeps it in the middle of its work.
        connection.execute("SELECT 1 FROM metrics_period_customers FOR UPDATE")
        thread = threading.Thread(target=expect_stop, args=(shop,))
        thread.start()
        stop_fold(shop)
        thread.join()
        assert list_kept(connection) == before
    assert not find_differences(shop, EVERY[::9])
    fold(shop)
    assert not find_differences(shop, EVERY[::9])


def expect_stop(database: Database) -> None:
    with pytest.raises(psycopg.OperationalError):
        fold(database)


def stop_fold(database: Database) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        for _ in range(1_000):
            stopped = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'metrics-fold'"
                " AND wait_event_type = 'Lock' AND datname = current_database()"
            ).fetchall()
            if stopped:
                return
            connection.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("no fold waited")


def list_kept(connection: psycopg.Connection[Any]) -> list[list[tuple[Any, ...]]]:
    # As text, because never active is a moment that Python has no word for.
    customers = "period, user_id, sessions, orders, bookings, spent, previous_sessions, latest_activity_at::text"
    return [
        connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()
        for table, columns, order in (
            ("metrics_changes", "noun, sign, user_id, happened_at", "1, 2, 3, 4"),
            ("metrics_period_customers", customers, "1, 2"),
            ("metrics_period_durations", "*", "1, 2, 3"),
            ("metrics_period_sessions", "*", "1, 2, 3, 4, 5, 6, 7"),
            ("metrics_period_totals WHERE customers + orders + bookings + registrations > 0", "*", "1"),
        )
    ]


def test_one_of_many_folds(shop: Database) -> None:
    async def fold_together() -> list[int]:
        return list(await asyncio.gather(*(Folder(shop.settings, shop.url).do() for _ in range(4))))

    with shop.write() as connection:
        row = connection.execute("SELECT count(*) FROM metrics_changes").fetchone()
    assert row
    assert sum(asyncio.run(fold_together())) == row[0]
    assert not find_differences(shop, EVERY[::9])


def test_it_counts_the_rows_where_nothing_or_something_else_is_kept(shop: Database) -> None:
    now = shop.now()
    assert not shop.is_folded(now)
    fold(shop)
    assert shop.is_folded(now)
    assert shop.is_folded(now + FOLD_REACH / 2)
    assert not shop.is_folded(now + 2 * FOLD_REACH)
    assert not Database(replace(shop.settings, timezone="Asia/Kathmandu"), shop.url).is_folded(now)
    with shop.write() as connection:
        connection.execute("TRUNCATE user_sessions")
    assert not shop.is_folded(now)
    assert not find_differences(shop, EVERY[::9])
    fold(shop)
    assert shop.is_folded(now)
    assert not find_differences(shop, EVERY[::9])


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York"])
def test_its_days_are_those_of_the_time_zone(shop: Database, zone: str) -> None:
    """A quarter of an hour from the full hour, and where the clocks change."""
    there = Database(replace(shop.settings, timezone=zone), shop.url)
    fold(there)
    assert there.is_folded(there.now())
    assert not find_differences(there, EVERY[:1])


@pytest.mark.parametrize("ids", ["NULL", "ARRAY(SELECT id FROM users)"])
def test_summaries_that_are_counted_anew_move_it(shop: Database, ids: str) -> None:
    """What was written with triggers silent is in no log; a rebuild mends the summary, and what is kept with it."""
    fold(shop)
    with shop.write() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE service_bookings SET created_at = now() - interval '400 days'")
    with shop.write() as connection:
        connection.execute(f"SELECT metrics_rebuild_summaries({ids})")
    fold(shop)
    with shop.write() as connection:
        wrong = connection.execute(
            "SELECT count(*) FROM metrics_period_customers JOIN user_activity_summary AS s USING (user_id)"
            " WHERE metrics_period_customers.latest_activity_at <> s.latest_activity_at"
        ).fetchone()
    assert wrong == (0,)
    if ids == "NULL":
        assert not find_differences(shop, EVERY[::9])


def test_its_files_are_the_same_either_way(shop: Database) -> None:
    as_of = shop.now()
    query = CustomerQuery("weekly", "orders")
    counted = b"".join(export_customers(shop, ADA, query, as_of=as_of))
    fold(shop)
    assert b"".join(export_customers(shop, ADA, query, as_of=as_of)) == counted


def test_it_demands_one_moment(database: Database) -> None:
    with (
        database.write() as connection,
        pytest.raises(psycopg.errors.RaiseException, match="REPEATABLE READ"),
    ):
        connection.execute("SELECT metrics_fold_step('UTC', '1 hour', '3 days')")
