"""Rhythm: at which hours of which weekdays sessions begin."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, scalar_row

from metrics.choices import INTERVALS, choose
from metrics.database import Database
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_viewer


@dataclass(frozen=True, slots=True)
class Hour:
    """How many sessions began in one hour of one weekday: 1 is Monday, hours are 0 to 23 of the local time zone."""

    weekday: int
    hour: int
    sessions: int


def list_hours(
    database: Database,
    viewer: Viewer,
    interval: str,
    *,
    as_of: datetime | None = None,
    include_bots: bool = False,
) -> list[Hour]:
    """All 168 hours of a week, Monday 0 first, zeros included; sessions add up to those of the interval.

    Where clocks change, an hour that comes twice counts twice, and one that is left out has none of that day.
    """
    demand_viewer(viewer)
    as_of = as_of or database.now()
    since = choose(INTERVALS, "interval", interval).get_since(as_of)
    values: dict[str, Any] = {
        "since": since,
        "as_of": as_of,
        "bucket": "hour",
        "timezone": database.settings.timezone,
        "include_bots": include_bots,
    }
    is_folded = database.is_folded(as_of)
    with database.read() as connection:
        if is_folded:
            moments = connection.cursor(row_factory=scalar_row)
            whole_from = moments.execute(get_statement("get_whole_from"), values).fetchall()[0] if since else None
            values["whole_from"] = whole_from
        statement = get_statement("list_kept_hours" if is_folded else "list_hours")
        hours = connection.cursor(row_factory=class_row(Hour))
        return hours.execute(statement, values, prepare=False).fetchall()
