"""A shop's website for the tracker's tests: its pages, and its own path to the endpoint, which can fail on demand."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

STRICT = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
# What an answer of ours is made of; a fault may say something else than the endpoint.
Answer = tuple[int, dict[str, str], bytes]
Fault = Callable[["Request"], Answer | None]
FORWARDED = ("content-type", "origin", "user-agent", "cookie", "access-control-request-method")


@dataclass
class Request:
    """One request: of a page, or of a page's tracker."""

    at: float
    case: str
    method: str
    route: str
    headers: dict[str, str]
    body: bytes
    status: int = 0

    @property
    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Shop:
    """Pages at `/<case>/<page>`, and each case's way to the endpoint at `/<case>/api/...`, on two origins."""

    endpoint: str
    address: str = ""
    other_address: str = ""
    requests: list[Request] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)

    def get_url(self, case: str, page: str, *, policy: str = "", body: str = "", **data: object) -> str:
        """A page whose script tag has these data attributes; those that are None are absent."""
        given = {name: str(value) for name, value in data.items() if value is not None}
        given = {"endpoint": f"{self.address}/{case}"} | given
        extra = {"_policy": policy, "_body": body}
        return f"{self.address}/{case}/{page}?" + urlencode(
            given | {name: text for name, text in extra.items() if text}
        )

    def list_requests(self, case: str, method: str = "POST") -> list[Request]:
        return [one for one in list(self.requests) if one.case == case and one.method == method]

    def answer(self, request: Request) -> Answer | None:
        """The endpoint's answer, or the fault's; None hangs up."""
        self.requests.append(request)
        fault = self.faults.get(request.case)
        answer = fault(request) if fault else self.forward(request)
        request.status = answer[0] if answer else 0
        return answer

    def forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=30)
        try:
            connection.request(request.method, request.route, request.body or None, request.headers)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, answer.read()
        finally:
            connection.close()


def hang_up(request: Request) -> None:
    """What a browser without a network meets."""


def fail(request: Request) -> Answer:
    """What a browser meets while the endpoint is away."""
    allowed = {"access-control-allow-origin": request.headers.get("origin", "*"), "content-type": "application/json"}
    return 503, allowed, b'{"error": "away"}'


def make_page(query: dict[str, str]) -> bytes:
    body = query.pop("_body", "")
    query.pop("_policy", "")
    attributes = " ".join(f'data-{name}="{escape(value)}"' for name, value in query.items())
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>A shop</title>"
        f"<script async src=/tracker.js {attributes}></script><h1>A shop</h1>{body}"
    ).encode()


class Handler(BaseHTTPRequestHandler):
    """Both origins' requests."""

    protocol_version = "HTTP/1.1"
    shop: Shop

    def log_message(self, *_: object) -> None:
        """Silent."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/favicon.ico":
            self._write((204, {}, b""))
            return
        if parts.path == "/tracker.js":
            status, headers, body = self.shop.forward(Request(0, "", "GET", "/tracker.js", {}, b""))
            self._write((status, {"content-type": headers["content-type"]}, body))
            return
        _, case, route = parts.path.split("/", 2)
        self.shop.requests.append(Request(time.time(), case, "GET", f"/{route}", {}, b""))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        policy = query.get("_policy", "")
        headers = {"content-type": "text/html; charset=utf-8", "cache-control": "no-cache"}
        self._write((200, headers | ({"content-security-policy": policy} if policy else {}), make_page(query)))

    def do_POST(self) -> None:
        _, case, route = self.path.split("/", 2)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name: self.headers[name] for name in FORWARDED if name in self.headers}
        answer = self.shop.answer(Request(time.time(), case, self.command, f"/{route}", headers, body))
        if answer:
            self._write(answer)
        else:
            self.close_connection = True

    do_OPTIONS = do_PATCH = do_POST  # noqa: N815 (the names are http.server's)

    def _write(self, answer: Answer) -> None:
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers.items():
            if name not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Listener(ThreadingHTTPServer):
    """Says nothing about browsers that went away."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A killed browser hangs up in the middle."""


@contextmanager
def serve_shop(endpoint: str) -> Iterator[Shop]:
    """Serves until the block ends."""
    shop = Shop(endpoint)
    handler = type("ShopHandler", (Handler,), {"shop": shop})
    listeners = [Listener(("127.0.0.1", 0), handler) for _ in range(2)]
    shop.address, shop.other_address = (f"http://127.0.0.1:{one.server_port}" for one in listeners)
    for one in listeners:
        threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    try:
        yield shop
    finally:
        for one in listeners:
            one.shutdown()
            one.server_close()
