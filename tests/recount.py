"""Recounts every number of the definitions from the base tables, in plain Python, apart from SQL.

Nothing here knows how the product counts: the tables are read whole with SELECT * and each
sentence of the definitions is written out once more. Where the product and this file disagree,
one of the two has misread a sentence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]

TIMEOUT = timedelta(minutes=30)
ONLINE = timedelta(minutes=5)
CAP = timedelta(hours=24)
ZONE = ZoneInfo("Africa/Dar_es_Salaam")
LENGTHS = {
    "all": None,
    "daily": timedelta(hours=24),
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=30),
}
# The reasons a tracker reports; a session that timed out or hit the cap was not reported.
EXPLICIT = {"sign_out", "user_switch", "page_hide", "reported"}
TABLES = ("users", "orders", "service_bookings", "services", "reviews", "user_sessions")
COLUMNS = {"device": "device_type", "browser": "browser_name", "os": "os_name"}


@dataclass
class Base:
    """The six base tables as they stand."""

    users: list[Row]
    orders: list[Row]
    service_bookings: list[Row]
    services: list[Row]
    reviews: list[Row]
    user_sessions: list[Row]


@dataclass
class Customer:
    """What the definitions say of one customer; primary_* are the values they allow."""

    id: UUID
    user: Row
    total_sessions: int = 0
    total_orders: int = 0
    total_bookings: int = 0
    total_reviews: int = 0
    total_spent: Decimal = Decimal(0)
    sessions_in_period: int = 0
    orders_in_period: int = 0
    bookings_in_period: int = 0
    spent_in_period: Decimal = Decimal(0)
    last_login: datetime | None = None
    last_order_at: datetime | None = None
    last_order_amount: Decimal | None = None
    last_booking_at: datetime | None = None
    last_booking_service: str | None = None
    latest_activity_at: datetime | None = None
    is_active: bool = False
    is_active_in_period: bool = False
    primary: dict[str, set[str]] = field(default_factory=dict)


COUNTED_FIELDS = (
    "total_sessions total_orders total_bookings total_reviews total_spent "
    "sessions_in_period orders_in_period bookings_in_period spent_in_period"
).split()
LAST_FIELDS = (
    "last_login last_order_at last_order_amount last_booking_at last_booking_service latest_activity_at"
).split()
SUMMARY_FIELDS = [name for name in COUNTED_FIELDS if name.startswith("total")] + LAST_FIELDS


def read_base(connection: psycopg.Connection[Any]) -> Base:
    """All rows of the base tables, at one instant when the connection is in a transaction."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return Base(*(cursor.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES))


def is_counted_order(order: Row) -> bool:
    return order["status"] != "cancelled" and order["payment_status"] not in (
        "failed",
        "refunded",
        "cancelled",
    )


def is_counted_booking(booking: Row) -> bool:
    return booking["status"] != "cancelled"


def get_spent(orders: Iterable[Row]) -> Decimal:
    """The money of the paid ones among counted orders."""
    return sum(
        (order["total_amount"] or Decimal(0) for order in orders if order["payment_status"] == "paid"),
        Decimal(0),
    )


def is_within(moment: datetime | None, interval: str, as_of: datetime) -> bool:
    """Half-open: the first instant of the window is in it, as_of is not."""
    if moment is None:
        return False
    length = LENGTHS[interval]
    return moment < as_of and (length is None or moment >= as_of - length)


def get_last_activity(session: Row) -> datetime:
    return session["last_activity_at"] or session["started_at"]


def get_end(session: Row, as_of: datetime) -> datetime | None:
    """The stored end; for an open session TIMEOUT after its last activity, that activity."""
    if session["ended_at"] is not None:
        return session["ended_at"]
    last = get_last_activity(session)
    return last if last <= as_of - TIMEOUT else None


def get_duration(session: Row, as_of: datetime) -> timedelta | None:
    end = get_end(session, as_of)
    if end is None:
        return None
    return min(max(end - session["started_at"], timedelta(0)), CAP)


def get_value(session: Row, dimension: str) -> str:
    return session[COLUMNS[dimension]] or "Unknown"


