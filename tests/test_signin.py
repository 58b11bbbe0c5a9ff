"""The gate with sign-in: strangers are sent to sign in, or get nothing; nobody names themselves; sign-ins end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from metrics.admission import HEADER, RETURN_COOKIE, Admission, Claims, SignIn, read_admission, read_return
from metrics.database import Database
from metrics.gate import Gate
from metrics.settings import load_settings
from metrics.signins import SignOuts, find_role, sign_out_everywhere

HOME = "https://metrics.shop.example"
SHOP = replace(load_settings({}), admins=("ada@shop.example",), analysts=("@shop.example", "Zoë@elsewhere.example"))
NOW = datetime.now(UTC)
ADA = {"email": "ada@shop.example", "is_logged_in": True}
PAGE = {"Accept": "text/html"}


async def say_who(request: Request) -> Response:
    return PlainTextResponse(request.headers.get(HEADER, "nobody"))


async def come_back(request: Request) -> Response:
    """As Streamlit answers the provider's way back."""
    response = RedirectResponse("/", 302)
    if "fails" not in request.query_params:
        response.set_cookie("_streamlit_user", "x", max_age=2_592_000, httponly=True, samesite="lax")
        response.set_cookie("_streamlit_user_tokens", "y", max_age=2_592_000, httponly=True, samesite="lax")
    return response


async def run_script(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.headers.get(HEADER, "nobody"))
    await websocket.close()


def make_client(
    tmp_path: Path,
    claims: Claims | None = None,
    signed_in_at: datetime = NOW,
    *,
    host: str = HOME,
    signed_out: bool = False,
) -> TestClient:
    """A browser on the other side of the world, with that cookie."""

    def read_cookie(cookies: Mapping[str, str]) -> tuple[Claims, datetime] | None:
        return (claims, signed_in_at) if claims is not None else None

    index = tmp_path / "index.html"
    index.write_text("<script>start()</script>")
    paths = ("/", "/devices", "/export/customers.csv", "/static/main.js", "/api/customers/metrics", "/auth/login")
    routes = [
        *(Route(path, say_who) for path in (*paths, "/healthz", "/_stcore/health", "/media/x", "/_stcore/metrics")),
        Route("/oauth2callback", come_back),
        WebSocketRoute("/_stcore/stream", run_script),
    ]
    sign_in = SignIn(
        redirect_uri=f"{HOME}/oauth2callback",
        read_cookie=read_cookie,
        find_role=lambda email: find_role(SHOP, email),
        is_signed_out=lambda email, since: signed_out,
        make_login_path=lambda: "/auth/login?provider=fresh",
    )
    gate = Gate(Starlette(routes=routes), sign_in=sign_in, index=index)
    return TestClient(gate, base_url=host, client=("203.0.113.9", 50_000), follow_redirects=False)


def read_socket(client: TestClient) -> str:
    with client.websocket_connect("/_stcore/stream", headers={"Host": "metrics.shop.example"}) as socket:
        return socket.receive_text()


def test_it_works(tmp_path: Path) -> None:
    client = make_client(tmp_path, ADA)
    assert json.loads(client.get("/").text) == ["ada@shop.example", "admin", NOW.isoformat()]
    assert json.loads(read_socket(client))[1] == "admin"
    assert client.get("/").headers["strict-transport-security"].startswith("max-age=")


@pytest.mark.parametrize("path", ["/", "/devices", "/privacy?page=2", "/anything"])
def test_a_stranger_is_sent_to_sign_in_and_finds_back(tmp_path: Path, path: str) -> None:
    answer = make_client(tmp_path).get(path, headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (302, "/auth/login?provider=fresh")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{RETURN_COOKIE}=")
    assert {"HttpOnly", "Secure", "SameSite=Lax"} <= set(cookie.split("; "))
    value = cookie.partition("=")[2].partition(";")[0]
    assert read_return(value) == path


@pytest.mark.parametrize(
    "path", ["/", "/devices", "/export/customers.csv", "/static/main.js", "/api/customers/metrics", "/media/x"]
)
def test_a_script_of_a_stranger_gets_nothing(tmp_path: Path, path: str) -> None:
    answer = make_client(tmp_path).get(path)
    assert answer.status_code == 401
    assert answer.json()["error"].startswith("Nobody is signed in")
    assert "content-security-policy" in answer.headers


def test_a_stranger_s_websocket_is_closed_before_the_script_runs(tmp_path: Path) -> None:
    with pytest.raises(WebSocketDisconnect):
        read_socket(make_client(tmp_path))


@pytest.mark.parametrize("text", ['["eve@evil.example", "admin", null]', '["ada@shop.example", "admin", null]'])
def test_nobody_names_themselves(tmp_path: Path, text: str) -> None:
    """The header is the gate's: what a browser sends under its name is taken away, however it is written."""
    for name in (HEADER, HEADER.upper()):
        stranger = make_client(tmp_path)
        assert stranger.get("/", headers={name: text}).status_code == 401
        assert stranger.get("/auth/login", headers={name: text}).text == "nobody"
        assert stranger.get("/api/customers/metrics", headers={name: text, "Authorization": "x"}).text == "nobody"
        analyst = make_client(tmp_path, {"email": "ben@shop.example", "is_logged_in": True})
        assert json.loads(analyst.get("/", headers={name: text}).text)[:2] == ["ben@shop.example", "analyst"]


@pytest.mark.parametrize(
    ("email", "role"),
    [
        ("ada@shop.example", "admin"),
        ("ADA@Shop.Example", "admin"),
        ("ben@shop.example", "analyst"),
        ("zoë@elsewhere.example", "analyst"),
        ("ben@elsewhere.example", None),
        ("ada@shop.example.evil.example", None),
        ("eve@evil.example@shop.example", None),
        ("@shop.example", None),
        ("shop.example", None),
        ("", None),
    ],
)
def test_a_role_is_that_of_the_e_mail_or_its_domain(email: str, role: str | None) -> None:
    assert find_role(SHOP, email) == role


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"email": "eve@evil.example", "is_logged_in": True}, "is neither an admin nor an analyst"),
        (ADA | {"email_verified": False}, "is not verified by its provider"),
        (ADA | {"email_verified": "false"}, "is not verified by its provider"),
    ],
)
def test_who_may_not_come_in_is_told_why(tmp_path: Path, claims: Claims, sentence: str) -> None:
    client = make_client(tmp_path, claims)
    answer = client.get("/", headers=PAGE)
    assert answer.status_code == 403
    assert sentence in answer.text
    with pytest.raises(WebSocketDisconnect):
        read_socket(client)


