"""Streamlit's scripts and styles, compressed once and kept: a first visit costs a third of the bytes."""

import gzip
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

TYPES = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8", ".wasm": b"application/wasm"}


class Bundles:
    """ASGI middleware for /static/…: gzip for whoever takes it, everything else goes on to Streamlit."""

    def __init__(self, app: ASGIApp, *, folder: Path) -> None:
        self._app = app
        self._folder = folder.resolve()
        # The largest bundle is some 5 MB, and there are some 200 of them.
        self._compress: Callable[[Path], bytes] = lru_cache(maxsize=512)(compress)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = self._find(scope)
        if path is None:
            await self._app(scope, receive, send)
            return
        body = await anyio.to_thread.run_sync(self._compress, path)
        headers = [
            (b"content-type", TYPES[path.suffix]),
            (b"content-encoding", b"gzip"),
            (b"content-length", str(len(body)).encode()),
            # Each name carries a hash of its content.
            (b"cache-control", b"public, max-age=31536000, immutable"),
            (b"vary", b"accept-encoding"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _find(self, scope: Scope) -> Path | None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return None
        if not scope["path"].startswith("/static/") or "gzip" not in Headers(scope=scope).get("accept-encoding", ""):
            return None
        path: Path = (self._folder / scope["path"].removeprefix("/")).resolve()
        if path.suffix not in TYPES or not path.is_relative_to(self._folder / "static") or not path.is_file():
            return None
        return path


def compress(path: Path) -> bytes:
    """The file as gzip, the same bytes each time."""
    return gzip.compress(path.read_bytes(), compresslevel=6, mtime=0)
