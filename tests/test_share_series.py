"""Shares over time and places are what a recount finds, and add up to the Sessions card; retention takes none away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from metrics.choices import DIMENSIONS, INTERVALS, ChoiceError
from metrics.database import Database
from metrics.devices import (
    MOST_FAMILIES,
    OTHER,
    SharePoint,
    list_places,
    list_share_series,
    list_shares,
    list_versions,
)
from metrics.statistics import get_statistics
from metrics.viewer import NotAllowed, Viewer
from tests.conftest import Server
from tests.fold import fold
from tests.recount import Row, get_value
from tests.recount_periods import list_sessions_of
from tests.shop import Shop, fill_shop, open_shop
from tests.test_sessions import add_session

DAR, KATHMANDU = ZoneInfo("Africa/Dar_es_Salaam"), ZoneInfo("Asia/Kathmandu")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(scope="module", name="shop")
def fixture_shop(embedded_server: Server) -> Iterator[Shop]:
    with open_shop(embedded_server) as shop:
        yield shop


def move(database: Database, zone: ZoneInfo) -> Database:
    """The same database for a shop elsewhere."""
    return Database(replace(database.settings, timezone=zone.key), database.url)


def get_bucket(moment: datetime, bucket: str, zone: ZoneInfo) -> datetime:
    local = moment.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    if bucket == "hour":
        return local
    return local.replace(hour=0, day=1) if bucket == "month" else local.replace(hour=0)


def rank_families(sessions: list[Row], dimension: str) -> list[str]:
    """The largest first; of two that tie, the first by name."""
    counts = Counter(get_value(row, dimension) for row in sessions)
    return sorted(counts, key=lambda value: (-counts[value], value))


@pytest.mark.parametrize("zone", [DAR, KATHMANDU], ids=str)
@pytest.mark.parametrize("bots", [False, True])
@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_its_series_is_a_recount(
    shop: Shop, ada: Viewer, dimension: str, interval: str, bots: bool, zone: ZoneInfo
) -> None:
    database = move(shop.database, zone)
    asked: dict[str, Any] = {"as_of": shop.as_of, "include_bots": bots}
    sessions = list_sessions_of(shop.base, interval, shop.as_of, bots)
    bucket = INTERVALS[interval].bucket
    expected = Counter((get_bucket(row["started_at"], bucket, zone), get_value(row, dimension)) for row in sessions)
    points = list_share_series(database, ada, dimension, interval, **asked)
    assert {(one.bucket_at, one.value): one.sessions for one in points if one.sessions} == dict(expected)
    families = rank_families(sessions, dimension)
    buckets = sorted({one.bucket_at for one in points})
    assert [(one.bucket_at, one.value) for one in points] == [(at, value) for at in buckets for value in families]
    assert sum(one.sessions for one in points) == get_statistics(database, ada, interval, **asked).total_sessions
    for at in buckets:
        here = [one for one in points if one.bucket_at == at]
        total = sum(one.sessions for one in here)
        for one in here:
            assert one.share == (pytest.approx(one.sessions / total) if total else None)
    database.close()


def add_families(database: Database, started_at: datetime, counts: dict[str, int]) -> None:
    for name, count in counts.items():
        for number in range(count):
            add_session(database, None, f"{name}{number}{started_at}", started_at, browser_name=name)


def get_line(points: list[SharePoint], value: str) -> list[tuple[int, float | None]]:
    return [(one.sessions, one.share) for one in points if one.value == value]


def test_it_gathers_all_but_the_largest(database: Database, ada: Viewer) -> None:
    """Six and more families: a tie goes to the first by name; one that is called like the rest is part of it."""
    now = database.now()
    add_families(database, now - HOUR, {"Other": 9, "A": 5, "B": 4, "C": 3, "D": 2, "F": 1, "E": 1, "G": 1})
    points = list_share_series(database, ada, "browser", "weekly", as_of=now)
    assert list(dict.fromkeys(one.value for one in points)) == [*"ABCDE", OTHER]
    assert len({one.value for one in points}) == MOST_FAMILIES + 1
    assert sum(sessions for sessions, _ in get_line(points, OTHER)) == 9 + 1 + 1
    assert sum(one.sessions for one in points) == 26


def test_its_hours_without_a_session_have_no_share(database: Database, ada: Viewer) -> None:
    now = database.now()
    add_families(database, now - 20 * HOUR, {"Chrome": 3, "Safari": 1})
    add_families(database, now - 2 * HOUR, {"Chrome": 2})
    points = list_share_series(database, ada, "browser", "daily", as_of=now)
    assert len({one.bucket_at for one in points}) in (24, 25)
    assert [line for line in get_line(points, "Chrome") if line[1] is not None] == [(3, 0.75), (2, 1.0)]
    assert [line for line in get_line(points, "Safari") if line[1] is not None] == [(1, 0.25), (0, 0.0)]


def test_its_window_is_half_open(database: Database, ada: Viewer) -> None:
    now = database.now()
    tick = timedelta(microseconds=1)
    for age in (-tick, timedelta(0), tick, DAY - tick, DAY, DAY + tick):
        add_session(database, None, f"edge{age}", now - age, country="Tanzania")
    points = list_share_series(database, ada, "device", "daily", as_of=now)
    assert sum(one.sessions for one in points) == 3
    assert [one.sessions for one in list_places(database, ada, "daily", as_of=now)] == [3]


def test_an_hour_that_comes_twice_loses_nothing(database: Database, ada: Viewer) -> None:
    """New York, 1 November 2026: half past one comes twice."""
    there = move(database, ZoneInfo("America/New_York"))
    as_of = datetime.fromisoformat("2026-11-01T20:00:00+00:00")
    for number, hour in enumerate((4, 5, 5, 6, 6, 6, 7)):
        add_session(database, None, f"s{number}", datetime.fromisoformat(f"2026-11-01T0{hour}:30:00+00:00"))
    points = list_share_series(there, ada, "device", "daily", as_of=as_of)
    assert sorted(one.sessions for one in points if one.sessions) == [1, 1, 2, 3]
    there.close()


def recount_places(sessions: list[Row], level: str) -> list[tuple[str, str | None, int]]:
    counts = Counter(
        (row["country"] or "Unknown", (row["city"] or "Unknown") if level == "city" else None) for row in sessions
    )
    ranked = sorted(counts, key=lambda place: (-counts[place], place[0], place[1] or ""))
    return [(*place, counts[place]) for place in ranked]


@pytest.mark.parametrize("bots", [False, True])
@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("level", ["country", "city"])
def test_its_places_are_a_recount(shop: Shop, ada: Viewer, level: Any, interval: str, bots: bool) -> None:
    asked: dict[str, Any] = {"as_of": shop.as_of, "include_bots": bots}
    places = list_places(shop.database, ada, interval, level, **asked)
    expected = recount_places(list_sessions_of(shop.base, interval, shop.as_of, bots), level)
    assert [(one.country, one.city, one.sessions) for one in places] == expected
    card = get_statistics(shop.database, ada, interval, **asked).total_sessions
    assert sum(one.sessions for one in places) == card
    for one in places:
        assert one.share == pytest.approx(one.sessions / card)


def test_an_empty_place_is_unknown(database: Database, ada: Viewer) -> None:
    now = database.now()
    for number, (country, city) in enumerate([("Tanzania", "Arusha"), ("", " "), (None, None), ("Kenya", "")]):
        add_session(database, None, f"s{number}", now - HOUR, country=country, city=city)
    places = list_places(database, ada, "daily", "city", as_of=now)
    found = [(one.country, one.city, one.sessions) for one in places]
    assert found == [("Unknown", "Unknown", 2), ("Kenya", "Unknown", 1), ("Tanzania", "Arusha", 1)]


def list_of_all_time(database: Database, ada: Viewer, as_of: datetime) -> dict[object, object]:
    """Everything of All Time that retention must leave as it was."""
    found: dict[object, object] = {}
    for bots in (False, True):
        asked: dict[str, Any] = {"as_of": as_of, "include_bots": bots}
        found["countries", bots] = list_places(database, ada, "all", "country", **asked)
        found["cities", bots] = list_places(database, ada, "all", "city", **asked)
        for dimension, row in DIMENSIONS.items():
            shares = list_shares(database, ada, dimension, "all", **asked)
            found[row, bots] = shares
            for share in shares:
                found[row, share.value, bots] = list_versions(database, ada, dimension, share.value, "all", **asked)
    return found


@pytest.mark.parametrize("is_folded", [False, True])
def test_all_time_does_not_shrink_when_retention_removes_rows(database: Database, ada: Viewer, is_folded: bool) -> None:
    now = database.now()
    with database.write() as connection:
        fill_shop(connection, now)
    if is_folded:
        fold(database)
    before = list_of_all_time(database, ada, now)
    weekly = list_shares(database, ada, "browser", "weekly", as_of=now)
    with database.write() as connection:
        statement = "SELECT * FROM metrics_prune_sessions(%s, %s, 100000)"
        assert connection.execute(statement, (now - 20 * DAY, database.settings.timezone)).fetchall()
    for _ in range(2):
        assert database.is_folded(now) == is_folded
        assert list_of_all_time(database, ada, now) == before
        # A window has what is left of it, and nothing that was pruned.
        assert list_shares(database, ada, "browser", "weekly", as_of=now) == weekly
        with database.write() as connection:
            row = connection.execute(
                "SELECT count(*) FROM user_sessions WHERE NOT is_bot AND started_at < %s", (now,)
            ).fetchone()
        points = list_share_series(database, ada, "os", "all", as_of=now)
        assert row == (sum(one.sessions for one in points),)
        if is_folded:
            fold(database)


def test_an_empty_shop_has_no_lines_and_no_places(database: Database, ada: Viewer) -> None:
    for interval in INTERVALS:
        assert list_share_series(database, ada, "device", interval) == []
        assert list_places(database, ada, interval) == []
        assert list_places(database, ada, interval, "city") == []


def test_it_refuses_what_is_no_choice(database: Database, ada: Viewer) -> None:
    with pytest.raises(ChoiceError, match="dimension is 'size': use device, browser or os"):
        list_share_series(database, ada, "size", "all")
    with pytest.raises(ChoiceError, match="interval is 'yearly'"):
        list_places(database, ada, "yearly")


def test_nobody_reads_without_a_viewer(database: Database) -> None:
    stranger: Any = None
    with pytest.raises(NotAllowed):
        list_share_series(database, stranger, "device", "all")
    with pytest.raises(NotAllowed):
        list_places(database, stranger, "all")
