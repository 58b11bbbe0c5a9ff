"""The gate: strangers and foreign pages get nothing, and every answer carries the headers."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from metrics.bundles import Bundles
from metrics.gate import Gate, make_headers

HOME = "http://127.0.0.1:8501"


async def say_hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def fail(request: Request) -> Response:
    raise RuntimeError("the secret of the house")


async def run_script(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("script output")
    await websocket.close()


def make_client(tmp_path: Path, *, client: str = "127.0.0.1", host: str = HOME) -> TestClient:
    index = tmp_path / "index.html"
    index.write_text("<script>start()</script><script src='/x.js'></script>")
    routes = [
        Route("/", say_hello),
        Route("/fail", fail),
        Route("/_stcore/metrics", say_hello),
        WebSocketRoute("/_stcore/stream", run_script),
    ]
    gate = Gate(Starlette(routes=routes), sign_in=None, index=index)
    return TestClient(gate, base_url=host, client=(client, 50_000), raise_server_exceptions=False)


@pytest.mark.parametrize("host", [HOME, "http://localhost:8501", "http://[::1]:8501", "http://127.0.0.2"])
def test_it_lets_this_machine_in(tmp_path: Path, host: str) -> None:
    answer = make_client(tmp_path, host=host).get("/")
    assert answer.text == "hello"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("client", "host", "origin"),
    [
        ("192.168.1.7", HOME, None),
        ("127.0.0.1", "http://shop.example", None),
        ("127.0.0.1", "http://127.0.0.1.evil.example", None),
        ("127.0.0.1", HOME, "https://evil.example"),
        ("127.0.0.1", HOME, "http://127.0.0.1:9999"),
        ("127.0.0.1", HOME, "null"),
        ("127.0.0.1", HOME, "http://["),
        ("127.0.0.1", HOME, "127.0.0.1:8501"),
    ],
)
def test_a_stranger_gets_neither_a_page_nor_a_websocket(
    tmp_path: Path, client: str, host: str, origin: str | None
) -> None:
    visitor = make_client(tmp_path, client=client, host=host)
    headers = {"Origin": origin} if origin else {}
    answer = visitor.get("/", headers=headers)
    assert answer.status_code == 403
    assert "hello" not in answer.text
    assert "content-security-policy" in answer.headers
    with pytest.raises(WebSocketDisconnect), visitor.websocket_connect("/_stcore/stream", headers=headers) as socket:
        socket.receive_text()


@pytest.mark.parametrize("host", ["[", "", "127.0.0.1@evil.example", "127.0.0.1.", "[::1", "0.0.0.0", "127.1"])
def test_a_host_that_cannot_be_read_is_a_stranger(tmp_path: Path, host: str) -> None:
    answer = make_client(tmp_path).get("/", headers={"Host": host})
    assert answer.status_code == 403
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("same-site", "no-cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
def test_another_site_may_link_but_not_load(tmp_path: Path, site: str, mode: str, status: int) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    assert make_client(tmp_path).get("/", headers=headers).status_code == status


def test_a_person_reads_a_sentence_and_a_script_reads_json(tmp_path: Path) -> None:
    visitor = make_client(tmp_path, host="http://shop.example")
    sentence = "The host is 'shop.example': open the dashboard as 127.0.0.1 or localhost"
    assert visitor.get("/", headers={"Accept": "text/html,*/*;q=0.8"}).text == sentence
    assert visitor.get("/").json() == {"error": sentence}


def test_its_own_page_opens_the_websocket(tmp_path: Path) -> None:
    with make_client(tmp_path).websocket_connect(
        "/_stcore/stream", headers={"Origin": HOME, "Host": "127.0.0.1:8501"}
    ) as socket:
        assert socket.receive_text() == "script output"


def test_it_closes_what_streamlit_tells_everybody(tmp_path: Path) -> None:
    assert make_client(tmp_path).get("/_stcore/metrics").status_code == 404


def test_an_error_is_one_sentence_with_headers(tmp_path: Path) -> None:
    answer = make_client(tmp_path).get("/fail")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers


def test_only_the_page_s_own_inline_script_may_run() -> None:
    policy = make_headers("<script>start()</script><script src='/x.js'></script>")["Content-Security-Policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert policy.count("sha256-") == 1
    assert "unsafe-eval" not in policy


def test_bundles_come_compressed_and_nothing_else_does(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    (folder / "static" / "js").mkdir(parents=True)
    (folder / "static" / "js" / "main.abc.js").write_text("let x = 1;\n" * 1_000)
    (folder / "secret.js").write_text("secret")
    client = TestClient(Bundles(Starlette(routes=[Route("/{path:path}", say_hello)]), folder=folder))
    answer = client.get("/static/js/main.abc.js")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 1_000
    assert answer.text.startswith("let x")
    for path in (
        "/static/../secret.js",
        "/static/%2e%2e/secret.js",
        "/static/%00.js",
        "/static/js/missing.js",
        "/",
        "/static/js/",
    ):
        assert client.get(path).text == "hello", path
    for headers in (
        {"Accept-Encoding": "identity"},
        {"Accept-Encoding": "br, gzip;q=0"},
        {"Accept-Encoding": "gzip", "Range": "bytes=0-9"},
    ):
        assert client.get("/static/js/main.abc.js", headers=headers).text == "hello", headers
    known = client.get("/static/js/main.abc.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert client.head("/static/js/main.abc.js").headers["content-length"] == answer.headers["content-length"]
