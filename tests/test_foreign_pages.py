"""Pages of other sites, in the browser of somebody who may come in: each route, asked in each way a page can ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import MagicMock

import httpx2
import psycopg
import pytest
from starlette.testclient import TestClient
from streamlit.web.server.starlette.starlette_app import create_streamlit_routes

from metrics.admission import read_return
from metrics.api import list_routes
from tests.conftest import Server
from tests.server import free_port, wait_until_up
from tests.test_app import UPGRADE, start, stop
from tests.test_signin import ADA, HOME, PAGE, make_client

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NAME = "Zawadi-whom-no-other-site-may-know"
KEY = {"Authorization": "Bearer the-key"}
# Every route of ours, with a path that leads to it.
PATHS = {
    "/healthz": "/healthz",
    "/api": "/api",
    "/api/{path:path}": "/api/elsewhere",
    "/api/customers/metrics": "/api/customers/metrics?format=csv",
    "/export": "/export",
    "/export/{path:path}": "/export/elsewhere.csv",
    "/export/customers.csv": "/export/customers.csv",
    "/export/sessions.csv": "/export/sessions.csv",
    "/export/audience.csv": "/export/audience.csv?audience=never",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXT = {"Content-Type": "text/plain"}
# How a page of another site asks; {home} is the dashboard's own host and port.
WAYS = {
    "a script": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    "an old browser's script": {"Origin": "https://evil.example"},
    "a page on another port": {"Origin": "http://127.0.0.1:1"},
    "a page of a longer name": {"Origin": "http://{home}.evil.example"},
    "a page whose user has our name": {"Origin": "http://{home}@evil.example"},
    "a sandboxed frame": {"Origin": "null", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    "a form": {"Origin": "https://evil.example", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", **FORM},
    "a form of plain text": {"Origin": "https://evil.example", "Sec-Fetch-Mode": "navigate", **TEXT},
    "an extension": {"Origin": "chrome-extension://abcdefghijklmnop"},
    "a file": {"Origin": "file://"},
    "an image": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "a neighbour's script": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    "a frame": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    "an object": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "object"},
    "a name that was bound anew": {"Host": "evil.example:8501", "Origin": "http://evil.example:8501"},
    "such a name without an origin": {"Host": "evil.example"},
    "a name that ends like ours": {"Host": "evil-localhost"},
    "a forwarded name": {"Host": "evil.example", "X-Forwarded-Host": "127.0.0.1"},
}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture(scope="module")
def shop_url(embedded_server: Server) -> Iterator[str]:
    """A shop with one customer."""
    url = embedded_server.create_database()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO users (first_name, email) VALUES (%s, 'zawadi@example.co.tz')", [NAME])
    yield url
    embedded_server.drop_database(url)


@pytest.fixture(scope="module")
def home(shop_url: str) -> Iterator[str]:
    """The host and port of a dashboard over it, which believes whoever sits at this machine."""
    port = free_port()
    child = start(port, DATABASE_URL=shop_url, METRICS_API_KEYS="the-key")
    try:
        wait_until_up(port)
        yield f"127.0.0.1:{port}"
    finally:
        stop(child)


def list_paths() -> list[str]:
    """A path to each page and route, ours and Streamlit's."""
    ours = {route.path for route in list_routes(lambda: pytest.fail("nobody asks"))}
    # A new route needs a path in the table; Streamlit's need not be good for anything.
    assert ours == PATHS.keys()
    theirs = [getattr(route, "path", "") for route in create_streamlit_routes(MagicMock())]
    filled = [re.sub(r"\{[^}]+\}", "x", path) for path in theirs if path]
    return ["/", "/overview", "/static/index.html", *PATHS.values(), *filled]


def count_rows(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM metrics_audit), "
            "(SELECT count(*) FROM metrics_sign_outs), (SELECT count(*) FROM user_sessions)"
        ).fetchall()


