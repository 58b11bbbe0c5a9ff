"""The beacon endpoint in a thread of the test's process: the real server, on a port of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import jwt
import psycopg

from metrics.endpoint import make_app, make_server
from metrics.ports import listen
from metrics.settings import Settings, load_settings
from metrics.sweeper import Sweeper
from tests.server import wait_until_up

SECRET = "a-secret-of-the-tests-that-is-long-enough"


def sign(user_id: UUID, secret: str = SECRET, seconds: float = 3_600) -> str:
    """The customer's identity as the shop's server signs it; never the same twice."""
    claims = {"sub": str(user_id), "exp": datetime.now(UTC) + timedelta(seconds=seconds), "jti": uuid4().hex}
    return jwt.encode(claims, secret, algorithm="HS256")


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
def serve_endpoint(url: str, *, sweep_every_seconds: float | None = None, **changes: Any) -> Iterator[EndpointServer]:
    """Serves over that database until the block ends; `changes` replace settings."""
    with TemporaryDirectory(prefix="cm-") as home:
        usual = {"home": Path(home), "endpoint_host": "127.0.0.1", "identity_secret": SECRET, "rate_limit": 1_000_000}
        settings = replace(load_settings({}), database_url=url, **usual | changes)
        with _serve(settings, url, sweep_every_seconds) as endpoint:
            yield endpoint


@contextmanager
def _serve(settings: Settings, url: str, sweep_every_seconds: float | None) -> Iterator[EndpointServer]:
    chores = [Sweeper(settings, url, sweep_every_seconds)] if sweep_every_seconds else []
    server = make_server(make_app(settings, url, chores=chores))
    with listen("127.0.0.1", 0, "try again") as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_until_up(port)
            yield EndpointServer(f"http://127.0.0.1:{port}", url)
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            assert not thread.is_alive(), "the endpoint did not stop"
