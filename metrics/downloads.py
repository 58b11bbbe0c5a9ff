"""Downloads: the files behind the pages' buttons, for whom the gate named."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from metrics.choices import ChoiceError, choose
from metrics.handouts import take_audience, take_customers, take_sessions
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
from metrics.reengage import AUDIENCES
from metrics.session_list import SessionQuery


def list_export_routes(open_database: OpenDatabase) -> list[Route]:
    """The route of every file."""

    async def send_customers(request: Request) -> Response:
        viewer, query = get_viewer(request), read_customer_query(request)
        database = await in_thread(open_database)
        return await send_csv(request, await in_thread(take_customers, database, viewer, query), "customers.csv")

    async def send_sessions(request: Request) -> Response:
        viewer, query = get_viewer(request), _read_session_query(request)
        database = await in_thread(open_database)
        return await send_csv(request, await in_thread(take_sessions, database, viewer, query), "sessions.csv")

    async def send_audience(request: Request) -> Response:
        viewer = get_viewer(request)
        audience = choose(AUDIENCES, "audience", request.query_params.get("audience", "lapsed")).key
        database = await in_thread(open_database)
        return await send_csv(request, await in_thread(take_audience, database, viewer, audience), f"{audience}.csv")

    async def refuse_unknown(request: Request) -> Response:
        return fail(404, f"{request.url.path} is not here: use a button of the dashboard")

    return [
        make_route("/export/customers.csv", send_customers),
        make_route("/export/sessions.csv", send_sessions),
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
        user_id=read_user_id(asked.get("user_id")),
    )
