"""The served dashboard over a small demo shop, and Chromium in front of it: light, dark, and as wide as a phone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from metrics.demo import fill_shop
from metrics.settings import PROJECT
from tests.browser.devtools import find_chromium
from tests.conftest import Server
from tests.server import free_port, wait_until_up

if TYPE_CHECKING:
    from tests.browser.visits import Outcome

EVE = "00000000-0000-4000-8000-00000000e7e1"
EVE_NAME = "**bold** [x](javascript:alert(1)) <img src=x onerror=alert(1)> $x^2$ :red[y] =1+1"
LOOKS = {
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}
SETTLED = "[data-testid=stApp][data-test-script-state=notRunning][data-test-connection-state=CONNECTED]"
UNSETTLED = "[data-testid=stSkeleton], [data-stale=true]"
WAIT_SECONDS = 60


def add_eve(url: str) -> None:
    """A customer whose every text tries to be more than text, here right now."""
    first, _, last = EVE_NAME.partition(" $")
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO users (id, email, first_name, last_name, created_at) VALUES (%s, %s, %s, %s, now())",
            (EVE, "eve@example.com", first, "$" + last),
        )
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at, device_type, browser_name, os_name, city) "
            "VALUES ('eve', %s, now(), 'mobile', '<b>Brow*ser*</b>', '<i>OS</i>', '![x](http://evil.invalid/p.png)')",
            (EVE,),
        )


@pytest.fixture(scope="package")
def demo_url(embedded_server: Server) -> Iterator[str]:
    """The URL of a demo shop with Eve in it."""
    url = embedded_server.create_database()
    fill_shop(url, users=200, sessions=4_000, orders=900, bookings=300, log=lambda line: None)
    add_eve(url)
    yield url
    embedded_server.drop_database(url)


@pytest.fixture(scope="package")
def dashboard(demo_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `streamlit run app.py` over that shop."""
    with serve_dashboard(demo_url, tmp_path_factory.mktemp("dashboard")) as address:
        yield address


@contextmanager
def serve_dashboard(url: str, folder: Path, *flags: str, port: int = 0, **environ: str) -> Iterator[str]:
    """A dashboard of its own, stopped when the block ends; what it says is in the folder's log."""
    port = port or free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}", *flags]
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=os.environ | {"DATABASE_URL": url} | environ,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_up(port, WAIT_SECONDS)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without a window; for this folder alone, because while it is there no other loop may run."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@dataclass
class Screen:
    """A page in Chromium that remembers every complaint."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Opens a path and waits until it stands still."""
        self.page.goto(self.address + path)
        self.settle()
        return self.page

    def settle(self) -> None:
        """Waits until the script has run and no skeleton is left."""
        self.page.wait_for_selector(SETTLED, timeout=WAIT_SECONDS * 1000)
        # By locator: a waiting function would be evaluated, which the page's own policy forbids.
        expect(self.page.locator(UNSETTLED)).to_have_count(0, timeout=WAIT_SECONDS * 1000)

    def check(self) -> None:
        """No exception, no complaint of the browser, nothing wider than the screen, nothing asked of a stranger."""
        assert self.page.locator("[data-testid=stException], [data-testid=stAlert] [kind=error]").count() == 0
        assert self.complaints == []
        width = "document.documentElement.scrollWidth - window.innerWidth"
        assert self.page.evaluate(width) <= 0

    def hear(self, message: ConsoleMessage) -> None:
        # On a deep link Streamlit's own client first asks whether the server's root is there.
        is_probe = "/_stcore/" in str(message.location.get("url", "")) and "404" in message.text
        if message.type == "error" and not is_probe:
            self.complaints.append(f"{message.text} {message.location}")


@pytest.fixture(params=list(LOOKS))
def screen(request: pytest.FixtureRequest, browser: Browser, dashboard: str) -> Iterator[Screen]:
    """A fresh browser in each look."""
    yield from open_screen(browser, dashboard, request.param)


@pytest.fixture
def desk(browser: Browser, dashboard: str) -> Iterator[Screen]:
    """A fresh browser, light and wide."""
    yield from open_screen(browser, dashboard, "light")


def open_screen(browser: Browser, dashboard: str, look: str) -> Iterator[Screen]:
    context = browser.new_context(**LOOKS[look])
    seen = Screen(context.new_page(), dashboard)
    seen.page.on("console", seen.hear)
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith((dashboard, dashboard.replace("http", "ws"), "data:", "blob:"))
            else seen.complaints.append(f"asked {asked.url}")
        ),
    )
    yield seen
    context.close()


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, embedded_server: Server) -> Iterator[dict[str, Outcome]]:
    """What the visits left that were asked for, by their names: they happen side by side, once for all tests."""
    from tests.browser.visits import open_stage, run_scenarios

    visits = [item.callspec.params.get("visit") for item in request.session.items if hasattr(item, "callspec")]
    url = embedded_server.create_database()
    with open_stage(url) as stage:
        yield run_scenarios(stage, [name for name in dict.fromkeys(visits) if name])
    embedded_server.drop_database(url)
