"""The folder: brings the counts kept of each period up to now, so that lists and cards need not count rows."""

import time
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import tuple_row

from metrics import meters
from metrics.chores import Chore
from metrics.settings import Settings
from metrics.statements import get_statement

EVERY_SECONDS = 5.0
# An hour of a busy shop, and what leaves each period meanwhile, are seconds of work.
MAX_STEP = timedelta(hours=1)
# From further back, counting everything anew is quicker than going on.
TOO_FAR = timedelta(days=3)
# From here on the dead rows of the log cost a reader more than their removal costs.
MANY_CHANGES = 5_000


def fold_now(
    connection: psycopg.Connection[Any], timezone: str, *, from_nothing: bool = False, patience: str = "0"
) -> None:
    """Folds up to now on that connection, after whoever folds at this moment; `from_nothing` counts all of it anew.

    `patience` is how long to wait for the other, "30s", or for ever; psycopg's LockNotAvailable after it.
    """
    values = {"timezone": timezone, "max_step": MAX_STEP, "too_far": TOO_FAR}
    # Before a transaction looks at its moment: a fold that ends while we wait must be seen. What take_role did stays.
    connection.execute(get_statement("lock_fold"), {"patience": patience})
    connection.commit()
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    if from_nothing:
        connection.execute(get_statement("forget_fold"))
    cursor = connection.cursor(row_factory=tuple_row)
    while True:
        folded_until, _, now = cursor.execute(get_statement("fold_step"), values).fetchall()[0]
        if folded_until >= now:
            return
        connection.commit()


class Folder(Chore):
    """Its answer is how many changes were taken from the log."""

    name = "fold"

    def __init__(self, settings: Settings, url: str, every_seconds: float = EVERY_SECONDS) -> None:
        super().__init__(url, every_seconds)
        self._values = {"timezone": settings.timezone, "max_step": MAX_STEP, "too_far": TOO_FAR}
        self._since_vacuum = 0

    async def work(self, connection: psycopg.AsyncConnection[Any]) -> int:
        """Steps until it is less than a step behind; each looks at one moment, and counts wholly or not at all."""
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        total: int = 0
        reached: datetime | None = None
        while True:
            async with connection.transaction():
                cursor = connection.cursor(row_factory=tuple_row)
                row = await (await cursor.execute(get_statement("fold_step"), self._values)).fetchone()
            if row is None:
                return total
            folded_until, changes, now = row
            total += int(changes)
            self._since_vacuum += changes
            # A clock that was set back must not keep us here.
            if folded_until >= now or folded_until == reached:
                break
            reached = folded_until
        meters.FOLDED_AT.set(time.time())
        if self._since_vacuum >= MANY_CHANGES:
            await connection.execute(get_statement("vacuum_changes"))
            self._since_vacuum = 0
        return total
