"""Beacons that waited on disk: written once, in their order, at the time they were received."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from chaos.postgres import Postgres
from metrics.beacons import Beacon, Entry, Kind, Outcome, take_step
from metrics.database import Database
from metrics.recorder import Recorder
from metrics.settings import load_settings
from metrics.spool import FILE, Spool
from metrics.spooler import Spooler
from metrics.writer import GRACE_SECONDS, STATEMENT_SECONDS, Writer
from tests.day import read_rows
from tests.endpoint_server import serve_endpoint, sign
from tests.server import free_port, wait_until

START = "/api/analytics/session"
BEAT = f"{START}/heartbeat"
END = f"{START}/end"
TIMEOUT = timedelta(minutes=30)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    """One of its own, which runs."""
    tmp_path.chmod(0o711)
    server = Postgres(tmp_path / "database", free_port())
    server.start()
    yield server
    server.stop()


def make(kind: Kind, minute: float, session_id: str = "s", **fields: Any) -> Entry:
    beacon = Beacon(session_id, is_end=kind == "end", **fields)
    if kind == "end" and not beacon.reason:
        beacon.reason = "page_hide"
    return Entry(kind, beacon, received_at=NOON + timedelta(minutes=minute))


def keep(folder: Path, *entries: Entry) -> None:
    """Each as a batch of its own, as they come one by one."""

    async def run() -> None:
        spooler = Spooler(Spool(folder, 64), Writer(NOWHERE, TIMEOUT))
        for entry in entries:
            await spooler.keep([entry])
        await spooler.close()

    asyncio.run(run())


def replay(folder: Path, database: Database) -> None:
    """As a process does that starts with what another one left."""

    async def run() -> None:
        recorder = Recorder(load_settings({}), database.url, Spool(folder, 64))
        await recorder.open()
        while recorder.count_spooled():
            await asyncio.sleep(0.01)
        await recorder.close()

    asyncio.run(run())


# A tracker that numbers its messages, and the legacy one, which does not.
@pytest.mark.parametrize("numbers", [(1, 2, 3), (None, None, None)])
def test_they_are_written_in_their_order_at_the_time_they_were_received(
    database: Database, tmp_path: Path, numbers: tuple[int | None, ...]
) -> None:
    first, second, third = numbers
    keep(
        tmp_path,
        make("start", 0, t=first, age=30_000),
        make("start", 1, "other", t=1),
        make("heartbeat", 10, t=second),
        make("end", 20, t=third, reason="sign_out"),
    )
    replay(tmp_path, database)
    row, other = read_rows(database)
    assert (row["started_at"], row["last_activity_at"], row["ended_at"], row["end_reason"]) == (
        -0.5,
        10,
        20,
        "sign_out",
    )
    assert (other["started_at"], other["ended_at"]) == (1, None)


@pytest.mark.parametrize("done", range(4))
def test_a_replay_that_died_after_any_of_its_commits_goes_on_where_it_was(
    any_database: Database, tmp_path: Path, done: int
) -> None:
    with any_database.write() as connection:
        (user_id,) = connection.execute("INSERT INTO users (email) VALUES ('a') RETURNING id").fetchall()[0]
    legacy = {"user_id": str(user_id), "states_identity": True, "is_verified": True}
    batch = [make("start", 0, "one", **legacy), make("heartbeat", 1, "two"), make("end", 5, "three", reason="sign_out")]
    batch[2].previous = Beacon("four", is_end=True, reason="lost", received_at=NOON + timedelta(minutes=6))
    before = [make("start", minute, name, **legacy) for minute, name in ((-4, "two"), (-3, "three"), (-2, "four"))]
    batch_id = uuid4()

    class Dies(Exception):
        """As if the process were killed."""

    async def run() -> None:
        writer = Writer(any_database.url, TIMEOUT)
        await writer.replay(uuid4(), before)
        steps = 0

        async def die(connection: Any, batch_id: UUID, step: int) -> bool:
            nonlocal steps
            if steps == done:
                raise Dies
            steps += 1
            return await take_step(connection, batch_id, step)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("metrics.writer.take_step", die)
            if done < 3:
                with pytest.raises(Dies):
                    await writer.replay(batch_id, batch)
            else:
                await writer.replay(batch_id, batch)
        await writer.close()
        # Meanwhile the customer signs out, and the legacy tracker would begin anew under the same id.
        last = Writer(any_database.url, TIMEOUT)
        await last.replay(batch_id, batch)
        await last.replay(uuid4(), [make("end", 7, "one", reason="sign_out")])
        await last.replay(batch_id, batch)
        await last.close()

    asyncio.run(run())
    rows = read_rows(any_database)
    assert [row["ended_at"] for row in rows] == [None, 5, 6, 7]
    assert [row["last_activity_at"] for row in rows] == [1, -3, -2, 0]
    with any_database.write() as connection:
        assert connection.execute("SELECT total_sessions FROM user_activity_summary").fetchone() == (4,)


def test_what_the_database_refuses_is_put_aside_and_its_neighbours_are_written(
    database: Database, tmp_path: Path
) -> None:
    entries = [make("start", number, f"s{number}", t=1) for number in range(9)]
    entries[4].beacon.ip_address = "no address"
    keep(tmp_path, *entries)
    replay(tmp_path, database)
    assert [row["started_at"] for row in read_rows(database)] == [0, 1, 2, 3, 5, 6, 7, 8]
    with sqlite3.connect(tmp_path / FILE) as connection:
        (payload,) = connection.execute("SELECT payload FROM refused").fetchone()
    assert json.loads(payload)[0]["beacon"]["session_id"] == "s4"


def test_a_clock_that_was_set_back_leaves_nothing_in_the_future(database: Database, tmp_path: Path) -> None:
    entry = make("start", 0, t=1)
    entry.received_at = datetime.now(UTC) + timedelta(hours=3)
    keep(tmp_path, entry)
    replay(tmp_path, database)
    with database.write() as connection:
        (is_past,) = connection.execute("SELECT started_at <= now() FROM user_sessions").fetchall()[0]
    assert is_past


def test_it_works(postgres: Postgres) -> None:
    with postgres.connect() as connection:
        rows = connection.execute("INSERT INTO users (email) VALUES ('a'), ('b') RETURNING id").fetchall()
    alice, bob = (sign(user_id) for (user_id,) in rows)
    with serve_endpoint(postgres.get_url()) as endpoint, httpx2.Client(base_url=endpoint.address) as client:

        def post(path: str, session_id: str, t: int, **fields: Any) -> int:
            return client.post(path, json={"session_id": session_id, "t": t, "age": 0} | fields).status_code

        assert post(START, "before", 1, up=0, token=alice) == 201
        postgres.kill()
        began = time.time()
        assert post(BEAT, "before", 2) == 200
        assert post(START, "during", 3, up=0, token=bob) == 201
        assert post(BEAT, "during", 4) == 200
        assert post(END, "before", 5, reason="sign_out") == 200
        took = time.time() - began
        assert client.get("/readyz").json()["spool"] == 4
        time.sleep(2)
        postgres.start()
        wait_until(lambda: client.get("/readyz").json().get("status") == "ready", "a ready endpoint", 20)
        wait_until(lambda: client.get("/readyz").json()["spool"] == 0, "an empty spool", 20)
        # From here on each is written as it comes.
        answer = client.post(BEAT, json={"session_id": "nobody knows it", "t": 1})
        assert answer.json() == {"success": True, "next": "start"}
        before, during = endpoint.list_sessions()
    assert (before["end_reason"], before["end_key"], before["life_key"]) == ("sign_out", 5, 2)
    assert (during["ended_at"], during["life_key"], during["user_id"]) == (None, 4, rows[1][0])
    for moment in (before["ended_at"], during["started_at"], during["last_activity_at"]):
        assert began - 0.5 <= moment.timestamp() <= began + took + 0.5


def test_a_steady_load_does_not_keep_it_from_being_emptied(database: Database, tmp_path: Path) -> None:
    keep(tmp_path, *(make("start", number / 1000, f"old{number}", t=1) for number in range(3_000)))

    async def run() -> None:
        recorder = Recorder(load_settings({}), database.url, Spool(tmp_path, 64))
        await recorder.open()
        written_directly = 0

        async def come(visitor: int) -> None:
            nonlocal written_directly
            number = 0
            while not written_directly:
                outcome = await recorder.record("start", Beacon(f"{visitor} {number}", t=1))
                assert outcome.is_new
                # Only the database knows that.
                known = await recorder.record("heartbeat", Beacon(f"nobody {visitor} {number}", t=2))
                written_directly += known.next_step == "start"
                number += 1

        async with asyncio.timeout(60):
            await asyncio.gather(*(come(visitor) for visitor in range(20)))
        assert recorder.count_spooled() == 0
        await recorder.close()

    asyncio.run(run())


def test_a_database_that_keeps_silent_is_given_up(postgres: Postgres) -> None:
    with serve_endpoint(postgres.get_url()) as endpoint, httpx2.Client(base_url=endpoint.address, timeout=30) as client:
        assert client.post(START, json={"session_id": "a"}).status_code == 201
        postgres.freeze()
        began = time.monotonic()
        assert client.post(START, json={"session_id": "b"}).status_code == 201
        assert time.monotonic() - began < STATEMENT_SECONDS + GRACE_SECONDS + 2
        postgres.thaw()
        wait_until(lambda: len(endpoint.list_sessions()) == 2, "both sessions", 20)


def test_a_table_that_is_locked_holds_up_no_visitor(database: Database) -> None:
    with serve_endpoint(database.url) as endpoint, httpx2.Client(base_url=endpoint.address, timeout=30) as client:
        with psycopg.connect(database.url) as connection:
            connection.execute("LOCK TABLE user_sessions")
            for name in "ab":
                answer = client.post(START, json={"session_id": name})
                assert (answer.status_code, answer.json()["data"]["session_id"]) == (201, name)
        wait_until(lambda: len(endpoint.list_sessions()) == 2, "both sessions", 20)


def test_what_is_told_of_a_start_is_what_will_be_written(database: Database, tmp_path: Path) -> None:
    async def run() -> Outcome:
        recorder = Recorder(load_settings({}), NOWHERE, Spool(tmp_path, 64))
        await recorder.open()
        outcome = await recorder.record("start", Beacon("s", t=1, age=1_000, up=61_000))
        await recorder.close()
        return outcome

    outcome = asyncio.run(run())
    replay(tmp_path, database)
    with database.write() as connection:
        (started_at,) = connection.execute("SELECT started_at FROM user_sessions").fetchall()[0]
    assert outcome.started_at
    assert abs(started_at - outcome.started_at) < timedelta(seconds=1)
