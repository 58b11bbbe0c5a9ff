"""Erasure leaves nothing, a reset forgets visits alone, and the receipts are true, whoever writes meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import scalar_row

from metrics import privacy
from metrics.audit import list_audit
from metrics.check import check
from metrics.customers import CustomerNotFound, CustomerQuery, count_customers, get_customer, list_customers
from metrics.database import Database
from metrics.privacy import (
    PersonNotFound,
    count_traces,
    erase_customer,
    export_person,
    reset_all_sessions,
    reset_customer,
)
from metrics.rebuild import rebuild
from metrics.retention import prune_sessions
from metrics.statistics import get_statistics
from metrics.viewer import Viewer
from tests.conftest import add_customer
from tests.fold import EVERY, find_differences, fold
from tests.test_sessions import add_session

SOME = EVERY[::9]


def count(database: Database, table: str, user_id: UUID) -> int:
    with database.write() as connection:
        cursor = connection.cursor(row_factory=scalar_row)
        number: int = cursor.execute(f"SELECT count(*) FROM {table} WHERE user_id = %s", [user_id]).fetchall()[0]
    return number


def fill(database: Database, user_id: UUID) -> None:
    """Old and new sessions, an order, a booking and a review."""
    now = database.now()
    for number, age in enumerate((1, 3, 40, 95, 120)):
        at = now - timedelta(days=age)
        add_session(database, user_id, f"{user_id} {number}", at, ended_at=at, landing_page="/shoes")
    with database.write() as connection:
        connection.execute(
            "INSERT INTO orders (user_id, total_amount, status, payment_status)"
            " VALUES (%s, 150000, 'completed', 'paid')",
            [user_id],
        )
        connection.execute(
            "INSERT INTO service_bookings (user_id, service_type, status) VALUES (%s, 'Braids', 'pending')", [user_id]
        )
        connection.execute("INSERT INTO reviews (user_id, rating) VALUES (%s, 5)", [user_id])


@contextmanager
def keep_writing(
    database: Database, write: Callable[[psycopg.Connection[Any], int], None], writers: int = 3
) -> Iterator[list[Exception]]:
    """Writers on connections of their own, as long as the block runs; the list has what they were told."""
    stop, failures = threading.Event(), []

    def run(writer: int) -> None:
        with psycopg.connect(database.url, autocommit=True) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    write(connection, writer * 1_000_000 + number)
                except psycopg.Error as error:
                    failures.append(error)

    threads = [threading.Thread(target=run, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_it_works(any_database: Database, ada: Viewer) -> None:
    alice, bob = add_customer(any_database, "Alice", "Mushi"), add_customer(any_database, "Bob", "Temu")
    fill(any_database, alice)
    fill(any_database, bob)
    fold(any_database)
    prune_sessions(any_database, ada)
    receipt = erase_customer(any_database, ada, alice)
    assert dict(receipt.removed) == {
        "metrics_pruned_customers": 1,
        "user_activity_summary": 1,
        "user_device_counts": 1,
        "user_sessions": 3,
    }
    assert set(receipt.left.values()) == {0}
    assert set(count_traces(any_database, ada, alice).values()) == {0}
    for table in ("orders", "service_bookings", "reviews"):
        assert count(any_database, table, alice) == 1, table
    with pytest.raises(CustomerNotFound):
        get_customer(any_database, ada, alice)
    assert [customer.id for customer in list_customers(any_database, ada, CustomerQuery()).customers] == [bob]
    assert count_customers(any_database, ada, CustomerQuery()) == 1
    numbers = get_statistics(any_database, ada, "all")
    assert (numbers.total_users, numbers.unique_users_in_period) == (1, 1)
    assert not find_differences(any_database, SOME)


def test_a_dry_run_touches_nothing(database: Database, ada: Viewer, alice: UUID) -> None:
    fill(database, alice)
    receipt = erase_customer(database, ada, alice, dry_run=True)
    assert receipt.removed["user_sessions"] == 5
    assert receipt.write()["dry_run"] is True
    assert get_customer(database, ada, alice).total_sessions == 5
    assert not list_audit(database, ada)


def test_it_may_be_repeated_and_of_a_stranger(database: Database, ada: Viewer, alice: UUID) -> None:
    fill(database, alice)
    erase_customer(database, ada, alice)
    assert set(erase_customer(database, ada, alice).removed.values()) == {0}
    assert set(erase_customer(database, ada, uuid4()).removed.values()) == {0}


def test_it_says_so_where_another_fold_takes_too_long(
    database: Database, ada: Viewer, alice: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, alice)
    fold(database)
    monkeypatch.setattr(privacy, "PATIENCE", "100ms")
    with psycopg.connect(database.url) as other:
        other.execute("SELECT pg_advisory_lock(7283764120)")
        with pytest.raises(privacy.ErasureIncomplete, match="erase again in a minute"):
            erase_customer(database, ada, alice)
    assert set(erase_customer(database, ada, alice).left.values()) == {0}


def test_a_late_beacon_brings_nothing_back(database: Database, ada: Viewer, alice: UUID) -> None:
    """A session of an erased customer is a guest's, whoever writes it; orders go on, and bring no summary back."""
    fill(database, alice)
    erase_customer(database, ada, alice)
    add_session(database, alice, "late", database.now())
    fill(database, alice)
    with database.write() as connection:
        rows = connection.execute("SELECT user_id, identity_verified FROM user_sessions").fetchall()
        connection.execute("UPDATE user_sessions SET user_id = %s", [alice])
    assert set(rows) == {(None, False)}
    prune_sessions(database, ada)
    rebuild(database)
    assert count(database, "user_sessions", alice) == count(database, "user_activity_summary", alice) == 0
    assert not list(check(database, full=True))
    assert not find_differences(database, SOME)


