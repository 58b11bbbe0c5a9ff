"""The sweeper: stores the end of sessions that went silent."""

import time
from datetime import timedelta
from typing import Any

import psycopg

from metrics import meters
from metrics.chores import Chore
from metrics.settings import CAP, Settings
from metrics.statements import get_statement

EVERY_SECONDS = 60.0
# A step stays short, so that a beacon never waits long for a row that is being swept.
MOST_IN_STEP = 2_000


class Sweeper(Chore):
    """Its answer is how many ends were stored."""

    name = "sweep"

    def __init__(self, settings: Settings, url: str, every_seconds: float = EVERY_SECONDS) -> None:
        super().__init__(url, every_seconds)
        self._values = {"timeout": timedelta(minutes=settings.timeout_minutes), "cap": CAP, "max_rows": MOST_IN_STEP}

    async def work(self, connection: psycopg.AsyncConnection[Any]) -> int:
        """In steps, each a transaction."""
        total = 0
        while True:
            cursor = await connection.execute(get_statement("sweep_sessions"), self._values)
            row = await cursor.fetchone()
            swept: int = (row[0] if row else None) or 0
            total += swept
            if swept < MOST_IN_STEP:
                meters.SWEPT.inc(total)
                meters.SWEPT_AT.set(time.time())
                return total
