"""A day of beacons at minutes after noon, and what stands in the table after it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from metrics.beacons import Beacon, Kind, Outcome
from metrics.database import Database
from metrics.recorder import Recorder
from metrics.settings import load_settings

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROW = (
    "SELECT user_id, started_at, last_activity_at, ended_at, end_reason, life_key, end_key "
    "FROM user_sessions ORDER BY started_at, id"
)


@dataclass
class Day:
    """Records beacons as if they came at a minute of that day."""

    recorder: Recorder

    async def send(self, kind: Kind, minute: float, session_id: str = "s", prev: Any = None, **fields: Any) -> Outcome:
        beacon = Beacon(session_id, received_at=NOON + timedelta(minutes=minute), is_end=kind == "end", **fields)
        if kind == "end" and not beacon.reason:
            beacon.reason = "page_hide"
        previous = prev and Beacon(received_at=beacon.received_at, reason="lost", is_end=True, **prev)
        return await self.recorder.record(kind, beacon, previous)

    async def start(self, minute: float, session_id: str = "s", **fields: Any) -> Outcome:
        return await self.send("start", minute, session_id, **fields)

    async def beat(self, minute: float, session_id: str = "s", **fields: Any) -> Outcome:
        return await self.send("heartbeat", minute, session_id, **fields)

    async def end(self, minute: float, session_id: str = "s", **fields: Any) -> Outcome:
        return await self.send("end", minute, session_id, **fields)


Story = Callable[[Day], Awaitable[None]]


def live(database: Database, story: Story) -> list[dict[str, Any]]:
    """What stands in the table after the story, times in minutes since noon."""

    async def run() -> None:
        recorder = Recorder(load_settings({}), database.url)
        await recorder.open()
        try:
            await story(Day(recorder))
        finally:
            await recorder.close()

    asyncio.run(run())
    return read_rows(database)


def read_rows(database: Database) -> list[dict[str, Any]]:
    with database.write() as connection:
        cursor = connection.execute(ROW)
        names = [column.name for column in cursor.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [
        {
            key: round((value - NOON).total_seconds() / 60, 3) if isinstance(value, datetime) else value
            for key, value in row.items()
        }
        for row in rows
    ]


def get_row(database: Database, story: Story) -> dict[str, Any]:
    (row,) = live(database, story)
    return row
