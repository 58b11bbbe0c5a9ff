"""Beacons while the database is away: kept on disk, and written in their order when it is back."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from metrics import meters
from metrics.beacons import CannotBeStored, DatabaseIsAway, Entry, Outcome, SpoolIsFull
from metrics.spool import Batch, Part, Spool, SpoolError
from metrics.writer import RETRY_SECONDS, STATEMENT_SECONDS, Writer

# What one round of the replay reads: large batches cost the database less a beacon.
MOST_IN_ROUND = 1_024
# Another process may have died and left something.
LOOK_SECONDS = 10.0
LOGGER = logging.getLogger(__name__)
Answer = TypeVar("Answer")
_decoder = msgspec.json.Decoder(list[Entry])


class Spooler:
    """One thread that writes to the disk, one task that writes to the database."""

    def __init__(self, spool: Spool, writer: Writer) -> None:
        self._spool = spool
        self._writer = writer
        # One thread: SQLite takes one change at a time anyway.
        self._thread = ThreadPoolExecutor(1, "spool")
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._size = 0
        # Whether the database took the last batch, and what says that this or the size has changed.
        self._is_flowing = False
        self._news = asyncio.Event()

    @property
    def size(self) -> int:
        """How many beacons wait on disk, as far as is known."""
        return self._size

    async def open(self) -> None:
        """Starts with what was left."""
        with suppress(SpoolError):
            await self._count()
        self._task = asyncio.create_task(self._replay_for_ever())

    async def close(self) -> None:
        """Leaves what waits to the next process."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._writer.close()
        # After whatever the thread is at.
        self._thread.shutdown(wait=True)
        self._spool.close()

    async def keep(self, entries: list[Entry]) -> list[Outcome]:
        """Returns once they are on the disk, with what can be known of each by now; SpoolIsFull else."""
        try:
            await self._on_disk(lambda: self._spool.append(_write(entries)))
            await self._count()
        except SpoolError as error:
            LOGGER.warning("beacons cannot be kept: %s", error)
            raise SpoolIsFull("The database does not answer, and nothing more can be kept") from None
        self._wake.set()
        return [_foresee(one) for one in entries]

    async def empty(self, coming: int) -> bool:
        """Waits for the last of what is kept, where the database takes it; False where it does not, or not soon.

        Before so many more come, at least twice as many go. Under a load as fast as it is answered the spool would only
        grow otherwise, and under any steady load never be empty.
        """
        enough = max(0, self._size - 2 * coming)
        with suppress(TimeoutError):
            async with asyncio.timeout(STATEMENT_SECONDS):
                while self._size > enough and self._is_flowing:
                    self._news.clear()
                    await self._news.wait()
        return not self._size

    async def _replay_for_ever(self) -> None:
        while True:
            try:
                await self._replay()
                pause = 0.0
            except DatabaseIsAway:
                self._is_flowing, pause = False, RETRY_SECONDS
            except SpoolError as error:
                LOGGER.warning("the spool cannot be read: %s", error)
                self._is_flowing, pause = False, LOOK_SECONDS
            except Exception:
                # None is expected. This task goes on, or what was acknowledged would never be written.
                LOGGER.exception("the spool was not written")
                self._is_flowing, pause = False, LOOK_SECONDS
            self._news.set()
            await asyncio.sleep(pause)

    async def _replay(self) -> None:
        """One round: what waits, or a wait for it."""
        batches = await self._on_disk(lambda: self._spool.peek(MOST_IN_ROUND))
        if not batches:
            if self._size:
                await self._on_disk(self._spool.shrink)
            await self._count()
            self._is_flowing = False
            if not self._size:
                self._news.set()
                self._wake.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)
            return
        read = [(batch, await self._read(batch)) for batch in batches]
        if len(read) == 1 or not await self._merge(read):
            await self._write(*read[0])
        await self._count()

    async def _read(self, batch: Batch) -> list[Entry]:
        try:
            return _decoder.decode(batch.payload)
        except msgspec.DecodeError:
            LOGGER.exception("a batch of the spool cannot be read, and stands in its table of such")
            await self._on_disk(lambda: self._spool.refuse(batch))
            return []

    async def _merge(self, read: list[tuple[Batch, list[Entry]]]) -> bool:
        """Fewer and larger batches instead, no session twice in one; False where the disk has no room for that."""
        parts = [_write(entries) for entries in split([one for _, entries in read for one in entries])]
        try:
            await self._on_disk(lambda: self._spool.merge([batch for batch, _ in read], parts))
        except SpoolError:
            return False
        return True

    async def _write(self, batch: Batch, entries: list[Entry]) -> None:
        try:
            await self._writer.replay(batch.id, entries)
        except CannotBeStored:
            if len(entries) == 1:
                LOGGER.error("a beacon that was kept is refused, and stands in the spool's table of such")
                meters.SPOOL_REFUSED.inc()
                await self._on_disk(lambda: self._spool.refuse(batch))
            else:
                # One that the database refuses must not take its neighbours along.
                parts = [_write([one]) for one in entries]
                await self._on_disk(lambda: self._spool.merge([batch], parts))
            return
        self._is_flowing = True
        meters.REPLAYED.inc(len(entries))
        await self._on_disk(lambda: self._spool.forget(batch))

    async def _count(self) -> None:
        self._size = await self._on_disk(self._spool.count)
        meters.SPOOL.set(self._size)

    async def _on_disk(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def split(entries: list[Entry]) -> list[list[Entry]]:
    """The fewest batches that keep the order and hold no session twice."""
    rounds: list[list[Entry]] = []
    latest: dict[str, int] = {}
    for one in entries:
        ids = one.list_ids()
        place = 1 + max(latest.get(session_id, -1) for session_id in ids)
        if place == len(rounds):
            rounds.append([])
        rounds[place].append(one)
        latest |= dict.fromkeys(ids, place)
    return rounds


def _write(entries: list[Entry]) -> Part:
    return Part(len(entries), msgspec.json.encode(entries))


def _foresee(entry: Entry) -> Outcome:
    """What a start is told: that it began, and when by our own clock. Nothing else is known yet."""
    if entry.kind != "start":
        return Outcome()
    began_at = entry.received_at or datetime.now(UTC)
    ago = max(entry.beacon.up or 0, entry.beacon.age or 0)
    return Outcome(is_new=True, started_at=began_at - timedelta(milliseconds=ago))
