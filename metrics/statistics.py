"""Statistics: what the cards say about a window and the one before it, and the lines over time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg.rows import class_row, dict_row, scalar_row

from metrics.choices import INTERVALS, choose
from metrics.database import Database
from metrics.settings import CAP
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_viewer


@dataclass(frozen=True, slots=True)
class Statistics:
    """The numbers of [since, until), seen at as_of; rates and durations are None where there is nothing to divide.

    Rates are in percent, durations in seconds over `closed_sessions` ended sessions.
    """

    interval: str
    since: datetime | None
    as_of: datetime
    total_users: int
    total_sessions: int
    unique_users_in_period: int
    guest_sessions: int
    bot_sessions: int
    active_sessions: int
    ended_sessions: int
    end_rate_percent: Decimal | None
    explicit_end_rate_percent: Decimal | None
    closed_sessions: int
    avg_duration_seconds: float | None
    median_duration_seconds: float | None
    p90_duration_seconds: float | None
    orders_in_period: int
    bookings_in_period: int
    revenue_in_period: Decimal
    new_users_in_period: int


@dataclass(frozen=True, slots=True)
class Point:
    """One hour, day or month of the local time zone; without a session there, nothing to average or divide."""

    bucket_at: datetime
    sessions: int
    unique_users: int
    orders: int
    bookings: int
    revenue: Decimal
    new_users: int
    avg_duration_seconds: float | None
    end_rate_percent: Decimal | None


def get_statistics(
    database: Database,
    viewer: Viewer,
    interval: str,
    *,
    as_of: datetime | None = None,
    include_bots: bool = False,
) -> Statistics:
    """The numbers of the interval that ends at as_of."""
    demand_viewer(viewer)
    as_of = as_of or database.now()
    since = choose(INTERVALS, "interval", interval).get_since(as_of)
    return _get_statistics(database, interval, interval, since, as_of, as_of, include_bots)


def get_previous_statistics(
    database: Database,
    viewer: Viewer,
    interval: str,
    *,
    as_of: datetime | None = None,
    include_bots: bool = False,
) -> Statistics | None:
    """The numbers of the window of the same length before the interval, for the change; All Time has none before it."""
    demand_viewer(viewer)
    as_of = as_of or database.now()
    row = choose(INTERVALS, "interval", interval)
    until = row.get_since(as_of)
    if until is None:
        return None
    period = f"previous_{interval}"
    return _get_statistics(database, interval, period, row.get_since(until), until, as_of, include_bots)


def list_series(
    database: Database,
    viewer: Viewer,
    interval: str,
    *,
    as_of: datetime | None = None,
    include_bots: bool = False,
) -> list[Point]:
    """Points from the interval's begin to as_of, zeros included, oldest first; none in an empty shop.

    Hours for 24 hours, days for 7 and 30 days, months for All Time. The window is rolling, so the first and the last
    point may hold part of an hour, day or month.
    """
    demand_viewer(viewer)
    as_of = as_of or database.now()
    row = choose(INTERVALS, "interval", interval)
    is_folded = database.is_folded(as_of)
    with database.read() as connection:
        moments = connection.cursor(row_factory=scalar_row)
        since = row.get_since(as_of)
        if since is None:
            since = moments.execute(get_statement("get_first_moment"), {"as_of": as_of}).fetchall()[0]
        if since is None:
            return []
        values = {
            "since": since,
            "as_of": as_of,
            "bucket": row.bucket,
            "timezone": database.settings.timezone,
            "include_bots": include_bots,
            "timeout": timedelta(minutes=database.settings.timeout_minutes),
            "cap": CAP,
        }
        if is_folded:
            values["whole_from"] = moments.execute(get_statement("get_whole_from"), values).fetchall()[0]
        statement = "list_kept_series" if is_folded else "list_series"
        points = connection.cursor(row_factory=class_row(Point))
        return points.execute(get_statement(statement), values, prepare=False).fetchall()


def _get_statistics(
    database: Database,
    interval: str,
    period: str,
    since: datetime | None,
    until: datetime,
    as_of: datetime,
    include_bots: bool,
) -> Statistics:
    values: dict[str, Any] = {
        "period": period,
        "since": since,
        "until": until,
        "as_of": as_of,
        "timeout": timedelta(minutes=database.settings.timeout_minutes),
        "cap": CAP,
        "include_bots": include_bots,
    }
    statement = "get_kept_statistics" if database.is_folded(as_of) else "get_statistics"
    with database.read() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        row = cursor.execute(get_statement(statement), values, prepare=False).fetchall()[0]
    return Statistics(interval=interval, since=since, as_of=as_of, **row)
