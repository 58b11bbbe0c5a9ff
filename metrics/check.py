"""Check: is this installation sound? Each finding is one sentence with a hint."""

from collections.abc import Iterator
from datetime import timedelta

from psycopg.rows import scalar_row, tuple_row

from metrics.database import Database, SchemaMissing
from metrics.migrate import is_current
from metrics.statements import get_statement

# Customers whose summary is counted anew without `full`.
SAMPLE = 500
FOLD_LATE = timedelta(minutes=5)
SWEEP_LATE = timedelta(minutes=10)


def check(database: Database, *, full: bool = False) -> Iterator[str]:
    """Every finding, none where all is well; DatabaseError where the database cannot be asked."""
    with database.write() as connection:
        if not is_current(connection):
            raise SchemaMissing("The schema is not that of this release: run python -m metrics migrate")
        rows = connection.cursor(row_factory=tuple_row)
        numbers = connection.cursor(row_factory=scalar_row)
        for table, trigger, is_there in rows.execute(get_statement("list_lost_triggers")).fetchall():
            state = "is switched off" if is_there else "is missing"
            yield (
                f"The trigger {trigger} on {table} {state}: what is written there is not counted. "
                f"ALTER TABLE {table} ENABLE TRIGGER {trigger}, or migrate --remove and migrate"
            )
        drifted = numbers.execute(
            get_statement("count_drifted_summaries"), {"most": None if full else SAMPLE}
        ).fetchall()[0]
        if drifted:
            yield (
                f"The summary of {drifted:,} customers is not what a recount gives"
                + ("" if full else f", of {SAMPLE:,} looked at")
                + ": something wrote with triggers switched off. Count them anew by metrics_rebuild_summaries()"
            )
        silent = numbers.execute(
            get_statement("count_unswept"),
            {"timeout": timedelta(minutes=database.settings.timeout_minutes), "late": SWEEP_LATE},
        ).fetchall()[0]
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
        for role in numbers.execute(get_statement("list_bypassing_roles")).fetchall():
            yield f"The role {role} passes row-level security by: ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS"
