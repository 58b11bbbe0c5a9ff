"""Sessions: of one customer, the latest of many, and who is online."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from metrics.database import Database
from metrics.settings import CAP, ONLINE
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_viewer


@dataclass(frozen=True, slots=True)
class Session:
    """One session as it stands at a moment: `ended_at` is None only while active; the address is masked."""

    id: UUID
    user_id: UUID | None
    started_at: datetime
    last_activity_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    duration_seconds: float | None
    is_active: bool
    device_type: str
    browser_name: str
    browser_version: str | None
    os_name: str
    os_version: str | None
    ip_address: str | None
    country: str | None
    city: str | None
    landing_page: str | None
    referrer: str | None
    is_bot: bool


@dataclass(frozen=True, slots=True)
class Online:
    """Who is here now: distinct customers, and guest sessions apart."""

    customers: int
    guests: int


def list_sessions(
    database: Database,
    viewer: Viewer,
    user_id: UUID,
    *,
    as_of: datetime | None = None,
    limit: int = 20,
    page: int = 1,
) -> list[Session]:
    """One customer's sessions without bots, latest start first; an unknown customer has none."""
    demand_viewer(viewer)
    values = _get_values(database, as_of) | {
        "user_id": user_id,
        "limit": limit,
        "offset": (page - 1) * limit,
    }
    with database.read() as connection:
        cursor = connection.cursor(row_factory=class_row(Session))
        return cursor.execute(get_statement("list_sessions"), values).fetchall()


def list_recent_sessions(
    database: Database,
    viewer: Viewer,
    user_ids: Iterable[UUID],
    *,
    as_of: datetime | None = None,
    limit: int = 5,
) -> dict[UUID, list[Session]]:
    """The latest few sessions of each customer, latest start first; every id asked for is in the answer."""
    demand_viewer(viewer)
    recent: dict[UUID, list[Session]] = {user_id: [] for user_id in user_ids}
    values = _get_values(database, as_of) | {"user_ids": list(recent), "limit": limit}
    with database.read() as connection:
        cursor = connection.cursor(row_factory=class_row(Session))
        for session in cursor.execute(get_statement("list_recent_sessions"), values):
            if session.user_id is not None:
                recent[session.user_id].append(session)
    return recent


def count_sessions(database: Database, viewer: Viewer, user_id: UUID) -> int:
    """How many sessions of one customer are kept, without bots."""
    demand_viewer(viewer)
    with database.read() as connection:
        cursor = connection.cursor(row_factory=scalar_row)
        count: int = cursor.execute(get_statement("count_sessions"), {"user_id": user_id}).fetchall()[0]
    return count


def count_online(database: Database, viewer: Viewer, *, as_of: datetime | None = None) -> Online:
    """Distinct customers, and guest sessions, with an open session seen in the last five minutes."""
    demand_viewer(viewer)
    values = {"as_of": as_of or database.now(), "online": ONLINE}
    with database.read() as connection:
        cursor = connection.cursor(row_factory=class_row(Online))
        return cursor.execute(get_statement("count_online"), values).fetchall()[0]


def _get_values(database: Database, as_of: datetime | None) -> dict[str, Any]:
    return {
        "as_of": as_of or database.now(),
        "timeout": timedelta(minutes=database.settings.timeout_minutes),
        "cap": CAP,
    }
