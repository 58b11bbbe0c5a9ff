"""Lists, cards, breakdowns and files are what a recount in plain Python finds, for every choice."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from metrics.choices import ACTIVITIES, DIMENSIONS, INTERVALS, ORDERS, SORTS
from metrics.customers import (
    Customer,
    CustomerQuery,
    count_customers,
    export_customers,
    get_customer,
    list_customers,
)
from metrics.devices import list_shares, list_versions
from metrics.series import list_series
from metrics.sessions import count_online
from metrics.statistics import get_previous_statistics, get_statistics
from metrics.viewer import Viewer
from tests import recount, recount_periods
from tests.conftest import Server
from tests.recount import COUNTED_FIELDS, LAST_FIELDS, LENGTHS
from tests.shop import Shop, open_shop

PAGE = 37
CHOICES = [(sort, interval, order) for sort in SORTS for interval in INTERVALS for order in ORDERS]


@pytest.fixture(scope="module", name="shop")
def fixture_shop(embedded_server: Server) -> Iterator[Shop]:
    with open_shop(embedded_server) as shop:
        yield shop


def list_expected(shop: Shop, sort: str, interval: str, order: str) -> list[recount.Customer]:
    customers = recount.count_customers(shop.base, interval, shop.as_of)
    return recount.sort_customers(customers.values(), sort, order)


def get_full_name(user: dict[str, Any]) -> str:
    names = " ".join(filter(None, (user["first_name"], user["last_name"])))
    return names or user["email"] or "Unnamed customer"


def assert_same(found: Customer, expected: recount.Customer) -> None:
    """Every field of a listed customer."""
    for name in (*COUNTED_FIELDS, *LAST_FIELDS, "is_active"):
        assert getattr(found, name) == getattr(expected, name), (name, expected)
    for name, allowed in expected.primary.items():
        assert getattr(found, f"primary_{name}") in allowed, (name, expected)
    user = expected.user
    for name in ("email", "first_name", "last_name", "phone", "city", "country"):
        assert getattr(found, name) == user[name]
    assert found.registered_at == user["created_at"]
    assert found.full_name == get_full_name(user)


@pytest.mark.parametrize(("sort", "interval", "order"), CHOICES)
def test_it_lists_by_cursor_what_a_recount_lists(shop: Shop, ada: Viewer, sort: str, interval: str, order: str) -> None:
    expected = list_expected(shop, sort, interval, order)
    query = CustomerQuery(interval=interval, sort=sort, order=order)
    found: list[Customer] = []
    cursor = None
    while True:
        page = list_customers(shop.database, ada, query, as_of=shop.as_of, limit=PAGE, cursor=cursor)
        assert page.as_of == shop.as_of
        found += page.customers
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.customers) == PAGE
    assert [one.id for one in found] == [one.id for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize(("sort", "interval", "order"), CHOICES)
def test_it_jumps_to_the_page_a_recount_has(shop: Shop, ada: Viewer, sort: str, interval: str, order: str) -> None:
    expected = [one.id for one in list_expected(shop, sort, interval, order)]
    query = CustomerQuery(interval=interval, sort=sort, order=order)
    assert count_customers(shop.database, ada, query, as_of=shop.as_of) == len(expected)
    for number in (4, 1, 5, 6):
        page = list_customers(shop.database, ada, query, as_of=shop.as_of, limit=PAGE, page=number)
        first = (number - 1) * PAGE
        assert [one.id for one in page.customers] == expected[first : first + PAGE]
        assert (page.next_cursor is None) == (first + PAGE >= len(expected))


def read_csv(parts: Iterator[bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(parts).decode("utf-8"), newline="")))


def read_cell(cell: str, like: object) -> object:
    """The cell as a value of the type expected."""
    if cell == "":
        return None
    if isinstance(like, datetime):
        moment = datetime.fromisoformat(cell)
        assert moment.tzinfo is not None, cell
        assert "T" in cell, cell
        return moment
    return type(like)(cell)


@pytest.mark.parametrize(("sort", "interval", "order"), CHOICES)
def test_it_exports_every_row_a_recount_has(shop: Shop, ada: Viewer, sort: str, interval: str, order: str) -> None:
    expected = list_expected(shop, sort, interval, order)
    query = CustomerQuery(interval=interval, sort=sort, order=order)
    rows = read_csv(export_customers(shop.database, ada, query, as_of=shop.as_of))
    assert [row["id"] for row in rows] == [str(one.id) for one in expected]
    for row, one in zip(rows, expected, strict=True):
        for name in (*COUNTED_FIELDS, *LAST_FIELDS[:-1]):
            wanted = getattr(one, name)
            if isinstance(wanted, datetime):
                wanted = wanted.replace(microsecond=0)  # a file's times are in whole seconds
            assert read_cell(row[name], wanted) == wanted, name
        for name, allowed in one.primary.items():
            assert row[f"primary_{name}"] in allowed
        assert row["currency"] == "TZS"


@pytest.mark.parametrize("activity", ACTIVITIES)
@pytest.mark.parametrize("interval", INTERVALS)
def test_it_filters_by_activity_as_a_recount_does(shop: Shop, ada: Viewer, interval: str, activity: str) -> None:
    expected = [
        one.id
        for one in list_expected(shop, "last_login", interval, "asc")
        if recount.is_kept(one, activity, shop.as_of)
    ]
    assert expected
    query = CustomerQuery(interval=interval, sort="last_login", order="asc", activity=activity)
    page = list_customers(shop.database, ada, query, as_of=shop.as_of, limit=1000)
    assert [one.id for one in page.customers] == expected
    assert count_customers(shop.database, ada, query, as_of=shop.as_of) == len(expected)
    rows = read_csv(export_customers(shop.database, ada, query, as_of=shop.as_of))
    assert [row["id"] for row in rows] == [str(key) for key in expected]


@pytest.mark.parametrize(
    "search", ["juma", "O'BRIEN", "100%", "kim_", "person14", "+25570000014", "asha mushi", "%", "_"]
)
def test_it_searches_name_email_and_phone(shop: Shop, ada: Viewer, search: str) -> None:
    def is_found(user: dict[str, Any]) -> bool:
        words = (get_full_name(user), user["email"], user["phone"])
        return any(search.lower() in (word or "").lower() for word in words)

    expected = [one.id for one in list_expected(shop, "sessions", "all", "desc") if is_found(one.user)]
    assert expected
    page = list_customers(shop.database, ada, CustomerQuery(search=search), as_of=shop.as_of, limit=1000)
    assert [one.id for one in page.customers] == expected


def test_it_filters_by_device_and_country(shop: Shop, ada: Viewer) -> None:
    query = CustomerQuery(interval="weekly", device="tablet", country="Kenya")
    page = list_customers(shop.database, ada, query, as_of=shop.as_of, limit=1000)
    found = [one.id for one in page.customers]
    ranked = list_expected(shop, "sessions", "weekly", "desc")
    kenyans = [one for one in ranked if one.user["country"] == "Kenya"]
    sure = [one.id for one in kenyans if one.primary["device"] == {"tablet"}]
    possible = [one.id for one in kenyans if "tablet" in one.primary["device"]]
    assert sure
    assert set(sure) <= set(found)
    assert found == [key for key in possible if key in found]


@pytest.mark.parametrize("interval", INTERVALS)
def test_it_gets_one_customer_as_the_list_shows_them(shop: Shop, ada: Viewer, interval: str) -> None:
    for one in list_expected(shop, "registered", interval, "desc")[::10]:
        found = get_customer(shop.database, ada, one.id, interval=interval, as_of=shop.as_of)
        assert_same(found, one)


def assert_same_cards(found: object, expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        shown = getattr(found, name)
        if isinstance(value, float):
            assert shown == pytest.approx(value, abs=0.001), name
        else:
            assert shown == value, name


@pytest.mark.parametrize("bots", [False, True])
@pytest.mark.parametrize("interval", INTERVALS)
def test_its_cards_are_a_recount(shop: Shop, ada: Viewer, interval: str, bots: bool) -> None:
    expected = recount_periods.count_statistics(shop.base, interval, shop.as_of, bots)
    found = get_statistics(shop.database, ada, interval, as_of=shop.as_of, include_bots=bots)
    assert (found.interval, found.as_of) == (interval, shop.as_of)
    assert_same_cards(found, expected)


@pytest.mark.parametrize("interval", ["daily", "weekly", "monthly"])
def test_its_cards_of_the_window_before_are_a_recount(shop: Shop, ada: Viewer, interval: str) -> None:
    length = LENGTHS[interval]
    assert length is not None
    expected = recount_periods.count_statistics(shop.base, interval, shop.as_of, until=shop.as_of - length)
    del expected["total_users"]  # the whole base, which has no window
    found = get_previous_statistics(shop.database, ada, interval, as_of=shop.as_of)
    assert found is not None
    assert_same_cards(found, expected)


def test_nothing_is_before_all_time(shop: Shop, ada: Viewer) -> None:
    assert get_previous_statistics(shop.database, ada, "all", as_of=shop.as_of) is None


@pytest.mark.parametrize("bots", [False, True])
@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_its_shares_are_a_recount(shop: Shop, ada: Viewer, dimension: str, interval: str, bots: bool) -> None:
    expected = recount_periods.count_breakdown(shop.base, dimension, interval, shop.as_of, bots)
    shares = list_shares(shop.database, ada, dimension, interval, as_of=shop.as_of, include_bots=bots)
    assert {one.value: one.sessions for one in shares} == dict(expected)
    assert [one.sessions for one in shares] == sorted(expected.values(), reverse=True)
    for one in shares:
        assert one.share == pytest.approx(one.sessions / expected.total())


def test_its_versions_are_a_recount(shop: Shop, ada: Viewer) -> None:
    sessions = recount_periods.list_sessions_of(shop.base, "monthly", shop.as_of)
    shares = list_versions(shop.database, ada, "browser", "Chrome", "monthly", as_of=shop.as_of)
    chromes = [row for row in sessions if row["browser_name"] == "Chrome"]
    assert sum(one.sessions for one in shares) == len(chromes)
    by_value = {one.value: one.sessions for one in shares}
    wanted = sum(row["browser_version"] == "120" for row in chromes)
    assert wanted in (by_value.get("120"), by_value.get("Chrome 120"))


@pytest.mark.parametrize("interval", INTERVALS)
def test_its_series_is_a_recount(shop: Shop, ada: Viewer, interval: str) -> None:
    expected = recount_periods.count_series(shop.base, interval, shop.as_of)
    nothing = {
        "sessions": 0,
        "unique_users": 0,
        "orders": 0,
        "bookings": 0,
        "revenue": Decimal(0),
    }
    points = list_series(shop.database, ada, interval, as_of=shop.as_of)
    buckets = [point.bucket_at for point in points]
    assert expected.keys() <= set(buckets)
    for point in points:
        wanted = expected.get(point.bucket_at, nothing)
        assert {name: getattr(point, name) for name in nothing} == wanted, point.bucket_at
    steps = {after - before for before, after in pairwise(buckets)}
    if interval == "all":
        assert steps <= {timedelta(days=number) for number in (28, 29, 30, 31)}
    else:
        assert steps == {timedelta(hours=1 if interval == "daily" else 24)}


def test_its_lists_add_up_to_its_cards(shop: Shop, ada: Viewer) -> None:
    """The card counts guests too; without them it is the sum of the list."""
    for interval in ("daily", "weekly", "monthly"):
        page = list_customers(shop.database, ada, CustomerQuery(interval=interval), as_of=shop.as_of, limit=1000)
        cards = get_statistics(shop.database, ada, interval, as_of=shop.as_of)
        listed = sum(one.sessions_in_period for one in page.customers)
        assert listed == cards.total_sessions - cards.guest_sessions
        assert cards.unique_users_in_period == sum(one.sessions_in_period > 0 for one in page.customers)


def test_it_counts_who_is_online(shop: Shop, ada: Viewer) -> None:
    online = count_online(shop.database, ada, as_of=shop.as_of)
    assert (online.customers, online.guests) == recount_periods.count_online(shop.base, shop.as_of)
    assert online.customers


@pytest.mark.parametrize("interval", INTERVALS)
def test_its_lines_add_up_to_its_cards(shop: Shop, ada: Viewer, interval: str) -> None:
    card = get_statistics(shop.database, ada, interval, as_of=shop.as_of)
    points = list_series(shop.database, ada, interval, as_of=shop.as_of)
    ended = [round(point.sessions * (point.end_rate_percent or 0) / 100) for point in points]
    assert sum(ended) == card.ended_sessions
    seconds = sum((point.avg_duration_seconds or 0) * count for point, count in zip(points, ended, strict=True))
    assert seconds == pytest.approx((card.avg_duration_seconds or 0) * card.closed_sessions)
    if interval != "all":
        assert sum(point.new_users for point in points) == card.new_users_in_period
