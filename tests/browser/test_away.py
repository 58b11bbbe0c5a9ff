"""The dashboard in Chromium while PostgreSQL is killed and started again under it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from chaos.postgres import Postgres
from metrics.demo import fill_shop
from tests.browser.conftest import Screen, open_screen, serve_dashboard
from tests.server import free_port

AWAY = re.compile("does not answer|went away|refuses the connection")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One of its own with a small shop in it."""
    folder = tmp_path_factory.mktemp("away")
    for path in (folder, folder.parent):
        path.chmod(0o711)
    server = Postgres(folder / "database", free_port())
    server.start()
    fill_shop(server.get_url(), users=50, sessions=500, orders=100, bookings=50, log=lambda line: None)
    yield server
    server.stop()


@pytest.fixture
def away_screen(browser: Browser, postgres: Postgres, tmp_path: Path) -> Iterator[Screen]:
    with serve_dashboard(postgres.get_url(), tmp_path) as address:
        yield from open_screen(browser, address, "light")


def test_it_says_one_sentence_and_comes_back_by_itself(away_screen: Screen, postgres: Postgres) -> None:
    page = away_screen.open("/")
    customers = page.get_by_text(re.compile(r"sessions · "))
    expect(customers.first).to_be_visible(timeout=30_000)
    postgres.kill()
    page.reload()
    away_screen.settle()
    trouble = page.get_by_role("alert")
    expect(trouble).to_have_count(1, timeout=30_000)
    expect(trouble).to_contain_text("The database cannot answer now")
    expect(trouble).to_contain_text(AWAY)
    assert page.locator("[data-testid=stException]").count() == 0
    expect(customers).to_have_count(0)
    postgres.start()
    # Nobody clicks.
    expect(customers.first).to_be_visible(timeout=30_000)
    expect(trouble).to_have_count(0)
    away_screen.check()
