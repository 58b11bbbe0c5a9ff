"""Check: is this installation sound? Each finding is one sentence with a hint."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from metrics.choices import INTERVALS
from metrics.database import Database, SchemaMissing
from metrics.migrate import is_current
from metrics.settings import Settings
from metrics.spool import look
from metrics.statements import get_statement
from metrics.statistics import compare_statistics
from metrics.viewer import Viewer

# Customers whose summary is counted anew without `full`.
SAMPLE = 500
FOLD_LATE = timedelta(minutes=5)
SWEEP_LATE = timedelta(minutes=10)
PRUNE_LATE = timedelta(days=2)
SPOOL_LATE = timedelta(minutes=1)
CHECKER = Viewer("check", "admin")

Rows = psycopg.Cursor[tuple[Any, ...]]


def check(database: Database, *, full: bool = False) -> Iterator[str]:
    """Every finding, none where all is well; DatabaseError where the database cannot be asked.

    Without `full`, a sample of the summaries is counted anew, and of the rollups those of the last 24 hours.
    """
    with database.write() as connection:
        if not is_current(connection):
            raise SchemaMissing("The schema is not that of this release: run python -m metrics migrate")
        rows = connection.cursor(row_factory=tuple_row)
        yield from _check_triggers(rows)
        yield from _check_summaries(rows, full)
        yield from _check_chores(rows, database)
        yield from _check_rights(rows)
        reader_is_whole = not rows.execute(get_statement("is_reader_wrong")).fetchall()[0][0]
    yield from _check_spool(database.settings)
    # They are asked as the pages ask them.
    if reader_is_whole:
        yield from _check_rollups(database, full)


def _check_triggers(rows: Rows) -> Iterator[str]:
    for table, trigger, is_there in rows.execute(get_statement("list_lost_triggers")).fetchall():
        state = "is switched off" if is_there else "is missing"
        yield (
            f"The trigger {trigger} on {table} {state}: what is written there is not counted. "
            f"ALTER TABLE {table} ENABLE TRIGGER {trigger}, or migrate --remove and migrate"
        )


def _check_summaries(rows: Rows, full: bool) -> Iterator[str]:
    drifted = rows.execute(get_statement("list_drifted_columns"), {"most": None if full else SAMPLE}).fetchall()
    for column, customers in drifted:
        yield (
            f"The summary of {customers:,} customers is not what a recount gives in {column}"
            + ("" if full else f", of {SAMPLE:,} looked at")
            + ": something wrote with triggers switched off. Run python -m metrics rebuild"
        )
    lost = rows.execute(get_statement("count_lost_summaries")).fetchall()[0][0]
    if lost:
        yield f"{lost:,} customers of the shop have no summary and are in no list: run python -m metrics rebuild"


def _check_chores(rows: Rows, database: Database) -> Iterator[str]:
    settings = database.settings
    silent = rows.execute(
        get_statement("count_unswept"), {"timeout": timedelta(minutes=settings.timeout_minutes), "late": SWEEP_LATE}
    ).fetchall()[0][0]
    if silent:
        yield (
            f"{silent:,} sessions went silent long ago and nobody stored their end: "
            "start python -m metrics endpoint, whose sweeper does"
        )
    lag, changes = rows.execute(get_statement("get_fold_lag")).fetchall()[0]
    if lag is None:
        yield (
            "Nothing is folded, so that every list and card counts the rows themselves: "
            "run python -m metrics fold, or start python -m metrics endpoint"
        )
    elif lag > FOLD_LATE:
        yield (
            f"The fold is {int(lag.total_seconds() // 60):,} minutes behind with {changes:,} changes: "
            "run python -m metrics fold, or start python -m metrics endpoint"
        )
    age = f"{24 * settings.retention_days + PRUNE_LATE.total_seconds() / 3600} hours"
    old = rows.execute(get_statement("count_unpruned"), {"age": age}).fetchall()[0][0]
    if old:
        count = f"{old:,}" if old < 100_000 else "100,000 or more"
        yield (
            f"{count} sessions are older than the {settings.retention_days} days that they are kept: "
            "run python -m metrics prune, or start python -m metrics endpoint, which does it every hour"
        )


def _check_spool(settings: Settings) -> Iterator[str]:
    folder = settings.home / "spool"
    seen = look(folder)
    if seen and seen.waiting and seen.quiet_seconds > SPOOL_LATE.total_seconds():
        yield (
            f"{seen.waiting:,} beacons wait in {str(folder)!r} and nobody writes them: "
            "start python -m metrics endpoint with this METRICS_HOME"
        )
    if seen and seen.refused:
        yield (
            f"{seen.refused:,} batches of beacons in {str(folder)!r} are refused by the database: "
            "look at the table refused in beacons.sqlite, and tell us"
        )


def _check_rights(rows: Rows) -> Iterator[str]:
    for role, number, example in rows.execute(get_statement("list_wrong_rights")).fetchall():
        if example is None:
            yield f"The role {role} is missing: run python -m metrics migrate with a login that may make roles"
        elif role == "PUBLIC":
            yield (
                f"Everybody may call {number} functions that act with the owner's rights, such as {example}: "
                "run python -m metrics migrate"
            )
        else:
            yield f"The role {role} lacks {number} of its rights, such as {example}: run python -m metrics migrate"
    for (role,) in rows.execute(get_statement("list_bypassing_roles")).fetchall():
        yield f"The role {role} passes row-level security by: ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS"
    for (table,) in rows.execute(get_statement("list_open_tables")).fetchall():
        yield f"The table {table} has no row-level security: ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    for table, policy in rows.execute(get_statement("list_lost_policies")).fetchall():
        yield f"The policy {policy} on {table} is missing, so that customers see nothing: migrate --remove and migrate"


def _check_rollups(database: Database, full: bool) -> Iterator[str]:
    for interval in INTERVALS if full else ("daily",):
        for name, kept, counted in compare_statistics(database, CHECKER, interval):
            yield (
                f"{name} of {INTERVALS[interval].label} is {counted} by a recount and {kept} in what is kept: "
                "something wrote with triggers switched off. Run python -m metrics rebuild"
            )
