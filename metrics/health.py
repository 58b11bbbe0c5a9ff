"""Health: the reference's monitoring questions, how far the background is, and what the server knows of our tables."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from psycopg.rows import class_row

from metrics.choices import INTERVALS, choose
from metrics.database import Database
from metrics.settings import CAP
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_admin, get_masks

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class EndRate:
    """Ended sessions of all, in percent; None where there are none."""

    sessions: int
    ended: int
    end_rate_percent: Decimal | None
    explicit_end_rate_percent: Decimal | None


@dataclass(frozen=True, slots=True)
class AverageDuration:
    """The mean over ended sessions, in seconds; None where there are none."""

    sessions: int
    avg_duration_seconds: float | None


@dataclass(frozen=True, slots=True)
class MostActive:
    """A customer by sessions of the window."""

    user_id: UUID
    full_name: str
    sessions: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table by the server's own estimate of rows, and its bytes with indexes."""

    name: str
    estimated_rows: int
    bytes: int
    dead_rows: int
    vacuumed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Index:
    """An index, and how often it was read since the server counts."""

    table_name: str
    name: str
    scans: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BeaconRate:
    """Sessions that began in an hour, and sessions seen in a minute."""

    started_in_hour: int
    seen_in_minute: int


@dataclass(frozen=True, slots=True)
class ChoreState:
    """Silent sessions whose end is not stored, until when counts are kept (None: nothing is), and what waits."""

    unswept: int
    folded_until: datetime | None
    waiting_changes: int


def get_end_rate(database: Database, viewer: Viewer, interval: str, *, as_of: datetime | None = None) -> EndRate:
    """The first monitoring question, by counting the rows and what retention took from them."""
    return _ask(database, viewer, EndRate, "get_end_rate", interval, as_of)[0]


def get_average_duration(
    database: Database, viewer: Viewer, interval: str, *, as_of: datetime | None = None
) -> AverageDuration:
    """The second monitoring question, by counting the rows and what retention took from them."""
    return _ask(database, viewer, AverageDuration, "get_average_duration", interval, as_of)[0]


def list_most_active(
    database: Database, viewer: Viewer, interval: str = "weekly", *, as_of: datetime | None = None, limit: int = 10
) -> list[MostActive]:
    """The third monitoring question: who came most often, first in the list first."""
    return _ask(database, viewer, MostActive, "list_most_active", interval, as_of, limit=limit)


def list_tables(database: Database, viewer: Viewer) -> list[Table]:
    """Our tables and those of the shop that we read, largest first."""
    return _ask(database, viewer, Table, "list_tables")


def list_indexes(database: Database, viewer: Viewer) -> list[Index]:
    """Their indexes, largest first; one that nothing reads costs every write."""
    return _ask(database, viewer, Index, "list_indexes")


def get_beacon_rate(database: Database, viewer: Viewer, *, as_of: datetime | None = None) -> BeaconRate:
    """How busy the endpoint is."""
    return _ask(database, viewer, BeaconRate, "get_beacon_rate", as_of=as_of)[0]


def get_chore_state(database: Database, viewer: Viewer, *, as_of: datetime | None = None) -> ChoreState:
    """How far sweeper and fold are."""
    return _ask(database, viewer, ChoreState, "get_chore_state", as_of=as_of)[0]


def _ask(
    database: Database,
    viewer: Viewer,
    kind: type[Row],
    statement: str,
    interval: str = "all",
    as_of: datetime | None = None,
    **more: object,
) -> list[Row]:
    demand_admin(viewer)
    as_of = as_of or database.now()
    values = {
        "as_of": as_of,
        "since": choose(INTERVALS, "interval", interval).get_since(as_of),
        "timeout": timedelta(minutes=database.settings.timeout_minutes),
        "cap": CAP,
        **more,
    }
    with database.read() as connection:
        cursor = connection.cursor(row_factory=class_row(kind))
        return cursor.execute(get_statement(statement, **get_masks(viewer)), values, prepare=False).fetchall()
