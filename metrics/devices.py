"""Devices: what share of the sessions each device, browser and operating system has."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import tuple_row

from metrics.choices import DIMENSIONS, INTERVALS, choose
from metrics.database import Database
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_viewer


@dataclass(frozen=True, slots=True)
class Share:
    """A family or version with its sessions and their share, 0 to 1, of all that were asked about."""

    value: str
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


def _get_values(database: Database, interval: str, as_of: datetime | None, include_bots: bool) -> dict[str, Any]:
    as_of = as_of or database.now()
    since = choose(INTERVALS, "interval", interval).get_since(as_of)
    return {"interval": interval, "since": since, "as_of": as_of, "include_bots": include_bots}


def _list_shares(database: Database, statement: str, values: dict[str, Any]) -> list[Share]:
    with database.read() as connection:
        rows = connection.cursor(row_factory=tuple_row).execute(statement, values, prepare=False).fetchall()
    total = sum(sessions for _, sessions in rows)
    return [Share(value, sessions, sessions / total) for value, sessions in rows]
