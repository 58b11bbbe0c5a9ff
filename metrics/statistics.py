"""Statistics: what the cards say about a window and the one before it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg.rows import dict_row

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


def compare_statistics(database: Database, viewer: Viewer, interval: str) -> list[tuple[str, object, object]]:
    """Where what is kept of the interval and a recount disagree, in one moment: name, kept, counted; [] if nowhere."""
    demand_viewer(viewer)
    as_of = database.now()
    if not database.is_folded(as_of):
        return []
    since = choose(INTERVALS, "interval", interval).get_since(as_of)
    values = _get_values(database, interval, since, as_of, as_of, False)
    with database.read() as connection, connection.transaction():
        connection.execute(get_statement("look_at_one_moment"))
        cursor = connection.cursor(row_factory=dict_row)
        kept = cursor.execute(get_statement("get_kept_statistics"), values, prepare=False).fetchall()[0]
        counted = cursor.execute(get_statement("get_statistics"), values, prepare=False).fetchall()[0]
    return [(name, kept[name], value) for name, value in counted.items() if kept[name] != value]


def _get_statistics(
    database: Database,
    interval: str,
    period: str,
    since: datetime | None,
    until: datetime,
    as_of: datetime,
    include_bots: bool,
) -> Statistics:
    values = _get_values(database, period, since, until, as_of, include_bots)
    statement = "get_kept_statistics" if database.is_folded(as_of) else "get_statistics"
    with database.read() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        row = cursor.execute(get_statement(statement), values, prepare=False).fetchall()[0]
    return Statistics(interval=interval, since=since, as_of=as_of, **row)


def _get_values(
    database: Database, period: str, since: datetime | None, until: datetime, as_of: datetime, include_bots: bool
) -> dict[str, Any]:
    return {
        "period": period,
        "since": since,
        "until": until,
        "as_of": as_of,
        "timeout": timedelta(minutes=database.settings.timeout_minutes),
        "cap": CAP,
        "include_bots": include_bots,
    }
