"""Beacons on their way into the database: whatever came while the last commit ran is the next batch.

There is no timer: a lone beacon is written at once, and under load the batches grow by themselves. While the database
is away the batches go to the spool, and everything after them until those are written.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from metrics import meters
from metrics.beacons import Beacon, CannotBeStored, DatabaseIsAway, Entry, Kind, NotRecorded, Outcome, QueueIsFull
from metrics.settings import Settings
from metrics.spool import Spool
from metrics.spooler import Spooler
from metrics.writer import REPLAY_SECONDS, Writer

MOST_IN_BATCH = 256
MOST_WAITING = 10_000
LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Waiting:
    """An entry, and who waits for what becomes of it."""

    entry: Entry
    answer: "asyncio.Future[Outcome]"


class Recorder:
    """Hands beacons to its writer; `record` returns after the commit, or after the fsync of the spool.

    One connection, because two and four lost on two processors (bench/README.md); where there are more, run more
    endpoints.
    """

    def __init__(self, settings: Settings, url: str, spool: Spool | None = None) -> None:
        """Without a spool, beacons are refused while the database is away."""
        timeout = timedelta(minutes=settings.timeout_minutes)
        self._writer = Writer(url, timeout)
        self._spooler = Spooler(spool, Writer(url, timeout, REPLAY_SECONDS)) if spool else None
        self._waiting: deque[Waiting] = deque()
        self._batch: list[Waiting] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Starts writing, first what an earlier process left."""
        if self._spooler:
            await self._spooler.open()
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
        if self._spooler:
            await self._spooler.close()

    async def record(self, kind: Kind, beacon: Beacon, previous: Beacon | None = None) -> Outcome:
        """The outcome once it is stored, with an end of the previous session if one is named; NotRecorded else."""
        if len(self._waiting) >= MOST_WAITING:
            raise QueueIsFull("Too many beacons wait here")
        entry = Entry(kind, beacon, previous, datetime.now(UTC))
        # However long the write takes, it happened when it came.
        received_at = self._writer.tell_time()
        for one in (beacon, previous):
            if one and one.received_at is None:
                one.received_at = received_at
        waiting = Waiting(entry, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        return await waiting.answer

    def count_waiting(self) -> int:
        """How many beacons wait for their write."""
        return len(self._waiting)

    def count_spooled(self) -> int | None:
        """How many beacons wait on disk; None where there is no spool."""
        return self._spooler.size if self._spooler else None

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
                await self._write_or_keep(self._batch)
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
            ids = one.entry.list_ids()
            (batch if ids.isdisjoint(taken) else later).append(one)
            taken |= ids
        self._waiting.extendleft(reversed(later))
        return batch

    async def _write_or_keep(self, batch: list[Waiting]) -> None:
        entries = [one.entry for one in batch]
        try:
            outcomes = await self._store(entries)
        except CannotBeStored as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            # One that the database refuses must not take its neighbours along.
            for one in batch:
                await self._write_or_keep([one])
        except NotRecorded as error:
            _fail(batch, error)
        else:
            for one, outcome in zip(batch, outcomes, strict=True):
                if not one.answer.done():
                    one.answer.set_result(outcome)

    async def _store(self, entries: list[Entry]) -> list[Outcome]:
        if self._spooler is None:
            return await self._writer.write(entries)
        if await self._spooler.empty(len(entries)):
            with suppress(DatabaseIsAway):
                return await self._writer.write(entries)
        return await self._spooler.keep(entries)


def _fail(batch: list[Waiting], error: Exception) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error)
