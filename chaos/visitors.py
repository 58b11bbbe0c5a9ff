"""Visitors who come, look around and leave, each with a ledger of what was sent, what was acknowledged and when."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import jwt

from bench.load import write_request
from chaos.parts import SECRET

START = "/api/analytics/session"
HEARTBEAT = f"{START}/heartbeat"
END = f"{START}/end"
ANSWER_SECONDS = 30
DAY = 86_400_000


@dataclass
class Message:
    """A beacon that was sent: how often, and when the last answer said that it is kept."""

    t: int
    happened_at: float
    reason: str | None = None
    tries: int = 0
    acknowledged_at: float | None = None


@dataclass
class Visit:
    """What one visitor knows of one session."""

    session_id: str
    user_id: str | None
    began_at: float
    has_wrong_clock: bool
    starts: list[Message] = field(default_factory=list)
    beats: list[Message] = field(default_factory=list)
    end: Message | None = None
    ended_by_next: Message | None = None  # the start of the session after it, which says that this one is over
    complaints: list[str] = field(default_factory=list)

    @property
    def is_acknowledged(self) -> bool:
        """Whether any message that makes the row was."""
        return any(one.acknowledged_at for one in self.starts)


class Connection:
    """One kept-alive connection, opened again when it breaks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and JSON; 0 where no whole answer came."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._post(path, json.dumps(body).encode())
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.close()
            return 0, {}

    async def _post(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if self._ends is None:
            self._ends = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._ends
        writer.write(write_request(path, body))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head[9:12]), json.loads(await reader.readexactly(length) or b"{}")

    def close(self) -> None:
        """The next message opens another."""
        if self._ends:
            self._ends[1].transport.abort()
        self._ends = None


class Crowd:
    """Visitors side by side, until they are told to stop; `pause` is the mean of seconds between two messages."""

    def __init__(self, port: int, user_ids: Sequence[str], visitors: int, pause: float, seed: int) -> None:
        self.visits: list[Visit] = []
        self.statuses: Counter[int] = Counter()
        self.sentences: Counter[str] = Counter()
        self.slowest = 0.0
        self._port = port
        self._pause = pause
        self._rngs = [Random(f"{seed} {number}") for number in range(visitors)]
        expires_at = datetime.now(UTC) + timedelta(days=1)
        self._tokens = {
            user_id: jwt.encode({"sub": user_id, "exp": expires_at}, SECRET, algorithm="HS256") for user_id in user_ids
        }
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """They come."""
        self._tasks = [asyncio.create_task(self._come_again(rng)) for rng in self._rngs]

    async def close(self) -> None:
        """Nobody new comes; who is here goes on to the end of the visit."""
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def _come_again(self, rng: Random) -> None:
        connection = Connection(self._port)
        clock = Clock(rng, is_wrong=rng.random() < 0.1)
        before: Visit | None = None
        while not self._is_over:
            before = await self._visit(rng, connection, clock, before)
        connection.close()

    async def _visit(self, rng: Random, connection: Connection, clock: "Clock", before: Visit | None) -> Visit:
        user_id = rng.choice([None, *self._tokens])
        visit = Visit(f"{rng.getrandbits(128):032x}", user_id, time.time(), clock.is_wrong)
        self.visits.append(visit)
        body: dict[str, Any] = {"session_id": visit.session_id, "landing_page": "/products/17", "touch": 5}
        if user_id:
            body["token"] = self._tokens[user_id]
        is_lost = before is not None and before.end is None and rng.random() < 0.5
        if before and is_lost:
            body["prev"] = {"session_id": before.session_id, "t": clock.tick(), "age": 100, "reason": "lost"}
        # The row is asked for by every message until one of them is acknowledged.
        while not visit.is_acknowledged:
            message = Message(clock.tick(), visit.began_at)
            visit.starts.append(message)
            path = START if len(visit.starts) == 1 or rng.random() < 0.5 else HEARTBEAT
            await self._send(connection, path, message, body | {"up": clock.age(visit.began_at), "age": 0})
            if before and is_lost and message.acknowledged_at:
                before.ended_by_next = message
            if not message.acknowledged_at:
                await self._wait(rng)
                if self._is_over and len(visit.starts) > 20:
                    return visit
        for _ in range(rng.randrange(7)):
            await self._wait(rng)
            message = Message(clock.tick(), time.time())
            visit.beats.append(message)
            for _ in range(rng.choice((1, 1, 1, 2))):
                answer = await self._say(connection, HEARTBEAT, visit, message, clock)
                if answer.get("next"):
                    visit.complaints.append(f"a heartbeat was told {answer['next']!r}")
        if rng.random() < 0.8:
            await self._wait(rng)
            reason = rng.choice(("sign_out", "user_switch") if user_id else ("page_hide",))
            visit.end = Message(clock.tick(), time.time(), reason)
            for _ in range(rng.choice((1, 1, 3))):
                await self._say(connection, END, visit, visit.end, clock)
        return visit

    async def _say(
        self, connection: Connection, path: str, visit: Visit, message: Message, clock: "Clock"
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"session_id": visit.session_id, "age": clock.age(message.happened_at)}
        if message.reason:
            body["reason"] = message.reason
        return await self._send(connection, path, message, body)

    async def _send(self, connection: Connection, path: str, message: Message, body: dict[str, Any]) -> dict[str, Any]:
        message.tries += 1
        began = time.monotonic()
        status, answer = await connection.post(path, body | {"t": message.t})
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.statuses[status] += 1
        if status in (200, 201):
            message.acknowledged_at = time.time()
        elif "error" in answer:
            self.sentences[f"{status} {answer['error']}"] += 1
        return answer

    async def _wait(self, rng: Random) -> None:
        await asyncio.sleep(rng.expovariate(1 / self._pause))


class Clock:
    """A browser's clock: only differences of it are ever sent. A wrong one jumps all the time."""

    def __init__(self, rng: Random, *, is_wrong: bool) -> None:
        self.is_wrong = is_wrong
        self._rng = rng
        self._t = rng.randrange(DAY)

    def tick(self) -> int:
        """An order key: above the one before, by an hour where the clock was set."""
        self._t += 3_600_000 if self.is_wrong and self._rng.random() < 0.3 else self._rng.randrange(1, 50)
        return self._t

    def age(self, moment: float) -> float:
        """Milliseconds since then, as this clock has them."""
        jump = self._rng.choice((-DAY, -5_000, 0, 20_000)) if self.is_wrong else 0
        return round((time.time() - moment) * 1000 + jump, 1)
