"""The dashboard as it is started: one address for the gate, the routes, the pages and the compressed bundles."""

import ast
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest

from metrics.settings import PROJECT
from tests.conftest import Server
from tests.server import free_port, wait_until, wait_until_up

KEY = {"Authorization": "Bearer the-key"}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "streamlit",
}


def make_environ(**more: str) -> dict[str, str]:
    own = ("METRICS_", "DATABASE_", "STREAMLIT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)} | more


def start(port: int, *flags: str, **environ: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streamlit", "run", str(PROJECT / "app.py"), f"--server.port={port}", *flags]
    return subprocess.Popen(
        command,
        cwd=environ.pop("cwd", PROJECT),
        env=make_environ(**environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop(child: subprocess.Popen[str]) -> str:
    """What it complained about."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    return child.communicate(timeout=30)[1]


@pytest.fixture(scope="module")
def shop_url(embedded_server: Server) -> Iterator[str]:
    """A migrated shop without customers, for all tests of this file."""
    fresh = embedded_server.create_database()
    yield fresh
    embedded_server.drop_database(fresh)


@pytest.fixture(scope="module")
def dashboard(shop_url: str) -> Iterator[str]:
    """The address of a dashboard over it."""
    port = free_port()
    child = start(port, DATABASE_URL=shop_url, METRICS_API_KEYS="the-key")
    try:
        wait_until_up(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        complaints = stop(child)
    assert "Traceback" not in complaints


def test_it_is_a_literal_app() -> None:
    # Streamlit finds it by reading the file: `app = make_app()` would be run as a plain script, without any gate.
    tree = ast.parse((PROJECT / "app.py").read_text(encoding="utf-8"))
    values = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["app"]
    ]
    assert [ast.unparse(value.func) for value in values if isinstance(value, ast.Call)] == ["st.App"]


def test_everything_stands_behind_the_gate(dashboard: str) -> None:
    for path in ("/", "/overview", "/healthz", "/api/customers/metrics", "/export/customers.csv", "/_stcore/health"):
        home = httpx2.get(dashboard + path)
        assert home.status_code == (401 if path.startswith("/api") else 200), path
        assert home.headers["x-content-type-options"] == "nosniff", path
        assert "frame-ancestors 'none'" in home.headers["content-security-policy"], path
        for headers in ({"Host": "shop.example"}, {"Origin": "https://evil.example"}, {"Host": "["}):
            stranger = httpx2.get(dashboard + path, headers=headers)
            assert stranger.status_code == 403, (path, headers)
            assert "content-security-policy" in stranger.headers, (path, headers)
    for path in ("/_stcore/metrics", "/_stcore/agent/openapi.json"):
        assert httpx2.get(dashboard + path).status_code == 404


def test_a_proxy_s_visitor_is_no_visitor_of_this_machine(dashboard: str) -> None:
    assert httpx2.get(dashboard, headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 101), ({"Origin": "https://evil.example"}, 403), ({"Host": "shop.example"}, 403)],
)
def test_a_websocket_is_refused_before_the_script_runs(dashboard: str, headers: dict[str, str], status: int) -> None:
    with httpx2.stream("GET", f"{dashboard}/_stcore/stream", headers=UPGRADE | headers) as answer:
        assert answer.status_code == status


def test_its_scripts_come_compressed_and_whole(dashboard: str) -> None:
    page = httpx2.get(dashboard).text
    [script] = re.findall(r'<script type="module"[^>]* src="\.?(/static/[^"]+)"', page)
    packed = httpx2.get(dashboard + script)
    plain = httpx2.get(dashboard + script, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content


def test_the_api_answers_beside_the_pages(dashboard: str) -> None:
    answer = httpx2.get(f"{dashboard}/api/customers/metrics", headers=KEY)
    assert (answer.status_code, answer.json()["data"]["users"]) == (200, [])
    unknown = httpx2.get(f"{dashboard}/api/elsewhere")
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/json")


def test_a_reader_who_leaves_takes_the_copy_along(dashboard: str, shop_url: str) -> None:
    with psycopg.connect(shop_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO user_sessions (session_id, landing_page) "
            "SELECT n::text, repeat('/a/long/page', 20) FROM generate_series(1, 60000) n"
        )
        with httpx2.stream("GET", f"{dashboard}/export/sessions.csv") as answer:
            assert next(answer.iter_bytes()).startswith(b"session_id,")
            assert answer.headers["content-encoding"] == "identity"
            assert count_copies(connection) == 1
        wait_until(lambda: count_copies(connection) == 0, "the end of the copy", 20)
    assert httpx2.get(f"{dashboard}/healthz").json() == {"status": "up"}


def count_copies(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
        "AND query ILIKE '%%COPY%%' AND pid <> pg_backend_pid()"
    ).fetchone()
    return row[0] if row else 0


def test_it_starts_without_its_database_and_says_so() -> None:
    port = free_port()
    child = start(port, DATABASE_URL="postgresql://shop:secret-word@127.0.0.1:1/shop", METRICS_API_KEYS="the-key")
    try:
        wait_until_up(port)
        answer = httpx2.get(f"http://127.0.0.1:{port}/api/customers/metrics", headers=KEY, timeout=20)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "does not answer" in answer.json()["error"]
    finally:
        complaints = stop(child)
    assert "secret-word" not in complaints


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"METRICS_HOME": "/proc/nowhere"}, "METRICS_HOME is '/proc/nowhere', which cannot be written"),
        ({"DATABASE_URL": "mysql://root@localhost/shop"}, "DATABASE_URL starts with 'mysql://': use postgresql://"),
        ({"DATABASE_READ_URL": "standby"}, "DATABASE_READ_URL is not a URL: use postgresql://"),
        ({"METRICS_API_KEYS": "k", "METRICS_RETENTION_DAYS": "0"}, "METRICS_RETENTION_DAYS is '0': use a whole number"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(environ: dict[str, str], wanted: str) -> None:
    child = start(free_port(), **environ)
    try:
        complaints = child.communicate(timeout=60)[1]
    finally:
        stop(child)
    assert child.returncode == 1
    assert len(complaints.strip().splitlines()) == 1
    assert complaints.startswith(wanted)


WHOLE = """[auth]
redirect_uri = "https://metrics.shop.example/oauth2callback"
cookie_secret = "x"
client_id = "x"
client_secret = "x"
server_metadata_url = "https://accounts.example/.well-known/openid-configuration"
"""


@pytest.mark.parametrize(
    ("secrets", "environ", "wanted"),
    [
        ("[auth]\ncookie_secret = 'x'\n", {"METRICS_ADMINS": "@shop.example"}, "secrets.toml has no redirect_uri"),
        ("[auth\nbroken", {"METRICS_ADMINS": "@shop.example"}, "secrets.toml cannot be read"),
        (WHOLE.replace("/oauth2callback", "/"), {"METRICS_ADMINS": "@shop.example"}, "redirect_uri is 'https://"),
        (WHOLE, {}, "Nobody may come in: name e-mails or @domains in METRICS_ADMINS"),
    ],
)
def test_it_refuses_a_sign_in_by_which_nobody_could_come_in(
    tmp_path: Path, secrets: str, environ: dict[str, str], wanted: str
) -> None:
    (tmp_path / "secrets.toml").write_text(secrets)
    child = start(free_port(), f"--secrets.files={tmp_path / 'secrets.toml'}", **environ)
    try:
        complaints = child.communicate(timeout=60)[1]
    finally:
        stop(child)
    assert child.returncode == 1
    assert wanted in complaints.strip().splitlines()[-1]
    assert "Traceback" not in complaints


@pytest.mark.parametrize("address", ["0.0.0.0", "::", ""])
def test_it_refuses_to_serve_others_without_sign_in(address: str) -> None:
    child = start(free_port(), f"--server.address={address}")
    try:
        complaints = child.communicate(timeout=60)[1]
    finally:
        stop(child)
    assert child.returncode == 1
    # Streamlit looks for its own address first, and complains where it finds none.
    last = complaints.strip().splitlines()[-1]
    assert last == f"server.address is {address!r}: without sign-in the dashboard serves 127.0.0.1 only"
    assert "Traceback" not in complaints
