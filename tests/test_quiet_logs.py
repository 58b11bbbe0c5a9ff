"""Secrets and people never reach a log: both processes, told everything, in good times, refusing and in trouble."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import httpx2
import psycopg

from metrics.database import Database
from metrics.settings import PROJECT, SETTINGS
from tests.conftest import Server
from tests.endpoint_server import sign
from tests.server import free_port, wait_until_up
from tests.test_app import UPGRADE, make_environ
from tests.test_endpoint_process import run_endpoint

PASSWORD = "password-of-the-database"
IDENTITY_SECRET = "identity-secret-of-the-shop-long-enough"
API_KEY = "key-of-the-api"
WRONG_KEY = "key-of-a-stranger"
SESSION_ID = "session-id-of-zawadi"
EMAIL = "zawadi@example.co.tz"
PHONE = "+255 754 123 456"
ADDRESS = "196.249.97.33"
COOKIE = "cookie-of-zawadi"
COOKIE_SECRET = "secret-of-the-cookies"
REFERRER = "token-in-a-referrer"
SECRETS = (PASSWORD, IDENTITY_SECRET, API_KEY, WRONG_KEY, SESSION_ID, EMAIL, PHONE, ADDRESS, COOKIE, COOKIE_SECRET)
SECRETS = (*SECRETS, REFERRER, "jwks-password", "97.33", "zawadi", "eyJ")
# Settings with something to hide; the others are words that may be said.
HIDDEN = {
    "DATABASE_URL": PASSWORD,
    "DATABASE_READ_URL": PASSWORD,
    "METRICS_IDENTITY_SECRET": IDENTITY_SECRET,
    "METRICS_IDENTITY_JWKS_URL": "https://shop:jwks-password@127.0.0.1:1/keys",
    "METRICS_API_KEYS": API_KEY,
}
HEADERS = {
    "Authorization": f"Bearer {WRONG_KEY}",
    "Cookie": f"_streamlit_user={COOKIE}; session={COOKIE}",
    "X-Forwarded-For": ADDRESS,
    "Referer": f"https://shop.example/reset?token={REFERRER}",
    "User-Agent": f"Mozilla/5.0 ({EMAIL})",
}
START = "/api/analytics/session"
API = "/api/customers/metrics"


def add_password(url: str) -> str:
    """The same URL with a password, which the server of the tests does not ask for."""
    scheme, _, rest = url.partition("://")
    user, _, place = rest.partition("@")
    return f"{scheme}://{user.partition(':')[0]}:{PASSWORD}@{place}"


def assert_quiet(log: Path) -> str:
    text = log.read_text(encoding="utf-8")
    for secret in SECRETS:
        assert secret not in text, (secret, text[:2000])
    return text


def list_beacons(alice: UUID) -> list[bytes]:
    """Beacons that are taken and beacons that are not, each full of what nobody may read."""
    whole = {
        "session_id": SESSION_ID,
        "token": sign(alice, IDENTITY_SECRET),
        "user_id": str(alice),
        "landing_page": f"/account?email={EMAIL}&token={REFERRER}",
        "referrer": f"https://mail.example/{EMAIL}",
        "user_agent": EMAIL,
    }
    bodies: list[dict[str, object]] = [
        whole,
        whole | {"token": sign(alice, IDENTITY_SECRET + "x")},
        whole | {"token": EMAIL},
        whole | {"t": EMAIL},
        whole | {"reason": EMAIL},
        whole | {"session_id": SESSION_ID * 20},
        whole | {"prev": {"session_id": [SESSION_ID]}},
        whole | {"landing_page": EMAIL * 900},
    ]
    return [*(json.dumps(body).encode() for body in bodies), EMAIL.encode(), b"\xff" + EMAIL.encode()]


def send_everything(address: str, alice: UUID) -> list[int]:
    """The statuses of every beacon by every route, from home and from elsewhere."""
    statuses = []
    with httpx2.Client(base_url=address, headers=HEADERS) as client:
        for body in list_beacons(alice):
            for method, path in (("POST", START), ("PATCH", START), ("POST", f"{START}/end"), ("GET", START)):
                for origin in ({}, {"Origin": f"https://{EMAIL}"}):
                    answer = client.request(method, path, content=body, headers=origin)
                    statuses.append(answer.status_code)
        for path in (f"/{EMAIL}", f"/readyz?email={EMAIL}", "/metrics", f"/tracker.js?v={EMAIL}"):
            client.get(path)
    return statuses


def test_every_setting_that_is_a_secret_is_tried() -> None:
    secret = {one.name for one in SETTINGS if one.name.endswith(("SECRET", "KEYS", "URL"))}
    assert secret == HIDDEN.keys()


def test_the_endpoint_says_nothing(url: str, alice: UUID, database: Database, tmp_path: Path) -> None:
    log = tmp_path / "log"
    environ = {
        **HIDDEN,
        "DATABASE_URL": add_password(url),
        "DATABASE_READ_URL": add_password(url),
        "METRICS_IP_STORAGE": "full",
        "METRICS_TRUSTED_PROXIES": "127.0.0.1",
        "METRICS_TRUST_CLIENT_USER_ID": "true",
        "METRICS_RATE_LIMIT": "100",
    }
    with run_endpoint(log, **environ) as (address, _):
        statuses = send_everything(address, alice)
        assert {201, 200, 400, 403, 405} <= set(statuses)
        while httpx2.post(address + START, content=b"{}", headers=HEADERS).status_code != 429:
            pass
        with database.write() as connection:
            assert connection.execute("SELECT host(ip_address) FROM user_sessions").fetchone() == (ADDRESS,)
    text = assert_quiet(log)
    assert '"refused"' in text


def test_the_endpoint_of_a_database_that_fails_says_nothing(
    url: str, alice: UUID, database: Database, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with run_endpoint(log, **HIDDEN | {"DATABASE_URL": add_password(url), "DATABASE_READ_URL": ""}) as (address, _):
        with database.write() as connection:
            connection.execute(
                "CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION '{EMAIL} %', NEW.session_id USING DETAIL = '{ADDRESS}'; END $$"
            )
            connection.execute(
                "CREATE TRIGGER complain BEFORE INSERT ON user_sessions FOR EACH ROW EXECUTE FUNCTION complain()"
            )
        send_everything(address, alice)
    assert "the database refuses a beacon" in assert_quiet(log)


def test_the_endpoint_of_a_database_that_goes_away_says_nothing(
    url: str, alice: UUID, embedded_server: Server, tmp_path: Path
) -> None:
    log, name = tmp_path / "log", url.partition("?")[0].rpartition("/")[2]
    with run_endpoint(log, **HIDDEN | {"DATABASE_URL": add_password(url), "DATABASE_READ_URL": ""}) as (address, _):
        send_everything(address, alice)
        with embedded_server.connect() as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        send_everything(address, alice)
    assert "the database is away" in assert_quiet(log)


def test_the_endpoint_without_a_database_says_nothing(alice: UUID, tmp_path: Path) -> None:
    log = tmp_path / "log"
    away = f"postgresql://shop:{PASSWORD}@127.0.0.1:1/shop"
    with run_endpoint(log, **HIDDEN | {"DATABASE_URL": away, "DATABASE_READ_URL": away}) as (address, _):
        send_everything(address, alice)
        httpx2.get(f"{address}/readyz")
    assert "away" in assert_quiet(log)


@contextmanager
def run_dashboard(folder: Path, url: str) -> Iterator[str]:
    """The address of a dashboard that writes everything it says to the folder's log."""
    port = free_port()
    with (folder / "log").open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"],
            cwd=PROJECT,
            env=make_environ(**HIDDEN | {"DATABASE_URL": url, "DATABASE_READ_URL": url}),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_up(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(timeout=30)


def ask_everything(address: str) -> list[int]:
    """The statuses of every private route, with a right key, a wrong one and none."""
    statuses = []
    with httpx2.Client(base_url=address, headers=HEADERS | {"X-Forwarded-For": ""}) as client:
        for key in ({}, {"Authorization": f"Bearer {API_KEY}"}, {"Authorization": f"Basic {API_KEY}"}):
            for path in (
                f"{API}?search={EMAIL}",
                f"{API}?format=csv&search={PHONE}",
                f"{API}?cursor={EMAIL}",
                f"{API}?interval={EMAIL}",
                f"/export/customers.csv?search={EMAIL}",
                f"/export/sessions.csv?user_id={EMAIL}",
                "/export/sessions.csv",
                f"/export/audience.csv?audience={EMAIL}",
                f"/api/{EMAIL}",
                f"/?search={EMAIL}",
                f"/oauth2callback?code={COOKIE}&state={COOKIE}",
            ):
                for foreign in ({}, {"Origin": f"https://{EMAIL}"}, {"Host": EMAIL}):
                    with suppress(httpx2.TransportError):
                        statuses.append(client.get(path, headers=key | foreign).status_code)
        with client.stream("GET", f"/_stcore/stream?token={COOKIE}", headers=UPGRADE) as answer:
            statuses.append(answer.status_code)
    return statuses


def test_the_dashboard_says_nothing(embedded_server: Server, tmp_path: Path) -> None:
    url = embedded_server.create_database()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO users (email, phone, first_name) VALUES (%s, %s, 'zawadi')", [EMAIL, PHONE])
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, ip_address) SELECT %s, id, %s FROM users",
            [SESSION_ID, ADDRESS],
        )
    with run_dashboard(tmp_path, add_password(url)) as address:
        assert {200, 400, 401, 403, 404, 101} <= set(ask_everything(address))
        with psycopg.connect(url) as connection:
            connection.execute(
                "CREATE OR REPLACE FUNCTION metrics_mask_ip(address inet) RETURNS text LANGUAGE plpgsql IMMUTABLE AS "
                "$$ BEGIN RAISE EXCEPTION 'the address is %', host(address) USING DETAIL = '" + EMAIL + "'; END $$"
            )
        with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=30) as client:
            paths = (f"{API}?search={EMAIL}", f"/export/sessions.csv?device={EMAIL}&bots=true", "/export/sessions.csv")
            assert [client.get(path).status_code for path in paths][::2] == [503, 503]
            embedded_server.drop_database(url)
            assert [client.get(path).status_code for path in paths] == [503, 503, 503]
    assert_quiet(tmp_path / "log")
