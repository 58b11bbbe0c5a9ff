"""The sweeper: stores the end of sessions that went silent, in one of many processes at a time."""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import psycopg

from metrics import meters
from metrics.database import CONNECT_TIMEOUT_SECONDS
from metrics.settings import CAP, Settings
from metrics.statements import get_statement

EVERY_SECONDS = 60.0
# A step stays short, so that a beacon never waits long for a row that is being swept.
MOST_IN_STEP = 2_000
LOGGER = logging.getLogger(__name__)


class Sweeper:
    """A background task; readers derive the same ends, so that nothing is wrong while it is late."""

    def __init__(self, settings: Settings, url: str, every_seconds: float = EVERY_SECONDS) -> None:
        self._url = url
        self._values = {"timeout": timedelta(minutes=settings.timeout_minutes), "cap": CAP, "max_rows": MOST_IN_STEP}
        self._every_seconds = every_seconds
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Starts sweeping."""
        self._task = asyncio.create_task(self._sweep_for_ever())

    async def close(self) -> None:
        """Stops; a step that runs is rolled back, and the next process does it again."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _sweep_for_ever(self) -> None:
        may_sweep = True
        while may_sweep:
            try:
                swept = await self.sweep()
                meters.SWEPT.inc(swept)
                meters.SWEPT_AT.set(time.time())
            except psycopg.errors.InsufficientPrivilege:
                may_sweep = False
                LOGGER.warning("this login may not sweep: run one endpoint with the owner's DATABASE_URL")
            except (psycopg.Error, OSError):
                # It is away, which the writer of beacons says: the next round will do.
                LOGGER.info("not swept")
            await asyncio.sleep(self._every_seconds)

    async def sweep(self) -> int:
        """How many ends were stored; 0 too where another process is at it."""
        connection: psycopg.AsyncConnection[Any]
        async with await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS, application_name="metrics-sweeper"
        ) as connection:
            total = 0
            while True:
                cursor = await connection.execute(get_statement("sweep_sessions"), self._values)
                row = await cursor.fetchone()
                swept: int = (row[0] if row else None) or 0
                total += swept
                if swept < MOST_IN_STEP:
                    return total
