"""The shop on its worst day: database, wire, endpoint, dashboard, visitors, tills and who watches."""

import asyncio
import os
import subprocess
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random

import psycopg

from chaos.parts import API_KEY, make_dashboard, make_endpoint
from chaos.postgres import Postgres
from chaos.shop import Tills
from chaos.visitors import Crowd
from chaos.wire import Wire
from metrics.ports import listen

CUSTOMERS = 60
DISK_MEGABYTES = 24
LOOK_SECONDS = 0.5
CALM_SECONDS = 120
LONGEST_SENTENCE = 160


class World:
    """All of it in one folder; `open` starts it, `close` stops it."""

    def __init__(self, folder: Path, seed: int, visitors: int, pause: float) -> None:
        self.rng = Random(seed)
        self.complaints: list[str] = []
        self.looks: Counter[str] = Counter()  # what the dashboard said
        self.disk = folder / "disk"
        self._folder = folder
        self._seed = seed
        self._visitors = visitors
        self._pause = pause
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Returns when everything answers; visitors and tills are not there yet."""
        self._mount()
        ports = [_find_port() for _ in range(4)]
        self.postgres = await asyncio.to_thread(Postgres, self._folder / "database", ports[0])
        await asyncio.to_thread(self.postgres.start)
        self._stack.callback(self.postgres.stop)
        with self.postgres.connect() as connection:
            rows = connection.execute(
                "INSERT INTO users (email) SELECT n || '@example.co.tz' FROM generate_series(1, %s) AS n RETURNING id",
                (CUSTOMERS,),
            ).fetchall()
        user_ids = [str(user_id) for (user_id,) in rows]
        self.wire = Wire(ports[1], ports[0])
        await self.wire.open()
        self._stack.push_async_callback(self.wire.close)
        self.endpoint = make_endpoint(
            self.postgres.get_url(ports[1]), ports[2], self.disk, self._folder / "endpoint.log"
        )
        await self.endpoint.start()
        self._stack.callback(self.endpoint.kill)
        self.dashboard = make_dashboard(
            self.postgres.get_url(), ports[3], self._folder / "home", self._folder / "dashboard.log"
        )
        await self.dashboard.start()
        self._stack.callback(self.dashboard.kill)
        self.crowd = Crowd(ports[2], user_ids, self._visitors, self._pause, self._seed)
        self.tills = Tills(self.postgres.get_url(), user_ids, 4, self._seed)

    async def close(self) -> None:
        """Stops everything."""
        await self._stack.aclose()

    async def watch(self) -> None:
        """Asks the dashboard's door again and again: an answer, or one clear sentence while the database is away."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> bool:
        """Whether it answered; what it said else is kept, and is a fault where it is no such sentence."""
        status, answer = await self.dashboard.ask("/api/customers/metrics?limit=1", API_KEY)
        if status == 200:
            self.looks["an answer"] += 1
            return True
        said = f"{status} {answer.get('error') if isinstance(answer, dict) else repr(answer)[:200]}"
        self.looks[said] += 1
        if status != 503 or "\n" in said or len(said) > LONGEST_SENTENCE:
            log = (self._folder / "dashboard.log").read_text()[-1_500:]
            self.complaints.append(f"the dashboard said {said!r} ... {log}")
        return False

    async def wait_for_postgres(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + CALM_SECONDS
        while time.monotonic() < deadline:
            with suppress(psycopg.OperationalError):
                await asyncio.to_thread(self._ask)
                return
            await asyncio.sleep(0.1)
        self.complaints.append("PostgreSQL did not come back")

    async def wait_until_written(self) -> float:
        """Until nothing waits on disk, and how many seconds that took."""
        began = time.monotonic()
        while time.monotonic() < began + CALM_SECONDS:
            status, answer = await self.endpoint.ask("/readyz")
            if status == 200 and answer["spool"] == 0 and answer["waiting"] == 0:
                return time.monotonic() - began
            await asyncio.sleep(0.2)
        self.complaints.append(f"beacons still wait on disk after {CALM_SECONDS} s")
        return CALM_SECONDS

    def _ask(self) -> None:
        self.postgres.connect().close()

    def _mount(self) -> None:
        """A small disk for the spool, where this may be done; else a folder that its bound fills as well."""
        self.disk.mkdir()
        if os.geteuid() == 0:
            command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(self.disk)]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                self._stack.callback(subprocess.run, ["umount", "-l", str(self.disk)], check=False)
                self.has_small_disk = True
                return
        self.has_small_disk = False


def _find_port() -> int:
    with listen("127.0.0.1", 0, "") as probe:
        port: int = probe.getsockname()[1]
    return port
