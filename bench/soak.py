"""A quarter of an hour at four fifths of what the endpoint takes, and 200 people who open the dashboard and leave."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from random import Random
from statistics import quantiles
from urllib.request import urlopen

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect as connect_websocket

from bench.beacons import END, HEARTBEAT, START, list_tokens, serve, wait_for
from bench.load import Load, send_for, write_request
from metrics.database import Database
from metrics.settings import PROJECT

CONNECTIONS = 64
TRIAL_SECONDS = 20
SHARE = 0.8
# Of a session's messages: one start, four signs of life, one end.
BEATS = 4
SESSIONS_AT_ONCE = 2_000
PEOPLE = 200
PEOPLE_AT_ONCE = 10
DASHBOARD_PORT = 18_501
# Streamlit keeps a session that lost its connection for two minutes.
FORGET_SECONDS = 150


def measure_soak(database: Database, minutes: int) -> None:
    """Prints a row a minute: rate, latency, memory, open files, connections; then the dashboard's."""
    tokens = list_tokens(database)
    with serve(database) as (endpoint, address):
        most = send_for(TRIAL_SECONDS, address, CONNECTIONS, _list_messages(tokens, "trial")).per_second
        rate = SHARE * most
        print(f"\nAs fast as it goes: {most:,.0f} beacons a second; from here on {rate:,.0f}.\n")
        print("| minute | a second | p50 ms | p99 ms | max ms | refused | endpoint MB | files | connections | spool |")
        print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
        requests = _list_messages(tokens, "soak")
        for minute in range(1, minutes + 1):
            load = send_for(60, address, CONNECTIONS, requests, per_second=rate)
            _say_minute(str(minute), load, database, endpoint, address)
    measure_dashboard(database)


def measure_dashboard(database: Database) -> None:
    """Prints the dashboard's memory before, with and after 200 sessions, twice."""
    print("\n| dashboard | MB | its files | connections |\n|---|---:|---:|---:|")
    with _serve_dashboard(database) as dashboard:
        asyncio.run(_visit(1))
        _say_dashboard("after the first visitor", dashboard, database)
        for turn in ("first", "second"):
            began = time.perf_counter()
            asyncio.run(_visit(PEOPLE))
            seconds = time.perf_counter() - began
            _say_dashboard(f"after {turn} {PEOPLE} visitors, in {seconds:,.0f} s", dashboard, database)
            time.sleep(FORGET_SECONDS)
            # It forgets when the next one leaves, and not before.
            asyncio.run(_visit(1))
            _say_dashboard(f"{FORGET_SECONDS} s and one visitor later", dashboard, database)


def _list_messages(tokens: list[str], salt: str) -> Iterator[bytes]:
    """Sessions side by side, each with its start, its signs of life and its end, in that order."""
    rng = Random(salt)
    stages: list[tuple[str, int]] = []
    for t in count(1):
        if len(stages) < SESSIONS_AT_ONCE:
            session_id = f"{rng.getrandbits(128):032x}"
            stages.append((session_id, 0))
            body = {"session_id": session_id, "t": t, "age": 0, "up": 0, "token": rng.choice(tokens), "touch": 5}
            yield write_request(START, json.dumps(body | {"landing_page": "/products/17"}).encode())
            continue
        # Whoever has not been heard of for the longest time.
        session_id, stage = stages.pop(0)
        body = {"session_id": session_id, "t": t, "age": 0}
        if stage < BEATS:
            stages.append((session_id, stage + 1))
            yield write_request(HEARTBEAT, json.dumps(body).encode())
        else:
            yield write_request(END, json.dumps(body | {"reason": "page_hide"}).encode())


def _say_minute(minute: str, load: Load, database: Database, endpoint: psutil.Process, address: str) -> None:
    percent = quantiles(load.took, n=100)
    refused = sum(times for status, times in load.statuses.items() if status >= 300)
    with urlopen(f"{address}/readyz", timeout=10) as answer:
        spool = json.loads(answer.read())["spool"]
    cells = [
        minute,
        f"{load.per_second:,.0f}",
        f"{percent[49] * 1000:,.1f}",
        f"{percent[98] * 1000:,.1f}",
        f"{max(load.took) * 1000:,.0f}",
        str(refused),
        f"{endpoint.memory_info().rss / 2**20:,.1f}",
        str(endpoint.num_fds()),
        str(_count_connections(database)),
        str(spool),
    ]
    print(f"| {' | '.join(cells)} |", flush=True)


def _say_dashboard(what: str, dashboard: psutil.Process, database: Database) -> None:
    megabytes = dashboard.memory_info().rss / 2**20
    print(f"| {what} | {megabytes:,.0f} | {dashboard.num_fds()} | {_count_connections(database)} |", flush=True)


def _count_connections(database: Database) -> int:
    with database.write() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def _serve_dashboard(database: Database) -> Iterator[psutil.Process]:
    flags = [f"--server.port={DASHBOARD_PORT}", "--server.address=127.0.0.1", "--server.headless=true"]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", *flags],
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": database.url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: urlopen(f"http://127.0.0.1:{DASHBOARD_PORT}/healthz", timeout=1).status == 200)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


async def _visit(people: int) -> None:
    """Each opens a page as a browser does, waits until its script has run, and leaves."""
    pages = ("", "overview", "devices", "sessions")
    turns = iter(range(people))

    async def come() -> None:
        for turn in turns:
            await _open_page(pages[turn % len(pages)])

    await asyncio.gather(*(come() for _ in range(PEOPLE_AT_ONCE)))


async def _open_page(page: str) -> None:
    address = f"127.0.0.1:{DASHBOARD_PORT}"
    wish = BackMsg()
    wish.rerun_script.page_name = page
    async with connect_websocket(
        f"ws://{address}/_stcore/stream",
        origin=f"http://{address}",  # type: ignore[arg-type]
        subprotocols=["streamlit"],  # type: ignore[list-item]
        max_size=None,
    ) as socket:
        await socket.send(wish.SerializeToString())
        async for piece in socket:
            message = ForwardMsg()
            message.ParseFromString(piece if isinstance(piece, bytes) else piece.encode())
            if message.WhichOneof("type") == "script_finished":
                return
