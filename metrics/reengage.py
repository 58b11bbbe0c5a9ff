"""Re-engagement: audiences and segments of customers to write to again, what they are worth, and their CSV."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, scalar_row, tuple_row

from metrics.choices import choose, go_back
from metrics.database import Database
from metrics.exports import CSV_CELL, export_csv
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_viewer, get_masks

MONTH, QUARTER, HALF = timedelta(days=30), timedelta(days=90), timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Audience:
    """People with something in common: the rule is shown beside the name. Each customer is in one segment exactly."""

    key: str
    label: str
    rule: str
    is_segment: bool = False


def _table(*rows: Audience) -> dict[str, Audience]:
    return {row.key: row for row in rows}


# Recency, frequency and money over paid orders that count, named as the field names them.
AUDIENCES = _table(
    Audience("lapsed", "Lapsed buyers", "Ordered before, and not in the last 30 days. May still visit."),
    Audience(
        "inactive",
        "Inactive 30+ days",
        "Registered 30 or more days ago; no session, order or booking in the last 30 days.",
    ),
    Audience("booked", "Booked, never ordered", "At least one booking, and no order."),
    Audience("once", "First order and not back", "One order, more than 30 days ago, and no booking since."),
    Audience("champions", "Champions", "Last paid order within 30 days; 4 or more paid orders.", True),
    Audience("loyal", "Loyal", "Last paid order within 90 days; 2 or more, and no Champion.", True),
    Audience("new", "New", "First and only paid order within 30 days.", True),
    Audience("promising", "Promising", "Only paid order 30 to 90 days ago.", True),
    Audience("cant_lose", "Can't lose", "Last paid order over 90 days ago; among the top fifth by money spent.", True),
    Audience("at_risk", "At risk", "Last paid order 90 to 180 days ago; 2 or more, below the top fifth.", True),
    Audience("hibernating", "Hibernating", "Only paid order 90 to 180 days ago, below the top fifth.", True),
    Audience("lost", "Lost", "Last paid order over 180 days ago, below the top fifth.", True),
    Audience("prospects", "Prospects", "No paid order yet.", True),
)


@dataclass(frozen=True, slots=True)
class Size:
    """How many are in an audience, and what they spent in their lifetime: the value at stake."""

    audience: str
    customers: int
    value: Decimal


@dataclass(frozen=True, slots=True)
class Member:
    """A customer of an audience; contacts as the viewer may see them."""

    id: UUID
    full_name: str
    email: str | None
    phone: str | None
    total_orders: int
    total_bookings: int
    total_spent: Decimal
    last_order_at: datetime | None
    last_order_amount: Decimal | None
    last_login: datetime | None
    segment: str


def list_audiences(database: Database, viewer: Viewer, *, as_of: datetime | None = None) -> list[Size]:
    """Every audience in the order of AUDIENCES, empty ones too."""
    demand_viewer(viewer)
    with database.read() as connection:
        rows = connection.cursor(row_factory=tuple_row).execute(
            get_statement("list_audiences"), _get_values(database, as_of), prepare=False
        )
        found = {audience: Size(audience, customers, value) for audience, customers, value in rows}
    return [found.get(key, Size(key, 0, Decimal(0))) for key in AUDIENCES]


def count_audience(database: Database, viewer: Viewer, audience: str, *, as_of: datetime | None = None) -> int:
    """How many are in it; ChoiceError for a word that is none."""
    demand_viewer(viewer)
    values = _get_values(database, as_of, audience)
    with database.read() as connection:
        cursor = connection.cursor(row_factory=scalar_row)
        count: int = cursor.execute(get_statement("count_audience"), values, prepare=False).fetchall()[0]
    return count


def list_audience(
    database: Database,
    viewer: Viewer,
    audience: str,
    *,
    as_of: datetime | None = None,
    limit: int = 20,
    page: int = 1,
) -> list[Member]:
    """One page, those that spent most first; ties by latest activity, then by id."""
    demand_viewer(viewer)
    values = _get_values(database, as_of, audience) | {"limit": limit, "offset": (page - 1) * limit}
    statement = get_statement("list_audience", **get_masks(viewer))
    with database.read() as connection:
        return connection.cursor(row_factory=class_row(Member)).execute(statement, values, prepare=False).fetchall()


def export_audience(
    database: Database, viewer: Viewer, audience: str, *, as_of: datetime | None = None, cell: str = CSV_CELL
) -> Iterator[bytes]:
    """Everybody in it as CSV, in the list's order; `cell` is how texts are written."""
    demand_viewer(viewer)
    values = _get_values(database, as_of, audience) | {"currency": database.settings.currency}
    return export_csv(database, get_statement("export_audience", cell=cell, **get_masks(viewer)), values)


def _get_values(database: Database, as_of: datetime | None, audience: str | None = None) -> dict[str, Any]:
    as_of = as_of or database.now()
    if audience is not None:
        choose(AUDIENCES, "audience", audience)
    return {
        "audience": audience,
        "as_of": as_of,
        "month_ago": go_back(as_of, MONTH),
        "quarter_ago": go_back(as_of, QUARTER),
        "half_ago": go_back(as_of, HALF),
    }
