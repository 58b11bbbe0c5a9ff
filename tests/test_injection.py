"""Texts that would be SQL or markup, in every field of a beacon and every parameter of the private routes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx2
import psycopg
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from metrics.admission import HEADER, LOCAL
from metrics.api import list_routes
from metrics.database import Database
from metrics.messages import LONGEST_PATH, Message, Previous
from metrics.place import EDGES
from metrics.settings import PROJECT
from metrics.visitor import LONGEST_USER_AGENT
from tests.attacks import ATTACKS, HARMLESS
from tests.conftest import Server
from tests.endpoint_server import EndpointServer, serve_endpoint

START, BEAT, END = "/api/analytics/session", "/api/analytics/session/heartbeat", "/api/analytics/session/end"
# What a header is for HTTP itself: how long the body is, not what it says.
FRAMING = {"content-length"}
HEADERS = {
    "accept-encoding",
    "authorization",
    "content-type",
    "forwarded",
    "if-none-match",
    "origin",
    "sec-ch-ua",
    "sec-ch-ua-full-version-list",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-ch-ua-platform-version",
    "user-agent",
    "x-forwarded-for",
    *(name for pair in EDGES for name in pair),
}
HINTS = ("brands", "fullVersionList", "mobile", "platform", "platformVersion")
FIELDS = (*Message.__struct_fields__, *(f"prev.{name}" for name in Previous.__struct_fields__))
KEY = {"Authorization": "Bearer the-key"}
METRICS = "/api/customers/metrics"
CUSTOMERS = "interval sortBy sortOrder search activity device country"
# Every parameter of every route, and which of them take any text; the others name what they accept.
PARAMETERS = {
    METRICS: f"{CUSTOMERS} format limit cursor",
    "/export/customers.csv": CUSTOMERS,
    "/export/sessions.csv": "interval state reason who bots device browser country user_id",
    "/export/audience.csv": "audience",
}
FREE = {"search", "device", "browser", "country"}


@pytest.fixture(scope="module")
def endpoint(embedded_server: Server) -> Iterator[EndpointServer]:
    """An endpoint that believes every header and every claim, so that no field is left out unread."""
    url = embedded_server.create_database()
    with serve_endpoint(url, trusted_proxies=("127.0.0.1",), trust_client_user_id=True) as server:
        yield server
    embedded_server.drop_database(url)


@pytest.fixture(scope="module")
def database(embedded_server: Server) -> Iterator[Database]:
    """A shop with a customer of one session."""
    url = embedded_server.create_database()
    opened = Database(replace(embedded_server.settings, database_url=url, api_keys=("the-key",)), url)
    with opened.write() as connection:
        connection.execute("INSERT INTO users (first_name, email) VALUES ('Zawadi', 'zawadi@shop.example')")
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, device_type) SELECT 'one', id, 'mobile' FROM users"
        )
    yield opened
    opened.close()
    embedded_server.drop_database(url)


@pytest.fixture(scope="module")
def client(database: Database) -> TestClient:
    """Whom the gate let in, with a key."""
    routes = Starlette(routes=list_routes(lambda: database))
    return TestClient(routes, headers=KEY | {HEADER: LOCAL.write()}, raise_server_exceptions=False)


def read_source(*names: str) -> str:
    return "\n".join((PROJECT / "metrics" / f"{name}.py").read_text(encoding="utf-8") for name in names)


def list_tables(url: str) -> list[Any]:
    """Every table with its columns and triggers, and how many customers there are."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM users), array(SELECT attrelid::regclass::text || attname FROM pg_attribute "
            "WHERE attnum > 0 AND NOT attisdropped ORDER BY 1), array(SELECT tgname::text FROM pg_trigger ORDER BY 1)"
        ).fetchall()


def test_no_header_is_forgotten() -> None:
    source = read_source("address", "beacon_routes", "endpoint_routes", "identity", "place", "visitor", "api")
    read = set(re.findall(r'headers\.get\(\s*"([\w-]+)"|"([\w-]+)" (?:not )?in (?:request\.)?headers', source))
    assert {first or second for first, second in read} <= HEADERS | FRAMING | {"gzip"}
    assert set(re.findall(r'hints\.get\("(\w+)"', source)) == set(HINTS)


def send(client: httpx2.Client, path: str, field: str, text: object) -> httpx2.Response:
    """A beacon with that text in that field, of a session of its own."""
    session_id = f"{field}-{abs(hash((path, field, repr(text))))}"
    body: dict[str, Any] = {"session_id": session_id, "up": 1000, "hints": {}, "landing_page": "/"}
    headers = {}
    if field in HEADERS:
        headers[field] = quote(str(text), safe=" '\"();:,<>[]{}=-*/$%&").encode()
    elif field.startswith("hints."):
        body["hints"] = {field.removeprefix("hints."): text, "more": [text, {str(text): text}]}
    elif field.startswith("prev."):
        body["prev"] = {"session_id": "one"} | {field.removeprefix("prev."): text}
    else:
        body[field] = text
    return client.post(path, content=json.dumps(body), headers=headers)


