"""The processes that are put to the test: the beacon endpoint and the dashboard."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import msgspec
import psutil

from metrics.settings import PROJECT

START_SECONDS = 60
STOP_SECONDS = 30
SECRET = "a-secret-of-the-worst-day-that-is-long-enough"
API_KEY = "a-key-of-the-worst-day-that-is-long-enough"


class Part:
    """One process of ours on a port of its own."""

    def __init__(self, words: Sequence[str], port: int, log: Path, environ: Mapping[str, str]) -> None:
        self.port = port
        self._words = [sys.executable, "-m", *words]
        self._log = log
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("METRICS_", "DATABASE_"))}
        self._environ = kept | dict(environ)
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Returns when it answers that it is up."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._words, cwd=PROJECT, env=self._environ, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        while (await self.ask("/healthz"))[0] != 200:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"{self._words[2:]} does not start: {self._log.read_text()[-2000:]}")
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: it has no time for anything."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """Asks it to stop, and says how it ended."""
        if not self._process:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def measure(self) -> psutil.Process:
        """The process, for whoever counts its memory and its files."""
        assert self._process
        return psutil.Process(self._process.pid)

    async def ask(self, path: str, key: str = "") -> tuple[int, Any]:
        """Status and JSON of a GET; 0 where nobody answers."""
        return await asyncio.to_thread(self._ask, path, key)

    def _ask(self, path: str, key: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", headers=headers), timeout=30) as answer:
                return answer.status, msgspec.json.decode(answer.read())
        except HTTPError as error:
            body = error.read()
            return error.code, msgspec.json.decode(body) if body[:1] == b"{" else body.decode("utf-8", "replace")
        except (URLError, OSError, msgspec.DecodeError):
            return 0, None


def make_endpoint(url: str, port: int, home: Path, log: Path, **environ: str) -> Part:
    """The beacon endpoint, with sweeper, folder and pruner."""
    settings = {
        "DATABASE_URL": url,
        "METRICS_HOME": str(home),
        "METRICS_ENDPOINT_PORT": str(port),
        "METRICS_IDENTITY_SECRET": SECRET,
        "METRICS_RATE_LIMIT": "1000000000",
        "METRICS_TIMEOUT_MINUTES": "1",
    }
    return Part(["metrics", "endpoint"], port, log, settings | environ)


def make_dashboard(url: str, port: int, home: Path, log: Path) -> Part:
    """The dashboard, as `streamlit run app.py` starts it."""
    settings = {
        "DATABASE_URL": url,
        "METRICS_HOME": str(home),
        "METRICS_API_KEYS": API_KEY,
        "METRICS_TIMEOUT_MINUTES": "1",
    }
    flags = [f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true"]
    return Part(["streamlit", "run", "app.py", *flags], port, log, settings)
