"""Sign-in in Chromium against a local OpenID provider: strangers get nothing, analysts nothing unmasked, admins all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import psycopg
import pytest
from oidc_provider_mock import run_server_in_thread
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import SETTLED, UNSETTLED, WAIT_SECONDS, serve_dashboard
from tests.server import free_port, wait_until

pytestmark = pytest.mark.browser

ADA, BEN, EVE = "ada@shop.example", "ben@shop.example", "eve@evil.example"
PAGES = ("/", "/overview", "/sessions", "/devices", "/reengage", "/services", "/health", "/privacy")
ADMINS_PAGES = ("/health", "/privacy")
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "streamlit",
}
# An address or a phone as the demo shop has them, in bytes as they pass the wire.
EMAIL = re.compile(rb"[\w.+-]+@[\w-]+\.[\w.]+")


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """An OpenID provider that believes whatever address one types."""
    with run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def address(demo_url: str, provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard that asks who comes: Ada is an admin, her colleagues are analysts."""
    folder, port = tmp_path_factory.mktemp("signed"), free_port()
    secrets = folder / "secrets.toml"
    secrets.write_text(
        f"""[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "a secret of the tests, long enough for anybody"
client_id = "dashboard"
client_secret = "the client's secret"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""
    )
    with serve_dashboard(
        demo_url,
        folder,
        f"--secrets.files={secrets}",
        port=port,
        METRICS_ADMINS=ADA,
        METRICS_ANALYSTS="@shop.example",
        METRICS_API_KEYS="the-key",
        NO_PROXY="*",
    ) as started:
        yield started


@contextmanager
def open_context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


def settle(page: Page) -> None:
    page.wait_for_selector(SETTLED, timeout=WAIT_SECONDS * 1000)
    expect(page.locator(UNSETTLED)).to_have_count(0, timeout=WAIT_SECONDS * 1000)


def sign_in(page: Page, address: str, email: str, path: str = "/") -> None:
    """Opens a path as a stranger, and says at the provider's who it is."""
    page.goto(address + path)
    page.locator("input[name=sub]").first.fill(email)
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_url(f"{address}/**")


def test_a_stranger_gets_nothing_of_a_cold_server(address: str) -> None:
    """Before anybody opened a page: each page by deep link, each private route, and the websocket."""
    for path in PAGES:
        answer = httpx2.get(address + path, headers={"Accept": "text/html"})
        assert answer.status_code == 302, path
        assert answer.headers["location"].startswith("/auth/login?provider=")
        assert httpx2.get(address + path).status_code == 401, path
    for path in (
        "/export/customers.csv",
        "/export/sessions.csv",
        "/export/audience.csv?audience=lapsed",
        "/api/customers/metrics",
        "/static/index.html",
        "/media/anything.csv",
        "/_stcore/host-config",
        "/_stcore/metrics",
    ):
        answer = httpx2.get(address + path)
        assert answer.status_code in (401, 404), path
        assert not EMAIL.search(answer.content), path
    for path in ("/_stcore/stream", "/devices/_stcore/stream"):
        with httpx2.stream("GET", address + path, headers=UPGRADE) as answer:
            assert answer.status_code == 403, path
    assert httpx2.get(f"{address}/healthz").json() == {"status": "up"}
    key = {"Authorization": "Bearer the-key"}
    assert httpx2.get(f"{address}/api/customers/metrics?limit=1", headers=key).status_code == 200
    assert httpx2.get(f"{address}/export/customers.csv", headers=key).status_code == 401


def test_a_deep_link_survives_the_sign_in(browser: Browser, address: str) -> None:
    with open_context(browser) as context:
        page = context.new_page()
        sign_in(page, address, ADA, "/devices?interval=weekly&bots=true")
        settle(page)
        assert page.url == f"{address}/devices?interval=weekly&bots=true"
        expect(page.locator("h1")).to_have_text("Devices & browsers")
        expect(page.get_by_text(ADA)).to_be_visible()
        cookie = next(one for one in context.cookies() if one["name"] == "_streamlit_user")
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"


def test_who_is_nobody_here_gets_one_sentence(browser: Browser, address: str) -> None:
    with open_context(browser) as context:
        page = context.new_page()
        sign_in(page, address, EVE)
        expect(page.locator("body")).to_contain_text("is neither an admin nor an analyst here")
        assert page.request.get(f"{address}/export/customers.csv").status == 403


def list_contacts(url: str) -> set[bytes]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT email, phone FROM users").fetchall()
    return {value.encode() for row in rows for value in row if value}


def test_an_analyst_never_receives_an_unmasked_value(browser: Browser, address: str, demo_url: str) -> None:
    """Every page, every way to show rows, and every file: what passes the websocket is looked at byte by byte."""
    contacts = list_contacts(demo_url)
    with open_context(browser) as context:
        page = context.new_page()
        frames: list[bytes] = []
        page.on(
            "websocket",
            lambda socket: socket.on(
                "framereceived", lambda frame: frames.append(frame if isinstance(frame, bytes) else frame.encode())
            ),
        )
        sign_in(page, address, BEN)
        settle(page)
        page.locator("[data-testid=stExpander] summary").nth(1).click()
        page.wait_for_selector("[data-testid=stTable]")
        settle(page)
        for path in (*PAGES, "/?view=table", "/?sortBy=registered", "/?search=eve", "/?activity=never"):
            page.goto(address + path)
            settle(page)
            if path in ADMINS_PAGES:
                expect(page.get_by_text("Audit log")).to_have_count(0)
                expect(page.get_by_text("In the background")).to_have_count(0)
        seen = b"\n".join(frames)
        assert b"\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2@" in seen, "masked addresses are shown"
        assert len(seen) > 50_000
        assert not {contact for contact in contacts if contact in seen}
        for name in ("customers.csv", "sessions.csv", "sessions.csv?who=customers", "audience.csv?audience=lapsed"):
            answer = page.request.get(f"{address}/export/{name}")
            assert answer.status == 200, name
            assert not {contact for contact in contacts if contact in answer.body()}, name
        # Nor may one ask for it letter by letter.
        page.goto(f"{address}/?search=eve@example.com")
        expect(page.get_by_text("No customer matches")).to_be_visible()


def test_an_admin_reveals_contacts_and_the_log_has_it(browser: Browser, address: str, demo_url: str) -> None:
    with open_context(browser) as context:
        page = context.new_page()
        sign_in(page, address, ADA, "/?search=eve@example.com")
        settle(page)
        label = page.locator("[data-testid=stExpander] summary").first
        expect(label).to_contain_text("e•••@example.com")
        page.get_by_text("Show e-mails and phones").click()
        expect(label).to_contain_text("eve@example.com")
        settle(page)
        page.goto(f"{address}/privacy")
        settle(page)
        expect(page.get_by_role("cell", name="reveal").first).to_be_visible()
        expect(page.locator("[data-testid=stException]")).to_have_count(0)


def test_signing_out_ends_it_here_and_everywhere(browser: Browser, address: str) -> None:
    with open_context(browser) as first, open_context(browser) as second, open_context(browser) as third:
        pages = [context.new_page() for context in (first, second, third)]
        for page in pages:
            sign_in(page, address, "zoe@shop.example", "/overview")
            settle(page)
        pages[0].get_by_role("button", name="Sign out").click()
        pages[0].wait_for_url(re.compile(r"^(?!" + re.escape(address) + r"/overview)"))
        pages[0].goto(f"{address}/overview")
        expect(pages[0].locator("input[name=sub]").first).to_be_visible()
        pages[1].get_by_role("button", name="Everywhere").click()
        pages[1].wait_for_url(re.compile(r"^(?!" + re.escape(address) + r"/overview)"))
        # The third is still connected: its next click says so, within the seconds that an answer stays known.
        gone = pages[2].get_by_text("You are not signed in, or not any more")

        def is_out() -> bool:
            pages[2].get_by_text("Include bots").click()
            settle(pages[2])
            return gone.is_visible()

        wait_until(is_out, "the third page to notice", 20)
        pages[2].goto(f"{address}/overview")
        expect(pages[2].locator("input[name=sub]").first).to_be_visible()