@pytest.mark.parametrize("field", [*FIELDS, *(f"hints.{name}" for name in HINTS), *sorted(HEADERS)])
def test_a_beacon_is_only_text(endpoint: EndpointServer, field: str) -> None:
    before = list_tables(endpoint.url)
    with httpx2.Client(base_url=endpoint.address) as client:
        # Every route reads the same headers and hints.
        for path in (START, BEAT, END) if field in FIELDS else (START,):
            harmless = send(client, path, field, HARMLESS)
            assert harmless.status_code in (200, 201, 400, 403)
            for name, attack in ATTACKS.items():
                answer = send(client, path, field, attack)
                assert answer.status_code == harmless.status_code, (path, name, answer.text)
                assert answer.headers["content-type"] == "application/json"
                assert "set-cookie" not in answer.headers
                assert answer.json().keys() == harmless.json().keys(), (path, name)
            assert send(client, path, field, {"$gt": ""}).status_code < 500
            assert send(client, path, field, [attack]).status_code < 500
    assert list_tables(endpoint.url) == before


def test_what_a_beacon_says_is_stored_as_it_is(endpoint: EndpointServer) -> None:
    with httpx2.Client(base_url=endpoint.address) as client:
        for number, attack in enumerate(ATTACKS.values()):
            body = {"session_id": f"exactly-{number}", "landing_page": attack, "referrer": attack, "user_agent": attack}
            assert client.post(START, json=body, headers={"User-Agent": ""}).status_code == 201
    rows = {row["session_id"]: row for row in endpoint.list_sessions()}
    for number, attack in enumerate(ATTACKS.values()):
        row, text = rows[f"exactly-{number}"], attack.replace("\0", "")
        assert row["landing_page"] == row["referrer"] == text[:LONGEST_PATH]
        assert row["user_agent"] == text[:LONGEST_USER_AGENT]


def test_no_parameter_is_forgotten() -> None:
    source = read_source("api", "downloads", "private_routes")
    read = set(re.findall(r'(?:asked|query_params)\.get\("(\w+)"', source))
    assert read == {name for names in PARAMETERS.values() for name in names.split()}


def ask(client: TestClient, path: str, name: str, text: str) -> tuple[int, object]:
    """The status, and what is answered beside the moment and the text itself."""
    answer = client.get(path, params={name: text})
    if answer.headers["content-type"] == "application/json":
        body = answer.json()
        body.get("data", {}).pop("as_of", None)
        return answer.status_code, {"error": str(body["error"])[: len(name)]} if "error" in body else body
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return answer.status_code, answer.text


@pytest.mark.parametrize(("path", "name"), [(path, name) for path in PARAMETERS for name in PARAMETERS[path].split()])
def test_a_parameter_is_only_text(client: TestClient, database: Database, path: str, name: str) -> None:
    before = list_tables(database.url)
    harmless = ask(client, path, name, HARMLESS)
    assert harmless[0] == (200 if name in FREE else 400)
    for attack in ATTACKS.values():
        assert ask(client, path, name, attack) == harmless, attack
    assert list_tables(database.url) == before


@pytest.mark.parametrize("path", ["/api/", "/export/"])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_path_is_only_text(client: TestClient, path: str, attack: str) -> None:
    answer = client.get(path + quote(attack, safe=""))
    assert answer.status_code == 404
    # A path of several lines is no path of ours, and gets the framework's own words.
    assert answer.headers["content-type"] == "application/json" or answer.text == "Not Found"


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_key_is_only_text(client: TestClient, attack: str) -> None:
    answer = client.get(METRICS, headers={"Authorization": b"Bearer " + quote(attack, safe=" '\";=").encode()})
    assert answer.status_code == 403


MOMENT = "2026-01-02T03:04:05+00:00"
CURSOR = ["weekly", "sessions", "desc", MOMENT, "1", MOMENT, "00000000-0000-0000-0000-000000000001"]
# What Python reads as a number or a moment and PostgreSQL does not, or not as the same.
NEARLY = ["9" * 30, "-" + "9" * 30, "\uff11\uff12", "1_0", " 1 ", "+1", "2026-W01-1", "20260102T030405Z"]
NEARLY += ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"]
NEARLY += ["2026-01-02 03:04:05+00:00:01", "2026-01-02T24:00:00+00:00", "infinity", "-infinity", "now"]


@pytest.mark.parametrize("sort", ["sessions", "registered"])
@pytest.mark.parametrize("place", range(len(CURSOR)))
def test_a_cursor_of_somebody_s_own_is_an_answer_or_a_refusal(
    client: TestClient, database: Database, place: int, sort: str
) -> None:
    before = list_tables(database.url)
    for text in (*ATTACKS.values(), *NEARLY, None, 1, 1.5, True, [], {}, "\ud800"):
        words: list[object] = ["weekly", sort, *CURSOR[2:]]
        if sort == "registered":
            words[4] = MOMENT
        words[place] = text
        cursor = base64.urlsafe_b64encode(json.dumps(words).encode()).decode().rstrip("=")
        answer = client.get(METRICS, params={"interval": "weekly", "sortBy": sort, "cursor": cursor})
        assert answer.status_code in (200, 400), (text, answer.status_code)
        if text in ATTACKS.values():
            assert answer.status_code == 400, text
    assert list_tables(database.url) == before
