"""Beacons on their way into the database: whatever came while the last commit ran is the next batch.

There is no timer: a lone beacon is written at once, and under load the batches grow by themselves.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from metrics import meters
from metrics.beacons import Beacon, Connection, Kind, end_sessions, heartbeat_sessions, start_sessions
from metrics.database import CONNECT_TIMEOUT_SECONDS
from metrics.settings import Settings
from metrics.statements import get_statement

BEACON_ROLE = "metrics_beacon"
MOST_IN_BATCH = 256
MOST_WAITING = 10_000
WRITE_TIMEOUT_SECONDS = 10
# A database that was away a moment ago is not asked again for every beacon.
RETRY_SECONDS = 1.0
# An end may overtake its start by a moment: it is kept until then.
EARLY_END_SECONDS = 10
MOST_EARLY_ENDS = 10_000
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a beacon, once it is committed; next_step is 'start', 'new' or None."""

    is_new: bool = False
    next_step: str | None = None
    started_at: datetime | None = None


class NotRecorded(RuntimeError):
    """The beacon is not in the database.

    NotRecorded
      +-- DatabaseIsAway    nobody answers: send it again later
      +-- QueueIsFull       more beacons wait than can be written: send it again later
      +-- CannotBeStored    the database refuses this one, and would again
    """


class DatabaseIsAway(NotRecorded):
    """The database does not answer."""


class QueueIsFull(NotRecorded):
    """Too many beacons wait."""


class CannotBeStored(NotRecorded):
    """The database refuses this beacon."""


@dataclass(slots=True)
class _Waiting:
    kind: Kind
    beacon: Beacon
    previous: Beacon | None
    answer: "asyncio.Future[Outcome]"
    outcome: Outcome = Outcome()

    def list_ids(self) -> set[str]:
        return {self.beacon.session_id} | ({self.previous.session_id} if self.previous else set())


