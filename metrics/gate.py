"""The gate in front of the dashboard: who may come in at all, and what every answer carries.

It stands before Streamlit, because a websocket that reaches the script runs it, whoever sent it.
"""

import base64
import hashlib
import json
import logging
import re
from contextlib import suppress
from pathlib import Path
from traceback import format_tb
from urllib.parse import urlsplit

import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metrics.address import is_loopback
from metrics.admission import (
    CALLBACK_PATH,
    DOING_PATHS,
    HEADER,
    LOCAL,
    LOGOUT_PATH,
    SIGN_IN_PATHS,
    Admission,
    Refused,
    SignIn,
)

# Streamlit's own routes that tell a stranger something and that no page of ours needs.
CLOSED_PATHS = ("/_stcore/metrics", "/_stcore/agent")
# What a load balancer asks, and what says nothing of the shop.
HEALTH_PATHS = ("/healthz", "/_stcore/health")
LOGGER = logging.getLogger(__name__)


class Broken(RuntimeError):
    """An answer that ends before its end; the message is the kind of error that broke it."""


class Gate:
    """ASGI middleware, outermost: this machine alone while there is no sign-in, else nobody who did not sign in.

    Whoever it lets in is named in a header of its own, which pages and routes read; none is taken from a browser.
    """

    def __init__(self, app: ASGIApp, *, sign_in: SignIn | None, index: Path) -> None:
        self._app = app
        self._sign_in = sign_in
        self._headers = make_headers(index.read_text(encoding="utf-8"), sign_in is not None and sign_in.is_secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if self._sign_in and scope["path"] == CALLBACK_PATH:
                    self._sign_in.come_back(Headers(scope=scope), headers)
            await send(message)

        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != HEADER.encode()]
        refusal = self._refuse(scope) or await self._admit(scope)
        if refusal and scope["type"] == "websocket":
            # Closing before accepting: the browser sees 403, and the script never starts.
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1][:120]})
            return
        if refusal and refusal[0] == 401 and self._sign_in and wants_page(scope):
            location = self._sign_in.send_to_login(scope["path"], scope["query_string"].decode("latin-1"))
            await _answer(scope, send_with_headers, 302, refusal[1], location)
            return
        if refusal:
            await _answer(scope, send_with_headers, *refusal)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            # Whatever it was, the reader gets a sentence and the log the place: an error's words may hold anything.
            kind, stack = type(error).__name__, "".join(format_tb(error.__traceback__))
            LOGGER.error("a request to %.80r failed: %s\n%s", scope["path"], kind, stack)
            if started or scope["type"] == "websocket":
                # Only this ends an answer that has begun, and the server logs it with all that led to it.
                raise Broken(kind) from None
            sentence = "Something went wrong here: try again, and tell the shop's admin"
            await _answer(scope, send_with_headers, 500, sentence)

    def _refuse(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = read_host(f"//{host}")
        client = (scope.get("client") or ("", 0))[0]
        known = "127.0.0.1 or localhost" if self._sign_in is None else self._sign_in.host
        # What watches a machine asks by its address.
        is_watched = self._sign_in is not None and scope["path"] in HEALTH_PATHS
        if not (is_loopback(name) or is_watched or (self._sign_in and name == self._sign_in.host)):
            return 403, f"The host is {name[:60]!r}: open the dashboard as {known}"
        if is_foreign(headers, host) or (is_led(headers) and scope["path"].startswith(DOING_PATHS)):
            origin = headers.get("origin", "another site")
            return 403, f"The origin is {origin[:80]!r}: only the dashboard's own pages may ask"
        if self._sign_in is None and not is_loopback(client):
            return 403, "Without sign-in the dashboard answers on its own machine only"
        if scope["path"].startswith(CLOSED_PATHS):
            return 404, "Nothing is here"
        return None

    async def _admit(self, scope: Scope) -> tuple[int, str] | None:
        """Names whoever asks in the header; the refusal of a stranger."""
        headers = Headers(scope=scope)
        admission: Admission | None = LOCAL
        if self._sign_in:
            path = scope["path"]
            if scope["type"] == "http" and (path in HEALTH_PATHS or path in SIGN_IN_PATHS):
                return None
            if scope["type"] == "http" and path.startswith("/api/") and "authorization" in headers:
                # The route looks at the key.
                return None
            try:
                # In a thread, because a sign-out everywhere is asked of the database.
                admission = await anyio.to_thread.run_sync(self._sign_in.admit, headers)
            except Refused as refused:
                return 403, f"{refused} (sign out: {LOGOUT_PATH})"
        if admission is None:
            return 401, "Nobody is signed in: open the dashboard in a browser and sign in"
        scope["headers"] = [*scope["headers"], (HEADER.encode(), admission.write().encode())]
        return None


def wants_page(scope: Scope) -> bool:
    """Whether a person at a browser asks, who can be sent to sign in."""
    return scope["method"] in ("GET", "HEAD") and "text/html" in Headers(scope=scope).get("accept", "")


def read_host(url: str) -> str:
    """The host a URL names, without its port; empty where it cannot be read."""
    with suppress(ValueError):
        return urlsplit(url).hostname or ""
    return ""


def is_foreign(headers: Headers, host: str) -> bool:
    """Whether a page of another site asks, or loads this as a part of itself.

    The second carries no Origin, but browsers say it. A link that opens the dashboard in the window is welcome.
    """
    origin = headers.get("origin")
    if origin:
        return origin.partition("://")[2] != host
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
    return is_led(headers) and not is_link


def is_led(headers: Headers) -> bool:
    """Whether a page of another site made the browser ask."""
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def make_headers(index: str, is_secure: bool = False) -> dict[str, str]:
    """What every answer carries; the page's inline scripts are allowed by hashes made here, so that upgrades work."""
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", index, re.DOTALL)
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    policy = (
        "default-src 'self'",
        f"script-src 'self' {hashes}".strip(),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "frame-ancestors 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "object-src 'none'",
    )
    transport = {"Strict-Transport-Security": "max-age=31536000"} if is_secure else {}
    return transport | {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


async def _answer(
    scope: Scope, send: Send, status: int, sentence: str, more: list[tuple[bytes, bytes]] | None = None
) -> None:
    """The sentence alone for a person at a browser, in JSON for a script."""
    for_person = "text/html" in Headers(scope=scope).get("accept", "")
    body = sentence.encode() if for_person else json.dumps({"error": sentence}).encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8" if for_person else b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *(more or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
