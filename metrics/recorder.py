"""Beacons on their way into the database: whatever came while the last commit ran is the next batch.

There is no timer: a lone beacon is written at once, and under load the batches grow by themselves.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from datetime import timedelta

import psycopg

from metrics import meters
from metrics.beacons import Beacon, CannotBeStored, DatabaseIsAway, Kind, Outcome, QueueIsFull
from metrics.settings import Settings
from metrics.writer import Waiting, Writer

MOST_IN_BATCH = 256
MOST_WAITING = 10_000
LOGGER = logging.getLogger(__name__)


class Recorder:
    """Hands beacons to its writer; `record` returns after the commit.

    One connection, because two and four lost on two processors (bench/README.md); where there are more, run more
    endpoints.
    """

    def __init__(self, settings: Settings, url: str) -> None:
        self._writer = Writer(url, timedelta(minutes=settings.timeout_minutes))
        self._waiting: deque[Waiting] = deque()
        self._batch: list[Waiting] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Starts writing; a database that is away is tried again with the next beacon."""
        self._task = asyncio.create_task(self._write_for_ever())

    async def close(self) -> None:
        """Writes what waits and what is on its way, then lets the connection go."""
        while pending := [one.answer for one in (*self._batch, *self._waiting) if not one.answer.done()]:
            await asyncio.wait(pending)
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._writer.close()

    async def record(self, kind: Kind, beacon: Beacon, previous: Beacon | None = None) -> Outcome:
        """The outcome once it is committed, with an end of the previous session if one is named; NotRecorded else."""
        if len(self._waiting) >= MOST_WAITING:
            raise QueueIsFull("Too many beacons wait here")
        waiting = Waiting(kind, beacon, previous, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        return await waiting.answer

    def count_waiting(self) -> int:
        """How many beacons wait for their write."""
        return len(self._waiting)

    async def _write_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._batch = self._take()
            meters.QUEUE.set(len(self._waiting))
            if not self._batch:
                self._wake.clear()
                continue
            meters.BATCHES.observe(len(self._batch))
            try:
                await self._write_or_refuse(self._batch)
            except Exception as error:
                # None is expected: whoever waits gets it, and says so. This task goes on, or nothing would be written.
                _fail(self._batch, error)

    def _take(self) -> list[Waiting]:
        """The next batch: no session twice, so that its messages keep the order they came in."""
        batch: list[Waiting] = []
        later: list[Waiting] = []
        taken: set[str] = set()
        while self._waiting and len(batch) < MOST_IN_BATCH:
            one = self._waiting.popleft()
            if one.answer.done():
                continue  # whoever asked has left
            ids = one.list_ids()
            (batch if ids.isdisjoint(taken) else later).append(one)
            taken |= ids
        self._waiting.extendleft(reversed(later))
        return batch

    async def _write_or_refuse(self, batch: list[Waiting]) -> None:
        try:
            await self._writer.write(batch)
        except DatabaseIsAway as error:
            _fail(batch, error)
        except psycopg.Error as error:
            if not isinstance(error, (psycopg.DataError, psycopg.IntegrityError, psycopg.OperationalError)):
                # No function of ours, or no right to call it: not the beacon's fault.
                LOGGER.warning("the database is not ready: %s", error.sqlstate)
                _fail(batch, DatabaseIsAway("The database is not ready"))
                return
            if len(batch) == 1:
                LOGGER.warning("the database refuses a beacon: %s", error.sqlstate)
                _fail(batch, CannotBeStored("This beacon cannot be stored: send another"))
                return
            # One that the database refuses must not take its neighbours along.
            for one in batch:
                await self._write_or_refuse([one])
        else:
            for one in batch:
                if not one.answer.done():
                    one.answer.set_result(one.outcome)


def _fail(batch: list[Waiting], error: Exception) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error)
