"""A shop to try the tracker in, beside the dashboard: loopback and made-up customers only.

It shows how a shop uses the tracker: the server knows who is signed in by a cookie of its own, and writes the identity
token into the page.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from metrics.address import is_loopback
from metrics.display import format_money
from metrics.messages import LONGEST_BODY
from metrics.statements import get_statement
from metrics.visitor import CLIENT_HINTS

HERE = Path(__file__)
COOKIE = "demo_shop"
PRICE = Decimal(50_000)
SERVICE = "Repair Service"
PRODUCTS = (
    ("Kanga, pair", "Printed in Dar es Salaam, with a saying along the hem."),
    ("Solar lantern", "Six hours of light, and a charge for the phone."),
    ("Coffee from Moshi", "Half a kilo, roasted on Monday."),
)
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'",
    # Whoever carries a token must not lie in a shared cache.
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Accept-CH": CLIENT_HINTS,
}

Connect = Callable[[], AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]]


class NotHere(Exception):
    """A request that the demo shop does not answer: the status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def list_demo_routes(
    *, sign: Callable[[UUID], str], who: Callable[[str], Awaitable[UUID | None]], connect: Connect, currency: str
) -> list[Route]:
    """The shop's routes; `sign` makes an identity token, `who` reads one, `connect` opens the shop's database."""
    shop = DemoShop(sign, who, connect, format_money(PRICE, currency))
    return [
        Route("/demo", guard(shop.show)),
        Route("/demo/products/{number:int}", guard(shop.show)),
        Route("/demo/shop.css", guard(_send_file(".css", "text/css"))),
        Route("/demo/shop.js", guard(_send_file(".js", "text/javascript"))),
        Route("/demo/sign-in", guard(shop.sign_in), methods=["POST"], max_body_size=LONGEST_BODY),
        Route("/demo/sign-out", guard(shop.sign_out), methods=["POST"]),
        Route("/demo/order", guard(shop.order), methods=["POST"]),
        Route("/demo/booking", guard(shop.book), methods=["POST"]),
    ]


class DemoShop:
    """What the shop does; every answer is a page or JSON."""

    def __init__(
        self, sign: Callable[[UUID], str], who: Callable[[str], Awaitable[UUID | None]], connect: Connect, price: str
    ) -> None:
        self._sign = sign
        self._who = who
        self._connect = connect
        self._price = price

    async def show(self, request: Request) -> Response:
        """The shop's window, or one product of it, for whoever is signed in."""
        number = request.path_params.get("number")
        if number is not None and not 1 <= number <= len(PRODUCTS):
            raise NotHere(404, "The shop has no such product")
        async with self._connect() as connection:
            customers = await _fetch(connection, "list_demo_customers")
            token, name = await self._read_visitor(connection, request)
        shown = range(1, len(PRODUCTS) + 1) if number is None else [number]
        page = Template(HERE.with_suffix(".html").read_text(encoding="utf-8")).substitute(
            token=escape(token),
            name=escape(name),
            guest_only="hidden" if name else "",
            customer_only="" if name else "hidden",
            options="".join(f'<option value="{key}">{escape(label)}</option>' for key, label in customers),
            products="".join(_write_product(one, is_alone=number is not None) for one in shown),
            price=self._price,
            service=SERVICE,
        )
        return HTMLResponse(page)

    async def sign_in(self, request: Request) -> Response:
        """Signs in as the customer named; there is no password, because there is nobody."""
        try:
            user_id = msgspec.json.decode(await request.body(), type=dict[str, UUID])["user_id"]
        except (msgspec.DecodeError, KeyError):
            raise NotHere(400, "user_id is missing: use the id of a demo customer") from None
        async with self._connect() as connection:
            found = await _fetch(connection, "get_demo_customer", user_id=user_id)
        if not found:
            raise NotHere(404, "The shop has no such customer")
        token = self._sign(user_id)
        answer = JSONResponse({"token": token, "customer": {"id": str(user_id), "name": found[0][1]}})
        answer.set_cookie(COOKIE, token, path="/demo", httponly=True, samesite="strict")
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Forgets who was signed in."""
        answer = JSONResponse({"success": True})
        answer.delete_cookie(COOKIE, path="/demo", httponly=True, samesite="strict")
        return answer

    async def order(self, request: Request) -> Response:
        """Orders something for the price that everything has here."""
        await self._add(request, "add_demo_order", amount=PRICE)
        return JSONResponse({"success": True, "said": f"Ordered for {self._price}."}, 201)

    async def book(self, request: Request) -> Response:
        """Books the one service."""
        await self._add(request, "add_demo_booking", amount=PRICE, service=SERVICE)
        return JSONResponse({"success": True, "said": f"Booked: {SERVICE}."}, 201)

    async def _add(self, request: Request, statement: str, **values: Any) -> None:
        user_id = await self._who(request.cookies.get(COOKIE, ""))
        if user_id is None:
            raise NotHere(401, "Nobody is signed in: sign in first")
        async with self._connect() as connection:
            await connection.execute(get_statement(statement), {"user_id": user_id, **values})

    async def _read_visitor(self, connection: psycopg.AsyncConnection[Any], request: Request) -> tuple[str, str]:
        token = request.cookies.get(COOKIE, "")
        user_id = await self._who(token)
        found = user_id and await _fetch(connection, "get_demo_customer", user_id=user_id)
        return (token, found[0][1]) if found else ("", "")


def guard(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Lets browsers on this machine in, and posts of the shop's own pages."""

    async def guarded(request: Request) -> Response:
        try:
            _check(request)
            response = await answer(request)
        except NotHere as error:
            response = JSONResponse({"error": str(error)}, error.status)
        except psycopg.Error:
            response = JSONResponse({"error": "The shop's database does not answer: try again"}, 503)
        response.headers.update(HEADERS)
        return response

    return guarded


def _check(request: Request) -> None:
    client = request.client.host if request.client else ""
    if not is_loopback(client) or not {"x-forwarded-for", "forwarded"}.isdisjoint(request.headers):
        raise NotHere(403, "The demo shop answers on its own machine only")
    if not is_loopback(request.url.hostname or ""):
        # Another name for this machine would be another site's.
        raise NotHere(403, "The demo shop is open at 127.0.0.1 and localhost only")
    if request.method == "POST" and request.headers.get("origin") != f"http://{request.headers.get('host')}":
        raise NotHere(403, "Only the demo shop's own pages may do that")


def _send_file(suffix: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def send(request: Request) -> Response:
        return Response(HERE.with_suffix(suffix).read_bytes(), media_type=f"{media_type}; charset=utf-8")

    return send


def _write_product(number: int, *, is_alone: bool) -> str:
    name, words = PRODUCTS[number - 1]
    more = '<a href="/demo">All products</a>' if is_alone else f'<a href="/demo/products/{number}">Look closer</a>'
    return (
        f'<li class="card"><span class="picture" aria-hidden="true">{name[0]}</span>'
        f"<div><h3>{escape(name)}</h3><p>{escape(words)}</p>{more}</div></li>"
    )


async def _fetch(connection: psycopg.AsyncConnection[Any], name: str, **values: Any) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(get_statement(name), values)
    return await cursor.fetchall()
