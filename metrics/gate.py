"""The gate in front of the dashboard: who may come in at all, and what every answer carries.

It stands before Streamlit, because a websocket that reaches the script runs it, whoever sent it.
"""

import base64
import hashlib
import json
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metrics.address import is_loopback

# Streamlit's own routes that tell a stranger something and that no page of ours needs.
CLOSED_PATHS = ("/_stcore/metrics", "/_stcore/agent")
LOGGER = logging.getLogger(__name__)


class Gate:
    """ASGI middleware, outermost: loopback only while there is no sign-in, and nobody at all before one is set up."""

    def __init__(self, app: ASGIApp, *, wants_sign_in: Callable[[], bool], index: Path) -> None:
        self._app = app
        self._wants_sign_in = wants_sign_in
        self._headers = make_headers(index.read_text(encoding="utf-8"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refuse(scope)
        if refusal and scope["type"] == "websocket":
            # Closing before accepting: the browser sees 403, and the script never starts.
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1][:120]})
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        if refusal:
            await _answer(scope, send_with_headers, *refusal)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # Whatever it was, the reader gets a sentence and the log the rest.
            LOGGER.exception("a request to %s failed", scope["path"])
            if started or scope["type"] == "websocket":
                raise
            sentence = "Something went wrong here: try again, and tell the shop's admin"
            await _answer(scope, send_with_headers, 500, sentence)

    def _refuse(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = read_host(f"//{host}")
        client = (scope.get("client") or ("", 0))[0]
        if not is_loopback(name):
            return 403, f"The host is {name[:60]!r}: open the dashboard as 127.0.0.1 or localhost"
        if is_foreign(headers, host):
            origin = headers.get("origin", "another site")
            return 403, f"The origin is {origin[:80]!r}: only the dashboard's own pages may ask"
        if not is_loopback(client):
            return 403, "Without sign-in the dashboard answers on its own machine only"
        if self._wants_sign_in():
            return (
                401,
                "Sign-in is configured, and this release cannot sign anybody in: remove [auth] to use it locally",
            )
        if scope["path"].startswith(CLOSED_PATHS):
            return 404, "Nothing is here"
        return None


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
    site = headers.get("sec-fetch-site", "none")
    return site not in ("none", "same-origin") and headers.get("sec-fetch-mode") != "navigate"


def make_headers(index: str) -> dict[str, str]:
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
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


async def _answer(scope: Scope, send: Send, status: int, sentence: str) -> None:
    """The sentence alone for a person at a browser, in JSON for a script."""
    for_person = "text/html" in Headers(scope=scope).get("accept", "")
    body = sentence.encode() if for_person else json.dumps({"error": sentence}).encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8" if for_person else b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
