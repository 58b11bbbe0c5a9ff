"""The original shop's own client, unchanged: one id for everybody, a start on every page, ends as it likes."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest

from tests.endpoint_server import EndpointServer, serve_endpoint

ID = "session_1762394628181_6vpstmhd2"
FACTS = {"device_type": "desktop", "os_name": "Mac", "browser_name": "Chrome", "landing_page": "/", "referrer": ""}


class Client:
    """What the original's pages send."""

    def __init__(self, endpoint: EndpointServer) -> None:
        self.endpoint = endpoint
        self.http = httpx2.Client(base_url=endpoint.address)

    def start(self, user_id: UUID | None = None) -> httpx2.Response:
        return self.http.post(
            "/api/analytics/session", json={"session_id": ID, "user_id": user_id and str(user_id), **FACTS}
        )

    def beat(self) -> httpx2.Response:
        return self.http.patch("/api/analytics/session", json={"session_id": ID})

    def end(self, **fields: Any) -> httpx2.Response:
        return self.http.post("/api/analytics/session/end", json={"session_id": ID, **fields})

    def close(self) -> httpx2.Response:
        return self.http.post(
            "/api/analytics/session/end",
            content=json.dumps({"session_id": ID}),
            headers={"content-type": "text/plain;charset=UTF-8"},
        )

    def rows(self) -> list[tuple[Any, Any]]:
        return [(row["user_id"], row["end_reason"]) for row in self.endpoint.list_sessions()]

    def move_back(self, minutes: int) -> None:
        """Lets that much time pass."""
        with psycopg.connect(self.endpoint.url) as connection:
            connection.execute(
                "UPDATE user_sessions SET started_at = started_at - %(past)s, "
                "last_activity_at = last_activity_at - %(past)s, ended_at = ended_at - %(past)s",
                {"past": timedelta(minutes=minutes)},
            )


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with serve_endpoint(url, trust_client_user_id=True) as endpoint:
        yield Client(endpoint)


def test_it_works(client: Client, alice: UUID) -> None:
    answer = client.start(alice)
    assert (answer.status_code, answer.json()["data"]["session_id"]) == (201, ID)
    assert client.beat().json() == {"success": True}
    assert client.end().json() == {"success": True}
    assert client.rows() == [(alice, "reported")]


def test_a_start_on_every_page_is_one_session(client: Client, alice: UUID) -> None:
    assert [client.start(alice).status_code for _ in range(4)] == [201, 200, 200, 200]
    assert client.rows() == [(alice, None)]


def test_signing_in_ends_the_guests_session_and_starts_the_customers(client: Client, alice: UUID) -> None:
    client.start()
    client.start(alice)
    assert client.rows() == [(None, "user_switch"), (alice, None)]


def test_pages_that_learn_late_who_it_is_leave_one_session_an_identity(client: Client, alice: UUID) -> None:
    for _ in range(5):
        client.start()
        client.start(alice)
        client.beat()
    assert client.rows() == [(None, "user_switch"), (alice, None)]


def test_a_switch_ends_one_and_starts_the_next(client: Client, alice: UUID, bob: UUID) -> None:
    client.start(alice)
    client.start(bob)
    client.start(bob)
    assert client.rows() == [(alice, "user_switch"), (bob, None)]
    assert client.start(alice).status_code == 201
    assert client.rows() == [(alice, "user_switch"), (bob, "user_switch"), (alice, None)]


def test_a_reload_is_no_end(client: Client, alice: UUID) -> None:
    client.start(alice)
    for _ in range(3):
        client.close()
        assert client.rows() == [(alice, "page_hide")]
        client.start(alice)
        assert client.rows() == [(alice, None)]


def test_the_end_of_the_last_page_may_come_after_the_start_of_the_next(client: Client, alice: UUID) -> None:
    client.start(alice)
    client.start(alice)
    client.close()
    client.beat()
    assert client.rows() == [(alice, None)]


def test_ending_twice_changes_nothing(client: Client, alice: UUID) -> None:
    client.start(alice)
    client.end()
    first = client.endpoint.list_sessions()
    assert client.end().json() == client.close().json() == {"success": True}
    assert client.endpoint.list_sessions() == first


def test_an_end_that_overtakes_its_start_leaves_one_ended_session(client: Client, alice: UUID) -> None:
    assert client.end().json() == {"success": True}
    assert client.rows() == []
    client.start(alice)
    assert client.rows() == [(alice, "reported")]


def test_the_next_visit_with_the_same_id_is_a_new_session(client: Client, alice: UUID) -> None:
    client.start(alice)
    client.beat()
    client.move_back(31)
    assert client.start(alice).status_code == 201
    assert client.rows() == [(alice, "timeout"), (alice, None)]
    client.beat()
    first, second = client.endpoint.list_sessions()
    assert first["last_activity_at"] < second["started_at"]


def test_signing_in_again_after_a_sign_out_is_a_new_session(client: Client, alice: UUID) -> None:
    client.start(alice)
    client.end(reason="sign_out")
    assert client.beat().json() == {"success": True, "next": "new"}
    assert client.start(alice).status_code == 201
    assert client.rows() == [(alice, "sign_out"), (alice, None)]


def test_nobody_is_believed_without_the_switch(url: str, alice: UUID) -> None:
    with serve_endpoint(url) as endpoint:
        client = Client(endpoint)
        client.start(alice)
        assert client.rows() == [(None, None)]
