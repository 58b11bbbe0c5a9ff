"""The database's clock at one's own: right while nobody sets ours, and silent once somebody did."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from metrics import clock
from metrics.beacons import Beacon, Entry
from metrics.clock import Clock
from metrics.database import Database

HOUR = timedelta(hours=1)


def ask(url: str) -> Clock:
    asked = Clock()

    async def run() -> None:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await asked.ask(connection)

    asyncio.run(run())
    return asked


def test_it_goes_on_by_itself(database: Database) -> None:
    assert Clock().tell_time() is None
    asked = ask(database.url)
    time.sleep(0.3)
    told = asked.tell_time()
    assert told
    assert abs(database.now() - told) < timedelta(seconds=0.2)
    assert not asked.is_old()


def test_it_is_silent_where_this_machine_slept_or_was_set(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    class Set(datetime):
        """Ours, set by an hour."""

        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + HOUR

    asked = ask(database.url)
    monkeypatch.setattr(clock, "datetime", Set)
    assert asked.tell_time() is None


def test_what_came_before_it_was_ever_asked_is_dated_by_the_difference(database: Database) -> None:
    asked = ask(database.url)
    now = datetime.now(UTC)
    early = Entry("start", Beacon("early"), Beacon("previous"), now - HOUR)
    dated = Entry("start", Beacon("dated", received_at=now - 2 * HOUR), received_at=now - HOUR)
    future = Entry("start", Beacon("future"), received_at=now + HOUR)
    for _ in range(2):
        asked.date([early, dated, future])
    difference = database.now() - datetime.now(UTC)
    slack = timedelta(seconds=0.5)
    assert early.beacon.received_at == early.previous.received_at  # type: ignore[union-attr]
    assert abs(early.beacon.received_at - (now - HOUR + difference)) < slack  # type: ignore[operator]
    assert dated.beacon.received_at == now - 2 * HOUR
    assert future.beacon.received_at <= database.now() + slack  # type: ignore[operator]


def test_an_answer_that_took_its_time_is_not_gone_by(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a server which was frozen in between."""
    asked = ask(database.url)
    before = asked.tell_time()

    async def answer_late(connection: object) -> datetime:
        await asyncio.sleep(1.1)
        return datetime.now(UTC) + HOUR

    monkeypatch.setattr(clock, "get_clock", answer_late)
    asyncio.run(asked.ask(None))  # type: ignore[arg-type]
    told = asked.tell_time()
    assert before
    assert told
    assert timedelta(seconds=1) <= told - before < timedelta(seconds=5)
