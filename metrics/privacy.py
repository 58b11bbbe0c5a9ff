"""Privacy: a person's data handed out or erased with a receipt, and visits counted from nothing again."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import scalar_row, tuple_row

from metrics.database import Database
from metrics.folder import fold_now
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_admin

PATIENCE = "30s"


class PersonNotFound(LookupError):
    """Nobody here has that id."""


class ErasureIncomplete(RuntimeError):
    """Rows that name the person are left."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a deed removed, by table, and what was found left when it was looked for again."""

    deed: str
    subject: str
    done_at: datetime
    removed: Mapping[str, int]
    left: Mapping[str, int]
    is_dry_run: bool = False

    def write(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "deed": self.deed,
            "subject": self.subject,
            "done_at": self.done_at.isoformat(timespec="seconds"),
            "dry_run": self.is_dry_run,
            "removed": dict(self.removed),
            "left": dict(self.left),
        }


def count_traces(database: Database, viewer: Viewer, user_id: UUID) -> dict[str, int]:
    """The rows of ours that name the person, by table; all of them are 0 for a stranger. For admins."""
    demand_admin(viewer)
    with database.administer() as connection:
        rows = connection.cursor(row_factory=tuple_row).execute(get_statement("count_traces"), {"user_id": user_id})
        return dict(rows.fetchall())


def erase_customer(database: Database, viewer: Viewer, user_id: UUID, *, dry_run: bool = False) -> Receipt:
    """Removes everything of ours that names the person, for good: what comes later is a guest's. For admins.

    Orders, bookings, reviews and the shop's own row of the person are the shop's, and stay. Safe to repeat, also after
    it was interrupted. ErasureIncomplete where another process folds for longer than our patience.
    """
    demand_admin(viewer)
    if dry_run:
        traces = count_traces(database, viewer, user_id)
        return Receipt("erase", str(user_id), database.now(), traces, traces, is_dry_run=True)
    with database.administer() as connection:
        connection.execute(get_statement("begin_erasure"), {"user_id": user_id})
    removed = _do(database, "erase_customer", {"user_id": user_id, "actor": viewer.email})
    left = count_traces(database, viewer, user_id)
    if any(left.values()):
        # What is kept of periods names the person until it is folded.
        with suppress(psycopg.errors.LockNotAvailable), database.administer() as connection:
            fold_now(connection, database.settings.timezone, patience=PATIENCE)
        left = count_traces(database, viewer, user_id)
    if any(left.values()):
        tables = ", ".join(f"{count} in {table}" for table, count in left.items() if count)
        raise ErasureIncomplete(f"Rows that name {user_id} are left ({tables}): erase again in a minute")
    return Receipt("erase", str(user_id), database.now(), removed, left)


def reset_customer(database: Database, viewer: Viewer, user_id: UUID, *, dry_run: bool = False) -> Receipt:
    """Forgets a customer's visits, which count from nothing again; orders, bookings and reviews stay. For admins."""
    demand_admin(viewer)
    if dry_run:
        traces = count_traces(database, viewer, user_id)
        kept = {table: traces[table] for table in ("user_sessions", "metrics_pruned_customers")}
        return Receipt("reset", str(user_id), database.now(), kept, kept, is_dry_run=True)
    removed = _do(database, "reset_customer", {"user_id": user_id, "actor": viewer.email})
    traces = count_traces(database, viewer, user_id)
    # A visit that began meanwhile is none of those that were forgotten.
    return Receipt("reset", str(user_id), database.now(), removed, {table: traces[table] for table in removed})


def reset_all_sessions(database: Database, viewer: Viewer) -> Receipt:
    """Forgets every visit of everybody, with what retention kept of them; all else stays. For admins."""
    demand_admin(viewer)
    removed = _do(database, "reset_all_sessions", {"actor": viewer.email})
    return Receipt("reset", "all sessions", database.now(), removed, {})


def export_person(database: Database, viewer: Viewer, user_id: UUID) -> str:
    """All that is known of a person, as JSON in UTF-8; PersonNotFound for nobody we know. For admins."""
    demand_admin(viewer)
    values = {"user_id": user_id, "actor": viewer.email}
    with database.administer() as connection:
        cursor = connection.cursor(row_factory=scalar_row)
        text = cursor.execute(get_statement("export_person"), values).fetchall()[0]
    if text is None:
        raise PersonNotFound(f"Nobody has the id {user_id}: use the id of a customer, as the CSV has it")
    return json.dumps(json.loads(text), ensure_ascii=False, indent=2)


def _do(database: Database, statement: str, values: dict[str, Any]) -> dict[str, int]:
    with database.administer() as connection:
        return dict(connection.cursor(row_factory=tuple_row).execute(get_statement(statement), values).fetchall())
