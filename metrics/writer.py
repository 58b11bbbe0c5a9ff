"""One connection that writes beacons, as they come or from the spool, and what it does when the database is away."""

import asyncio
import logging
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import psycopg

from metrics import meters
from metrics.beacons import (
    Beacon,
    CannotBeStored,
    Connection,
    DatabaseIsAway,
    Entry,
    Outcome,
    end_sessions,
    heartbeat_sessions,
    start_sessions,
    take_step,
)
from metrics.clock import Clock
from metrics.database import CONNECT_TIMEOUT_SECONDS
from metrics.statements import get_statement

BEACON_ROLE = "metrics_beacon"
# The server gives a statement up first, because of a lock for instance; a moment later we give the server up. Who
# waits for nobody's answer may wait longer.
STATEMENT_SECONDS = 3
REPLAY_SECONDS = 30
GRACE_SECONDS = 2
# A database that was away a moment ago is not asked again for every beacon.
RETRY_SECONDS = 1.0
# An end may overtake its start by a moment: it is kept until then.
EARLY_END_SECONDS = 10
MOST_EARLY_ENDS = 10_000
# Classes of errors for which a beacon is to blame: its values, a constraint, a limit, somebody's own trigger. All else
# is the server's, its schema's or another transaction's, and passes (https://www.postgresql.org/docs/18/errcodes-appendix.html).
BLAMED = {"21", "22", "23", "54", "P0"}
LOGGER = logging.getLogger(__name__)
NOTHING_NEW = Outcome()
Done = TypeVar("Done")


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
        if end.received_at is None:
            end.age = (end.age or 0) + waited * 1000
        return end


