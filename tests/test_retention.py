"""Retention takes the detail of old sessions and not one count of all time; archives hold what left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pyarrow.parquet
import pytest

from metrics.audit import list_audit
from metrics.customers import CustomerQuery, get_customer, list_customers
from metrics.database import Database
from metrics.rebuild import rebuild
from metrics.retention import Pruner, count_prunable, get_retention, prune_sessions
from metrics.sessions import list_sessions
from metrics.statistics import get_statistics
from metrics.viewer import NotAllowed, Viewer
from tests.conftest import Server
from tests.fold import EVERY, Snapshot, answer, find_differences, fold
from tests.recount import count_customers, read_base
from tests.shop import fill_shop
from tests.test_sessions import add_session
from tests.test_summary import find_differences as find_drift
from tests.test_summary import list_summaries

# Old enough that no window, nor the one before it, holds what leaves.
DAYS = 61
LISTS = [CustomerQuery("all", sort, order) for sort in ("sessions", "last_login") for order in ("desc", "asc")]
ADA = Viewer("ada@shop.example", "admin")
BEN = Viewer("ben@shop.example", "analyst")


@pytest.fixture(params=["embedded_server", "debian_server"])
def shop(request: pytest.FixtureRequest) -> Iterator[Database]:
    server: Server = request.getfixturevalue(request.param)
    url = server.create_database()
    opened = Database(replace(server.settings, database_url=url), url)
    with opened.write() as connection:
        fill_shop(connection, opened.now())
    yield opened
    opened.close()
    server.drop_database(url)


def ask(database: Database, as_of: datetime) -> dict[object, object]:
    """Every answer, by counting the rows."""
    snapshot = Snapshot(database)
    with snapshot.hold():
        found = answer(snapshot, as_of, LISTS)
    # A bot that came signed in is counted among customers of a month only while its session is there.
    found.pop(("lines", "all", True))
    return found


def test_it_changes_no_answer_but_the_detail(shop: Database) -> None:
    as_of = shop.now()
    before = ask(shop, as_of)
    expected = count_prunable(shop, ADA, days=DAYS)
    pruned = prune_sessions(shop, ADA, days=DAYS)
    assert pruned.sessions == expected.sessions > 100
    assert ask(shop, as_of) == before
    with shop.write() as connection:
        row = connection.execute(
            "SELECT count(*) FROM user_sessions WHERE started_at < %s AND COALESCE(ended_at, last_activity_at,"
            " started_at) < %s",
            [pruned.until, pruned.until],
        ).fetchone()
    assert row == (0,)
    assert prune_sessions(shop, ADA, days=DAYS).sessions == 0


def test_what_is_kept_of_periods_agrees_before_and_after_a_fold(shop: Database) -> None:
    fold(shop)
    prune_sessions(shop, ADA, days=DAYS)
    assert not find_differences(shop, EVERY[::19])
    fold(shop)
    assert not find_differences(shop, EVERY[::19])
    with shop.write() as connection:
        connection.execute("UPDATE metrics_fold SET folded_until = NULL")
    fold(shop)
    assert not find_differences(shop, EVERY[::19])


def test_it_goes_on_counting_afterwards(shop: Database) -> None:
    """What comes, changes and goes after a purge moves every count by exactly that."""
    prune_sessions(shop, ADA, days=DAYS)
    before = list_customers(shop, ADA, CustomerQuery(), limit=1).customers[0]
    add_session(shop, before.id, "new", shop.now(), ended_at=shop.now())
    assert get_customer(shop, ADA, before.id).total_sessions == before.total_sessions + 1
    with shop.write() as connection:
        connection.execute("DELETE FROM user_sessions WHERE user_id = %s", [before.id])
        [kept] = connection.execute(
            "SELECT COALESCE(sum(sessions), 0) FROM metrics_pruned_customers WHERE user_id = %s AND NOT is_bot",
            [before.id],
        ).fetchall()
    assert get_customer(shop, ADA, before.id).total_sessions == kept[0]
    rebuild(shop)
    assert get_customer(shop, ADA, before.id).total_sessions == kept[0]
    assert not find_differences(shop, LISTS)


def test_a_rebuild_counts_what_left(shop: Database) -> None:
    with shop.write() as connection:
        expected = count_customers(read_base(connection), "all", shop.now())
    prune_sessions(shop, ADA, days=DAYS)
    with shop.write() as connection:
        connection.execute("UPDATE user_activity_summary SET total_sessions = 0, last_login_at = NULL")
    rebuild(shop)
    with shop.write() as connection:
        assert not find_drift(expected, list_summaries(connection))


def test_an_analyst_may_not(database: Database) -> None:
    with pytest.raises(NotAllowed, match="is for admins"):
        prune_sessions(database, BEN)


def test_an_open_session_that_lives_stays(database: Database, alice: UUID) -> None:
    now = database.now()
    add_session(database, alice, "old", now - timedelta(days=100), last_activity_at=now)
    add_session(database, alice, "silent", now - timedelta(days=100), last_activity_at=now - timedelta(days=100))
    assert prune_sessions(database, ADA).sessions == 1
    assert [session.is_active for session in list_sessions(database, ADA, alice)] == [True]


def test_exactly_the_age_stays(database: Database, alice: UUID) -> None:
    """Older than the shop keeps them leaves; the edge belongs to those that stay."""
    now = database.now()
    for name, age in (("in", timedelta(days=90) - timedelta(minutes=1)), ("out", timedelta(days=90))):
        add_session(database, alice, name, now - age, ended_at=now - age)
    assert prune_sessions(database, ADA).sessions == 1
    assert get_statistics(database, ADA, "all").total_sessions == 2


def test_it_says_how_far_it_is_and_who_did_it(database: Database, alice: UUID) -> None:
    assert get_retention(database, ADA).kept_since is None
    now = database.now()
    add_session(database, alice, "old", now - timedelta(days=100), ended_at=now - timedelta(days=100))
    until = prune_sessions(database, ADA).until
    retention = get_retention(database, ADA)
    assert (retention.kept_since, retention.total_pruned) == (until, 1)
    [deed] = list_audit(database, ADA)
    assert (deed.actor, deed.action, deed.total_rows) == ("ada@shop.example", "prune", 1)


def test_the_endpoint_does_it_by_itself(database: Database, alice: UUID) -> None:
    now = database.now()
    for number in range(3):
        add_session(database, alice, f"s{number}", now - timedelta(days=91), ended_at=now - timedelta(days=91))
    assert asyncio.run(Pruner(database.settings, database.url).do()) == 3
    assert asyncio.run(Pruner(database.settings, database.url).do()) == 0
    assert [deed.actor for deed in list_audit(database, ADA)] == ["retention"]


def test_an_archive_holds_what_left(database: Database, alice: UUID, tmp_path: Path) -> None:
    old = database.now() - timedelta(days=100)
    add_session(
        database,
        alice,
        "the tracker's own id",
        old,
        ended_at=old + timedelta(minutes=5),
        ip_address="196.249.97.33",
        user_agent="=cmd()",
    )
    add_session(database, None, "a guest's", old)
    pruned = prune_sessions(database, ADA, archive=tmp_path / "archive")
    rows = [row for file in pruned.files for row in pyarrow.parquet.read_table(file).to_pylist()]
    assert {row["user_id"] for row in rows} == {str(alice), None}
    [hers] = [row for row in rows if row["user_id"]]
    assert hers["started_at"] == old
    assert hers["ip_address"] == "196.249.xxx.xxx"
    assert hers["user_agent"] == "=cmd()"
    assert not any("the tracker's own id" in str(row) for row in rows)
    assert not list((tmp_path / "archive").glob("*.part"))


def test_a_batch_whose_archive_fails_stays(database: Database, alice: UUID, tmp_path: Path) -> None:
    old = database.now() - timedelta(days=100)
    add_session(database, alice, "s", old, ended_at=old)
    (tmp_path / "archive").write_text("a file where the folder should be")
    with pytest.raises(FileExistsError):
        prune_sessions(database, ADA, archive=tmp_path / "archive")
    assert len(list_sessions(database, ADA, alice)) == 1
    assert get_customer(database, ADA, alice).total_sessions == 1


def test_a_row_that_a_beacon_holds_waits_for_the_next_run(database: Database, alice: UUID) -> None:
    old = database.now() - timedelta(days=100)
    add_session(database, alice, "held", old, ended_at=old)
    add_session(database, alice, "free", old, ended_at=old)
    with psycopg.connect(database.url) as beacon:
        beacon.execute("SELECT 1 FROM user_sessions WHERE session_id = 'held' FOR UPDATE")
        assert prune_sessions(database, ADA).sessions == 1
    assert prune_sessions(database, ADA).sessions == 1
