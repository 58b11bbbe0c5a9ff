"""The beacon endpoint in a thread of the test's process: the real server, on a port of its own."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import psycopg

from metrics.endpoint import listen, make_app, make_server
from metrics.settings import load_settings

SECRET = "a-secret-of-the-tests-that-is-long-enough"


@dataclass(frozen=True)
class EndpointServer:
    """Where it listens, and what it writes to."""

    address: str
    url: str

    def list_sessions(self) -> list[dict[str, Any]]:
        """Every row of user_sessions, in the order of their start."""
        with psycopg.connect(self.url, row_factory=psycopg.rows.dict_row) as connection:
            return connection.execute("SELECT * FROM user_sessions ORDER BY started_at, id").fetchall()


@contextmanager
def serve_endpoint(url: str, *, sweep_every_seconds: float = 3_600, **changes: Any) -> Iterator[EndpointServer]:
    """Serves over that database until the block ends; `changes` replace settings."""
    changes = {"endpoint_host": "127.0.0.1", "identity_secret": SECRET, "rate_limit": 1_000_000} | changes
    settings = replace(load_settings({}), database_url=url, **changes)
    server = make_server(make_app(settings, url, sweep_every_seconds=sweep_every_seconds))
    with listen("127.0.0.1", 0) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_for_health(address)
            yield EndpointServer(address, url)
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            assert not thread.is_alive(), "the endpoint did not stop"


def wait_for_health(address: str, seconds: float = 20) -> None:
    """Returns when the process answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{address}/healthz", timeout=2).status_code == 200:
                return
        except httpx2.HTTPError:
            time.sleep(0.02)
    raise AssertionError(f"{address} does not answer after {seconds} s")
