"""The list of sessions: of everybody, with filters, their reasons of end and their CSV."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, scalar_row, tuple_row

from metrics.choices import INTERVALS, choose
from metrics.database import Database
from metrics.exports import CSV_CELL, export_csv
from metrics.sessions import Session
from metrics.settings import CAP
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_viewer, get_masks

# Counting further would take longer than anybody pages.
MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """One choice of a filter of the list."""

    key: str
    label: str


def _table(labels: Mapping[str, str]) -> dict[str, SessionFilter]:
    return {key: SessionFilter(key, label) for key, label in labels.items()}


STATES = _table({"all": "All sessions", "active": "Active now", "ended": "Ended"})
REASONS = _table(
    {
        "all": "All reasons",
        "sign_out": "Signed out",
        "user_switch": "Switched user",
        "page_hide": "Left the page",
        "gone": "Browser closed",
        "lost": "End message lost",
        "timeout": "Fell silent",
        "cap": "Longest time reached",
        "reported": "Reported without a reason",
        "unknown": "No reason stored",
    }
)
WHO = _table({"all": "Everybody", "customers": "Customers", "guests": "Guests"})


@dataclass(frozen=True, slots=True)
class ListedSession(Session):
    """A session with its customer's name, masked where the viewer may not see contacts; a guest has none."""

    full_name: str | None


@dataclass(frozen=True, slots=True)
class SessionQuery:
    """Which sessions the list shows; raises ChoiceError for a word that is none of the choices.

    Device, browser and country are those of the session; `Unknown` is one of them.
    """

    interval: str = "all"
    state: str = "all"
    reason: str = "all"
    device: str | None = None
    browser: str | None = None
    country: str | None = None
    who: str = "all"
    include_bots: bool = False
    user_id: UUID | None = None

    def __post_init__(self) -> None:
        choose(INTERVALS, "interval", self.interval)
        choose(STATES, "state", self.state)
        choose(REASONS, "reason", self.reason)
        choose(WHO, "who", self.who)

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves out a session of the interval."""
        words = (self.state, self.reason, self.who)
        return bool(self.device or self.browser or self.country or any(word != "all" for word in words))


EVERY_SESSION = SessionQuery()


@dataclass(frozen=True, slots=True)
class EndReason:
    """Why sessions ended, how many did, and their share, 0 to 1, of all that ended."""

    reason: str
    sessions: int
    share: float


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What the filters offer, each in order."""

    devices: tuple[str, ...]
    browsers: tuple[str, ...]
    countries: tuple[str, ...]


def list_all_sessions(
    database: Database,
    viewer: Viewer,
    query: SessionQuery,
    *,
    as_of: datetime | None = None,
    limit: int = 20,
    page: int = 1,
) -> list[ListedSession]:
    """A page of the sessions that the filters leave, latest start first."""
    demand_viewer(viewer)
    values = _get_values(database, query, as_of) | {"limit": limit, "offset": (page - 1) * limit}
    statement = get_statement("list_all_sessions", **get_masks(viewer))
    with database.read() as connection:
        cursor = connection.cursor(row_factory=class_row(ListedSession))
        # Never prepared: a plan made for the values themselves folds the filters that are not set.
        return cursor.execute(statement, values, prepare=False).fetchall()


def count_all_sessions(
    database: Database,
    viewer: Viewer,
    query: SessionQuery,
    *,
    as_of: datetime | None = None,
    most: int | None = MOST_COUNTED,
) -> int:
    """How many sessions the filters leave; `most` + 1 stands for any number above it, with None all are counted."""
    demand_viewer(viewer)
    values = _get_values(database, query, as_of) | {"limit": None if most is None else most + 1}
    with database.read() as connection:
        cursor = connection.cursor(row_factory=scalar_row)
        count: int = cursor.execute(get_statement("count_all_sessions"), values, prepare=False).fetchall()[0]
    return count


def list_end_reasons(
    database: Database,
    viewer: Viewer,
    interval: str,
    *,
    as_of: datetime | None = None,
    include_bots: bool = False,
) -> list[EndReason]:
    """Why the sessions of the interval ended, the most common first; those that only silence ended are `timeout`.

    `unknown` is an end without a reason; an old tracker may have stored words that are not among REASONS.
    """
    demand_viewer(viewer)
    values = _get_values(database, SessionQuery(interval=interval, include_bots=include_bots), as_of)
    with database.read() as connection:
        cursor = connection.cursor(row_factory=tuple_row)
        rows = cursor.execute(get_statement("list_end_reasons"), values, prepare=False).fetchall()
    ended = sum(sessions for _, sessions in rows)
    return [EndReason(reason, sessions, sessions / ended) for reason, sessions in rows]


def list_session_options(database: Database, viewer: Viewer) -> SessionOptions:
    """The devices, browsers and countries of the latest sessions, bots included; older ones may have had others."""
    demand_viewer(viewer)
    found: dict[str, list[str]] = {"devices": [], "browsers": [], "countries": []}
    with database.read() as connection:
        cursor = connection.cursor(row_factory=tuple_row)
        for name, value in cursor.execute(get_statement("list_session_options"), {"limit": MOST_COUNTED}):
            found[name].append(value)
    return SessionOptions(**{name: tuple(values) for name, values in found.items()})


def export_sessions(
    database: Database,
    viewer: Viewer,
    query: SessionQuery = EVERY_SESSION,
    *,
    as_of: datetime | None = None,
    cell: str = CSV_CELL,
) -> Iterator[bytes]:
    """Every session that the filters leave as CSV, latest start first, in pieces of 64 KiB; `cell` writes texts."""
    demand_viewer(viewer)
    return export_csv(database, get_statement("export_sessions", cell=cell), _get_values(database, query, as_of))


def _get_values(database: Database, query: SessionQuery, as_of: datetime | None) -> dict[str, Any]:
    as_of = as_of or database.now()
    return {
        "as_of": as_of,
        "since": INTERVALS[query.interval].get_since(as_of),
        "timeout": timedelta(minutes=database.settings.timeout_minutes),
        "cap": CAP,
        "include_bots": query.include_bots,
        "state": query.state,
        "reason": query.reason,
        "device": query.device.lower() if query.device else None,
        "browser": query.browser or None,
        "country": query.country or None,
        "who": query.who,
        "user_id": query.user_id,
    }
