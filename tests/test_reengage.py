"""Whom to write to again is what a recount finds: every list, every segment, what they spent, and the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any
from uuid import UUID

import pytest

from metrics.choices import ChoiceError
from metrics.customers import CustomerQuery, count_customers
from metrics.database import Database
from metrics.reengage import AUDIENCES, Member, count_audience, export_audience, list_audience, list_audiences
from metrics.viewer import NotAllowed, Viewer
from tests import recount
from tests.conftest import Server, add_customer
from tests.recount import Row, is_counted_order
from tests.shop import Shop, fill_shop, open_shop

BEN = Viewer("ben@shop.example", "analyst")
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
LISTS = [key for key, row in AUDIENCES.items() if not row.is_segment]
SEGMENTS = [key for key, row in AUDIENCES.items() if row.is_segment]


@pytest.fixture(scope="module", name="shop")
def fixture_shop(embedded_server: Server) -> Iterator[Shop]:
    with open_shop(embedded_server) as shop:
        yield shop


def is_listed(one: recount.Customer, key: str, as_of: datetime) -> bool:
    """The sentences of the definitions once more."""
    old = as_of - 30 * DAY
    is_old = one.last_order_at is not None and one.last_order_at < old
    if key == "lapsed":
        return is_old
    if key == "inactive":
        return recount.is_kept(one, "inactive", as_of)
    if key == "booked":
        return one.total_bookings > 0 and one.total_orders == 0
    assert key == "once"
    is_back = (
        one.last_booking_at is not None and one.last_order_at is not None and one.last_booking_at > one.last_order_at
    )
    return is_old and one.total_orders == 1 and not is_back


def find_segment(orders: list[Row], high: Decimal, as_of: datetime) -> str:
    """Who paid what and when, as the rules on the screen say it; each rule is looked at by itself."""
    if not orders:
        return "prospects"
    age = as_of - max(order["created_at"] for order in orders)
    often, is_high = len(orders), get_money(orders) >= high
    rules = {
        "champions": age <= 30 * DAY and often >= 4,
        "loyal": (age <= 30 * DAY and often in (2, 3)) or (30 * DAY < age <= 90 * DAY and often >= 2),
        "new": age <= 30 * DAY and often == 1,
        "promising": 30 * DAY < age <= 90 * DAY and often == 1,
        "cant_lose": age > 90 * DAY and is_high,
        "at_risk": 90 * DAY < age <= 180 * DAY and often >= 2 and not is_high,
        "hibernating": 90 * DAY < age <= 180 * DAY and often == 1 and not is_high,
        "lost": age > 180 * DAY and not is_high,
    }
    [segment] = [key for key, holds in rules.items() if holds]
    return segment


def get_money(orders: list[Row]) -> Decimal:
    return sum((order["total_amount"] or Decimal(0) for order in orders), Decimal(0))


def list_expected(shop: Shop) -> dict[str, list[recount.Customer]]:
    """Everybody of every audience, the highest spenders first."""
    people = recount.count_customers(shop.base, "all", shop.as_of)
    paid: dict[UUID, list[Row]] = {}
    for order in shop.base.orders:
        is_paid = is_counted_order(order) and order["payment_status"] == "paid" and order["created_at"] < shop.as_of
        if is_paid and order["user_id"]:
            paid.setdefault(order["user_id"], []).append(order)
    amounts = sorted(get_money(orders) for orders in paid.values())
    high = amounts[ceil(0.8 * len(amounts)) - 1]
    expected: dict[str, list[recount.Customer]] = {key: [] for key in AUDIENCES}
    for one in recount.sort_customers(people.values(), "last_login", "desc"):
        expected[find_segment(paid.get(one.id, []), high, shop.as_of)].append(one)
        for key in LISTS:
            if is_listed(one, key, shop.as_of):
                expected[key].append(one)
    far = datetime.min.replace(tzinfo=shop.as_of.tzinfo)
    for ones in expected.values():
        ones.sort(key=lambda one: one.id)
        ones.sort(key=lambda one: one.latest_activity_at or far, reverse=True)
        ones.sort(key=lambda one: one.total_spent, reverse=True)
    return expected


def test_its_lists_and_segments_are_a_recount(shop: Shop, ada: Viewer) -> None:
    expected = list_expected(shop)
    sizes = list_audiences(shop.database, ada, as_of=shop.as_of)
    assert [size.audience for size in sizes] == list(AUDIENCES)
    assert sum(bool(size.customers) for size in sizes) >= len(AUDIENCES) - 2
    for size in sizes:
        ones = expected[size.audience]
        assert (size.customers, size.value) == (len(ones), sum(one.total_spent for one in ones)), size.audience


@pytest.mark.parametrize("key", AUDIENCES)
def test_its_members_are_a_recount_page_by_page(shop: Shop, ada: Viewer, key: str) -> None:
    expected = list_expected(shop)[key]
    asked: dict[str, Any] = {"as_of": shop.as_of, "limit": 7}
    pages = [list_audience(shop.database, ada, key, page=page, **asked) for page in range(1, len(expected) // 7 + 3)]
    assert not pages[-1]
    found = [member for page in pages for member in page]
    assert [one.id for one in found] == [one.id for one in expected]
    assert count_audience(shop.database, ada, key, as_of=shop.as_of) == len(expected)
    for member, one in zip(found, expected, strict=True):
        for name in (
            "total_orders",
            "total_bookings",
            "total_spent",
            "last_order_at",
            "last_order_amount",
            "last_login",
        ):
            assert getattr(member, name) == getattr(one, name), name
        assert (member.email, member.phone) == (one.user["email"], one.user["phone"])


def test_everybody_is_in_one_segment(shop: Shop, ada: Viewer) -> None:
    found: list[Member] = []
    for key in SEGMENTS:
        members = list_audience(shop.database, ada, key, as_of=shop.as_of, limit=1000)
        assert {member.segment for member in members} <= {key}
        found += members
    assert sorted(member.id for member in found) == sorted(user["id"] for user in shop.base.users)


def test_inactive_is_what_the_customers_page_calls_so(shop: Shop, ada: Viewer) -> None:
    there = count_customers(shop.database, ada, CustomerQuery(activity="inactive"), as_of=shop.as_of)
    assert count_audience(shop.database, ada, "inactive", as_of=shop.as_of) == there


def read_csv(parts: Iterator[bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(parts).decode("utf-8"), newline=""), strict=True))


@pytest.mark.parametrize("key", AUDIENCES)
def test_its_file_has_everybody(shop: Shop, ada: Viewer, key: str) -> None:
    expected = list_expected(shop)[key]
    rows = read_csv(export_audience(shop.database, ada, key, as_of=shop.as_of))
    assert [row["id"] for row in rows] == [str(one.id) for one in expected]
    for row, one in zip(rows, expected, strict=True):
        for name in ("email", "first_name", "last_name", "city", "country"):
            assert row[name] == (one.user[name] or "")
        assert (row["audience"], row["currency"]) == (key, "TZS")
        assert (int(row["total_orders"]), Decimal(row["total_spent"])) == (one.total_orders, one.total_spent)
        for name in ("last_order_at", "last_login"):
            moment = getattr(one, name)
            found = datetime.fromisoformat(row[name]) if row[name] else None
            assert found == (moment.replace(microsecond=0) if moment else None)


def add_order(database: Database, user_id: UUID, at: datetime, amount: int = 1000, payment: str = "paid") -> None:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO orders (user_id, total_amount, status, payment_status, created_at)"
            " VALUES (%s, %s, 'completed', %s, %s)",
            (user_id, amount, payment, at),
        )


@pytest.mark.parametrize(
    ("age", "orders", "segment"),
    [
        (30 * DAY, 4, "champions"),
        (30 * DAY + TICK, 4, "loyal"),
        (30 * DAY, 2, "loyal"),
        (90 * DAY, 2, "loyal"),
        (30 * DAY, 1, "new"),
        (30 * DAY + TICK, 1, "promising"),
        (90 * DAY, 1, "promising"),
        (90 * DAY + TICK, 1, "hibernating"),
        (90 * DAY + TICK, 2, "at_risk"),
        (180 * DAY, 2, "at_risk"),
        (180 * DAY, 1, "hibernating"),
        (180 * DAY + TICK, 1, "lost"),
        (180 * DAY + TICK, 5, "lost"),
        (400 * DAY, 100, "cant_lose"),
    ],
)
def test_its_edges_are_where_the_rules_say(
    database: Database, ada: Viewer, alice: UUID, bob: UUID, age: timedelta, orders: int, segment: str
) -> None:
    now = database.now()
    for _ in range(orders):
        add_order(database, alice, now - age)
    add_order(database, alice, now - DAY, payment="refunded")
    add_order(database, bob, now - DAY, 50_000)
    [member] = [one for one in list_audience(database, ada, segment, as_of=now) if one.id == alice]
    assert member.segment == segment


def test_it_works_on_every_server(any_database: Database, ada: Viewer) -> None:
    assert {(size.customers, size.value) for size in list_audiences(any_database, ada)} == {(0, Decimal(0))}
    now = any_database.now()
    with any_database.write() as connection:
        fill_shop(connection, now)
    for size in list_audiences(any_database, ada, as_of=now):
        rows = read_csv(export_audience(any_database, ada, size.audience, as_of=now))
        assert len(rows) == count_audience(any_database, ada, size.audience, as_of=now) == size.customers


def test_an_analyst_sees_no_whole_contact(database: Database, alice: UUID) -> None:
    nameless = add_customer(database, "x", "y")
    with database.write() as connection:
        connection.execute("UPDATE users SET first_name = '', last_name = '' WHERE id = %s", [nameless])
        connection.execute("UPDATE users SET phone = '+255754123489'")
    rows = repr(list_audience(database, BEN, "prospects"))
    for words in (rows, b"".join(export_audience(database, BEN, "prospects")).decode()):
        assert not any(part in words for part in ("alice@", "x@", "754123489"))
        assert "•••89" in words
        assert str(nameless) in words


def test_it_refuses_strangers_and_what_is_no_choice(database: Database, ada: Viewer) -> None:
    stranger: Any = None
    with pytest.raises(NotAllowed):
        list_audiences(database, stranger)
    for ask in (list_audience, count_audience, export_audience):
        with pytest.raises(NotAllowed):
            ask(database, stranger, "lapsed")
        with pytest.raises(ChoiceError, match="audience is 'x': use lapsed, inactive"):
            ask(database, ada, "x")


@pytest.mark.parametrize(
    ("age", "booked", "is_lapsed", "is_once"),
    [
        (30 * DAY, None, False, False),
        (30 * DAY + TICK, None, True, True),
        (40 * DAY, 40 * DAY + TICK, True, True),
        (40 * DAY, 40 * DAY, True, True),
        (40 * DAY, 40 * DAY - TICK, True, False),
    ],
)
def test_lists_have_their_edges_too(
    database: Database,
    ada: Viewer,
    alice: UUID,
    age: timedelta,
    booked: timedelta | None,
    is_lapsed: bool,
    is_once: bool,
) -> None:
    """A booking counts as coming back, a cancelled one does not; an order that failed is no order."""
    now = database.now()
    add_order(database, alice, now - age, payment="pending")
    add_order(database, alice, now - DAY, payment="failed")
    with database.write() as connection:
        for at, status in ((now - DAY, "cancelled"), (now - booked if booked else None, "completed")):
            if at:
                connection.execute(
                    "INSERT INTO service_bookings (user_id, status, created_at) VALUES (%s, %s, %s)",
                    (alice, status, at),
                )
    found = {key: count_audience(database, ada, key, as_of=now) for key in ("lapsed", "once", "booked", "prospects")}
    assert found == {"lapsed": is_lapsed, "once": is_once, "booked": 0, "prospects": 1}


def test_those_who_paid_nothing_are_no_loss(database: Database, ada: Viewer, alice: UUID, bob: UUID) -> None:
    now = database.now()
    for one in (alice, bob):
        add_order(database, one, now - 400 * DAY, 0)
    assert count_audience(database, ada, "cant_lose", as_of=now) == 0
    assert count_audience(database, ada, "lost", as_of=now) == 2
    add_order(database, bob, now - 100 * DAY, 1)
    [member] = list_audience(database, ada, "cant_lose", as_of=now)
    assert member.id == bob


def test_the_top_fifth_begins_at_the_eightieth_percentile(database: Database, ada: Viewer) -> None:
    now = database.now()
    for number in range(1, 11):
        add_order(database, add_customer(database, f"n{number}", "N"), now - 400 * DAY, number)
    # Eight of ten paid 8 or less: from there on, nobody may be lost.
    assert [one.total_spent for one in list_audience(database, ada, "cant_lose", as_of=now)] == [10, 9, 8]
    assert count_audience(database, ada, "lost", as_of=now) == 7
