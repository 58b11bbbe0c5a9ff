"""Audit: who did what with personal data, when, and with how many rows; written before the result is handed out."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, scalar_row

from metrics.database import Database
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_admin, demand_viewer


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the log: `subject` is what it was done to, an id or a list's name, never a person's name."""

    id: int
    happened_at: datetime
    actor: str
    action: str
    subject: str
    total_rows: int
    details: dict[str, Any]


def write_audit(
    database: Database, viewer: Viewer, action: str, subject: str, total_rows: int, **details: object
) -> None:
    """One deed of the viewer; where it cannot be written, what follows must not happen, and the error says why."""
    demand_viewer(viewer)
    values = {
        "actor": viewer.email,
        "action": action,
        "subject": subject,
        "total_rows": total_rows,
        "details": json.dumps({"role": viewer.role, **details}),
    }
    with database.administer() as connection:
        connection.execute(get_statement("write_audit"), values)


def list_audit(database: Database, viewer: Viewer, *, limit: int = 20, page: int = 1) -> list[Deed]:
    """The latest deeds first; for admins."""
    demand_admin(viewer)
    with database.administer() as connection:
        cursor = connection.cursor(row_factory=class_row(Deed))
        return cursor.execute(get_statement("list_audit"), {"limit": limit, "offset": (page - 1) * limit}).fetchall()


def count_audit(database: Database, viewer: Viewer) -> int:
    """How many deeds there are; for admins."""
    demand_admin(viewer)
    with database.administer() as connection:
        count: int = connection.cursor(row_factory=scalar_row).execute(get_statement("count_audit")).fetchall()[0]
    return count
