"""The worst day in small, and whether its reckoning would notice."""

import subprocess
import sys
import time
from typing import Any

import psycopg
import pytest

from chaos.shop import Tills
from chaos.verdict import Verdict, judge
from chaos.visitors import Message, Visit
from metrics.settings import PROJECT

INSERT = (
    "INSERT INTO user_sessions (session_id, started_at, last_activity_at, ended_at, end_reason, life_key, end_key) "
    "VALUES (%(session_id)s, to_timestamp(%(at)s), to_timestamp(%(at)s), to_timestamp(%(at)s), 'page_hide', 2, 3)"
)


def test_nothing_is_lost_doubled_or_wrong() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "--kills", "3", "--others", "1", "--seed", "6", "--sweep-now"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    table = dict(line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.count(" | ") == 1)
    counts = {what: int(number.replace(",", "")) for what, number in table.items() if number[0].isdigit()}
    assert counts["acknowledged, repeats aside"] == counts["found in the database"] > 2_000
    assert counts["orders and bookings committed"] > 500


def make_visit(at: float, user_id: str | None = None) -> Visit:
    """Somebody who came, gave a sign of life and left, all acknowledged."""
    return Visit(
        "a",
        user_id,
        at,
        has_wrong_clock=False,
        starts=[Message(1, at, acknowledged_at=at)],
        beats=[Message(2, at, acknowledged_at=at)],
        end=Message(3, at, "page_hide", acknowledged_at=at),
    )


def reckon(url: str, visit: Visit, *rows: dict[str, Any]) -> Verdict:
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        for row in rows:
            connection.execute(INSERT, row)
        return judge(connection, [visit], Tills(url, [], 0, 1))


def test_it_says_what_is_right(url: str) -> None:
    now = time.time()
    verdict = reckon(url, make_visit(now), {"session_id": "a", "at": now})
    assert verdict == Verdict(acknowledged=3, found=3)


@pytest.mark.parametrize("missing", ["everything", "heartbeat and end", "nothing, but another day"])
def test_it_notices_what_is_not_there(url: str, missing: str) -> None:
    now = time.time()
    visit = make_visit(now)
    if missing == "everything":
        assert reckon(url, visit).lost == 3
    elif missing == "heartbeat and end":
        visit.beats[0].t, end = 7, visit.end
        assert end
        end.t = 8
        assert reckon(url, visit, {"session_id": "a", "at": now}).lost == 2
    else:
        verdict = reckon(url, visit, {"session_id": "a", "at": now - 100})
        assert (verdict.lost, len(verdict.faults)) == (0, 3)


def test_it_notices_what_is_there_twice_and_what_nobody_sent(url: str) -> None:
    now = time.time()
    rows = [{"session_id": name, "at": now} for name in ("a", "a", "b")]
    with psycopg.connect(url) as connection:
        connection.execute("DROP INDEX user_sessions_session_id_user_id_key")
    verdict = reckon(url, make_visit(now, "somebody"), *rows)
    assert verdict.doubled == 1
    assert [fault.partition(": ")[2] or fault for fault in verdict.faults] == [
        "it is None's and not somebody's",
        "1 sessions that nobody started",
    ]
