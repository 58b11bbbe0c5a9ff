"""One connection that writes batches of beacons, and what it does when the database is away."""

import asyncio
import logging
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from metrics import meters
from metrics.beacons import (
    Beacon,
    Connection,
    DatabaseIsAway,
    Kind,
    Outcome,
    end_sessions,
    heartbeat_sessions,
    start_sessions,
)
from metrics.database import CONNECT_TIMEOUT_SECONDS
from metrics.statements import get_statement

BEACON_ROLE = "metrics_beacon"
WRITE_TIMEOUT_SECONDS = 10
# A database that was away a moment ago is not asked again for every beacon.
RETRY_SECONDS = 1.0
# An end may overtake its start by a moment: it is kept until then.
EARLY_END_SECONDS = 10
MOST_EARLY_ENDS = 10_000
LOGGER = logging.getLogger(__name__)
NOTHING_NEW = Outcome()


@dataclass(slots=True)
class Waiting:
    """A beacon, the end of the session before it if it names one, and who waits for what becomes of both."""

    kind: Kind
    beacon: Beacon
    previous: Beacon | None
    answer: "asyncio.Future[Outcome]"
    outcome: Outcome = NOTHING_NEW

    def list_ids(self) -> set[str]:
        """The sessions that it touches."""
        return {self.beacon.session_id} | ({self.previous.session_id} if self.previous else set())


class EarlyEnds:
    """Ends of sessions that nobody knows yet, for a moment and not without bound."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, tuple[float, Beacon]] = OrderedDict()

    def add(self, end: Beacon) -> None:
        """Keeps it, and forgets what is too old."""
        now = time.monotonic()
        self._ends[end.session_id] = (now, end)
        self._ends.move_to_end(end.session_id)
        while len(self._ends) > MOST_EARLY_ENDS or now - next(iter(self._ends.values()))[0] > EARLY_END_SECONDS:
            self._ends.popitem(last=False)

    def pop(self, session_id: str) -> Beacon | None:
        """The end that overtook this start, as old as it is by now."""
        since, end = self._ends.pop(session_id, (0.0, None))
        waited = time.monotonic() - since
        if end is None or waited > EARLY_END_SECONDS:
            return None
        end.n = -1
        end.age = (end.age or 0) + waited * 1000
        return end


class Writer:
    """Writes as the role metrics_beacon; a connection that broke is opened again with the next batch."""

    def __init__(self, url: str, timeout: timedelta) -> None:
        self._url = url
        self._timeout = timeout
        self._early_ends = EarlyEnds()
        self._connection: Connection | None = None
        self._away_until = 0.0

    async def close(self) -> None:
        """Lets the connection go."""
        await self._disconnect()

    async def write(self, batch: list[Waiting]) -> None:
        """Stores the batch and notes each outcome; DatabaseIsAway, or the driver's error for what it refuses."""
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
            await self.write(batch)
            return
        self._away_until = loop.time() + RETRY_SECONDS
        meters.DATABASE_UP.set(0)
        LOGGER.warning("the database is away")
        raise DatabaseIsAway("The database does not answer")

    async def _store(self, connection: Connection, batch: list[Waiting]) -> None:
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
                    early = self._early_ends.pop(one.beacon.session_id)
                    if early and one.kind != "end":
                        ends.append(early)
        if alive:
            beacons = [one.beacon for one in alive]
            for n, next_step, started_at in await heartbeat_sessions(connection, beacons, self._timeout):
                batch[n].outcome = Outcome(next_step=next_step, started_at=started_at)
        if ends:
            for n, end in enumerate(ends, start=len(batch)):
                end.n = end.n if end.n >= 0 else n
            for n, is_known in await end_sessions(connection, ends, self._timeout):
                if not is_known and n < len(batch):
                    self._early_ends.add(batch[n].beacon)

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="metrics-endpoint",
            # Every statement of ours is one of three, called all day.
            prepare_threshold=0,
        )
        # Every right but that role's is given up; a database without our roles leaves the login's own.
        await connection.execute(get_statement("take_role"), {"role": BEACON_ROLE})
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error):
                await connection.close()
