"""Whom to write to again is what a recount finds: every list, every segment, what they spent, the file and the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any
from uuid import UUID

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from metrics.choices import ChoiceError
from metrics.customers import CustomerQuery, count_customers
from metrics.database import Database
from metrics.install import close_installation
from metrics.reengage import AUDIENCES, Member, count_audience, export_audience, list_audience, list_audiences
from metrics.viewer import NotAllowed, Viewer
from pages.widgets.text import md
from tests import recount
from tests.conftest import Server, add_customer
from tests.recount import Row, is_counted_order
from tests.shop import Shop, fill_shop, open_shop
from tests.test_pages import PAGES, read, rename

BEN = Viewer("ben@shop.example", "analyst")
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
LISTS = [key for key, row in AUDIENCES.items() if not row.is_segment]
SEGMENTS = [key for key, row in AUDIENCES.items() if row.is_segment]
OpenPage = Callable[..., AppTest]


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


@pytest.fixture(name="open_reengage")
def fixture_open_reengage(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenPage]:
    """Opens the page over a fresh database, with the query of its URL."""
    monkeypatch.setenv("DATABASE_URL", url)
    close_installation()

    def open_reengage(**query: str) -> AppTest:
        st.cache_data.clear()
        page = AppTest.from_file(str(PAGES / "reengage.py"), default_timeout=60)
        page.query_params.update(query)
        page.run()
        assert not page.exception, page.exception
        return page

    yield open_reengage
    close_installation()


def test_the_page_shows_lists_segments_and_people(
    open_reengage: OpenPage, database: Database, alice: UUID, bob: UUID
) -> None:
    assert "Nobody is in this list now" in read(open_reengage())
    rename(database, alice, "**bold** [x](javascript:alert(1))", ":red[y]")
    add_order(database, alice, database.now() - 40 * DAY, 1500)
    page = open_reengage()
    lists, segments, people = (table.value for table in page.table)
    assert (len(lists), len(segments)) == (len(LISTS), len(SEGMENTS))
    assert list(people["Customer"]) == [r"**\*\*bold\*\* \[x\]\(javascript\:alert\(1\)\) \:red\[y\]**"]
    assert all(md(row.rule) in [*lists["Rule"], *segments["Rule"]] for row in AUDIENCES.values())
    assert "who spent TZS 1,500 so far" in read(page)
    page.selectbox(key="audience").set_value("prospects").run()
    assert page.query_params["audience"] == "prospects"
    assert list(page.table[2].value["Customer"]) == ["**Bob Temu**"]
    assert [link.proto.url for link in page.get("link_button")] == ["/export/audience.csv?audience=prospects"]
    assert md("audience is 'x': use lapsed") in read(open_reengage(audience="x"))


def test_the_page_needs_customers_and_a_viewer(open_reengage: OpenPage) -> None:
    assert "No customers yet" in read(open_reengage())
    address = config.get_option("server.address")
    config.set_option("server.address", "0.0.0.0")
    try:
        page = open_reengage()
        assert page.error
        assert not page.title
    finally:
        config.set_option("server.address", address)
