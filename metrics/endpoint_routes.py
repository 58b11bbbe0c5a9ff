"""What the endpoint answers beside beacons: the tracker's file, its health, its counters, its description."""

import asyncio
import gzip
import hashlib
import time
from pathlib import Path

import psycopg
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from metrics import meters
from metrics.address import is_loopback
from metrics.database import DatabaseError, connect
from metrics.migrate import is_current
from metrics.openapi import describe
from metrics.recorder import Recorder
from metrics.statements import get_statement

TRACKER = Path(__file__).with_name("tracker.min.js")
# Whoever asks often gets the last answer: health must not cost a connection a time.
READY_SECONDS = 1.0


def list_side_routes(url: str, recorder: Recorder) -> list[Route]:
    """GET /tracker.js, /healthz, /readyz, /metrics and /openapi.json."""
    tracker = Tracker(TRACKER.read_bytes())
    readiness = Readiness(url, recorder)
    return [
        Route("/tracker.js", tracker.answer),
        Route("/healthz", answer_health),
        Route("/readyz", readiness.answer),
        Route("/metrics", answer_metrics),
        Route("/openapi.json", answer_description),
    ]


class Tracker:
    """The tracker's file, by its hash."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._packed = gzip.compress(text, 9, mtime=0)
        self._hash = hashlib.sha256(text).hexdigest()[:16]

    async def answer(self, request: Request) -> Response:
        """The file; 304 for who has it. With its hash as `?v=` it never changes, without it is asked for hourly."""
        is_pinned = request.query_params.get("v") == self._hash
        headers = {
            "ETag": f'"{self._hash}"',
            "Cache-Control": "public, max-age=31536000, immutable" if is_pinned else "public, max-age=3600",
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Access-Control-Allow-Origin": "*",
        }
        if self._hash in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = self._text
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = self._packed
            headers["Content-Encoding"] = "gzip"
        return Response(body, media_type="text/javascript; charset=utf-8", headers=headers)


class Readiness:
    """Whether beacons can be written right now."""

    def __init__(self, url: str, recorder: Recorder) -> None:
        self._url = url
        self._recorder = recorder
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._sentence: str | None = None

    async def answer(self, request: Request) -> Response:
        """200 where the database answers with a current schema, else 503 with one sentence."""
        async with self._asking:
            if time.monotonic() - self._asked_at > READY_SECONDS:
                self._sentence = await asyncio.to_thread(self._ask)
                self._asked_at = time.monotonic()
        # Without a database beacons are still taken, as long as the spool has room: who sends need not know.
        numbers = {"spool": self._recorder.count_spooled(), "waiting": self._recorder.count_waiting()}
        if self._sentence:
            return JSONResponse({"status": "not ready", "error": self._sentence, **numbers}, 503)
        return JSONResponse({"status": "ready", **numbers})

    def _ask(self) -> str | None:
        try:
            with connect(self._url, autocommit=True) as connection:
                return None if _can_record(connection) else "The schema is not current: run python -m metrics migrate"
        except (DatabaseError, psycopg.Error):
            return "The database does not answer"


def _can_record(connection: psycopg.Connection) -> bool:
    try:
        return is_current(connection)
    except psycopg.errors.InsufficientPrivilege:
        # A login that may record beacons and read nothing: what it calls is there.
        row = connection.execute(get_statement("can_start_sessions")).fetchone()
        return bool(row and row[0])


async def answer_health(request: Request) -> Response:
    """The process is up."""
    return JSONResponse({"status": "up"})


async def answer_metrics(request: Request) -> Response:
    """The counters, for a collector on this machine: nobody else, through no proxy."""
    client = request.client.host if request.client else ""
    if not is_loopback(client) or "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        raise HTTPException(404)
    return Response(generate_latest(meters.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def answer_description(request: Request) -> Response:
    """The routes in OpenAPI's words."""
    return JSONResponse(describe())
