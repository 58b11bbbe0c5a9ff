"""The demo shop: signs in as made-up customers, orders and books, and is there for nobody else."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest

from metrics.statements import get_statement
from tests.endpoint_server import EndpointServer, serve_endpoint


@pytest.fixture
def endpoint(url: str, alice: UUID, bob: UUID) -> Iterator[EndpointServer]:
    with psycopg.connect(url) as connection:
        connection.execute(get_statement("mark_demo"))
    with serve_endpoint(url) as server:
        yield server


@pytest.fixture
def shop(endpoint: EndpointServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=endpoint.address, headers={"origin": endpoint.address}) as client:
        yield client


def ask(endpoint: EndpointServer, question: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(endpoint.url) as connection:
        return connection.execute(question).fetchall()


def test_it_works(shop: httpx2.Client, endpoint: EndpointServer, alice: UUID) -> None:
    page = shop.get("/demo")
    assert page.status_code == 200
    assert 'data-token=""' in page.text
    assert f'<option value="{alice}">Alice Mushi</option>' in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    signed_in = shop.post("/demo/sign-in", json={"user_id": str(alice)}).json()
    assert signed_in["customer"] == {"id": str(alice), "name": "Alice Mushi"}
    page = shop.get("/demo/products/2")
    assert f'data-token="{signed_in["token"]}"' in page.text
    assert page.headers["cache-control"] == "private, no-store"
    assert shop.post("/demo/order").json()["said"] == "Ordered for TZS 50,000."
    assert shop.post("/demo/booking").status_code == 201
    assert shop.post("/demo/booking").status_code == 201
    assert ask(endpoint, "SELECT user_id, total_amount, payment_status FROM orders") == [(alice, 50_000, "paid")]
    assert ask(endpoint, "SELECT title FROM services") == [("Repair Service",)]
    assert ask(endpoint, "SELECT last_booking_service, total_orders FROM user_activity_summary WHERE total_orders > 0")
    assert ask(endpoint, "SELECT count(*) FROM service_bookings") == [(2,)]
    shop.post("/demo/sign-out")
    assert 'data-token=""' in shop.get("/demo").text


def test_its_token_is_believed_by_the_endpoint(shop: httpx2.Client, endpoint: EndpointServer, bob: UUID) -> None:
    token = shop.post("/demo/sign-in", json={"user_id": str(bob)}).json()["token"]
    shop.post("/api/analytics/session", json={"session_id": "a", "token": token})
    assert [row["user_id"] for row in endpoint.list_sessions()] == [bob]


@pytest.mark.parametrize("path", ["/demo/order", "/demo/booking"])
def test_nobody_orders_without_signing_in(shop: httpx2.Client, path: str) -> None:
    answer = shop.post(path)
    assert (answer.status_code, answer.json()) == (401, {"error": "Nobody is signed in: sign in first"})
    shop.cookies.set("demo_shop", "a.b.c")
    assert shop.post(path).status_code == 401


def test_what_is_not_there_is_said(shop: httpx2.Client) -> None:
    assert shop.post("/demo/sign-in", json={"user_id": "alice"}).status_code == 400
    assert shop.post("/demo/sign-in", content=b"[").status_code == 400
    assert shop.post("/demo/sign-in", json={"user_id": str(UUID(int=7))}).status_code == 404
    assert shop.get("/demo/products/9").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"x-forwarded-for": "8.8.8.8"},
        {"host": "evil.example", "origin": "http://evil.example"},
    ],
)
def test_strangers_get_nothing(endpoint: EndpointServer, alice: UUID, headers: dict[str, str]) -> None:
    answer = httpx2.post(f"{endpoint.address}/demo/sign-in", json={"user_id": str(alice)}, headers=headers)
    assert answer.status_code == 403
    assert list(answer.json()) == ["error"]


def test_a_real_shop_has_no_such_page(url: str) -> None:
    with serve_endpoint(url) as endpoint:
        assert httpx2.get(f"{endpoint.address}/demo").status_code == 404


def test_nobody_elsewhere_has_it_either(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(get_statement("mark_demo"))
    with serve_endpoint(url, endpoint_host="0.0.0.0") as endpoint:
        assert httpx2.get(f"{endpoint.address}/demo").status_code == 404