def test_it_knows_every_route() -> None:
    paths = list_paths()
    for path in ("/_stcore/health", "/_stcore/stream", "/_stcore/upload_file/x/x", "/media/x", "/auth/logout"):
        assert path in paths


@pytest.mark.parametrize("way", WAYS)
def test_another_site_gets_nothing_and_changes_nothing(home: str, shop_url: str, way: str) -> None:
    headers = {name: value.format(home=home) for name, value in WAYS[way].items()}
    before = count_rows(shop_url)
    with httpx2.Client(base_url=f"http://{home}", headers=headers | KEY) as client:
        for path in list_paths():
            for method in METHODS:
                answer = client.request(method, path, content=b"a=b" if method in ("POST", "PUT") else None)
                assert answer.status_code == 403, (method, path)
                assert NAME not in answer.text, (method, path)
                assert "access-control-allow-origin" not in answer.headers, (method, path)
                assert "set-cookie" not in answer.headers, (method, path)
                assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        for path in ("/_stcore/stream", "/devices/_stcore/stream"):
            with client.stream("GET", path, headers=UPGRADE) as answer:
                assert answer.status_code == 403, path
    assert count_rows(shop_url) == before


def test_a_link_opens_a_page_and_does_nothing_else(home: str, shop_url: str) -> None:
    before = count_rows(shop_url)
    with httpx2.Client(base_url=f"http://{home}", headers=LINK) as client:
        for path in ("/", "/overview", "/privacy?search=x"):
            assert client.get(path).status_code == 200, path
        for path in list_paths():
            if path.startswith(("/api", "/export", "/auth/logout")):
                answer = client.get(path, headers=KEY)
                assert (answer.status_code, NAME in answer.text) == (403, False), path
    assert count_rows(shop_url) == before


@pytest.mark.parametrize("headers", [{}, FORM, TEXT, {"Cookie": "_streamlit_xsrf=2|aaaaaaaa|bbbb|1"}])
def test_a_browser_that_says_nothing_changes_nothing(home: str, shop_url: str, headers: dict[str, str]) -> None:
    """Browsers too old for Origin and Sec-Fetch-Site: no method that a form has does anything."""
    before = count_rows(shop_url)
    with httpx2.Client(base_url=f"http://{home}", headers=headers) as client:
        for path in list_paths():
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                answer = client.request(method, path, content=b"a=b")
                assert answer.status_code in (400, 401, 403, 404, 405), (method, path)
                assert NAME not in answer.text, (method, path)
    assert count_rows(shop_url) == before


def test_its_own_page_gets_the_file(home: str) -> None:
    own = {"Origin": f"http://{home}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
    assert NAME in httpx2.get(f"http://{home}/export/customers.csv", headers=own).text
    typed = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert NAME in httpx2.get(f"http://{home}/export/customers.csv", headers=typed).text


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["/", "/export/customers.csv", "/auth/login", "/auth/logout", "/oauth2callback"])
def test_a_sign_in_does_not_make_another_site_ours(tmp_path: Path, way: str, path: str) -> None:
    client = make_client(tmp_path, ADA)
    headers = {name: value.format(home="metrics.shop.example") for name, value in WAYS[way].items()}
    for method in METHODS:
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == 403, method
        assert "set-cookie" not in answer.headers


def test_the_provider_s_way_back_and_a_link_are_let_in(tmp_path: Path) -> None:
    client: TestClient = make_client(tmp_path, ADA)
    assert client.get("/oauth2callback?code=1", headers=LINK).status_code == 302
    assert client.get("/devices", headers=LINK | PAGE).status_code == 200
    for path in ("/auth/logout", "/export/customers.csv", "/api/customers/metrics"):
        assert client.get(path, headers=LINK).status_code == 403
        assert client.get(path, headers=LINK | {"Sec-Fetch-Site": "same-origin", "Origin": HOME}).status_code != 403
        # Who signs in on the way to it would come as by a link.
        assert read_return(path) == "/"
