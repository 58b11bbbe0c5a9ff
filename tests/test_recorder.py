"""The writer of beacons: batches, neighbours, a database that goes away, and a sweeper that is one of many."""

import asyncio
from itertools import permutations
from random import Random

import pytest

from metrics.beacons import Beacon, DatabaseIsAway, Kind
from metrics.database import Database
from metrics.messages import REASONS
from metrics.recorder import Recorder
from metrics.settings import load_settings
from metrics.sweeper import Sweeper
from tests.day import Day, get_row, live


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


def test_two_writers_on_the_same_sessions_and_customers_never_wait_for_each_other(
    any_database: Database,
) -> None:
    with any_database.write() as connection:
        rows = connection.execute("INSERT INTO users (email) SELECT n FROM generate_series(1, 3) AS n RETURNING id")
        user_ids = [str(user_id) for (user_id,) in rows.fetchall()]
    rng = Random(7)
    kinds: list[Kind] = ["start", "heartbeat", "end"]

    def make(number: int) -> tuple[Kind, Beacon]:
        kind = rng.choice(kinds)
        user_id = rng.choice([*user_ids, None])
        beacon = Beacon(
            f"s{rng.randrange(40)}",
            t=rng.choice([None, number]),
            up=rng.choice([None, 1000]),
            user_id=user_id,
            states_identity=user_id is not None,
            is_verified=True,
            is_end=kind == "end",
            reason=rng.choice(REASONS) if kind == "end" else None,
        )
        return kind, beacon

    async def run() -> None:
        recorders = [Recorder(load_settings({}), any_database.url) for _ in range(2)]
        for recorder in recorders:
            await recorder.open()
        await asyncio.gather(*(rng.choice(recorders).record(*make(number)) for number in range(3_000)))
        for recorder in recorders:
            await recorder.close()

    asyncio.run(run())
    with any_database.write() as connection:
        drift = connection.execute(
            "SELECT count(*) FROM user_activity_summary AS s "
            "JOIN metrics_recount(ARRAY(SELECT id FROM users)) AS r USING (user_id) "
            "WHERE s.total_sessions <> r.total_sessions OR s.last_login_at IS DISTINCT FROM r.last_login_at"
        ).fetchone()
        open_twice = connection.execute(
            "SELECT session_id FROM user_sessions WHERE ended_at IS NULL GROUP BY 1 HAVING count(*) > 1"
        ).fetchall()
    assert drift == (0,)
    assert open_twice == []


def test_the_sweeper_stores_what_readers_derive(any_database: Database) -> None:
    async def story(day: Day) -> None:
        await day.start(0, "silent", t=1)
        await day.beat(7, "silent", t=2)
        await day.start(0, "ended", t=1)
        await day.end(3, "ended", t=2)

    live(any_database, story)
    with any_database.write() as connection:
        connection.execute("INSERT INTO user_sessions (session_id, started_at) VALUES ('here', now())")
        connection.execute(
            "INSERT INTO user_sessions (session_id, started_at, last_activity_at) "
            "VALUES ('for days', now() - interval '25 hours', now())"
        )
    sweeper = Sweeper(load_settings({}), any_database.url)

    async def sweep_together() -> list[int]:
        return list(await asyncio.gather(*(sweeper.do() for _ in range(4))))

    assert sum(asyncio.run(sweep_together())) == 2
    with any_database.write() as connection:
        rows = connection.execute(
            "SELECT session_id, end_reason, EXTRACT(epoch FROM ended_at - started_at) / 60 FROM user_sessions "
            "ORDER BY session_id"
        ).fetchall()
    assert rows == [
        ("ended", "page_hide", 3),
        ("for days", "cap", 1440),
        ("here", None, None),
        ("silent", "timeout", 7),
    ]
