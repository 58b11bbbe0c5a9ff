"""Rebuild: every summary and every rollup counted anew from the rows, while the shop goes on."""

from collections.abc import Callable
from uuid import UUID

from psycopg.rows import scalar_row

from metrics.database import Database
from metrics.folder import fold_now
from metrics.statements import get_statement

# A batch holds its customers' summaries for some tens of milliseconds.
CUSTOMERS_IN_BATCH = 500


def count_customers_to_rebuild(database: Database) -> int:
    """How many customers there are to count."""
    with database.write() as connection:
        count: int = connection.cursor(row_factory=scalar_row).execute(get_statement("count_users")).fetchall()[0]
    return count


def rebuild(database: Database, report: Callable[[int], object] = lambda customers: None) -> int:
    """Counts every customer anew, batch by batch, then what is kept of periods; how many summaries were written.

    Readers go on: the summaries change a batch at a time, what is kept of periods in one transaction. `report` is told
    the size of every batch.
    """
    total, after = 0, None
    while ids := _list_next(database, after):
        with database.write() as connection:
            cursor = connection.cursor(row_factory=scalar_row)
            total += cursor.execute(get_statement("rebuild_customers"), {"user_ids": ids}).fetchall()[0]
        after = ids[-1]
        report(len(ids))
    with database.write() as connection:
        fold_now(connection, database.settings.timezone, from_nothing=True)
    return total


def _list_next(database: Database, after: UUID | None) -> list[UUID]:
    with database.write() as connection:
        cursor = connection.cursor(row_factory=scalar_row)
        return cursor.execute(
            get_statement("list_next_customers"), {"after": after, "limit": CUSTOMERS_IN_BATCH}
        ).fetchall()
