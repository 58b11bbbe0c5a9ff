"""Retention: sessions older than the shop keeps them leave in batches, and counts of all time stay as they were."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import class_row, dict_row, scalar_row

from metrics import meters
from metrics.audit import write_audit
from metrics.choices import go_back
from metrics.chores import Chore
from metrics.database import Database
from metrics.settings import Settings
from metrics.statements import get_statement
from metrics.viewer import Viewer, demand_admin, demand_viewer

EVERY_SECONDS = 3600.0
# A batch stays short, so that a beacon never waits long for a summary.
MOST_IN_BATCH = 2_000
# A file of its own for each batch: what is on disk was committed, or is still in the database too.
MOST_IN_FILE = 50_000
WATCHMAN = Viewer("retention", "admin")


@dataclass(frozen=True, slots=True)
class Retention:
    """How far it is: nothing that began before `kept_since` is there in detail; None where nothing ever left."""

    kept_since: datetime | None
    ran_at: datetime | None
    total_pruned: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a run removed, or would remove: sessions that were over before `until`."""

    until: datetime
    sessions: int
    files: tuple[Path, ...] = ()


def get_retention(database: Database, viewer: Viewer) -> Retention:
    """How far retention is."""
    demand_viewer(viewer)
    with database.read() as connection:
        return connection.cursor(row_factory=class_row(Retention)).execute(get_statement("get_retention")).fetchall()[0]


def count_prunable(database: Database, viewer: Viewer, *, days: int | None = None) -> Pruned:
    """How many sessions a run would remove now."""
    demand_viewer(viewer)
    until = _get_until(database, days)
    with database.read() as connection:
        cursor = connection.cursor(row_factory=scalar_row)
        count: int = cursor.execute(get_statement("count_prunable"), {"until": until}).fetchall()[0]
    return Pruned(until, count)


def prune_sessions(
    database: Database,
    viewer: Viewer,
    *,
    days: int | None = None,
    archive: Path | None = None,
    report: Callable[[int], object] = lambda sessions: None,
) -> Pruned:
    """Removes sessions that were over `days` days ago (METRICS_RETENTION_DAYS if None), batch by batch; for admins.

    With `archive`, each batch is a Parquet file in that folder, on disk before the batch is committed. `report` is told
    the size of every batch. What was removed is in the audit log, also where a batch fails.
    """
    demand_admin(viewer)
    until = _get_until(database, days)
    total, files = 0, []
    try:
        while True:
            if archive is None:
                batch, most = _prune_batch(database, until), MOST_IN_BATCH
            else:
                batch, file = _archive_batch(database, until, archive)
                files += [file] if file else []
                most = MOST_IN_FILE
            total += batch
            report(batch)
            # Not until nothing is left: where old rows keep coming, that would be never.
            if batch < most:
                return Pruned(until, total, tuple(files))
    finally:
        if total:
            write_audit(database, viewer, "prune", "sessions", total, until=until.isoformat(), archived=len(files))


class Pruner(Chore):
    """Retention in the endpoint's background; its answer is how many sessions left."""

    name = "prune"

    def __init__(self, settings: Settings, url: str, every_seconds: float = EVERY_SECONDS) -> None:
        super().__init__(url, every_seconds)
        self._age = f"{24 * settings.retention_days} hours"
        self._values = {"timezone": settings.timezone, "max_rows": MOST_IN_BATCH}

    async def work(self, connection: psycopg.AsyncConnection[Any]) -> int:
        """Batch by batch, each a transaction, with one line in the audit log where anything left."""
        numbers = connection.cursor(row_factory=scalar_row)
        until = (await (await numbers.execute(get_statement("get_prune_until"), {"age": self._age})).fetchall())[0]
        total = 0
        values = self._values | {"until": until}
        batch = MOST_IN_BATCH
        while batch == MOST_IN_BATCH:
            batch = (await (await numbers.execute(get_statement("prune_sessions"), values)).fetchall())[0]
            total += batch
        if total:
            details = {"actor": WATCHMAN.email, "action": "prune", "subject": "sessions", "total_rows": total}
            await connection.execute(
                get_statement("write_audit"), details | {"details": f'{{"until": "{until.isoformat()}"}}'}
            )
            meters.PRUNED.inc(total)
        return total


def _get_until(database: Database, days: int | None) -> datetime:
    return go_back(database.now(), timedelta(days=database.settings.retention_days if days is None else days))


def _prune_batch(database: Database, until: datetime) -> int:
    values = {"until": until, "timezone": database.settings.timezone, "max_rows": MOST_IN_BATCH}
    with database.administer() as connection:
        cursor = connection.cursor(row_factory=scalar_row)
        batch: int = cursor.execute(get_statement("prune_sessions"), values).fetchall()[0]
    return batch


def _archive_batch(database: Database, until: datetime, folder: Path) -> tuple[int, Path | None]:
    values = {"until": until, "timezone": database.settings.timezone, "max_rows": MOST_IN_FILE}
    with database.administer() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        rows = cursor.execute(get_statement("prune_sessions_to_archive"), values).fetchall()
        return len(rows), _write_archive(rows, folder) if rows else None


def _write_archive(rows: list[dict[str, Any]], folder: Path) -> Path:
    # Late, because the endpoint has no use for it and little memory.
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {"started_at": "moment", "last_activity_at": "moment", "ended_at": "moment"}
    flags = {"is_bot", "identity_verified"}
    fields = [
        (name, pa.timestamp("us", "UTC") if name in kinds else pa.bool_() if name in flags else pa.string())
        for name in rows[0]
    ]
    for row in rows:
        row["id"] = str(row["id"])
        row["user_id"] = None if row["user_id"] is None else str(row["user_id"])
    folder.mkdir(parents=True, exist_ok=True)
    first = min(row["started_at"] for row in rows)
    path = folder / f"sessions-{first:%Y%m%d}-{uuid4().hex[:12]}.parquet"
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        parquet.write_table(pa.Table.from_pylist(rows, pa.schema(fields)), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return path
