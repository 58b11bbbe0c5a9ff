"""Customers: the list in any order over any interval, one of them, and the CSV of them all."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from metrics.choices import ACTIVITIES, INTERVALS, ORDERS, SORTS, choose, go_back
from metrics.cursors import read_cursor, write_cursor
from metrics.database import Database
from metrics.exports import CSV_CELL, export_csv
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_viewer, get_masks

INACTIVE_AFTER = timedelta(days=30)
# From this page on, looking for the place first is quicker than walking there.
DEEP_FROM = 10


@dataclass(frozen=True, slots=True)
class Way:
    """Where counts of an interval come from: `counted` by customer; `kept` in their order, where `is_kept`."""

    counted: str
    kept: str = "metrics_customers"
    is_kept: str = "true"


LIFETIMES = Way("metrics_customers")
COUNTED = Way("metrics_customers_between(:'since'::timestamptz, :'as_of'::timestamptz)")
KEPT = Way(
    "metrics_customers_kept(:'interval'::text, :'as_of'::timestamptz)",
    "metrics_kept_customers",
    "c.period = :'interval'::text",
)


class CustomerNotFound(LookupError):
    """No customer has that id."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer with lifetime counts, the counts of one interval, and the last order and booking.

    `sort_value` is where the customer stands in the list's order, as text; a cursor is made of it.
    """

    id: UUID
    email: str | None
    first_name: str | None
    last_name: str | None
    full_name: str
    phone: str | None
    city: str | None
    country: str | None
    registered_at: datetime | None
    total_sessions: int
    total_orders: int
    total_bookings: int
    total_reviews: int
    total_spent: Decimal
    sessions_in_period: int
    orders_in_period: int
    bookings_in_period: int
    spent_in_period: Decimal
    last_login: datetime | None
    last_order_at: datetime | None
    last_order_amount: Decimal | None
    last_booking_at: datetime | None
    last_booking_service: str | None
    latest_activity_at: datetime | None
    primary_device: str
    primary_browser: str
    primary_os: str
    is_active: bool
    sort_value: str | None


@dataclass(frozen=True, slots=True)
class CustomerQuery:
    """What the list shows and in which order; raises ChoiceError for a word that is none of the choices."""

    interval: str = "all"
    sort: str = "sessions"
    order: str = "desc"
    search: str = ""
    activity: str = "all"
    device: str | None = None
    country: str | None = None

    @property
    def choices(self) -> tuple[str, str, str]:
        """What a cursor holds for: interval, sort and order."""
        return self.interval, self.sort, self.order

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves anybody out."""
        return bool(self.search.strip() or self.activity != "all" or self.device or self.country)

    def __post_init__(self) -> None:
        choose(INTERVALS, "interval", self.interval)
        choose(SORTS, "sortBy", self.sort)
        choose(ORDERS, "sortOrder", self.order)
        choose(ACTIVITIES, "activity", self.activity)


@dataclass(frozen=True, slots=True)
class CustomerPage:
    """One page of customers as of a moment; `next_cursor` is None on the last page."""

    customers: list[Customer]
    as_of: datetime
    next_cursor: str | None


def list_customers(
    database: Database,
    viewer: Viewer,
    query: CustomerQuery,
    *,
    as_of: datetime | None = None,
    limit: int = 20,
    page: int = 1,
    cursor: str | None = None,
) -> CustomerPage:
    """A page by number, or the one after a cursor, which keeps its own as_of; ChoiceError for a foreign cursor."""
    demand_viewer(viewer)
    after: dict[str, Any] = {"after_id": None, "after_value": None, "after_latest": None}
    if cursor:
        as_of, after = read_cursor(query.choices, cursor)
        page = 1
    as_of = as_of or database.now()
    values = _get_values(database, query, as_of) | after
    # One more row than the page holds tells whether there is a next one.
    values |= {"limit": limit + 1, "offset": (page - 1) * limit, "edge": None}
    is_folded = database.is_folded(as_of)
    statement = _get_list_statement(viewer, query, is_folded)
    with database.read() as connection:
        if page > DEEP_FROM and query.sort == "registered" and not query.is_filtered and _has_index(query, is_folded):
            find = _get_statement("find_registration", viewer, query, is_folded)
            found = connection.execute(find, values, prepare=False).fetchone()
            if found:
                edge, passed = found
                values |= {"edge": edge, "offset": values["offset"] - passed}
        rows = (
            connection.cursor(row_factory=class_row(Customer))
            # Never prepared: a plan made for the values themselves folds the filters that are not set.
            .execute(statement, values, prepare=False)
            .fetchall()
        )
    customers = rows[:limit]
    more = len(rows) > limit
    next_cursor = None
    if more:
        last = customers[-1]
        next_cursor = write_cursor(query.choices, as_of, last.sort_value, last.latest_activity_at, last.id)
    return CustomerPage(customers, as_of, next_cursor)


