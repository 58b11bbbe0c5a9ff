"""The private HTTP beside the dashboard: the JSON API with its keys, the files behind the buttons, the health route."""

from dataclasses import asdict
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from metrics import customers, devices, sessions, statistics
from metrics.audit import write_audit
from metrics.choices import DIMENSIONS, FORMATS, ChoiceError, choose
from metrics.customers import Customer, CustomerQuery
from metrics.database import Database
from metrics.display import format_browser, format_os
from metrics.downloads import list_export_routes
from metrics.handouts import take_customers
from metrics.keys import find_key_holder
from metrics.private_routes import (
    KeyMissing,
    OpenDatabase,
    fail,
    in_thread,
    make_route,
    read_customer_query,
    send_csv,
)
from metrics.sessions import Session
from metrics.statistics import Statistics
from metrics.viewer import Viewer

RECENT_SESSIONS = 5


def list_routes(open_database: OpenDatabase) -> list[Route]:
    """The routes for app.py; the database is opened by the first request that needs it.

    The JSON API asks for a key. The others stand behind the gate, and ask for whom it named.
    """

    async def get_metrics(request: Request) -> Response:
        key = _read_key(request)
        database = await in_thread(open_database)
        viewer = await in_thread(find_key_holder, database, key)
        if viewer is None:
            return fail(403, "The key is not one in use here: ask the shop's admin for one")
        asked = request.query_params
        query = read_customer_query(request)
        form = choose(FORMATS, "format", asked.get("format", "json")).key
        if form == "csv":
            pieces = await in_thread(take_customers, database, viewer, query)
            return await send_csv(request, pieces, "customers.csv")
        limit = _read_limit(asked.get("limit", "100"))
        body = await in_thread(_answer, database, viewer, query, limit, asked.get("cursor"))
        return Response(body, media_type="application/json")

    async def get_health(request: Request) -> Response:
        return JSONResponse({"status": "up"})

    async def refuse_unknown(request: Request) -> Response:
        return fail(404, f"{request.url.path} is not here: use /api/customers/metrics")

    return [
        make_route("/api/customers/metrics", get_metrics),
        make_route("/healthz", get_health),
        make_route("/api", refuse_unknown),
        make_route("/api/{path:path}", refuse_unknown),
        *list_export_routes(open_database),
    ]


def _read_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise KeyMissing("The key is missing: send Authorization: Bearer <key>")
    return key.strip()


def _read_limit(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 1000:
        return int(text[:9])
    raise ChoiceError(f"limit is {text[:40]!r}: use a whole number from 1 to 1000")


def _answer(database: Database, viewer: Viewer, query: CustomerQuery, limit: int, cursor: str | None) -> bytes:
    page = customers.list_customers(database, viewer, query, limit=limit, cursor=cursor)
    as_of = page.as_of
    if viewer.sees_contacts and page.customers:
        write_audit(database, viewer, "reveal", "customers by the API", len(page.customers))
    recent = sessions.list_recent_sessions(
        database, viewer, [customer.id for customer in page.customers], as_of=as_of, limit=RECENT_SESSIONS
    )
    numbers = statistics.get_statistics(database, viewer, query.interval, as_of=as_of)
    breakdowns = {
        f"{dimension}_breakdown": {
            share.value: share.sessions
            for share in devices.list_shares(database, viewer, dimension, query.interval, as_of=as_of)
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