@pytest.mark.parametrize(
    ("claims", "age"),
    [
        (ADA, timedelta(hours=12)),
        (ADA | {"is_logged_in": False}, timedelta()),
        ({"is_logged_in": True}, timedelta()),
        ({}, timedelta()),
    ],
)
def test_a_sign_in_is_good_for_a_working_day(tmp_path: Path, claims: Claims, age: timedelta) -> None:
    assert make_client(tmp_path, claims, datetime.now(UTC) - age).get("/", headers=PAGE).status_code == 302
    assert make_client(tmp_path, ADA, datetime.now(UTC) - timedelta(hours=11)).get("/").status_code == 200


def test_who_signed_out_everywhere_signs_in_anew(tmp_path: Path) -> None:
    client = make_client(tmp_path, ADA, signed_out=True)
    assert client.get("/", headers=PAGE).status_code == 302
    with pytest.raises(WebSocketDisconnect):
        read_socket(client)


def test_a_sign_out_reaches_every_earlier_sign_in_and_no_later_one(database: Database) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    assert not SignOuts().is_signed_out(database, "ada@shop.example", before)
    sign_out_everywhere(database, "Ada@shop.example")
    known = SignOuts()
    assert known.is_signed_out(database, "ADA@shop.example", before)
    assert not known.is_signed_out(database, "ben@shop.example", before)
    assert not known.is_signed_out(database, "ada@shop.example", datetime.now(UTC) + timedelta(seconds=1))


def test_the_way_back_leads_to_the_page_that_was_wanted(tmp_path: Path) -> None:
    client = make_client(tmp_path)
    client.cookies.set(RETURN_COOKIE, "/devices%3Finterval%3Dweekly%26search%3Da%2540b")
    answer = client.get("/oauth2callback?code=1")
    assert answer.headers["location"] == "/devices?interval=weekly&search=a%40b"
    cookies = answer.headers.get_list("set-cookie")
    for cookie in cookies[:2]:
        assert {"Max-Age=43200", "Secure", "HttpOnly"} <= set(cookie.split("; "))
    assert cookies[2].startswith(f"{RETURN_COOKIE}=;")
    failed = client.get("/oauth2callback?fails=1")
    assert failed.headers["location"] == "/"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "%2F%2Fevil.example",
        "%252F%252Fevil.example",
        "/x\r\nSet-Cookie: a=b",
        "/auth/logout",
        "/auth/login?provider=x",
        "/oauth2callback",
        "javascript:alert(1)",
    ],
)
def test_the_way_back_never_leads_elsewhere(value: str) -> None:
    assert read_return(value) == "/"


def test_other_hosts_and_origins_get_nothing_but_health(tmp_path: Path) -> None:
    other = make_client(tmp_path, ADA, host="https://203.0.113.7")
    assert other.get("/").status_code == 403
    for path in ("/healthz", "/_stcore/health"):
        assert other.get(path).text == "nobody"
    assert make_client(tmp_path, ADA).get("/", headers={"Origin": "https://evil.example"}).status_code == 403
    assert make_client(tmp_path, ADA).get("/_stcore/metrics").status_code == 404


def test_the_header_holds_any_name() -> None:
    admission = Admission("zoë@elsewhere.example", "analyst", NOW)
    assert admission.write().isascii()
    assert read_admission({HEADER: admission.write()}) == admission
    assert read_admission({}) is None
