"""Services: how often each was booked and for how much, over time too, and who books it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, dict_row

from metrics.choices import INTERVALS, choose
from metrics.database import Database
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_viewer, get_masks

# So many lines over time, the rest among them; more nobody tells apart.
MOST_LINES = 6
OTHER = "Other"


@dataclass(frozen=True, slots=True)
class Service:
    """A service by its present name, or all together: `bookings` are the counted ones, `cancelled` stand apart.

    `share`, 0 to 1, is of all counted bookings of the window, `cancelled_share` of the service's own bookings with the
    cancelled ones; None where there is nothing to divide by. `customers` are distinct, `guest_bookings` nobody's.
    """

    service: str
    bookings: int
    cancelled: int
    customers: int
    guest_bookings: int
    booked_value: Decimal
    share: float | None
    cancelled_share: float | None


@dataclass(frozen=True, slots=True)
class Services:
    """All services together, and each, the most booked first."""

    total: Service
    services: list[Service]


@dataclass(frozen=True, slots=True)
class ServicePoint:
    """A service in one hour, day or month."""

    bucket_at: datetime
    service: str
    bookings: int
    booked_value: Decimal


@dataclass(frozen=True, slots=True)
class ServiceCustomer:
    """Who booked a service, or any, with those counted bookings; contacts masked where the viewer may not see them."""

    id: UUID
    full_name: str
    email: str | None
    phone: str | None
    bookings: int
    booked_value: Decimal
    last_booked_at: datetime


def list_services(database: Database, viewer: Viewer, interval: str, *, as_of: datetime | None = None) -> Services:
    """Every service booked in the interval; one with cancelled bookings alone is there with none counted."""
    demand_viewer(viewer)
    values = _get_values(database, interval, as_of)
    with database.read() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        total, *rows = cursor.execute(get_statement("list_services"), values, prepare=False).fetchall()
    counted = total["bookings"]
    return Services(
        _make_service(total | {"service": "All services"}, counted), [_make_service(row, counted) for row in rows]
    )


def list_service_series(
    database: Database, viewer: Viewer, interval: str, *, as_of: datetime | None = None
) -> list[ServicePoint]:
    """The most booked services and OTHER, in that order, in every hour, day or month of the interval, oldest first.

    Bookings and values add up to those of the window; an interval without a counted booking has no points.
    """
    demand_viewer(viewer)
    values = _get_values(database, interval, as_of) | {
        "bucket": INTERVALS[interval].bucket,
        "timezone": database.settings.timezone,
        "most": MOST_LINES,
    }
    statement = get_statement("list_service_series")
    with database.read() as connection:
        cursor = connection.cursor(row_factory=class_row(ServicePoint))
        return cursor.execute(statement, values, prepare=False).fetchall()


def list_service_customers(
    database: Database,
    viewer: Viewer,
    interval: str,
    *,
    service: str | None = None,
    as_of: datetime | None = None,
    limit: int = 20,
    page: int = 1,
) -> list[ServiceCustomer]:
    """A page of those who booked that service, or any, the most bookings first; empty for a name nobody booked."""
    demand_viewer(viewer)
    values = _get_values(database, interval, as_of) | {
        "service": service,
        "limit": limit,
        "offset": (page - 1) * limit,
    }
    statement = get_statement("list_service_customers", **get_masks(viewer))
    with database.read() as connection:
        cursor = connection.cursor(row_factory=class_row(ServiceCustomer))
        return cursor.execute(statement, values, prepare=False).fetchall()


def _get_values(database: Database, interval: str, as_of: datetime | None) -> dict[str, Any]:
    as_of = as_of or database.now()
    return {"since": choose(INTERVALS, "interval", interval).get_since(as_of), "as_of": as_of}


def _make_service(row: dict[str, Any], counted: int) -> Service:
    every = row["bookings"] + row["cancelled"]
    share = row["bookings"] / counted if counted else None
    return Service(**row, share=share, cancelled_share=row["cancelled"] / every if every else None)
