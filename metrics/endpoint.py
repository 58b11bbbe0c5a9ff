"""The beacon endpoint put together: the public routes, what runs behind them, and how it starts and stops."""

import gc
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from metrics.address import Addresses, is_loopback
from metrics.beacon_routes import BeaconRoute, Door
from metrics.chores import Chore
from metrics.database import CONNECT_TIMEOUT_SECONDS, Database, DatabaseError, connect
from metrics.endpoint_routes import list_side_routes
from metrics.folder import Folder
from metrics.identity import Identities
from metrics.limits import RateLimit
from metrics.logs import log_to_stderr
from metrics.origins import Origins
from metrics.place import Places
from metrics.ports import BACKLOG, ENDPOINT_ADVICE, listen
from metrics.recorder import Recorder
from metrics.retention import Pruner
from metrics.settings import Settings
from metrics.spool import Spool, SpoolError
from metrics.statements import get_statement
from metrics.sweeper import Sweeper

LONGEST_HEADERS = 32 * 1024
TOO_LONG = "The headers are longer than 32 KiB."
# Longer than a heartbeat: the last word of a page then goes out on a warm connection.
KEEP_ALIVE_SECONDS = 75
SHUTDOWN_SECONDS = 10
# One session may send a tenth of what its address may, and never less than a beacon a second.
SESSION_SHARE = 10
SESSION_LEAST = 60
DEMO_TOKEN_LIFE = timedelta(hours=12)
LOGGER = logging.getLogger(__name__)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 with a bound on what comes before a body, which the parser alone would collect without end."""

    _header_bytes = 0
    _piece_bytes = 0
    _is_in_headers = True

    def data_received(self, data: bytes) -> None:
        """Reads on, unless the headers never end."""
        self._piece_bytes = len(data)
        super().data_received(data)
        if self._is_in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > LONGEST_HEADERS and not self.transport.is_closing():
                self.send_400_response(TOO_LONG)

    def on_message_begin(self) -> None:
        """A new request."""
        self._header_bytes = 0
        self._is_in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The rest is a body, which the routes bound."""
        self._is_in_headers = False
        if self._header_bytes + self._piece_bytes > LONGEST_HEADERS and self._count_header_bytes() > LONGEST_HEADERS:
            raise ValueError(TOO_LONG)  # answered with 400, as whatever is no HTTP
        super().on_headers_complete()

    def _count_header_bytes(self) -> int:
        return sum(len(name) + len(value) for name, value in self.headers)


def make_app(settings: Settings, url: str, *, chores: Sequence[Chore] | None = None) -> Starlette:
    """The ASGI app over the database at that URL, with sweeper, folder and pruner unless other chores are given.

    Raises SettingError for a setting that cannot be used.
    """
    shows_demo = is_loopback(settings.endpoint_host) and is_demo_database(settings, url)
    if shows_demo and not settings.identity_secret:
        # The demo shop signs in by itself; its secret lives as long as this process.
        settings = replace(settings, identity_secret=secrets.token_urlsafe(32))
    identities = Identities(
        secret=settings.identity_secret,
        jwks_url=settings.identity_jwks_url,
        trusts_claims=settings.trust_client_user_id,
    )
    recorder = Recorder(settings, url, open_spool(settings))
    if chores is None:
        chores = (Sweeper(settings, url), Folder(settings, url), Pruner(settings, url))
    door = Door(
        origins=Origins(settings.allowed_origins),
        addresses=Addresses(settings.trusted_proxies, settings.ip_storage),
        networks=Addresses((), "none" if settings.ip_storage == "none" else "truncated"),
        places=Places(settings.geoip_db),
        identities=identities,
        recorder=recorder,
        sender_limit=RateLimit(settings.rate_limit),
        session_limit=RateLimit(max(SESSION_LEAST, settings.rate_limit // SESSION_SHARE)),
    )

    @asynccontextmanager
    async def open_and_close(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await recorder.open()
            stack.push_async_callback(recorder.close)
            for chore in chores:
                await chore.open()
                stack.push_async_callback(chore.close)
            stack.callback(door.log.flush)
            # What is loaded by now stays: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            yield

    routes = [
        Route(
            "/api/analytics/session",
            BeaconRoute(door, {"POST": "start", "PATCH": "heartbeat"}),
            methods=["POST", "PATCH", "OPTIONS"],
        ),
        Route(
            "/api/analytics/session/heartbeat", BeaconRoute(door, {"POST": "heartbeat"}), methods=["POST", "OPTIONS"]
        ),
        Route("/api/analytics/session/end", BeaconRoute(door, {"POST": "end"}), methods=["POST", "OPTIONS"]),
        *list_side_routes(url, recorder),
    ]
    if shows_demo:
        routes += _list_demo_routes(settings, url, identities)
    return Starlette(routes=routes, lifespan=open_and_close, exception_handlers={HTTPException: _say})


def open_spool(settings: Settings) -> Spool | None:
    """Where beacons wait while the database is away; None, and a warning, where the disk has no place for it."""
    try:
        return Spool(settings.home / "spool", settings.spool_megabytes)
    except SpoolError as error:
        LOGGER.warning(
            "%s: beacons are refused while the database is away. Let METRICS_HOME be a folder of ours", error
        )
        return None


def is_demo_database(settings: Settings, url: str) -> bool:
    """Whether the customers in there were made up: nobody else's shop gets a page that signs in as anybody."""
    if not settings.database_url:
        return True
    with suppress(DatabaseError, psycopg.Error), connect(url) as connection:
        row = connection.execute(get_statement("is_demo")).fetchone()
        return bool(row and row[0])
    return False


def serve(database: Database) -> None:
    """Serves until it is asked to stop; what was acknowledged is committed by then."""
    settings = database.settings
    log_to_stderr()
    if settings.trust_client_user_id:
        LOGGER.warning("METRICS_TRUST_CLIENT_USER_ID is true: whoever sends a beacon may say who sent it")
    server = make_server(make_app(settings, database.url))
    with listen(settings.endpoint_host, settings.endpoint_port, ENDPOINT_ADVICE) as listener:
        host = f"[{settings.endpoint_host}]" if ":" in settings.endpoint_host else settings.endpoint_host
        LOGGER.info("listening", extra={"url": f"http://{host}:{settings.endpoint_port}"})
        server.run(sockets=[listener])


def make_server(app: Starlette) -> uvicorn.Server:
    """The HTTP server as it is meant to run: no proxy header believed, no websockets, no access log."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Protocol,
            loop="uvloop",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            backlog=BACKLOG,
        )
    )


def _list_demo_routes(settings: Settings, url: str, identities: Identities) -> list[Route]:
    from metrics.demo_page import list_demo_routes

    def sign(user_id: UUID) -> str:
        import jwt

        claims = {"sub": str(user_id), "exp": datetime.now(UTC) + DEMO_TOKEN_LIFE}
        return jwt.encode(claims, settings.identity_secret, algorithm="HS256")

    @asynccontextmanager
    async def open_connection() -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            yield connection

    async def who(token: str) -> UUID | None:
        identity, _ = await identities.identify(token, None)
        return UUID(identity.user_id) if identity.user_id else None

    return list_demo_routes(sign=sign, who=who, connect=open_connection, currency=settings.currency)


async def _say(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    sentences = {404: "Nothing is here", 405: f"The method is {request.method}: this path takes others"}
    return JSONResponse(
        {"error": sentences.get(error.status_code, str(error.detail))}, error.status_code, headers=error.headers
    )
