"""The endpoint over HTTP: what it answers, whom it refuses, and that it says so in one sentence."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from metrics.origins import Origins
from metrics.settings import SettingError
from tests.endpoint_server import EndpointServer, serve_endpoint, sign

START = "/api/analytics/session"
BEAT = "/api/analytics/session/heartbeat"
END = "/api/analytics/session/end"


@pytest.fixture
def endpoint(url: str) -> Iterator[EndpointServer]:
    with serve_endpoint(url) as server:
        yield server


@pytest.fixture
def client(endpoint: EndpointServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=endpoint.address) as client:
        yield client


def test_it_works(client: httpx2.Client, endpoint: EndpointServer, alice: UUID) -> None:
    started = client.post(START, json={"token": sign(alice), "landing_page": "/shop", "referrer": "https://x.example"})
    assert started.status_code == 201
    session_id = started.json()["data"]["session_id"]
    assert len(session_id) == 32
    assert client.post(START, json={"session_id": session_id, "token": sign(alice)}).status_code == 200
    for answer in (
        client.patch(START, json={"session_id": session_id}),
        client.post(BEAT, content=json.dumps({"session_id": session_id}), headers={"content-type": "text/plain"}),
        client.post(END, content=json.dumps({"session_id": session_id})),
        client.post(END, json={"session_id": session_id}),
        client.post(END, json={"session_id": "nobody knows it"}),
    ):
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    (row,) = endpoint.list_sessions()
    assert row["user_id"] == alice
    assert row["identity_verified"] is True
    assert row["landing_page"] == "/shop"
    assert row["end_reason"] == "reported"
    assert row["started_at"] <= row["last_activity_at"] <= row["ended_at"]
    assert row["id"].version == 7


def test_a_heartbeat_says_what_to_do_next(client: httpx2.Client) -> None:
    assert client.post(BEAT, json={"session_id": "x"}).json() == {"success": True, "next": "start"}
    client.post(START, json={"session_id": "x"})
    client.post(END, json={"session_id": "x", "reason": "sign_out"})
    assert client.patch(START, json={"session_id": "x"}).json() == {"success": True, "next": "new"}


@pytest.mark.parametrize("path", [START, BEAT, END])
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is not JSON"),
        (b"session_id=1", "The body is not JSON"),
        (b"\xff\xfe{\x00}\x00", "The body is not JSON"),
        (b"[" * 4_000, "The body is not JSON"),
        (b'{"x":' * 1_000 + b"1" + b"}" * 1_000, "The body is not JSON"),
        (b"[]", "The body is a list: send a JSON object"),
        (b'{"session_id": 5}', "session_id is a number: use text of 1 to 255 characters"),
        (b'{"session_id": "a", "t": "7"}', "t is text: use a whole number"),
        (b'{"session_id": "a", "age": "7"}', "age is text: use a number of milliseconds"),
        (b'{"session_id": "a", "reason": "bored"}', "reason is 'bored': use sign_out, user_switch, page_hide"),
        (b'{"session_id": "a", "landing_page": {}}', "landing_page is an object: use text"),
        (b'{"session_id": "' + b"x" * 300 + b'"}', "session_id has 300 characters"),
        (b'{"session_id": "a", "prev": {"session_id": 1}}', "prev.session_id is a number"),
    ],
)
def test_what_cannot_be_used_is_named(client: httpx2.Client, path: str, body: bytes, sentence: str) -> None:
    answer = client.post(path, content=body)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("path", [BEAT, END])
@pytest.mark.parametrize("body", [{}, {"session_id": None}, {"session_id": ""}, {"session_id": "\0"}])
def test_a_beacon_of_no_session_is_refused(client: httpx2.Client, path: str, body: dict[str, Any]) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json()["error"][:21]) == (400, "session_id is missing")


@pytest.mark.parametrize("size", [8_193, 1_000_000, 30_000_000])
def test_a_large_body_is_refused(client: httpx2.Client, endpoint: EndpointServer, size: int) -> None:
    body = b'{"session_id": "' + b"x" * size + b'"}'
    for content in (body, iter([body[: size // 2], body[size // 2 :]])):
        try:
            answer = client.post(START, content=content)
        except httpx2.WriteError:
            continue  # it hung up on us before we were done
        assert answer.status_code == 413
        assert "8192 bytes" in answer.json()["error"]
    assert endpoint.list_sessions() == []


def test_exactly_8_kib_are_taken(client: httpx2.Client) -> None:
    body = json.dumps({"session_id": "a", "landing_page": ""})
    body = body.replace('""', '"' + "x" * (8_192 - len(body)) + '"')
    assert len(body) == 8_192
    assert client.post(START, content=body).status_code == 201


def test_hostile_texts_are_stored_as_text(client: httpx2.Client, endpoint: EndpointServer) -> None:
    body = {
        "session_id": "a\0b'; DROP TABLE users; --",
        "landing_page": "/?utm_source=" + "x" * 300 + "\0",
        "referrer": "\ud800<script>",
        "utm_campaign": "y" * 300,
        "t": 2**63 - 1,
        "age": 1e300,
        "up": -5,
        "touch": -1,
        "hints": {"platform": ["x"] * 50, "fullVersionList": {"a": "\0"}},
    }
    answer = client.post(START, content=json.dumps(body), headers={"user-agent": b"\xff<b>" * 300})
    assert answer.status_code == 201
    (row,) = endpoint.list_sessions()
    assert row["session_id"] == "ab'; DROP TABLE users; --"
    assert row["landing_page"] == "/?utm_source=" + "x" * 300
    assert row["referrer"] == "<script>"
    assert len(row["user_agent"]) <= 512
    assert row["last_activity_at"] <= row["started_at"] + timedelta(days=1)


def test_another_origin_is_refused(url: str) -> None:
    with serve_endpoint(url, allowed_origins=("https://shop.example",)) as endpoint:
        for path in (START, BEAT, END):
            for origin in ("https://evil.example", "null", "http://127.0.0.1:8502", "https://shop.example.evil"):
                answer = httpx2.post(endpoint.address + path, json={"session_id": "a"}, headers={"origin": origin})
                assert answer.status_code == 403
                assert "The origin is" in answer.json()["error"]
                assert "access-control-allow-origin" not in answer.headers
        good = httpx2.post(
            endpoint.address + START, json={"session_id": "b"}, headers={"origin": "https://shop.example"}
        )
        assert good.status_code == 201
        assert good.headers["access-control-allow-origin"] == "https://shop.example"
        asked = httpx2.options(
            endpoint.address + START,
            headers={"origin": "https://shop.example", "access-control-request-method": "PATCH"},
        )
        assert (asked.status_code, asked.headers["access-control-allow-methods"]) == (204, "POST, PATCH")
        assert [row["session_id"] for row in endpoint.list_sessions()] == ["b"]


def test_without_a_list_only_pages_of_this_machine_may_send() -> None:
    origins = Origins(())
    assert origins.allow("http://localhost:3000")
    assert origins.allow("http://127.0.0.1:8502")
    assert origins.allow("http://[::1]:8502")
    for origin in ("https://shop.example", "null", "http://localhost.evil", "http://[", "file://", ""):
        assert not origins.allow(origin)


@pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/path", "*", "ftp://shop.example"])
def test_an_origin_that_is_none_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(SettingError, match="METRICS_ALLOWED_ORIGINS has"):
        Origins((origin,))


def test_a_flood_is_refused_and_said_in_one_line(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with serve_endpoint(url, rate_limit=60) as endpoint, caplog.at_level(logging.WARNING, "metrics.limits"):
        with httpx2.Client(base_url=endpoint.address) as client:
            answers = [client.post(START, json={"session_id": f"s{number}"}) for number in range(100)]
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(201) <= 65
        refused = [answer for answer in answers if answer.status_code != 201]
        assert {answer.status_code for answer in refused} == {429}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert len(endpoint.list_sessions()) == statuses.count(201)
        assert list_refusals(caplog) == ["refused"]
    assert list_refusals(caplog) == ["refused", "refused again"]
    (repeats,) = [record.__dict__["times"] for record in caplog.records if record.message == "refused again"]
    assert repeats == len(refused) - 1


def list_refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    # The server says when it starts, where another test has made it.
    return [record.message for record in caplog.records if record.name == "metrics.limits"]


def test_one_session_alone_cannot_use_up_its_address(url: str) -> None:
    with serve_endpoint(url, rate_limit=600) as endpoint, httpx2.Client(base_url=endpoint.address) as client:
        statuses = [client.post(BEAT, json={"session_id": "s"}).status_code for _ in range(70)]
        assert statuses.count(429) >= 5
        assert client.post(BEAT, json={"session_id": "other"}).status_code == 200


def test_ten_people_with_one_address_and_one_browser_are_ten_sessions(
    client: httpx2.Client, endpoint: EndpointServer
) -> None:
    for number in range(10):
        assert client.post(START, json={"session_id": f"{number:032x}"}).status_code == 201
    assert len(endpoint.list_sessions()) == 10


def test_a_forged_identity_is_a_guest(client: httpx2.Client, endpoint: EndpointServer, alice: UUID) -> None:
    client.post(START, json={"session_id": "a", "user_id": str(alice)})
    client.post(START, json={"session_id": "b", "token": sign(alice, "another-secret-that-is-long-enough")})
    client.post(START, json={"session_id": "c", "token": "x.y.z"})
    assert [row["user_id"] for row in endpoint.list_sessions()] == [None, None, None]


def test_somebody_elses_token_is_told_to_begin_anew(
    client: httpx2.Client, endpoint: EndpointServer, alice: UUID, bob: UUID
) -> None:
    client.post(START, json={"session_id": "a", "token": sign(alice)})
    assert client.patch(START, json={"session_id": "a", "token": sign(bob)}).json()["next"] == "new"
    assert "next" not in client.patch(START, json={"session_id": "a", "token": sign(alice)}).json()
    assert "next" not in client.patch(START, json={"session_id": "a", "token": "forged.to.ken"}).json()
    assert [row["user_id"] for row in endpoint.list_sessions()] == [alice]


def test_addresses_are_stored_short_and_proxies_not_believed(client: httpx2.Client, endpoint: EndpointServer) -> None:
    client.post(START, json={"session_id": "a"}, headers={"x-forwarded-for": "8.8.8.8, junk, <script>"})
    (row,) = endpoint.list_sessions()
    assert str(row["ip_address"]) == "127.0.0.0"
