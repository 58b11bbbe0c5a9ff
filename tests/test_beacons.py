"""Beacons in the database: every message twice, late and in any order leads to one true session."""

from itertools import permutations
from uuid import UUID, uuid4

import pytest

from metrics.beacons import Kind
from metrics.database import Database
from metrics.settings import load_settings
from metrics.sweeper import Sweeper
from tests.day import Day, get_row, live


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


async def sweep(database: Database) -> int:
    return await Sweeper(load_settings({}), database.url).do()