class Writer:
    """Writes as the role metrics_beacon; a connection that broke is opened again with the next batch.

    A batch holds no session twice. Its three statements are transactions of their own, so that the locks of one are
    never held while the next waits for others.
    """

    def __init__(self, url: str, timeout: timedelta, statement_seconds: int = STATEMENT_SECONDS) -> None:
        self._url = url
        self._timeout = timeout
        self._statement_seconds = statement_seconds
        self._early_ends = EarlyEnds()
        self._connection: Connection | None = None
        self._clock = Clock()
        self._away_until = 0.0

    async def close(self) -> None:
        """Lets the connection go."""
        await self._disconnect()

    def tell_time(self) -> datetime | None:
        """The moment by the database's clock; None where that is not known."""
        return self._clock.tell_time()

    async def write(self, entries: list[Entry]) -> list[Outcome]:
        """Stores the batch; DatabaseIsAway, or CannotBeStored where the database refuses one of them."""
        return await self._attempt(lambda connection: self._store(connection, entries))

    async def replay(self, batch_id: UUID, entries: list[Entry]) -> None:
        """Stores a batch from the spool once, however often it is tried; errors as those of `write`."""
        await self._attempt(lambda connection: self._store_once(connection, batch_id, entries))

    async def _attempt(self, work: Callable[[Connection], Awaitable[Done]], tries: int = 2) -> Done:
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until:
            raise DatabaseIsAway("The database does not answer")
        was_open = self._connection is not None
        began = loop.time()
        try:
            connection = self._connection = self._connection or await self._connect()
            hang_up = loop.call_later(self._statement_seconds + GRACE_SECONDS, _hang_up, connection)
            try:
                if self._clock.is_old():
                    await self._clock.ask(connection)
                done = await work(connection)
            finally:
                hang_up.cancel()
        except psycopg.Error as error:
            state = error.sqlstate or ""
            if state[:2] in BLAMED:
                LOGGER.warning("the database refuses a beacon: %s", state)
                raise CannotBeStored("This beacon cannot be stored: send another") from None
            # The server may have been started anew since the last batch, or two processes waited for each other. Every
            # beacon may come twice.
            may_try = was_open and tries > 1 and loop.time() - began < self._statement_seconds
        else:
            meters.DATABASE_UP.set(1)
            return done
        await self._disconnect()
        if may_try:
            return await self._attempt(work, tries - 1)
        meters.DATABASE_UP.set(0)
        # The code says which: none without an answer, 42 for a schema that is not current or a right that is missing.
        LOGGER.warning("the database is away: %s", state or "no answer")
        self._away_until = loop.time() + RETRY_SECONDS
        raise DatabaseIsAway("The database does not answer")

    async def _store(self, connection: Connection, entries: list[Entry]) -> list[Outcome]:
        outcomes = [NOTHING_NEW] * len(entries)
        starts, alive, ends = _sort(entries)
        if starts:
            known, early = await self._start(connection, starts, outcomes)
            alive += known
            ends += early
        if alive:
            await self._live(connection, alive, outcomes)
        if ends:
            await self._end(connection, ends, entries)
        return outcomes

    async def _store_once(self, connection: Connection, batch_id: UUID, entries: list[Entry]) -> None:
        outcomes = [NOTHING_NEW] * len(entries)
        starts, alive, ends = _sort(entries)
        self._clock.date(entries)
        if starts:
            # Who was known is not known any more, where this step was done by a process before this one.
            known = [one for one in starts if one.kind != "end"]
            async with connection.transaction():
                if await take_step(connection, batch_id, 1):
                    known, early = await self._start(connection, starts, outcomes)
                    ends += early
            alive += known
        if alive:
            async with connection.transaction():
                if await take_step(connection, batch_id, 2):
                    await self._live(connection, alive, outcomes)
        if ends:
            async with connection.transaction():
                if await take_step(connection, batch_id, 3):
                    await self._end(connection, ends, entries)

    async def _start(
        self, connection: Connection, starts: list[Entry], outcomes: list[Outcome]
    ) -> tuple[list[Entry], list[Beacon]]:
        """Those whose session was there already and lives on, and ends that had overtaken their start."""
        by_place = {one.beacon.n: one for one in starts}
        known: list[Entry] = []
        early: list[Beacon] = []
        for n, outcome, started_at in await start_sessions(connection, [one.beacon for one in starts], self._timeout):
            one = by_place[n]
            if outcome == "known" and one.kind != "end":
                known.append(one)
            elif outcome == "started":
                outcomes[n] = Outcome(is_new=one.kind == "start", started_at=started_at)
                end = self._early_ends.pop(one.beacon.session_id)
                if end and one.kind != "end":
                    early.append(end)
        return known, early

    async def _live(self, connection: Connection, alive: list[Entry], outcomes: list[Outcome]) -> None:
        beacons = [one.beacon for one in alive]
        for n, next_step, started_at in await heartbeat_sessions(connection, beacons, self._timeout):
            outcomes[n] = Outcome(next_step=next_step, started_at=started_at)

    async def _end(self, connection: Connection, ends: list[Beacon], entries: list[Entry]) -> None:
        for n, end in enumerate(ends, start=len(entries)):
            end.n = end.n if end.n >= 0 else n
        for n, is_known in await end_sessions(connection, ends, self._timeout):
            if not is_known and n < len(entries):
                self._early_ends.add(entries[n].beacon)

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="metrics-endpoint",
            # Every statement of ours is one of a few, called all day.
            prepare_threshold=0,
        )
        try:
            # Every right but that role's is given up; a database without our roles leaves the login's own.
            await connection.execute(get_statement("take_role"), {"role": BEACON_ROLE})
            await connection.execute(get_statement("limit_statements"), {"seconds": f"{self._statement_seconds}s"})
            await self._clock.ask(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error):
                await connection.close()


def _sort(entries: list[Entry]) -> tuple[list[Entry], list[Entry], list[Beacon]]:
    """Starts, signs of life and ends, each beacon numbered by its place."""
    for n, one in enumerate(entries):
        one.beacon.n = n
    # What is not acknowledged yet carries everything: any of its messages may be the first to arrive.
    starts = [one for one in entries if one.kind == "start" or one.beacon.up is not None]
    alive = [one for one in entries if one.kind == "heartbeat" and one.beacon.up is None]
    ends = [one.beacon for one in entries if one.kind == "end"]
    ends += [one.previous for one in entries if one.previous]
    return starts, alive, ends


def _hang_up(connection: Connection) -> None:
    """Ends the wait for a server that keeps silent, at once: to ask it to stop would be another wait."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)
