"""A server of its own for a test: where it may listen, when it answers, and the one way to wait for anything."""

import socket
import time
from collections.abc import Callable
from typing import Any

import httpx2


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 10) -> Any:
    """What the condition gives as soon as it is true; AssertionError after that many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def wait_until_up(port: int, seconds: float = 60) -> None:
    """Returns when the health route answers; AssertionError when it does not in time."""

    def is_up() -> bool:
        try:
            answer = httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=2)
            return bool(answer.json() == {"status": "up"})
        except (httpx2.HTTPError, ValueError):
            return False

    wait_until(is_up, f"an answer on port {port}", seconds)
