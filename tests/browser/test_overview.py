"""Overview in Chromium: cards, lines, who is online, and the bots that are brought in."""

import pytest

from tests.browser.conftest import Screen

pytestmark = pytest.mark.browser


def test_it_works(desk: Screen) -> None:
    check_overview(desk, "monthly")


@pytest.mark.parametrize("interval", ["all", "daily", "weekly"])
def test_it_shows_every_interval(desk: Screen, interval: str) -> None:
    check_overview(desk, interval)


def check_overview(screen: Screen, interval: str) -> None:
    page = screen.open(f"/overview?interval={interval}")
    page.locator("[data-testid=stMetric]").nth(7).wait_for()
    page.locator("[data-testid=stVegaLiteChart] svg, [data-testid=stVegaLiteChart] canvas").nth(1).wait_for()
    screen.settle()
    assert page.locator("[data-testid=stMetric]").count() == 8
    assert page.get_by_text("online now").is_visible()
    assert page.get_by_text("Most active this week").is_visible()
    screen.check()


def test_it_brings_bots_in(desk: Screen) -> None:
    page = desk.open("/overview")
    page.get_by_text("left out", exact=False).first.wait_for()
    page.get_by_text("Include bots").click()
    page.wait_for_url("**bots=true")
    page.get_by_text("included").wait_for()
    desk.check()


def test_it_keeps_the_interval_on_the_way_to_customers(desk: Screen) -> None:
    page = desk.open("/overview?interval=weekly")
    page.get_by_role("link", name="Customers").click()
    page.get_by_text("Most Active (Sessions) · Last 7 Days").wait_for()
    page.wait_for_url("**interval=weekly")
    desk.settle()
    desk.check()
