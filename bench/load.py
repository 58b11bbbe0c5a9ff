"""A load of beacons over many connections: requests made beforehand, every answer waited for, each timed."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop


@dataclass
class Load:
    """What came of it: how many answers of which status, and each one's seconds."""

    seconds: float = 0
    took: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.took) / self.seconds


class Sender(asyncio.Protocol):
    """One connection: sends the next request when the last one is answered."""

    def __init__(
        self,
        load: Load,
        requests: Iterator[bytes],
        deadline: float,
        done: "asyncio.Future[None]",
        every_seconds: float = 0.0,
    ) -> None:
        self._load = load
        self._every_seconds = every_seconds
        self._requests = requests
        self._deadline = deadline
        self._done = done
        self._seen = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins."""
        self._transport = transport
        self._due_at = time.perf_counter()
        self._send()

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of one."""
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._seen = b""
        now = time.perf_counter()
        self._load.took.append(now - self._since)
        status = int(head[9:12])
        self._load.statuses[status] = self._load.statuses.get(status, 0) + 1
        if now >= self._deadline:
            self._transport.close()
        elif self._every_seconds:
            self._due_at += self._every_seconds
            asyncio.get_running_loop().call_later(max(0.0, self._due_at - now), self._send)
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """The last word."""
        if not self._done.done():
            self._done.set_result(None)

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._since = time.perf_counter()
        self._transport.write(request)


def send_for(
    seconds: float, address: str, connections: int, requests: Iterator[bytes], *, per_second: float = 0.0
) -> Load:
    """Sends for that long, or until no request is left; `per_second` at most, or as fast as it is answered."""
    every_seconds = connections / per_second if per_second else 0.0
    load = Load()
    host, port = urlsplit(address).hostname, urlsplit(address).port

    async def run() -> None:
        loop = asyncio.get_running_loop()
        begin = time.perf_counter()
        done = [loop.create_future() for _ in range(connections)]
        for one in done:
            await loop.create_connection(
                lambda one=one: Sender(load, requests, begin + seconds, one, every_seconds), host, port
            )
        await asyncio.gather(*done)
        load.seconds = time.perf_counter() - begin

    uvloop.run(run())
    return load


def write_request(path: str, body: bytes) -> bytes:
    """A browser's request, byte by byte."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1:3000\r\n"
        "User-Agent: Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/156.0.0.0 Mobile Safari/537.36\r\n"
        'Sec-CH-UA: "Chromium";v="156", "Google Chrome";v="156"\r\nSec-CH-UA-Mobile: ?1\r\n'
        'Sec-CH-UA-Platform: "Android"\r\nContent-Type: text/plain;charset=UTF-8\r\n'
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