def count_customers(database: Database, viewer: Viewer, query: CustomerQuery, *, as_of: datetime | None = None) -> int:
    """How many customers the filters of the query leave."""
    demand_viewer(viewer)
    as_of = as_of or database.now()
    values = _get_values(database, query, as_of)
    is_folded = database.is_folded(as_of)
    name = "count_kept_customers" if is_folded and not query.is_filtered else "count_customers"
    statement = _get_statement(name, viewer, query, is_folded)
    with database.read() as connection:
        count: int = connection.cursor(row_factory=scalar_row).execute(statement, values, prepare=False).fetchall()[0]
    return count


def get_customer(
    database: Database,
    viewer: Viewer,
    user_id: UUID,
    *,
    interval: str = "all",
    as_of: datetime | None = None,
) -> Customer:
    """One customer; CustomerNotFound when nobody has that id."""
    demand_viewer(viewer)
    query = CustomerQuery(interval=interval)
    as_of = as_of or database.now()
    values = _get_values(database, query, as_of) | {"user_id": user_id}
    statement = _get_statement("get_customer", viewer, query, database.is_folded(as_of))
    with database.read() as connection:
        customer = (
            connection.cursor(row_factory=class_row(Customer)).execute(statement, values, prepare=False).fetchone()
        )
    if customer is None:
        raise CustomerNotFound(f"No customer has the id {user_id}: open one from the list")
    return customer


def list_countries(database: Database, viewer: Viewer) -> list[str]:
    """The countries that customers gave, in order."""
    demand_viewer(viewer)
    with database.read() as connection:
        cursor = connection.cursor(row_factory=scalar_row)
        return cursor.execute(get_statement("list_countries")).fetchall()


def list_primary_devices(database: Database, viewer: Viewer) -> list[str]:
    """The primary devices that customers have, in order."""
    demand_viewer(viewer)
    with database.read() as connection:
        cursor = connection.cursor(row_factory=scalar_row)
        return cursor.execute(get_statement("list_devices")).fetchall()


def export_customers(
    database: Database, viewer: Viewer, query: CustomerQuery, *, as_of: datetime | None = None, cell: str = CSV_CELL
) -> Iterator[bytes]:
    """Every filtered customer as CSV, in the list's order, in pieces of some 64 KiB; `cell` writes texts."""
    demand_viewer(viewer)
    as_of = as_of or database.now()
    values = _get_values(database, query, as_of)
    values["currency"] = database.settings.currency
    statement = _get_statement("export_customers", viewer, query, database.is_folded(as_of), cell)
    return export_csv(database, statement, values)


def _has_index(query: CustomerQuery, is_folded: bool) -> bool:
    return query.interval == "all" or is_folded


def _get_list_statement(viewer: Viewer, query: CustomerQuery, is_folded: bool) -> str:
    if not _has_index(query, is_folded):
        return _get_statement("list_customers", viewer, query, is_folded)
    if SORTS[query.sort].type != "bigint":
        return _get_statement("list_customers_by_moment", viewer, query, is_folded)
    if query.order == "desc":
        return _get_statement("list_customers_by_count", viewer, query, is_folded)
    return _get_statement("list_customers_by_lowest_count", viewer, query, is_folded)


def _get_statement(name: str, viewer: Viewer, query: CustomerQuery, is_folded: bool, cell: str = CSV_CELL) -> str:
    sort, order = SORTS[query.sort], ORDERS[query.order]
    way = LIFETIMES if query.interval == "all" else KEPT if is_folded else COUNTED
    return get_statement(
        name,
        # Where the counts of the window decide nothing, the order is found without them.
        source=way.counted if name == "list_customers" or query.activity == "active" else LIFETIMES.counted,
        counted=way.counted,
        kept=way.kept,
        is_kept=way.is_kept,
        required=sort.required,
        sort_column=sort.column,
        sort_type=sort.type,
        direction=order.sql,
        nulls=sort.nulls,
        comparison=order.after,
        opposite=order.before,
        index_nulls=order.index_nulls,
        cell=cell,
        **get_masks(viewer),
    )


def _get_values(database: Database, query: CustomerQuery, as_of: datetime) -> dict[str, Any]:
    search = " ".join(query.search.replace("\0", "").split())
    digits = re.sub(r"\D", "", search).lstrip("0")
    is_phone = len(digits) >= 3 and re.fullmatch(r"[\d\s()+./-]+", search)
    return {
        "as_of": as_of,
        "interval": query.interval,
        "since": INTERVALS[query.interval].get_since(as_of),
        "timeout": timedelta(minutes=database.settings.timeout_minutes),
        "inactive_since": go_back(as_of, INACTIVE_AFTER),
        "search": "%" + re.sub(r"([\\%_])", r"\\\1", search) + "%" if search else None,
        # However a phone number was typed: 0754..., +255 754..., 255-754...
        "digits": f"%{digits}%" if is_phone else None,
        "activity": query.activity,
        "device": query.device or None,
        "country": query.country or None,
    }
