"""The hours of the week are what a recount finds, add up to the Sessions card, and are the same from what is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from metrics.choices import INTERVALS, ChoiceError
from metrics.database import Database
from metrics.rhythm import Hour, list_hours
from metrics.statistics import get_statistics
from metrics.viewer import NotAllowed, Viewer
from tests.conftest import Server
from tests.fold import Snapshot, fold
from tests.operations import Operations
from tests.recount_periods import list_sessions_of
from tests.shop import Shop, fill_shop, open_shop
from tests.test_pages import OpenPage, fixture_open_page, read
from tests.test_sessions import add_session

ZONES = ("Africa/Dar_es_Salaam", "Asia/Kathmandu", "America/New_York")
WEEK = [(weekday, hour) for weekday in range(1, 8) for hour in range(24)]
__all__ = ["fixture_open_page"]


@pytest.fixture(scope="module", name="shop")
def fixture_shop(embedded_server: Server) -> Iterator[Shop]:
    with open_shop(embedded_server) as shop:
        yield shop


def move(database: Database, zone: str) -> Database:
    """The same database for a shop elsewhere."""
    return Database(replace(database.settings, timezone=zone), database.url)


def list_busy(hours: list[Hour]) -> dict[tuple[int, int], int]:
    return {(one.weekday, one.hour): one.sessions for one in hours if one.sessions}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("bots", [False, True])
@pytest.mark.parametrize("interval", INTERVALS)
def test_it_works(shop: Shop, ada: Viewer, interval: str, bots: bool, zone: str) -> None:
    database = move(shop.database, zone)
    asked: dict[str, Any] = {"as_of": shop.as_of, "include_bots": bots}
    hours = list_hours(database, ada, interval, **asked)
    starts = [
        row["started_at"].astimezone(ZoneInfo(zone)) for row in list_sessions_of(shop.base, interval, shop.as_of, bots)
    ]
    assert [(one.weekday, one.hour) for one in hours] == WEEK
    assert list_busy(hours) == dict(Counter((start.isoweekday(), start.hour) for start in starts))
    assert sum(one.sessions for one in hours) == get_statistics(database, ada, interval, **asked).total_sessions
    database.close()


def test_its_week_is_local(database: Database, ada: Viewer) -> None:
    """Sunday 20:30 in Greenwich is Sunday 23:30 in Dar es Salaam and Monday 02:15 in Kathmandu."""
    as_of = datetime.fromisoformat("2026-11-16T12:00:00+00:00")
    add_session(database, None, "s", datetime.fromisoformat("2026-11-15T20:30:00+00:00"))
    for zone, cell in zip(ZONES, [(7, 23), (1, 2), (7, 15)], strict=True):
        there = move(database, zone)
        assert list_busy(list_hours(there, ada, "daily", as_of=as_of)) == {cell: 1}
        there.close()


def test_its_window_is_half_open(database: Database, ada: Viewer) -> None:
    now = database.now()
    tick, day = timedelta(microseconds=1), timedelta(days=1)
    for age in (-tick, timedelta(0), tick, day - tick, day, day + tick):
        add_session(database, None, f"edge{age}", now - age)
    assert sum(one.sessions for one in list_hours(database, ada, "daily", as_of=now)) == 3


@pytest.mark.parametrize("zone", ZONES)
def test_it_is_the_same_from_what_is_kept(any_database: Database, ada: Viewer, zone: str) -> None:
    """Before and after the fold's moment, on whole hours and between them, with changes that no fold has seen."""
    database = move(any_database, zone)
    with database.write() as connection:
        fill_shop(connection, database.now())
    fold(database)
    with database.write() as connection:
        operations = Operations(connection, 7, database.now())
        for kind in ("insert", "bulk_insert", "change_time", "delete"):
            operations.do(kind, "user_sessions")
    snapshot = Snapshot(database)
    with snapshot.hold():
        now = snapshot.now()
        whole = now.replace(minute=0, second=0, microsecond=0)
        moments = [now, now - timedelta(minutes=12), now + timedelta(minutes=12), whole, whole + timedelta(minutes=15)]
        used = 0
        for as_of, interval, bots in product(moments, INTERVALS, (False, True)):
            snapshot.uses_fold = False
            counted = list_hours(snapshot, ada, interval, as_of=as_of, include_bots=bots)
            snapshot.uses_fold = True
            used += snapshot.is_folded(as_of)
            assert list_hours(snapshot, ada, interval, as_of=as_of, include_bots=bots) == counted, (as_of, interval)
        assert used >= 3 * 8
    database.close()


@pytest.mark.parametrize("is_folded", [False, True])
def test_all_time_does_not_shrink_when_retention_removes_rows(database: Database, ada: Viewer, is_folded: bool) -> None:
    now = database.now()
    with database.write() as connection:
        fill_shop(connection, now)
    if is_folded:
        fold(database)

    def read_all() -> list[list[Hour]]:
        return [
            list_hours(database, ada, interval, as_of=now, include_bots=bots)
            for interval, bots in product(("all", "daily"), (False, True))
        ]

    before = read_all()
    with database.write() as connection:
        statement = "SELECT * FROM metrics_prune_sessions(%s, %s, 100000)"
        until = now - timedelta(days=10)
        assert connection.execute(statement, (until, database.settings.timezone)).fetchall()
    assert read_all() == before
    if is_folded:
        fold(database)
        assert read_all() == before


def test_an_empty_shop_has_168_quiet_hours(database: Database, ada: Viewer) -> None:
    for interval in INTERVALS:
        hours = list_hours(database, ada, interval)
        assert len(hours) == 168
        assert not list_busy(hours)


def test_it_refuses_strangers_and_unknown_words(database: Database, ada: Viewer) -> None:
    stranger: Any = "ada"
    with pytest.raises(NotAllowed):
        list_hours(database, stranger, "all")
    with pytest.raises(ChoiceError, match="interval is 'yearly'"):
        list_hours(database, ada, "yearly")


def get_alternatives(page: AppTest) -> list[str]:
    return [chart.proto.alt for chart in page.get("vega_lite_chart") + page.get("arrow_vega_lite_chart")]


def test_the_overview_names_the_busiest_hour(open_page: Callable[..., AppTest], database: Database) -> None:
    at = database.now() - timedelta(hours=3)
    for number in range(2):
        add_session(database, None, f"s{number}", at)
    page = open_page("overview", interval="weekly")
    local = at.astimezone(ZoneInfo(database.settings.timezone))
    busiest = f"{local:%A} {local.hour:02}:00"
    assert "When sessions begin" in read(page)
    assert any(busiest in words and "2 sessions" in words for words in get_alternatives(page))
    page.session_state["table-rhythm"] = True
    page.run()
    assert not page.exception
    tables = [frame.value for frame in page.dataframe]
    [table] = [table for table in tables if "Mon" in table.columns]
    assert list(table.columns) == ["Hour", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert table[f"{local:%a}"].iloc[local.hour] == 2
    assert table.drop(columns="Hour").sum().sum() == 2


def test_the_overview_of_an_empty_shop_has_no_heat_map(open_page: OpenPage) -> None:
    page = open_page("overview")
    assert "When sessions begin" not in read(page)
