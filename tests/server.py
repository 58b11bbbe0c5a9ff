"""A dashboard of its own for a test: where it may listen, and when it answers."""

import socket
import time

import httpx2


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def wait_until_up(port: int, seconds: float = 60) -> None:
    """Returns when the health route answers; AssertionError when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=2).json() == {"status": "up"}:
                return
        except (httpx2.HTTPError, ValueError):
            time.sleep(0.1)
    raise AssertionError(f"nothing answers on port {port} after {seconds} s")