class Recorder:
    """Writes beacons through one connection of the role metrics_beacon; `record` returns after the commit."""

    def __init__(self, settings: Settings, url: str) -> None:
        self._url = url
        self._timeout = timedelta(minutes=settings.timeout_minutes)
        self._waiting: deque[_Waiting] = deque()
        self._early_ends: OrderedDict[str, tuple[float, Beacon]] = OrderedDict()
        self._wake = asyncio.Event()
        self._connection: Connection | None = None
        self._away_until = 0.0
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Starts writing; a database that is away is tried again with the next beacon."""
        self._task = asyncio.create_task(self._write_for_ever())

    async def close(self) -> None:
        """Writes what waits, then lets the connection go."""
        while self._waiting:
            await asyncio.wait([one.answer for one in self._waiting])
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._disconnect()

    async def record(self, kind: Kind, beacon: Beacon, previous: Beacon | None = None) -> Outcome:
        """The outcome once it is committed, with an end of the previous session if one is named; NotRecorded else."""
        if len(self._waiting) >= MOST_WAITING:
            raise QueueIsFull("Too many beacons wait here: send it again in a moment")
        waiting = _Waiting(kind, beacon, previous, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        return await waiting.answer

    def count_waiting(self) -> int:
        """How many beacons wait for their write."""
        return len(self._waiting)

    async def _write_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            batch = self._take()
            meters.QUEUE.set(len(self._waiting))
            if not batch:
                self._wake.clear()
                continue
            meters.BATCHES.observe(len(batch))
            try:
                await self._write_or_refuse(batch)
            except Exception as error:
                # The task must outlive whatever happens to one batch.
                LOGGER.exception("a batch was not written")
                _fail(batch, CannotBeStored(str(error)))

    def _take(self) -> list[_Waiting]:
        """The next batch: no session twice, so that the order of its messages stays that of their coming."""
        batch: list[_Waiting] = []
        taken: set[str] = set()
        later: list[_Waiting] = []
        while self._waiting and len(batch) < MOST_IN_BATCH:
            one = self._waiting.popleft()
            if one.answer.done():
                continue  # whoever asked has left
            ids = one.list_ids()
            if taken & ids:
                later.append(one)
            else:
                batch.append(one)
            taken |= ids
        self._waiting.extendleft(reversed(later))
        return batch

    async def _write_or_refuse(self, batch: list[_Waiting]) -> None:
        try:
            await self._write(batch)
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

    async def _write(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until:
            raise DatabaseIsAway("The database does not answer")
        was_open = self._connection is not None
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
                if self._connection is None:
                    self._connection = await self._connect()
                await self._store(self._connection, batch)
            meters.DATABASE_UP.set(1)
            return
        except (psycopg.OperationalError, TimeoutError) as error:
            is_late = isinstance(error, TimeoutError)
            if not is_late and self._connection and not self._connection.broken:
                raise  # a deadlock or a statement's timeout: the server is there
        await self._disconnect()
        if was_open and not is_late:
            # The server may have been started anew since the last batch. Every beacon may come twice.
            await self._write(batch)
            return
        self._away_until = loop.time() + RETRY_SECONDS
        meters.DATABASE_UP.set(0)
        LOGGER.warning("the database is away")
        raise DatabaseIsAway("The database does not answer")

    async def _store(self, connection: Connection, batch: list[_Waiting]) -> None:
        for n, one in enumerate(batch):
            one.beacon.n = n
        # What is not acknowledged yet carries everything: any of its messages may be the first to arrive.
        starts = [one for one in batch if one.kind == "start" or one.beacon.up is not None]
        alive = [one for one in batch if one.kind == "heartbeat" and one.beacon.up is None]
        ends = [one.beacon for one in batch if one.kind == "end"]
        ends += [one.previous for one in batch if one.previous]
        if starts:
            beacons = [one.beacon for one in starts]
            for n, outcome, started_at in await start_sessions(connection, beacons, self._timeout):
                one = batch[n]
                if outcome == "known" and one.kind != "end":
                    alive.append(one)
                elif outcome == "started":
                    one.outcome = Outcome(is_new=one.kind == "start", started_at=started_at)
                    early = self._early_ends.pop(one.beacon.session_id, None)
                    if early and one.kind != "end":
                        ends.append(_age(*early))
        if alive:
            beacons = [one.beacon for one in alive]
            for n, next_step, started_at in await heartbeat_sessions(connection, beacons, self._timeout):
                batch[n].outcome = Outcome(next_step=next_step, started_at=started_at)
        if ends:
            for n, end in enumerate(ends, start=len(batch)):
                end.n = end.n if end.n >= 0 else n
            for n, is_known in await end_sessions(connection, ends, self._timeout):
                if not is_known and n < len(batch):
                    self._remember(batch[n].beacon)

    def _remember(self, end: Beacon) -> None:
        self._early_ends[end.session_id] = (time.monotonic(), end)
        self._early_ends.move_to_end(end.session_id)
        while self._early_ends:
            oldest, (since, _) = next(iter(self._early_ends.items()))
            if len(self._early_ends) <= MOST_EARLY_ENDS and time.monotonic() - since < EARLY_END_SECONDS:
                return
            del self._early_ends[oldest]

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="metrics-endpoint",
            # Every statement of ours is one of three, called all day.
            prepare_threshold=0,
        )
        await take_role(connection, BEACON_ROLE)
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error):
                await connection.close()


async def take_role(connection: Connection, role: str) -> None:
    """Gives up every right but the role's; a database without our roles leaves the login's own."""
    cursor = await connection.execute(get_statement("may_take_role"), {"role": role})
    row = await cursor.fetchone()
    if row and row[0]:
        await connection.execute(get_statement("take_role"), {"role": role})


def _fail(batch: list[_Waiting], error: NotRecorded) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error)


def _age(since: float, end: Beacon) -> Beacon:
    end.n = -1
    end.age = (end.age or 0) + (time.monotonic() - since) * 1000
    return end
