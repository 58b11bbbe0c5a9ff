"""Beacons in the database: every message twice, late and in any order leads to one true session."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from metrics.beacons import Beacon, Kind
from metrics.database import Database
from metrics.recorder import DatabaseIsAway, Outcome, Recorder
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


def test_it_works(any_database: Database) -> None:
    async def story(day: Day) -> None:
        assert (await day.start(0, t=1)).is_new
        assert (await day.beat(1, t=2)).next_step is None
        await day.end(2, t=3)

    row = get_row(any_database, story)
    assert (row["started_at"], row["last_activity_at"], row["ended_at"], row["end_reason"]) == (0, 1, 2, "page_hide")


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("reason", ["page_hide", "sign_out"])
def test_every_message_twice_in_every_order_leaves_the_same_row(
    database: Database, order: tuple[int, ...], reason: str
) -> None:
    # As a browser sends what is not acknowledged: each carries when the session began, and how long ago it happened.
    kinds: list[Kind] = ["start", "heartbeat", "end"]

    async def story(day: Day) -> None:
        for place, message in enumerate(order):
            for repeat in range(2):
                now = 3 + place + repeat / 2
                age = (now - message) * 60_000
                await day.send(kinds[message], now, t=message + 1, age=age, up=now * 60_000, reason=reason)

    row = get_row(database, story)
    assert row == {
        "user_id": None,
        "started_at": 0,
        "last_activity_at": 1,
        "ended_at": 2,
        "end_reason": reason,
        "life_key": 2,
        "end_key": 3,
    }


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_messages_in_one_batch_in_every_order_leave_the_same_row(database: Database, order: tuple[int, ...]) -> None:
    kinds: list[Kind] = ["start", "heartbeat", "end"]

    async def story(day: Day) -> None:
        await asyncio.gather(
            *(
                day.send(kinds[one], 3, t=one + 1, age=(3 - one) * 60_000, up=180_000)
                for one in (*order, *reversed(order))
            )
        )

    row = get_row(database, story)
    assert (row["started_at"], row["last_activity_at"], row["ended_at"], row["end_key"]) == (0, 1, 2, 3)


def test_a_page_change_is_no_end(database: Database) -> None:
    async def story(day: Day) -> None:
        await day.start(0, t=1)
        await day.end(1, t=2)
        assert (await day.beat(2, t=3)).next_step is None

    row = get_row(database, story)
    assert (row["last_activity_at"], row["ended_at"], row["end_reason"]) == (2, None, None)


def test_the_next_pages_heartbeat_may_overtake_the_last_pages_end(database: Database) -> None:
    async def story(day: Day) -> None:
        await day.start(0, t=1)
        await day.beat(2, t=3)
        await day.end(2, t=2)

    assert get_row(database, story)["ended_at"] is None


@pytest.mark.parametrize("reason", ["sign_out", "user_switch", "reported", "lost"])
def test_other_ends_are_final(database: Database, reason: str) -> None:
    async def story(day: Day) -> None:
        await day.start(0, t=1)
        await day.end(1, t=2, reason=reason)
        assert (await day.beat(2, t=3)).next_step == "new"
        assert (await day.start(2, t=4)).next_step == "new"

    row = get_row(database, story)
    assert (row["ended_at"], row["end_reason"]) == (1, reason)


def test_the_first_end_wins_and_a_sign_out_makes_it_final(database: Database) -> None:
    async def story(day: Day) -> None:
        await day.start(0, t=1)
        await day.end(1, t=2)
        await day.end(2, t=3, reason="gone")
        await day.end(3, t=4, reason="sign_out")
        assert (await day.beat(4, t=5)).next_step == "new"

    row = get_row(database, story)
    assert (row["ended_at"], row["end_reason"]) == (1, "sign_out")


def test_a_tab_closed_after_hours_was_not_visited_for_hours(database: Database) -> None:
    async def story(day: Day) -> None:
        await day.start(0, t=1)
        await day.beat(5, t=2)
        await day.end(180, t=3)

    row = get_row(database, story)
    assert (row["ended_at"], row["end_reason"]) == (5, "page_hide")


def test_after_the_timeout_a_new_one_starts(database: Database) -> None:
    async def story(day: Day) -> None:
        await day.start(0, t=1)
        assert (await day.beat(29.9, t=2)).next_step is None
        assert (await day.beat(59.9, t=3)).next_step == "new"

    assert get_row(database, story)["last_activity_at"] == 29.9


def test_after_a_day_a_new_one_starts(database: Database) -> None:
    async def story(day: Day) -> None:
        await day.start(0, t=1)
        for number, minute in enumerate(range(20, 1440, 20)):
            assert (await day.beat(minute, t=number + 2)).next_step is None
        assert (await day.beat(1440, t=1_000)).next_step == "new"
        await day.end(1445, t=1_001)

    row = get_row(database, story)
    assert (row["ended_at"], row["end_reason"]) == (1440, "cap")


def test_a_heartbeat_of_an_unknown_session_asks_for_everything(database: Database) -> None:
    async def story(day: Day) -> None:
        assert (await day.beat(0, t=1)).next_step == "start"
        await day.end(0, "other", t=2)

    assert live(database, story) == []


def test_a_browsers_clock_that_is_wrong_by_a_day_changes_nothing(database: Database) -> None:
    async def story(day: Day) -> None:
        # Order keys of tomorrow, ages from a clock that jumped: bounded by the session and by a day.
        await day.start(0, t=10**15)
        await day.beat(1, t=10**15 + 1, age=86_400_000)
        await day.beat(2, t=10**15 + 2, age=-86_400_000)
        await day.end(3, t=10**15 + 3, age=86_400_000)

    row = get_row(database, story)
    assert (row["started_at"], row["last_activity_at"], row["ended_at"]) == (0, 2, 2)


def test_who_knows_better_than_the_timeout_is_believed(database: Database) -> None:
    async def story(day: Day) -> None:
        await day.start(0, t=1)
        await sweep(database)
        await day.end(60, t=2, age=55 * 60_000)

    row = get_row(database, story)
    assert (row["ended_at"], row["end_reason"]) == (5, "page_hide")


def test_the_next_session_closes_one_whose_end_was_lost(database: Database) -> None:
    async def story(day: Day) -> None:
        await day.start(0, t=1)
        lost = {"session_id": "s", "t": 2, "age": 3 * 60_000}
        await day.start(5, "next", t=3, previous_session_id="s", prev=lost)

    first, second = live(database, story)
    assert (first["ended_at"], first["end_reason"]) == (2, "lost")
    assert second["ended_at"] is None


def test_another_persons_token_never_takes_a_session_over(database: Database, alice: UUID, bob: UUID) -> None:
    async def story(day: Day) -> None:
        await day.start(0, t=1, user_id=str(alice), states_identity=True, is_verified=True)
        other = {"user_id": str(bob), "states_identity": True, "is_verified": True}
        assert (await day.beat(1, t=2, **other)).next_step == "new"
        assert (await day.start(1, t=3, **other)).next_step == "new"
        await day.start(2, "guest", t=4)
        assert (await day.beat(3, "guest", t=5, **other)).next_step == "new"

    first, second = live(database, story)
    assert (first["user_id"], first["last_activity_at"]) == (alice, 0)
    assert (second["user_id"], second["last_activity_at"]) == (None, 2)


def test_an_identity_that_the_shop_does_not_have_is_a_guest(database: Database) -> None:
    async def story(day: Day) -> None:
        nobody = {"user_id": str(uuid4()), "states_identity": True, "is_verified": True}
        await day.start(0, t=1, **nobody)
        assert (await day.beat(1, t=2, **nobody)).next_step is None

    assert get_row(database, story)["user_id"] is None


def test_one_beacon_that_cannot_be_stored_does_not_take_its_neighbours_along(database: Database) -> None:
    async def story(day: Day) -> None:
        good = [day.start(0, f"s{number}", t=1) for number in range(20)]
        bad = day.start(0, "bad", t=1, ip_address="no address")
        results = await asyncio.gather(*good[:10], bad, *good[10:], return_exceptions=True)
        assert [str(result) for result in results if isinstance(result, Exception)] == [
            "This beacon cannot be stored: send another"
        ]

    assert len(live(database, story)) == 20


def test_nothing_is_acknowledged_while_the_database_is_away() -> None:
    async def run() -> None:
        recorder = Recorder(load_settings({}), "postgresql://nobody@127.0.0.1:1/none")
        await recorder.open()
        for _ in range(3):
            with pytest.raises(DatabaseIsAway):
                await recorder.record("start", Beacon("s"))
        await recorder.close()

    asyncio.run(run())


def test_the_writer_comes_back_by_itself_after_its_connection_was_cut(database: Database) -> None:
    async def story(day: Day) -> None:
        await day.start(0, t=1)
        with database.write() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'metrics-endpoint' "
                "AND datname = current_database()"
            )
        assert (await day.beat(1, t=2)).next_step is None

    assert get_row(database, story)["last_activity_at"] == 1


async def sweep(database: Database) -> int:
    from metrics.sweeper import Sweeper

    return await Sweeper(load_settings({}), database.url).sweep()
