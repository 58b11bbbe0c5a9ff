"""Sessions as they are read: plain inserts, shared ids, stale and odd times, masked addresses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from metrics.customers import CustomerQuery, get_customer, list_customers
from metrics.database import Database
from metrics.session_list import export_sessions
from metrics.sessions import (
    Session,
    count_online,
    count_sessions,
    list_recent_sessions,
    list_sessions,
)
from metrics.statistics import get_statistics
from metrics.viewer import NotAllowed, Viewer

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def add_session(database: Database, user_id: UUID | None, session_id: str, started_at: datetime, **more: Any) -> None:
    columns = {"session_id": session_id, "user_id": user_id, "started_at": started_at, **more}
    with database.write() as connection:
        connection.execute(
            f"INSERT INTO user_sessions ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
            list(columns.values()),
        )


def get_only(database: Database, ada: Viewer, user_id: UUID, as_of: datetime) -> Session:
    [session] = list_sessions(database, ada, user_id, as_of=as_of)
    return session


def test_it_works_with_the_reference_columns_alone(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    add_session(database, alice, "plain", now - 10 * MINUTE)
    session = get_only(database, ada, alice, now)
    assert (session.user_id, session.started_at) == (alice, now - 10 * MINUTE)
    assert session.is_active
    assert (session.ended_at, session.duration_seconds) == (None, None)
    assert (session.device_type, session.browser_name, session.os_name) == ("Unknown",) * 3
    assert session.ip_address is None
    assert not session.is_bot
    customer = get_customer(database, ada, alice, interval="daily", as_of=now)
    assert (customer.total_sessions, customer.sessions_in_period) == (1, 1)
    assert (customer.last_login, customer.is_active) == (now - 10 * MINUTE, True)


def test_two_customers_may_share_a_session_id(database: Database, ada: Viewer, alice: UUID, bob: UUID) -> None:
    """The legacy tracker keeps its id when the person changes: guest, Alice, then Bob."""
    now = database.now()
    for person in (None, alice, bob):
        add_session(database, person, "shared", now - HOUR)
    add_session(database, bob, "own", now - 2 * HOUR)
    recent = list_recent_sessions(database, ada, [alice, bob], as_of=now)
    assert [len(recent[alice]), len(recent[bob])] == [1, 2]
    ids = [session.id for sessions in recent.values() for session in sessions]
    assert len(set(ids)) == 3
    page = list_customers(database, ada, CustomerQuery(), as_of=now)
    assert [(one.id, one.total_sessions) for one in page.customers] == [(bob, 2), (alice, 1)]
    statistics = get_statistics(database, ada, "daily", as_of=now)
    assert (statistics.total_sessions, statistics.guest_sessions) == (4, 1)


def test_a_stale_open_session_ended_at_its_last_activity(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    add_session(database, alice, "stale", now - 3 * HOUR, last_activity_at=now - 2 * HOUR)
    session = get_only(database, ada, alice, now)
    assert (session.is_active, session.ended_at, session.duration_seconds) == (False, now - 2 * HOUR, 3600)
    assert not get_customer(database, ada, alice, as_of=now).is_active


def test_a_stale_session_without_activity_ended_at_its_start(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    add_session(database, alice, "stale", now - 3 * HOUR)
    session = get_only(database, ada, alice, now)
    assert (session.is_active, session.ended_at, session.duration_seconds) == (False, now - 3 * HOUR, 0)


@pytest.mark.parametrize(("age", "is_active"), [(30 * MINUTE, False), (30 * MINUTE - MINUTE / 60, True)])
def test_it_times_out_after_exactly_thirty_minutes(
    database: Database, ada: Viewer, alice: UUID, age: timedelta, is_active: bool
) -> None:
    now = database.now()
    add_session(database, alice, "edge", now - HOUR, last_activity_at=now - age)
    session = get_only(database, ada, alice, now)
    assert session.is_active is is_active
    assert session.ended_at == (None if is_active else now - age)
    statistics = get_statistics(database, ada, "daily", as_of=now)
    assert (statistics.active_sessions, statistics.ended_sessions) == (int(is_active), int(not is_active))


def test_a_stored_end_is_never_reinterpreted(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    add_session(database, alice, "s", now - 9 * HOUR, last_activity_at=now - 8 * HOUR, ended_at=now - 5 * HOUR)
    session = get_only(database, ada, alice, now)
    assert (session.ended_at, session.duration_seconds) == (now - 5 * HOUR, 4 * 3600)


@pytest.mark.parametrize(
    ("length", "seconds"),
    [(-HOUR, 0), (timedelta(0), 0), (timedelta(seconds=59.5), 59.5), (24 * HOUR, 86400), (25 * HOUR, 86400)],
)
def test_a_duration_stays_between_nothing_and_the_cap(
    database: Database, ada: Viewer, alice: UUID, length: timedelta, seconds: float
) -> None:
    now = database.now()
    started = now - 30 * HOUR
    add_session(database, alice, "long", started, ended_at=started + length)
    assert get_only(database, ada, alice, now).duration_seconds == seconds
    statistics = get_statistics(database, ada, "weekly", as_of=now)
    assert statistics.closed_sessions == 1
    assert statistics.avg_duration_seconds == seconds


def test_an_average_is_over_closed_sessions_only(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    add_session(database, alice, "closed", now - 2 * HOUR, ended_at=now - HOUR)
    add_session(database, alice, "active", now - MINUTE)
    statistics = get_statistics(database, ada, "daily", as_of=now)
    assert (statistics.total_sessions, statistics.closed_sessions) == (2, 1)
    assert statistics.avg_duration_seconds == 3600
    assert (statistics.median_duration_seconds, statistics.p90_duration_seconds) == (3600, 3600)


def test_an_empty_shop_has_no_rates(database: Database, ada: Viewer) -> None:
    statistics = get_statistics(database, ada, "all")
    assert (statistics.total_users, statistics.total_sessions, statistics.closed_sessions) == (0, 0, 0)
    assert (statistics.end_rate_percent, statistics.explicit_end_rate_percent) == (None, None)
    assert (statistics.avg_duration_seconds, statistics.p90_duration_seconds) == (None, None)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("196.249.97.33", "196.249.xxx.xxx"),
        ("10.0.0.1", "10.0.xxx.xxx"),
        ("196.249.97.0/24", "196.249.xxx.xxx"),
        (None, None),
    ],
)
def test_it_masks_an_address(
    database: Database, ada: Viewer, alice: UUID, stored: str | None, shown: str | None
) -> None:
    now = database.now()
    add_session(database, alice, "ip", now - HOUR, ip_address=stored)
    assert get_only(database, ada, alice, now).ip_address == shown
    file = b"".join(export_sessions(database, ada)).decode()
    assert stored is None or stored.partition("/")[0] not in file


@pytest.mark.parametrize(
    ("stored", "groups"),
    [
        ("2001:db8:77:88:aa:bb:cc:dd", ["2001", "db8"]),
        ("2001:db8::5", ["2001", "db8"]),
        ("2001:db8:77::/48", ["2001", "db8"]),
        ("fe80::77", ["fe80", "0"]),
        ("::77", ["0", "0"]),
        ("2001::77:88", ["2001", "0"]),
        ("::ffff:196.249.97.33", None),
    ],
)
def test_it_masks_a_long_address(
    database: Database, ada: Viewer, alice: UUID, stored: str, groups: list[str] | None
) -> None:
    """The first two groups stay; nothing after them does, however the address is abbreviated."""
    now = database.now()
    add_session(database, alice, "ip", now - HOUR, ip_address=stored)
    shown = get_only(database, ada, alice, now).ip_address
    assert shown is not None
    assert "xxx" in shown
    for secret in ("77", "88", "aa", "dd", "97", "33"):
        assert secret not in shown
    if groups:
        first, second, rest = shown.split(":", 2)
        assert [int(first or "0", 16), int(second or "0", 16)] == [int(group, 16) for group in groups]
        assert not set(rest) - set("x:…")


def test_its_pages_neither_overlap_nor_skip(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    for number in range(45):  # nine starts, each shared by five
        add_session(database, alice, f"s{number}", now - HOUR * (number % 9 + 1))
    pages = [list_sessions(database, ada, alice, as_of=now, limit=20, page=page) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [20, 20, 5, 0]
    found = [session for page in pages for session in page]
    assert len({session.id for session in found}) == 45 == count_sessions(database, ada, alice)
    starts = [session.started_at for session in found]
    assert starts == sorted(starts, reverse=True)
    recent = list_recent_sessions(database, ada, [alice], as_of=now, limit=7)
    assert [session.id for session in recent[alice]] == [session.id for session in found[:7]]


def test_it_counts_a_person_online_once(database: Database, ada: Viewer, alice: UUID, bob: UUID) -> None:
    now = database.now()
    add_session(database, alice, "phone", now - HOUR, last_activity_at=now - MINUTE)
    add_session(database, alice, "laptop", now - HOUR, last_activity_at=now - 5 * MINUTE)
    add_session(database, bob, "away", now - HOUR, last_activity_at=now - 6 * MINUTE)
    add_session(database, bob, "left", now - HOUR, last_activity_at=now - MINUTE, ended_at=now - MINUTE)
    add_session(database, None, "guest", now - MINUTE)
    add_session(database, None, "crawler", now - MINUTE, is_bot=True)
    online = count_online(database, ada, as_of=now)
    assert (online.customers, online.guests) == (1, 1)


def test_a_bot_is_in_no_number(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    add_session(database, alice, "bot", now - MINUTE, is_bot=True)
    customer = get_customer(database, ada, alice, as_of=now)
    assert (customer.total_sessions, customer.last_login, customer.is_active) == (0, None, False)
    statistics = get_statistics(database, ada, "daily", as_of=now)
    assert (statistics.total_sessions, statistics.bot_sessions) == (0, 1)
    shown = get_statistics(database, ada, "daily", as_of=now, include_bots=True)
    assert (shown.total_sessions, shown.active_sessions) == (1, 1)


def test_nobody_reads_without_a_viewer(database: Database, alice: UUID) -> None:
    stranger: Any = "ada@shop.example"
    for read in (
        lambda: list_sessions(database, stranger, alice),
        lambda: count_sessions(database, stranger, alice),
        lambda: list_recent_sessions(database, stranger, [alice]),
        lambda: count_online(database, stranger),
        lambda: list(export_sessions(database, stranger)),
    ):
        with pytest.raises(NotAllowed):
            read()
