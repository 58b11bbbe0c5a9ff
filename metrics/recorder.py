"""Beacons on their way into the database: whatever came while the last commits ran is the next batch.

There is no timer: a lone beacon is written at once, and under load the batches grow by themselves.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from datetime import timedelta

import psycopg

from metrics import meters
from metrics.beacons import Beacon, CannotBeStored, DatabaseIsAway, Kind, NotRecorded, Outcome, QueueIsFull
from metrics.settings import Settings
from metrics.writer import EarlyEnds, Waiting, Writer

# One with large batches beat two and four on two processors (bench/README.md); more pay where there are more.
WRITERS = 1
MOST_IN_BATCH = 256
MOST_WAITING = 10_000
LOGGER = logging.getLogger(__name__)


class Recorder:
    """Hands beacons to its writers; `record` returns after the commit."""

    def __init__(self, settings: Settings, url: str) -> None:
        timeout, early_ends = timedelta(minutes=settings.timeout_minutes), EarlyEnds()
        self._writers = [Writer(url, timeout, early_ends) for _ in range(WRITERS)]
        self._waiting: deque[Waiting] = deque()
        self._in_flight: set[str] = set()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Starts writing; a database that is away is tried again with the next beacon."""
        self._tasks = [asyncio.create_task(self._write_for_ever(writer)) for writer in self._writers]

    async def close(self) -> None:
        """Writes what waits, then lets the connections go. Whoever is in flight has an answer to wait for."""
        while self._waiting:
            await asyncio.wait([one.answer for one in self._waiting])
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for writer in self._writers:
            await writer.close()

    async def record(self, kind: Kind, beacon: Beacon, previous: Beacon | None = None) -> Outcome:
        """The outcome once it is committed, with an end of the previous session if one is named; NotRecorded else."""
        if len(self._waiting) >= MOST_WAITING:
            raise QueueIsFull("Too many beacons wait here: send it again in a moment")
        waiting = Waiting(kind, beacon, previous, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        return await waiting.answer

    def count_waiting(self) -> int:
        """How many beacons wait for their write."""
        return len(self._waiting)

    async def _write_for_ever(self, writer: Writer) -> None:
        while True:
            await self._wake.wait()
            batch = self._take()
            meters.QUEUE.set(len(self._waiting))
            if not batch:
                self._wake.clear()
                continue
            meters.BATCHES.observe(len(batch))
            try:
                await self._write_or_refuse(writer, batch)
            except Exception as error:
                # The task must outlive whatever happens to one batch.
                LOGGER.exception("a batch was not written")
                _fail(batch, CannotBeStored(str(error)))
            for one in batch:
                self._in_flight -= one.list_ids()
            self._wake.set()

    def _take(self) -> list[Waiting]:
        """The next batch: no session twice nor in two at once, so that its messages keep the order they came in."""
        batch: list[Waiting] = []
        later: list[Waiting] = []
        skipped: set[str] = set()
        while self._waiting and len(batch) < MOST_IN_BATCH:
            one = self._waiting.popleft()
            if one.answer.done():
                continue  # whoever asked has left
            ids = one.list_ids()
            if ids.isdisjoint(self._in_flight) and ids.isdisjoint(skipped):
                batch.append(one)
                self._in_flight |= ids
            else:
                later.append(one)
                skipped |= ids
        self._waiting.extendleft(reversed(later))
        return batch

    async def _write_or_refuse(self, writer: Writer, batch: list[Waiting]) -> None:
        try:
            await writer.write(batch)
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
                await self._write_or_refuse(writer, [one])
        else:
            for one in batch:
                if not one.answer.done():
                    one.answer.set_result(one.outcome)


def _fail(batch: list[Waiting], error: NotRecorded) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error)
