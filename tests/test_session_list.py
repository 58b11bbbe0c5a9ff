"""The list of sessions is what a recount finds for every filter, and shows nothing that nobody may see."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from metrics.choices import INTERVALS, ChoiceError
from metrics.database import Database
from metrics.session_list import (
    REASONS,
    STATES,
    WHO,
    SessionQuery,
    count_all_sessions,
    export_sessions,
    list_all_sessions,
    list_end_reasons,
    list_session_options,
)
from metrics.sessions import Session, list_sessions
from metrics.statistics import get_statistics
from metrics.viewer import NotAllowed, Viewer
from tests.conftest import Server
from tests.recount import Row, get_duration, get_end
from tests.recount_periods import list_sessions_of
from tests.shop import Shop, open_shop
from tests.test_sessions import add_session

HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
BEN = Viewer("ben@shop.example", "analyst")
QUERIES = [
    *(SessionQuery(interval=interval, include_bots=bots) for interval in INTERVALS for bots in (False, True)),
    *(SessionQuery(interval="monthly", state=state) for state in STATES),
    *(SessionQuery(reason=reason) for reason in REASONS),
    *(SessionQuery(interval="weekly", who=who) for who in WHO),
    *(SessionQuery(device=device) for device in ("mobile", "Unknown", "unknown", "fridge")),
    *(SessionQuery(browser=browser) for browser in ("Opera Mini", "Unknown")),
    *(SessionQuery(country=country, include_bots=True) for country in ("Tanzania", "Unknown")),
    SessionQuery("monthly", "ended", "timeout", "mobile", "Chrome", "Tanzania", "customers", True),
    SessionQuery("all", "active", "sign_out"),
]


@pytest.fixture(scope="module", name="shop")
def fixture_shop(embedded_server: Server) -> Iterator[Shop]:
    with open_shop(embedded_server) as shop:
        yield shop


def get_reason(row: Row, as_of: datetime) -> str | None:
    """Why it ended, None while active: silence is a timeout, an end without a reason is unknown."""
    if get_end(row, as_of) is None:
        return None
    return "timeout" if row["ended_at"] is None else row["end_reason"] or "unknown"


def is_wanted(row: Row, query: SessionQuery, as_of: datetime) -> bool:
    reason = get_reason(row, as_of)
    return all(
        (
            query.state == "all" or (reason is None) == (query.state == "active"),
            query.reason in ("all", reason),
            query.device is None or (row["device_type"] or "Unknown").lower() == query.device.lower(),
            query.browser is None or (row["browser_name"] or "Unknown") == query.browser,
            query.country is None or (row["country"] or "Unknown") == query.country,
            query.who == "all" or (row["user_id"] is None) == (query.who == "guests"),
        )
    )


def list_expected(shop: Shop, query: SessionQuery) -> list[Row]:
    """The latest start first; of two that began together, the higher id."""
    rows = list_sessions_of(shop.base, query.interval, shop.as_of, query.include_bots)
    wanted = [row for row in rows if is_wanted(row, query, shop.as_of)]
    return sorted(wanted, key=lambda row: (row["started_at"], row["id"]), reverse=True)


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_it_works(shop: Shop, ada: Viewer, query: SessionQuery) -> None:
    """Page after page, every filter, its count and its file."""
    expected = list_expected(shop, query)
    found = []
    for page in range(1, len(expected) // 90 + 2):
        found += list_all_sessions(shop.database, ada, query, as_of=shop.as_of, limit=90, page=page)
    assert [one.id for one in found] == [row["id"] for row in expected]
    assert count_all_sessions(shop.database, ada, query, as_of=shop.as_of) == len(expected)
    names = {user["id"]: user for user in shop.base.users}
    for one, row in zip(found, expected, strict=True):
        reason = get_reason(row, shop.as_of)
        duration = get_duration(row, shop.as_of)
        assert (one.ended_at, one.is_active) == (get_end(row, shop.as_of), reason is None)
        assert one.end_reason == (None if reason == "unknown" else reason)
        assert one.duration_seconds == (None if duration is None else pytest.approx(duration.total_seconds()))
        assert (one.user_id, one.country, one.is_bot) == (row["user_id"], row["country"], row["is_bot"])
        first_name = names[one.user_id]["first_name"] if one.user_id else None
        assert (one.full_name is None) == (one.user_id is None)
        assert not first_name or first_name in str(one.full_name)
    file = b"".join(export_sessions(shop.database, ada, query, as_of=shop.as_of)).decode()
    lines = list(csv.DictReader(io.StringIO(file, newline="")))
    assert [line["session_id"] for line in lines] == [str(row["id"]) for row in expected]
    assert [line["active"] for line in lines] == [str(one.is_active).lower() for one in found]


@pytest.mark.parametrize("bots", [False, True])
@pytest.mark.parametrize("interval", INTERVALS)
def test_its_numbers_are_those_of_the_cards(shop: Shop, ada: Viewer, interval: str, bots: bool) -> None:
    asked: dict[str, Any] = {"as_of": shop.as_of, "include_bots": bots}
    card = get_statistics(shop.database, ada, interval, **asked)

    def count(**words: Any) -> int:
        query = SessionQuery(interval=interval, include_bots=bots, **words)
        return count_all_sessions(shop.database, ada, query, as_of=shop.as_of)

    assert count() == card.total_sessions
    assert (count(state="active"), count(state="ended")) == (card.active_sessions, card.ended_sessions)
    assert count(who="guests") == card.guest_sessions
    reasons = list_end_reasons(shop.database, ada, interval, **asked)
    assert sum(one.sessions for one in reasons) == card.ended_sessions
    for one in reasons:
        assert count(reason=one.reason) == one.sessions


@pytest.mark.parametrize("interval", INTERVALS)
def test_its_reasons_are_a_recount(shop: Shop, ada: Viewer, interval: str) -> None:
    rows = list_sessions_of(shop.base, interval, shop.as_of)
    expected = Counter(reason for row in rows if (reason := get_reason(row, shop.as_of)))
    found = list_end_reasons(shop.database, ada, interval, as_of=shop.as_of)
    ranked = sorted(expected.items(), key=lambda item: (-item[1], item[0]))
    assert [(one.reason, one.sessions) for one in found] == ranked
    assert [one.share for one in found] == [pytest.approx(count / expected.total()) for _, count in ranked]


def test_its_window_is_half_open(database: Database, ada: Viewer) -> None:
    now = database.now()
    day = timedelta(days=1)
    for age in (-TICK, timedelta(0), TICK, day - TICK, day, day + TICK):
        add_session(database, None, f"edge{age}", now - age)
    query = SessionQuery("daily")
    found = list_all_sessions(database, ada, query, as_of=now)
    assert [now - one.started_at for one in found] == [TICK, day - TICK, day]
    assert count_all_sessions(database, ada, query, as_of=now) == 3


def test_its_pages_neither_overlap_nor_skip(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    for number in range(45):  # nine starts, each shared by five
        add_session(database, alice if number % 2 else None, f"s{number}", now - HOUR * (number % 9 + 1))
    query = SessionQuery()
    pages = [list_all_sessions(database, ada, query, as_of=now, page=page) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [20, 20, 5, 0]
    assert len({one.id for page in pages for one in page}) == 45


def test_it_counts_up_to_a_limit(database: Database, ada: Viewer, alice: UUID) -> None:
    for number in range(4):
        add_session(database, alice, f"s{number}", database.now() - HOUR)
    for most, count in ((5, 4), (4, 4), (3, 4), (2, 3)):
        assert count_all_sessions(database, ada, SessionQuery(), most=most) == count
    assert count_all_sessions(database, ada, SessionQuery(), most=None) == 4


def test_it_shows_a_session_as_the_customer_page_does(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    more = {"ip_address": "196.249.97.33", "city": "Arusha", "landing_page": "/x", "browser_version": "120"}
    add_session(database, alice, "secret-tracker-id", now - HOUR, **more)
    [listed] = list_all_sessions(database, ada, SessionQuery(), as_of=now)
    [own] = list_sessions(database, ada, alice, as_of=now)
    assert {field.name: getattr(listed, field.name) for field in fields(Session)} == {
        field.name: getattr(own, field.name) for field in fields(Session)
    }
    assert listed.full_name == "Alice Mushi"
    assert listed.ip_address == "196.249.xxx.xxx"
    file = b"".join(export_sessions(database, ada, SessionQuery(), as_of=now))
    assert file == b"".join(export_sessions(database, ada, SessionQuery(user_id=alice), as_of=now))
    for secret in ("secret-tracker-id", "97.33"):
        assert secret not in f"{listed} {file!r}"


def test_an_analyst_sees_no_contact_that_stands_for_a_name(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    with database.write() as connection:
        connection.execute("UPDATE users SET first_name = NULL, last_name = ' ' WHERE id = %s", (alice,))
    add_session(database, alice, "s", now - HOUR)
    for viewer, name in ((ada, "alice@example.co.tz"), (BEN, "a•••@example.co.tz")):
        [session] = list_all_sessions(database, viewer, SessionQuery(), as_of=now)
        assert session.full_name == name
    hidden = replace(ada, reveals=False)
    assert "alice@" not in str(list_all_sessions(database, hidden, SessionQuery(), as_of=now))
    assert b"alice@" not in b"".join(export_sessions(database, BEN, SessionQuery(), as_of=now))


def test_it_offers_what_the_latest_sessions_have(database: Database, ada: Viewer) -> None:
    now = database.now()
    makes = [("mobile", "Chrome", "Tanzania"), ("unknown", "Safari", " "), (None, None, None), ("bot", "x", "Kenya")]
    for number, (device, browser, country) in enumerate(makes):
        add_session(database, None, f"s{number}", now - HOUR, device_type=device, browser_name=browser, country=country)
    options = list_session_options(database, ada)
    assert options.devices == ("bot", "mobile", "unknown")
    assert set(options.browsers) == {"Chrome", "Safari", "Unknown", "x"}
    assert options.countries == ("Kenya", "Tanzania", "Unknown")
    counts = [count_all_sessions(database, ada, SessionQuery(device=device)) for device in options.devices]
    assert counts == [1, 1, 2]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("interval", "use all, daily, weekly or monthly"),
        ("state", "use all, active or ended"),
        ("reason", "use all, sign_out, user_switch, page_hide, gone, lost, timeout, cap, reported or unknown"),
        ("who", "use all, customers or guests"),
    ],
)
def test_it_refuses_what_is_no_choice(word: str, sentence: str) -> None:
    with pytest.raises(ChoiceError, match=f"{word} is 'x': {sentence}"):
        SessionQuery(**{word: "x"})


def test_nobody_reads_without_a_viewer(database: Database) -> None:
    stranger: Any = "ada@shop.example"
    for read_it in (
        lambda: list_all_sessions(database, stranger, SessionQuery()),
        lambda: count_all_sessions(database, stranger, SessionQuery()),
        lambda: list_end_reasons(database, stranger, "all"),
        lambda: list_session_options(database, stranger),
        lambda: list(export_sessions(database, stranger, SessionQuery())),
    ):
        with pytest.raises(NotAllowed):
            read_it()


def test_an_empty_shop_has_no_sessions(database: Database, ada: Viewer) -> None:
    assert list_all_sessions(database, ada, SessionQuery()) == []
    assert count_all_sessions(database, ada, SessionQuery()) == 0
    assert list_end_reasons(database, ada, "all") == []
    assert list_session_options(database, ada).devices == ()
    assert b"".join(export_sessions(database, ada, SessionQuery())).count(b"\r\n") == 1
