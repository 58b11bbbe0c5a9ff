"""Services are what a recount finds: how often booked, for how much, when and by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from metrics.choices import INTERVALS, ChoiceError
from metrics.database import Database
from metrics.services import MOST_LINES, list_service_customers, list_service_series, list_services
from metrics.statistics import get_statistics
from metrics.viewer import NotAllowed, Viewer
from tests.conftest import Server, add_customer
from tests.recount import Row, is_counted_booking, is_within, read_base
from tests.shop import AMOUNTS, Shop, fill_shop, open_shop
from tests.test_share_series import get_bucket, move

BEN = Viewer("ben@shop.example", "analyst")
DAR, KATHMANDU = ZoneInfo("Africa/Dar_es_Salaam"), ZoneInfo("Asia/Kathmandu")
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
UNKNOWN = "Unknown service"


@pytest.fixture(scope="module", name="shop")
def fixture_shop(embedded_server: Server) -> Iterator[Shop]:
    """The nasty shop, with amounts: some zero, some missing."""
    random = Random(7)
    with open_shop(embedded_server) as shop:
        with shop.database.write() as connection:
            for row in sorted(shop.base.service_bookings, key=lambda row: row["id"]):
                amount, word = random.choice(AMOUNTS), random.choice((None, "Haircut", " "))
                connection.execute(
                    "UPDATE service_bookings SET total_amount = %s, service_type = %s WHERE id = %s",
                    (amount, word, row["id"]),
                )
            base = read_base(connection)
        yield replace(shop, base=base)


def book(database: Database, user_id: UUID | None, service: str | None, at: datetime, **more: Any) -> None:
    """One booking of a service of that title, which is made on first use; `more` is its amount and status."""
    with database.write() as connection:
        connection.execute(
            "INSERT INTO services (title) SELECT %(t)s::text WHERE %(t)s::text IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM services WHERE title = %(t)s::text)",
            {"t": service},
        )
        connection.execute(
            "INSERT INTO service_bookings (user_id, service_id, created_at, total_amount, status)"
            " VALUES (%s, (SELECT id FROM services WHERE title = %s), %s, %s, %s)",
            (user_id, service, at, more.get("amount"), more.get("status", "completed")),
        )


def list_bookings(shop: Shop, interval: str) -> list[tuple[str, Row]]:
    """Every booking of the window with the name of its service, cancelled ones too."""
    titles = {service["id"]: service["title"] for service in shop.base.services}
    rows = [row for row in shop.base.service_bookings if is_within(row["created_at"], interval, shop.as_of)]
    return [((titles.get(row["service_id"]) or row["service_type"] or "").strip() or UNKNOWN, row) for row in rows]


def recount(bookings: list[Row], every: int) -> dict[str, Any]:
    counted = [row for row in bookings if is_counted_booking(row)]
    cancelled = len(bookings) - len(counted)
    return {
        "bookings": len(counted),
        "cancelled": cancelled,
        "customers": len({row["user_id"] for row in counted} - {None}),
        "guest_bookings": sum(row["user_id"] is None for row in counted),
        "booked_value": sum((row["total_amount"] or Decimal(0) for row in counted), Decimal(0)),
        "share": pytest.approx(len(counted) / every) if every else None,
        "cancelled_share": pytest.approx(cancelled / len(bookings)) if bookings else None,
    }


@pytest.mark.parametrize("interval", INTERVALS)
def test_its_services_are_a_recount(shop: Shop, ada: Viewer, interval: str) -> None:
    bookings = list_bookings(shop, interval)
    every = sum(is_counted_booking(row) for _, row in bookings)
    found = list_services(shop.database, ada, interval, as_of=shop.as_of)
    expected = {name: recount([row for other, row in bookings if other == name], every) for name, _ in bookings}
    ranked = sorted(expected, key=lambda name: (-expected[name]["bookings"], name))
    assert [one.service for one in found.services] == ranked
    assert {UNKNOWN, "Haircut"} <= set(ranked)
    for one in found.services:
        assert {name: getattr(one, name) for name in expected[one.service]} == expected[one.service]
    total = recount([row for _, row in bookings], every)
    assert {name: getattr(found.total, name) for name in total} == total
    card = get_statistics(shop.database, ada, interval, as_of=shop.as_of).bookings_in_period
    assert found.total.bookings == sum(one.bookings for one in found.services) == card


@pytest.mark.parametrize("zone", [DAR, KATHMANDU], ids=str)
@pytest.mark.parametrize("interval", INTERVALS)
def test_its_series_is_a_recount(shop: Shop, ada: Viewer, interval: str, zone: ZoneInfo) -> None:
    database = move(shop.database, zone)
    counts: Counter[tuple[datetime, str]] = Counter()
    values: dict[tuple[datetime, str], Decimal] = {}
    for name, row in list_bookings(shop, interval):
        if is_counted_booking(row):
            place = get_bucket(row["created_at"], INTERVALS[interval].bucket, zone), name
            counts[place] += 1
            values[place] = values.get(place, Decimal(0)) + (row["total_amount"] or 0)
    points = list_service_series(database, ada, interval, as_of=shop.as_of)
    assert {(one.bucket_at, one.service): one.bookings for one in points if one.bookings} == dict(counts)
    assert {(one.bucket_at, one.service): one.booked_value for one in points if one.bookings} == values
    sums = Counter(name for _, name in counts.elements())
    names = sorted(sums, key=lambda name: (-sums[name], name))
    buckets = sorted({one.bucket_at for one in points})
    assert [(one.bucket_at, one.service) for one in points] == [(at, name) for at in buckets for name in names]
    database.close()


@pytest.mark.parametrize("interval", INTERVALS)
def test_who_books_is_a_recount_page_by_page(shop: Shop, ada: Viewer, interval: str) -> None:
    counted = [(name, row) for name, row in list_bookings(shop, interval) if is_counted_booking(row)]
    emails = {user["id"]: (user["email"], user["phone"]) for user in shop.base.users}
    for service in (None, *{name for name, _ in counted}):
        mine: dict[UUID, list[Row]] = {}
        for name, row in counted:
            if service in (None, name) and row["user_id"]:
                mine.setdefault(row["user_id"], []).append(row)
        facts = [
            (key, len(rows), sum(row["total_amount"] or Decimal(0) for row in rows), max(r["created_at"] for r in rows))
            for key, rows in mine.items()
        ]
        facts.sort(key=lambda one: (-one[1], -one[2], -one[3].timestamp(), one[0]))
        found = []
        for page in range(1, len(facts) // 17 + 3):
            asked: dict[str, Any] = {"service": service, "as_of": shop.as_of, "limit": 17, "page": page}
            found += list_service_customers(shop.database, ada, interval, **asked)
        assert [(one.id, one.bookings, one.booked_value, one.last_booked_at) for one in found] == facts
        assert all((one.email, one.phone) == emails[one.id] for one in found)


def test_it_works_on_every_server(any_database: Database, ada: Viewer) -> None:
    now = any_database.now()
    with any_database.write() as connection:
        fill_shop(connection, now)
    for interval in INTERVALS:
        services = list_services(any_database, ada, interval, as_of=now)
        points = list_service_series(any_database, ada, interval, as_of=now)
        assert sum(one.bookings for one in points) == services.total.bookings
        people = list_service_customers(any_database, ada, interval, as_of=now, limit=1000)
        assert len(people) == services.total.customers
        assert sum(one.bookings for one in people) + services.total.guest_bookings == services.total.bookings


def test_a_service_has_its_present_name(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    book(database, alice, "Old name", now - HOUR)
    book(database, alice, "  ", now - HOUR)
    book(database, alice, None, now - HOUR)
    with database.write() as connection:
        connection.execute("UPDATE services SET title = ' New name ' WHERE title = 'Old name'")
    found = list_services(database, ada, "daily", as_of=now).services
    assert [(one.service, one.bookings) for one in found] == [(UNKNOWN, 2), ("New name", 1)]


def test_two_services_of_one_name_are_one_row(database: Database, ada: Viewer, alice: UUID, bob: UUID) -> None:
    now = database.now()
    book(database, alice, "Repair", now - HOUR, amount=100)
    book(database, bob, "Mending", now - 2 * HOUR)
    book(database, alice, "Mending", now - 3 * HOUR, amount=Decimal("0.50"))
    with database.write() as connection:
        connection.execute("UPDATE services SET title = 'Repair'")
    [one] = list_services(database, ada, "daily", as_of=now).services
    assert (one.service, one.bookings, one.customers, one.share) == ("Repair", 3, 2, 1)
    assert one.booked_value == Decimal("100.50")
    points = list_service_series(database, ada, "daily", as_of=now)
    assert {point.service for point in points} == {"Repair"}
    assert sum(point.bookings for point in points) == 3
    people = list_service_customers(database, ada, "daily", service="Repair", as_of=now)
    assert [(one.id, one.bookings) for one in people] == [(alice, 2), (bob, 1)]


@pytest.mark.parametrize("service", [None, "Repair"])
def test_its_window_is_half_open(database: Database, ada: Viewer, alice: UUID, service: str | None) -> None:
    now = database.now()
    for age in (-TICK, timedelta(0), TICK, DAY, DAY + TICK):
        book(database, alice, "Repair", now - age)
    assert list_services(database, ada, "daily", as_of=now).total.bookings == 2
    assert sum(one.bookings for one in list_service_series(database, ada, "daily", as_of=now)) == 2
    [person] = list_service_customers(database, ada, "daily", service=service, as_of=now)
    assert (person.bookings, person.last_booked_at) == (2, now - TICK)


@pytest.mark.parametrize(("services", "lines"), [(MOST_LINES, "ABCDEF"), (MOST_LINES + 2, "ABCDE")])
def test_it_gathers_the_rest(database: Database, ada: Viewer, alice: UUID, services: int, lines: str) -> None:
    now = database.now()
    for number, name in enumerate("ABCDEFGH"[:services]):
        for _ in range(9 - number):
            book(database, alice, name, now - HOUR, amount=10)
    points = list_service_series(database, ada, "weekly", as_of=now)
    names = list(dict.fromkeys(one.service for one in points))
    assert names == [*lines, *(["Other"] if services > MOST_LINES else [])]
    assert sum(one.bookings for one in points) == sum(9 - number for number in range(services))
    assert sum(one.booked_value for one in points) == 10 * sum(one.bookings for one in points)


def test_what_was_only_cancelled_is_there_with_nothing(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    book(database, alice, "Repair", now - HOUR, amount=100, status="cancelled")
    found = list_services(database, ada, "daily", as_of=now)
    assert [getattr(found.total, one.name) for one in fields(found.total)][1:] == [0, 1, 0, 0, 0, None, 1.0]
    assert [one.service for one in found.services] == ["Repair"]
    assert list_service_series(database, ada, "daily", as_of=now) == []
    assert list_service_customers(database, ada, "daily", as_of=now) == []


def test_an_empty_shop_has_none(database: Database, ada: Viewer) -> None:
    for interval in INTERVALS:
        found = list_services(database, ada, interval)
        assert (found.total.bookings, found.total.share, found.services) == (0, None, [])
        assert list_service_series(database, ada, interval) == []
        assert list_service_customers(database, ada, interval) == []


def test_an_analyst_sees_no_whole_contact(database: Database, alice: UUID) -> None:
    nameless = add_customer(database, "x", "y")
    with database.write() as connection:
        connection.execute("UPDATE users SET first_name = '', last_name = '' WHERE id = %s", [nameless])
        connection.execute("UPDATE users SET phone = '+255754123489'")
    book(database, alice, "Repair", database.now() - HOUR)
    book(database, nameless, "Repair", database.now() - HOUR)
    words = repr(list_service_customers(database, BEN, "daily"))
    assert not any(part in words for part in ("alice@", "x@", "754123489"))
    assert "•••89" in words


def test_it_refuses_strangers_and_what_is_no_choice(database: Database, ada: Viewer) -> None:
    stranger: Any = None
    for ask in (list_services, list_service_series, list_service_customers):
        with pytest.raises(NotAllowed):
            ask(database, stranger, "all")
        with pytest.raises(ChoiceError, match="interval is 'yearly'"):
            ask(database, ada, "yearly")
