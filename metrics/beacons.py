"""Beacons in the database: start, heartbeat and end, many at a time, each in one statement and commit."""

import os
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
import psycopg

from metrics.settings import CAP
from metrics.statements import get_statement

Connection = psycopg.AsyncConnection[Any]
Kind = Literal["start", "heartbeat", "end"]


class Beacon(msgspec.Struct, omit_defaults=True):
    """A row of the type metrics_beacon in sql/migrations; milliseconds, and None where nothing is known."""

    session_id: str
    n: int = -1
    id: UUID | None = None
    t: int | None = None
    age: float | None = None
    up: float | None = None
    received_at: datetime | None = None
    user_id: str | None = None
    states_identity: bool = False
    is_verified: bool = False
    is_end: bool = False
    reason: str | None = None
    previous_session_id: str | None = None
    device_type: str | None = None
    browser_name: str | None = None
    browser_version: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    is_bot: bool = False
    ip_address: str | None = None
    country: str | None = None
    city: str | None = None
    landing_page: str | None = None
    referrer: str | None = None
    user_agent: str | None = None


class Entry(msgspec.Struct, omit_defaults=True):
    """A beacon with the end of the session before it, if it names one; received_at by the endpoint's clock."""

    kind: Kind
    beacon: Beacon
    previous: Beacon | None = None
    received_at: datetime | None = None

    def list_ids(self) -> set[str]:
        """The sessions that it touches."""
        return {self.beacon.session_id} | ({self.previous.session_id} if self.previous else set())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a beacon, once it is stored; next_step is 'start', 'new' or None."""

    is_new: bool = False
    next_step: str | None = None
    started_at: datetime | None = None


class NotRecorded(RuntimeError):
    """The beacon is neither in the database nor in the spool.

    NotRecorded
      +-- DatabaseIsAway    nobody answers: send it again later
      +-- QueueIsFull       more beacons wait than can be written: send it again later
      +-- SpoolIsFull       the database is away, and no more can be kept until it is back: send it again later
      +-- CannotBeStored    the database refuses this one, and would again
    """


class DatabaseIsAway(NotRecorded):
    """The database does not answer."""


class QueueIsFull(NotRecorded):
    """Too many beacons wait."""


class SpoolIsFull(NotRecorded):
    """Nothing more can be kept on disk."""


class CannotBeStored(NotRecorded):
    """The database refuses this beacon."""


async def start_sessions(
    connection: Connection, beacons: list[Beacon], timeout: timedelta
) -> list[tuple[int, str, datetime | None]]:
    """Inserts the sessions that are not known yet: n, 'started' or 'known', and when those that are new began."""
    _name_rows(beacons)
    return await _call(connection, "start_sessions", beacons, timeout)


async def heartbeat_sessions(
    connection: Connection, beacons: list[Beacon], timeout: timedelta
) -> list[tuple[int, str | None, datetime | None]]:
    """A sign of life of each: n, None or what the browser does next ('start', 'new'), and when the session began."""
    return await _call(connection, "heartbeat_sessions", beacons, timeout)


async def end_sessions(connection: Connection, beacons: list[Beacon], timeout: timedelta) -> list[tuple[int, bool]]:
    """Ends each, unless it is ended: n, and whether the session is known."""
    return await _call(connection, "end_sessions", beacons, timeout)


async def take_step(connection: Connection, batch_id: UUID, step: int) -> bool:
    """Whether this step of a batch from the spool has not been done; from here on, in this transaction, it has."""
    cursor = await connection.execute(get_statement("take_step"), {"batch_id": batch_id, "step": step}, prepare=True)
    (is_new,) = (await cursor.fetchall())[0]
    return bool(is_new)


async def get_clock(connection: Connection) -> datetime:
    """The database's clock, the only one that counts."""
    (moment,) = (await (await connection.execute(get_statement("get_clock"))).fetchall())[0]
    assert isinstance(moment, datetime)
    return moment


async def _call(connection: Connection, name: str, beacons: list[Beacon], timeout: timedelta) -> list[Any]:
    values = {"beacons": msgspec.json.encode(beacons).decode(), "timeout": timeout, "cap": CAP}
    cursor = await connection.execute(get_statement(name), values, prepare=True)
    return await cursor.fetchall()


def _name_rows(beacons: list[Beacon]) -> None:
    """Gives each a UUID of version 7 (RFC 9562), so that new rows lie side by side in the index."""
    head = (time.time_ns() // 1_000_000) << 80
    for beacon in beacons:
        tail = int.from_bytes(os.urandom(10), "big")
        beacon.id = UUID(int=(head | tail) & ~(0xF << 76) & ~(0x3 << 62) | (0x7 << 76) | (0x2 << 62))