def test_the_shop_may_remove_and_restore_its_own_row(database: Database, ada: Viewer, alice: UUID, bob: UUID) -> None:
    fold(database)
    erase_customer(database, ada, alice)
    with database.write() as connection:
        row = connection.execute("SELECT id, email, created_at FROM users WHERE id = %s", [alice]).fetchone()
        connection.execute("DELETE FROM users WHERE id = %s", [alice])
    assert count_customers(database, ada, CustomerQuery()) == 1
    with database.write() as connection:
        connection.execute("INSERT INTO users (id, email, created_at) VALUES (%s, %s, %s)", row)
        connection.execute("UPDATE users SET created_at = now() WHERE id = %s", [alice])
    assert count_customers(database, ada, CustomerQuery()) == 1
    assert get_statistics(database, ada, "all").total_users == 1
    assert not find_differences(database, SOME)


def test_nothing_comes_back_while_beacons_arrive(any_database: Database, ada: Viewer) -> None:
    alice = add_customer(any_database, "Alice", "Mushi")
    fill(any_database, alice)
    fold(any_database)

    def write(connection: psycopg.Connection[Any], number: int) -> None:
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id) VALUES (%s, %s), (%s, NULL)",
            [f"late {number}", alice, f"guest {number}"],
        )
        connection.execute(
            "UPDATE user_sessions SET last_activity_at = now() WHERE session_id = %s", [f"late {number}"]
        )
        connection.execute("INSERT INTO orders (user_id, total_amount) VALUES (%s, 1)", [alice])

    with keep_writing(any_database, write) as failures:
        receipt = erase_customer(any_database, ada, alice)
    assert not failures
    assert receipt.removed["user_sessions"] >= 5
    assert set(receipt.left.values()) == {0}
    fold(any_database)
    assert set(count_traces(any_database, ada, alice).values()) == {0}
    assert not list(check(any_database, full=True))
    assert not find_differences(any_database, SOME)


def test_the_summaries_stay_true_while_all_of_it_happens_at_once(database: Database, ada: Viewer) -> None:
    """Retention, resets, erasures, folds and beacons."""
    people = [add_customer(database, f"Person{number}", "Mushi") for number in range(6)]
    for person in people:
        fill(database, person)
    fold(database)

    def write(connection: psycopg.Connection[Any], number: int) -> None:
        ages = (0, 2, 50, 100)
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at, ended_at)"
            " VALUES (%s, %s, now() - %s, now() - %s)",
            [f"s{number}", people[number % 6], timedelta(days=ages[number % 4]), timedelta(days=ages[number % 4])],
        )

    with keep_writing(database, write) as failures:
        erase_customer(database, ada, people[0])
        for person in people[1:3]:
            reset_customer(database, ada, person)
            prune_sessions(database, ada)
            fold(database)
        erase_customer(database, ada, people[3])
        prune_sessions(database, ada)
    assert not failures
    prune_sessions(database, ada)
    fold(database)
    assert not list(check(database, full=True))
    assert not find_differences(database, SOME)
    assert {count(database, "user_sessions", person) for person in (people[0], people[3])} == {0}


def test_a_person_gets_all_we_know_and_no_capability(database: Database, ada: Viewer, alice: UUID) -> None:
    fill(database, alice)
    add_session(database, alice, "the tracker's own id", database.now(), ip_address="196.249.97.33")
    prune_sessions(database, ada)
    person = json.loads(export_person(database, ada, alice))
    assert person["customer"]["email"] == "alice@example.co.tz"
    assert len(person["sessions"]) == 4
    assert person["sessions"][0]["ip_address"] == "196.249.xxx.xxx"
    assert [(row["sessions"], row["device_type"]) for row in person["earlier_sessions"]] == [(2, "Unknown")]
    assert person["orders"][0]["total_amount"] == 150000
    assert person["bookings"][0]["service"] == "Braids"
    assert person["reviews"][0]["rating"] == 5
    assert "the tracker's own id" not in json.dumps(person)
    with pytest.raises(PersonNotFound, match="Nobody has the id"):
        export_person(database, ada, uuid4())


def test_every_deed_is_in_the_log_which_nobody_changes(database: Database, ada: Viewer, alice: UUID, bob: UUID) -> None:
    fill(database, alice)
    export_person(database, ada, alice)
    reset_customer(database, ada, bob)
    erase_customer(database, ada, alice)
    reset_all_sessions(database, ada)
    assert [(deed.action, deed.subject, deed.actor) for deed in list_audit(database, ada)] == [
        ("reset", "all sessions", "ada@shop.example"),
        ("erase", str(alice), "ada@shop.example"),
        ("reset", str(bob), "ada@shop.example"),
        ("export person", str(alice), "ada@shop.example"),
    ]
    for statement in (
        "UPDATE metrics_audit SET actor = 'nobody'",
        "DELETE FROM metrics_audit",
        "TRUNCATE metrics_audit",
    ):
        with database.write() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege, match="only added to"):
            connection.execute(statement)
