"""Series: lines over time, one point an hour, day or month."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from psycopg.rows import class_row, scalar_row

from metrics.choices import INTERVALS, choose
from metrics.database import Database
from metrics.settings import CAP
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_viewer


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
