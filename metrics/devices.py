"""Devices: what share of the sessions each device, browser and operating system has, over time too, and each place."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.rows import class_row, tuple_row

from metrics.choices import DIMENSIONS, INTERVALS, choose
from metrics.database import Database
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_viewer

# So many families of their own over time; more lines than these nobody tells apart.
MOST_FAMILIES = 5
OTHER = "Other"


@dataclass(frozen=True, slots=True)
class Share:
    """A family or version with its sessions and their share, 0 to 1, of all that were asked about."""

    value: str
    sessions: int
    share: float


@dataclass(frozen=True, slots=True)
class SharePoint:
    """A family in one hour, day or month, with its share, 0 to 1, of the sessions there; None where there are none."""

    bucket_at: datetime
    value: str
    sessions: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Place:
    """A country, or a city in it, with its sessions and their share, 0 to 1, of all; `city` is None for a country."""

    country: str
    city: str | None
    sessions: int
    share: float


def list_shares(
    database: Database,
    viewer: Viewer,
    dimension: str,
    interval: str,
    *,
    as_of: datetime | None = None,
    include_bots: bool = False,
) -> list[Share]:
    """The families of a dimension, the most common first; sessions add up to those of the window."""
    demand_viewer(viewer)
    column = choose(DIMENSIONS, "dimension", dimension).column
    values = _get_values(database, interval, as_of, include_bots)
    name = "list_kept_shares" if database.is_folded(values["as_of"]) else "list_shares"
    return _list_shares(database, get_statement(name, column=column), values)


def list_versions(
    database: Database,
    viewer: Viewer,
    dimension: str,
    family: str,
    interval: str,
    *,
    as_of: datetime | None = None,
    include_bots: bool = False,
) -> list[Share]:
    """The versions within one family (for a device, its operating systems), the most common first."""
    demand_viewer(viewer)
    row = choose(DIMENSIONS, "dimension", dimension)
    values = _get_values(database, interval, as_of, include_bots) | {"family": family}
    name = "list_kept_versions" if database.is_folded(values["as_of"]) else "list_versions"
    statement = get_statement(name, column=row.column, version_column=row.version_column)
    return _list_shares(database, statement, values)


def list_share_series(
    database: Database,
    viewer: Viewer,
    dimension: str,
    interval: str,
    *,
    as_of: datetime | None = None,
    include_bots: bool = False,
) -> list[SharePoint]:
    """The largest families and OTHER, in that order, in every hour, day or month of the interval, oldest first.

    Counted from the rows: sessions add up to those of the window whose detail is kept. None without a session.
    """
    demand_viewer(viewer)
    statement = get_statement("list_share_series", column=choose(DIMENSIONS, "dimension", dimension).column)
    values = _get_values(database, interval, as_of, include_bots) | {
        "bucket": INTERVALS[interval].bucket,
        "timezone": database.settings.timezone,
        "most": MOST_FAMILIES,
    }
    with database.read() as connection:
        return connection.cursor(row_factory=class_row(SharePoint)).execute(statement, values, prepare=False).fetchall()


def list_places(
    database: Database,
    viewer: Viewer,
    interval: str,
    level: Literal["country", "city"] = "country",
    *,
    as_of: datetime | None = None,
    include_bots: bool = False,
) -> list[Place]:
    """Where sessions came from, the most common first; with `Unknown`, so that they add up to those of the window."""
    demand_viewer(viewer)
    values = _get_values(database, interval, as_of, include_bots) | {"level": level}
    with database.read() as connection:
        cursor = connection.cursor(row_factory=tuple_row)
        rows = cursor.execute(get_statement("list_places"), values, prepare=False).fetchall()
    total = sum(sessions for _, _, sessions in rows)
    return [Place(country, city, sessions, sessions / total) for country, city, sessions in rows]


def _get_values(database: Database, interval: str, as_of: datetime | None, include_bots: bool) -> dict[str, Any]:
    as_of = as_of or database.now()
    since = choose(INTERVALS, "interval", interval).get_since(as_of)
    return {"interval": interval, "since": since, "as_of": as_of, "include_bots": include_bots}


def _list_shares(database: Database, statement: str, values: dict[str, Any]) -> list[Share]:
    with database.read() as connection:
        rows = connection.cursor(row_factory=tuple_row).execute(statement, values, prepare=False).fetchall()
    total = sum(sessions for _, sessions in rows)
    return [Share(value, sessions, sessions / total) for value, sessions in rows]
