"""Downloads: the files behind the pages' buttons, each in the audit log before its first byte leaves."""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from metrics.audit import write_audit
from metrics.choices import INTERVALS, ChoiceError, choose
from metrics.customers import CustomerQuery, count_customers, export_customers
from metrics.database import Database
from metrics.private_routes import (
    OpenDatabase,
    fail,
    get_viewer,
    in_thread,
    make_route,
    read_customer_query,
    read_user_id,
    read_word,
    send_csv,
)
from metrics.reengage import AUDIENCES, count_audience, export_audience
from metrics.session_list import SessionQuery, count_all_sessions, export_all_sessions
from metrics.sessions import count_exported_sessions, export_sessions
from metrics.viewer import Viewer


def take_customers(database: Database, viewer: Viewer, query: CustomerQuery) -> Iterator[bytes]:
    """The customers' file, with its line in the audit log; what was searched for stays out of it."""
    as_of = database.now()
    pieces = export_customers(database, viewer, query, as_of=as_of)
    rows = count_customers(database, viewer, query, as_of=as_of)
    write_audit(
        database,
        viewer,
        "export",
        "customers",
        rows,
        interval=query.interval,
        activity=query.activity,
        searched=bool(query.search),
        contacts=viewer.sees_contacts,
    )
    return pieces


def list_export_routes(open_database: OpenDatabase) -> list[Route]:
    """The routes of every file; each asks for whom the gate named."""

    async def send_customers(request: Request) -> Response:
        viewer, query = get_viewer(request), read_customer_query(request)
        database = await in_thread(open_database)
        return await send_csv(request, await in_thread(take_customers, database, viewer, query), "customers.csv")

    async def send_sessions(request: Request) -> Response:
        viewer = get_viewer(request)
        interval = choose(INTERVALS, "interval", request.query_params.get("interval", "all")).key
        user_id = read_user_id(request.query_params.get("user_id"))
        database = await in_thread(open_database)

        def take() -> Iterator[bytes]:
            as_of = database.now()
            rows = count_exported_sessions(database, viewer, user_id=user_id, interval=interval, as_of=as_of)
            subject = f"sessions of {user_id}" if user_id else "sessions"
            write_audit(database, viewer, "export", subject, rows, interval=interval)
            return export_sessions(database, viewer, user_id=user_id, interval=interval, as_of=as_of)

        return await send_csv(request, await in_thread(take), "sessions.csv")

    async def send_all_sessions(request: Request) -> Response:
        viewer, query = get_viewer(request), _read_session_query(request)
        database = await in_thread(open_database)

        def take() -> Iterator[bytes]:
            as_of = database.now()
            rows = count_all_sessions(database, viewer, query, as_of=as_of, most=None)
            write_audit(database, viewer, "export", "sessions", rows, interval=query.interval)
            return export_all_sessions(database, viewer, query, as_of=as_of)

        return await send_csv(request, await in_thread(take), "all-sessions.csv")

    async def send_audience(request: Request) -> Response:
        viewer = get_viewer(request)
        audience = choose(AUDIENCES, "audience", request.query_params.get("audience", "lapsed")).key
        database = await in_thread(open_database)

        def take() -> Iterator[bytes]:
            as_of = database.now()
            rows = count_audience(database, viewer, audience, as_of=as_of)
            write_audit(database, viewer, "export", f"audience {audience}", rows, contacts=viewer.sees_contacts)
            return export_audience(database, viewer, audience, as_of=as_of)

        return await send_csv(request, await in_thread(take), f"{audience}.csv")

    async def refuse_unknown(request: Request) -> Response:
        return fail(404, f"{request.url.path} is not here: use a button of the dashboard")

    return [
        make_route("/export/customers.csv", send_customers),
        make_route("/export/sessions.csv", send_sessions),
        make_route("/export/all-sessions.csv", send_all_sessions),
        make_route("/export/audience.csv", send_audience),
        make_route("/export", refuse_unknown),
        make_route("/export/{path:path}", refuse_unknown),
    ]


def _read_session_query(request: Request) -> SessionQuery:
    asked = request.query_params
    bots = asked.get("bots", "false")
    if bots not in ("true", "false"):
        raise ChoiceError(f"bots is {bots[:40]!r}: use true or false")
    return SessionQuery(
        interval=asked.get("interval", "all"),
        state=asked.get("state", "all"),
        reason=asked.get("reason", "all"),
        device=read_word(asked.get("device")),
        browser=read_word(asked.get("browser")),
        country=read_word(asked.get("country")),
        who=asked.get("who", "all"),
        include_bots=bots == "true",
    )
