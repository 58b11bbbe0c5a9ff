"""The private HTTP beside the dashboard: the JSON API with its keys, the CSV behind the buttons, the health route."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from dataclasses import asdict
from typing import Any, TypeVar
from uuid import UUID

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from metrics import customers, devices, sessions, statistics
from metrics.choices import ACTIVITIES, DIMENSIONS, FORMATS, INTERVALS, ORDERS, SORTS, ChoiceError, choose
from metrics.customers import Customer, CustomerQuery
from metrics.database import Database, DatabaseAway, DatabaseError
from metrics.display import format_browser, format_os
from metrics.embedded import EmbeddedError
from metrics.sessions import Session
from metrics.settings import SettingError
from metrics.statistics import Statistics
from metrics.viewer import Viewer

KEY_HOLDER = Viewer("api", "admin")
# The gate lets nobody else in while there is no sign-in.
LOCAL = Viewer("local", "admin")
LONGEST_SEARCH = 200
RECENT_SESSIONS = 5
# Threads of our own: Streamlit's serve its files too, and a slow database must not take those. The pool holds ten
# connections, and the pages need some of them.
THREADS = anyio.CapacityLimiter(6)

Answer = TypeVar("Answer")
OpenDatabase = Callable[[], Database]
Handler = Callable[[Request], Awaitable[Response]]


def list_routes(open_database: OpenDatabase) -> list[Route]:
    """The routes for app.py; the database is opened by the first request that needs it."""

    async def get_metrics(request: Request) -> Response:
        database = await _in_thread(open_database)
        refusal = _refuse(request, database.settings.api_keys)
        if refusal:
            return refusal
        asked = request.query_params
        query = _read_query(request)
        form = choose(FORMATS, "format", asked.get("format", "json")).key
        if form == "csv":
            return await _send_csv(request, customers.export_customers(database, KEY_HOLDER, query), "customers.csv")
        limit = _read_limit(asked.get("limit", "100"))
        body = await _in_thread(_answer, database, query, limit, asked.get("cursor"))
        return Response(body, media_type="application/json")

    async def export_customers(request: Request) -> Response:
        database = await _in_thread(open_database)
        pieces = customers.export_customers(database, LOCAL, _read_query(request))
        return await _send_csv(request, pieces, "customers.csv")

    async def export_sessions(request: Request) -> Response:
        database = await _in_thread(open_database)
        interval = choose(INTERVALS, "interval", request.query_params.get("interval", "all")).key
        user_id = _read_user_id(request.query_params.get("user_id"))
        pieces = sessions.export_sessions(database, LOCAL, user_id=user_id, interval=interval)
        return await _send_csv(request, pieces, "sessions.csv")

    async def get_health(request: Request) -> Response:
        return JSONResponse({"status": "up"})

    async def refuse_unknown(request: Request) -> Response:
        return _fail(404, f"{request.url.path} is not here: use /api/customers/metrics")

    return [
        _route("/api/customers/metrics", get_metrics),
        _route("/export/customers.csv", export_customers),
        _route("/export/sessions.csv", export_sessions),
        _route("/healthz", get_health),
        _route("/api", refuse_unknown),
        _route("/api/{path:path}", refuse_unknown),
        _route("/export", refuse_unknown),
        _route("/export/{path:path}", refuse_unknown),
    ]


def _route(path: str, handler: Handler) -> Route:
    """Only GET and HEAD, and every error as one sentence in JSON that no cache keeps."""

    async def serve(request: Request) -> Response:
        try:
            response = await handler(request) if request.method in ("GET", "HEAD") else _refuse_method(request)
        except ChoiceError as error:
            response = _fail(400, str(error))
        except DatabaseAway as error:
            response = _fail(503, str(error), {"Retry-After": "5"})
        except (DatabaseError, EmbeddedError, SettingError) as error:
            response = _fail(503, str(error))
        response.headers["Cache-Control"] = "no-store"
        return response

    # Every method is taken, because Starlette refuses the others in plain text.
    return Route(path, serve, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


def _refuse_method(request: Request) -> Response:
    return _fail(405, f"The method is {request.method}: use GET", {"Allow": "GET, HEAD"})


def _fail(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status_code=status, headers=headers)


def _refuse(request: Request, keys: tuple[str, ...]) -> Response | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return _fail(401, "The key is missing: send Authorization: Bearer <key>", {"WWW-Authenticate": "Bearer"})
    seen = hashlib.sha256(key.strip().encode()).digest()
    # Every key is compared, in constant time: how long it takes tells nothing.
    matches = [hmac.compare_digest(seen, hashlib.sha256(known.encode()).digest()) for known in keys]
    if not any(matches):
        return _fail(403, "The key is not one of METRICS_API_KEYS: ask the shop's admin for one")
    return None


def _read_query(request: Request) -> CustomerQuery:
    asked = request.query_params
    search = asked.get("search", "")
    if len(search) > LONGEST_SEARCH:
        raise ChoiceError(f"search has {len(search)} characters: use {LONGEST_SEARCH} at most")
    return CustomerQuery(
        interval=choose(INTERVALS, "interval", asked.get("interval", "all")).key,
        sort=choose(SORTS, "sortBy", asked.get("sortBy", "sessions")).key,
        order=choose(ORDERS, "sortOrder", asked.get("sortOrder", "desc")).key,
        search=search,
        activity=choose(ACTIVITIES, "activity", asked.get("activity", "all")).key,
        device=_read_word(asked.get("device")),
        country=_read_word(asked.get("country")),
    )


def _read_word(word: str | None) -> str | None:
    return word.replace("\0", "")[:LONGEST_SEARCH] if word else None


def _read_limit(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 1000:
        return int(text[:9])
    raise ChoiceError(f"limit is {text[:40]!r}: use a whole number from 1 to 1000")


def _read_user_id(text: str | None) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise ChoiceError(f"user_id is {text[:40]!r}: use the id of a customer") from None


async def _in_thread(work: Callable[..., Answer], *values: Any) -> Answer:
    return await anyio.to_thread.run_sync(work, *values, limiter=THREADS)


async def _send_csv(request: Request, pieces: Iterator[bytes], name: str) -> Response:
    # Streamlit would compress it, three times the work, to save bytes between two processes of one machine.
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Encoding": "identity"}
    media_type = "text/csv; charset=utf-8"
    # The first piece is read before the answer begins: a database that is away is still a 503 then.
    first = await _in_thread(next, pieces, b"")
    if request.method == "HEAD":
        await _in_thread(_close, pieces)
        response = Response(media_type=media_type, headers=headers)
        # How long the file is nobody knows before it is read.
        del response.headers["Content-Length"]
        return response

    async def send() -> AsyncIterator[bytes]:
        try:
            yield first
            while piece := await _in_thread(next, pieces, b""):
                yield piece
        finally:
            # A reader who left must not leave a COPY running.
            with anyio.CancelScope(shield=True):
                await _in_thread(_close, pieces)

    return StreamingResponse(send(), media_type=media_type, headers=headers)


def _close(pieces: Iterator[bytes]) -> None:
    if isinstance(pieces, Generator):
        pieces.close()


def _answer(database: Database, query: CustomerQuery, limit: int, cursor: str | None) -> bytes:
    page = customers.list_customers(database, KEY_HOLDER, query, limit=limit, cursor=cursor)
    as_of = page.as_of
    recent = sessions.list_recent_sessions(
        database, KEY_HOLDER, [customer.id for customer in page.customers], as_of=as_of, limit=RECENT_SESSIONS
    )
    numbers = statistics.get_statistics(database, KEY_HOLDER, query.interval, as_of=as_of)
    breakdowns = {
        f"{dimension}_breakdown": {
            share.value: share.sessions
            for share in devices.list_shares(database, KEY_HOLDER, dimension, query.interval, as_of=as_of)
        }
        for dimension in DIMENSIONS
    }
    return msgspec.json.Encoder(decimal_format="number").encode(
        {
            "success": True,
            "data": {
                "interval": query.interval,
                "as_of": as_of,
                "next_cursor": page.next_cursor,
                "statistics": _write_statistics(numbers) | breakdowns,
                "users": [_write_customer(customer, recent[customer.id]) for customer in page.customers],
            },
        }
    )


def _write_statistics(numbers: Statistics) -> dict[str, Any]:
    return {
        "total_users": numbers.total_users,
        "total_sessions": numbers.total_sessions,
        "unique_users_in_period": numbers.unique_users_in_period,
        "guest_sessions": numbers.guest_sessions,
        "bot_sessions": numbers.bot_sessions,
        "active_sessions": numbers.active_sessions,
        "ended_sessions": numbers.ended_sessions,
        "end_rate_percent": numbers.end_rate_percent,
        "explicit_end_rate_percent": numbers.explicit_end_rate_percent,
        "avg_duration_minutes": _write_minutes(numbers.avg_duration_seconds),
        "median_duration_minutes": _write_minutes(numbers.median_duration_seconds),
        "p90_duration_minutes": _write_minutes(numbers.p90_duration_seconds),
        "orders_in_period": numbers.orders_in_period,
        "bookings_in_period": numbers.bookings_in_period,
        "revenue_in_period": numbers.revenue_in_period,
        "new_users_in_period": numbers.new_users_in_period,
    }


def _write_customer(customer: Customer, recent: list[Session]) -> dict[str, Any]:
    row = asdict(customer)
    row.pop("sort_value")
    row.pop("is_active")
    return row | {"recent_sessions": [_write_session(session) for session in recent]}


def _write_session(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.id,
        "device_type": session.device_type,
        "os": format_os(session.os_name, session.os_version),
        "browser": format_browser(session.browser_name, session.browser_version),
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "duration_minutes": _write_minutes(session.duration_seconds),
        "active": session.is_active,
        "ip_address": session.ip_address,
        "country": session.country,
        "city": session.city,
    }


def _write_minutes(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 60, 2)