def get_primary(sessions: list[Row], dimension: str) -> set[str]:
    """The most frequent value, of equals the most recent; two at one instant are both right."""
    if not sessions:
        return {"Unknown"}
    starts: dict[str, list[datetime]] = defaultdict(list)
    for session in sessions:
        starts[get_value(session, dimension)].append(session["started_at"])
    best = max((len(moments), max(moments)) for moments in starts.values())
    return {value for value, moments in starts.items() if (len(moments), max(moments)) == best}


def list_by_user(rows: Iterable[Row]) -> dict[UUID, list[Row]]:
    grouped: dict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        if row["user_id"] is not None:
            grouped[row["user_id"]].append(row)
    return grouped


def get_latest(rows: list[Row]) -> Row | None:
    return max(rows, key=lambda row: (row["created_at"], row["id"]), default=None)


def count_customers(base: Base, interval: str, as_of: datetime) -> dict[UUID, Customer]:
    """Every customer of the base, with the counts of the window beside the lifetime ones."""
    titles = {service["id"]: service["title"] for service in base.services}
    orders = list_by_user(filter(is_counted_order, base.orders))
    bookings = list_by_user(filter(is_counted_booking, base.service_bookings))
    reviews = list_by_user(base.reviews)
    sessions = list_by_user(row for row in base.user_sessions if not row["is_bot"])
    customers = {}
    for user in base.users:
        key = user["id"]
        one = customers[key] = Customer(id=key, user=user)
        mine = (sessions.get(key, []), orders.get(key, []), bookings.get(key, []))
        one.total_sessions, one.total_orders, one.total_bookings = map(len, mine)
        one.total_reviews = len(reviews.get(key, []))
        one.total_spent = get_spent(mine[1])
        if interval == "all":
            inside = mine  # with "all" the counts are the lifetime counts
        else:
            inside = (
                [row for row in mine[0] if is_within(row["started_at"], interval, as_of)],
                [row for row in mine[1] if is_within(row["created_at"], interval, as_of)],
                [row for row in mine[2] if is_within(row["created_at"], interval, as_of)],
            )
        one.sessions_in_period, one.orders_in_period, one.bookings_in_period = map(len, inside)
        one.spent_in_period = get_spent(inside[1])
        one.is_active_in_period = any(inside)
        one.last_login = max((row["started_at"] for row in mine[0]), default=None)
        if last := get_latest(mine[1]):
            one.last_order_at, one.last_order_amount = last["created_at"], last["total_amount"]
        if last := get_latest(mine[2]):
            one.last_booking_at = last["created_at"]
            one.last_booking_service = titles.get(last["service_id"])
        moments = (one.last_login, one.last_order_at, one.last_booking_at)
        one.latest_activity_at = max((moment for moment in moments if moment), default=None)
        one.is_active = any(get_end(row, as_of) is None for row in mine[0])
        one.primary = {name: get_primary(mine[0], name) for name in COLUMNS}
    return customers


SORT_VALUES: dict[str, Callable[[Customer], Any]] = {
    "sessions": lambda one: one.sessions_in_period,
    "orders": lambda one: one.orders_in_period,
    "bookings": lambda one: one.bookings_in_period,
    "last_login": lambda one: one.last_login,
    "registered": lambda one: one.user["created_at"],
}


def sort_customers(customers: Iterable[Customer], sort: str, order: str) -> list[Customer]:
    """By the sort, nothing last; ties newest activity first, then by id, in both orders."""
    ranked = sorted(customers, key=lambda one: one.id)
    ranked.sort(key=lambda one: -one.latest_activity_at.timestamp() if one.latest_activity_at else math.inf)
    get = SORT_VALUES[sort]
    known = [one for one in ranked if get(one) is not None]
    known.sort(key=get, reverse=order == "desc")  # a stable sort also when reversed
    return known + [one for one in ranked if get(one) is None]


def is_kept(one: Customer, activity: str, as_of: datetime) -> bool:
    """Whether the activity filter keeps this customer."""
    old = as_of - timedelta(days=30)
    registered = one.user["created_at"]
    if activity == "active":
        return one.is_active_in_period
    if activity == "inactive":
        quiet = one.latest_activity_at is None or one.latest_activity_at < old
        return registered is not None and registered <= old and quiet
    return activity == "all" or one.latest_activity_at is None
