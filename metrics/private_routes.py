"""What every private route shares: GET alone, refusals as one sentence in JSON, work in threads, files in pieces."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any, TypeVar
from uuid import UUID

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from metrics.admission import read_admission
from metrics.choices import ACTIVITIES, INTERVALS, ORDERS, SORTS, ChoiceError, choose
from metrics.customers import CustomerQuery
from metrics.database import Database, DatabaseAway, DatabaseError
from metrics.embedded import EmbeddedError
from metrics.settings import SettingError
from metrics.viewer import NotAllowed, Viewer

LONGEST_SEARCH = 200
# Threads of our own: Streamlit's serve its files too, and a slow database must not take those. The pool holds ten
# connections, and the pages need some of them.
THREADS = anyio.CapacityLimiter(6)

Answer = TypeVar("Answer")
OpenDatabase = Callable[[], Database]
Handler = Callable[[Request], Awaitable[Response]]


class KeyMissing(PermissionError):
    """Nobody says who asks."""


def make_route(path: str, handler: Handler) -> Route:
    """Only GET and HEAD, and every error as one sentence in JSON that no cache keeps."""

    async def serve(request: Request) -> Response:
        try:
            response = await handler(request) if request.method in ("GET", "HEAD") else _refuse_method(request)
        except KeyMissing as error:
            response = fail(401, str(error), {"WWW-Authenticate": "Bearer"})
        except NotAllowed as error:
            response = fail(403, str(error))
        except ChoiceError as error:
            response = fail(400, str(error))
        except DatabaseAway as error:
            response = fail(503, str(error), {"Retry-After": "5"})
        except (DatabaseError, EmbeddedError, SettingError) as error:
            response = fail(503, str(error))
        response.headers["Cache-Control"] = "no-store"
        return response

    # Every method is taken, because Starlette refuses the others in plain text.
    return Route(path, serve, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


def _refuse_method(request: Request) -> Response:
    return fail(405, f"The method is {request.method}: use GET", {"Allow": "GET, HEAD"})


def fail(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """One sentence in JSON."""
    return JSONResponse({"error": sentence}, status_code=status, headers=headers)


def get_viewer(request: Request) -> Viewer:
    """Whom the gate let in; KeyMissing where no gate stood before the route."""
    admission = read_admission(request.headers)
    if admission is None:
        raise KeyMissing("Nobody is signed in: open the dashboard in a browser and sign in")
    return admission.view()


async def in_thread(work: Callable[..., Answer], *values: Any) -> Answer:
    """What the work answers, done where it keeps nobody waiting."""
    return await anyio.to_thread.run_sync(work, *values, limiter=THREADS)


def read_customer_query(request: Request) -> CustomerQuery:
    """The list that the parameters name; ChoiceError for what is not accepted."""
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
        device=read_word(asked.get("device")),
        country=read_word(asked.get("country")),
    )


def read_word(word: str | None) -> str | None:
    """A word of the shop's own, cut at its longest; None for nothing."""
    return word.replace("\0", "")[:LONGEST_SEARCH] if word else None


def read_user_id(text: str | None) -> UUID | None:
    """The id of a customer; None for nothing."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise ChoiceError(f"user_id is {text[:40]!r}: use the id of a customer") from None


async def send_csv(request: Request, pieces: Iterator[bytes], name: str) -> Response:
    """The file as it is read from the database; memory stays flat."""
    # Streamlit would compress it, three times the work, to save bytes between two processes of one machine.
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Encoding": "identity"}
    media_type = "text/csv; charset=utf-8"
    # The first piece is read before the answer begins: a database that is away is still a 503 then.
    first = await in_thread(next, pieces, b"")
    if request.method == "HEAD":
        await in_thread(_close, pieces)
        response = Response(media_type=media_type, headers=headers)
        # How long the file is nobody knows before it is read.
        del response.headers["Content-Length"]
        return response

    async def send() -> AsyncIterator[bytes]:
        try:
            yield first
            while piece := await in_thread(next, pieces, b""):
                yield piece
        finally:
            # A reader who left must not leave a COPY running.
            with anyio.CancelScope(shield=True):
                await in_thread(_close, pieces)

    return StreamingResponse(send(), media_type=media_type, headers=headers)


def _close(pieces: Iterator[bytes]) -> None:
    if isinstance(pieces, Generator):
        pieces.close()
