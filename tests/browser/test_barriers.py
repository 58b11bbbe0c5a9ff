"""Every page in Chromium, opened deep, in light, dark and on a phone: no complaint, no barrier, nothing too wide."""

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.axe import find_barriers
from tests.browser.conftest import Screen, open_screen

pytestmark = pytest.mark.browser

PAGES = {
    "/?interval=monthly": "Customers",
    "/?view=table": "Customers",
    "/overview?interval=monthly": "Overview",
    "/sessions?interval=monthly": "Sessions",
    "/devices?interval=monthly": "Devices & browsers",
    "/reengage": "Re-engagement",
    "/services": "Services",
    "/health": "Health",
    "/privacy": "Privacy",
}


@pytest.mark.parametrize("look", ["dark", "phone"])
def test_it_opens_deep_and_keeps_nobody_out(browser: Browser, dashboard: str, look: str) -> None:
    for screen in open_screen(browser, dashboard, look):
        for path, title in PAGES.items():
            page = screen.open(path)
            page.locator("h1", has_text=title).wait_for()
            if path == "/?interval=monthly":
                page.locator("[data-testid=stExpander] summary").first.click()
                page.locator("[data-testid=stTable]").wait_for()
            screen.settle()
            assert page.locator("h1").all_inner_texts() == [title]
            assert find_barriers(page) == [], path
            screen.check()


def test_every_page_is_reached_with_the_keyboard(desk: Screen) -> None:
    """From the first link of the side bar on, by Tab and Enter alone; each control says its name."""
    page = desk.open("/")
    links = page.locator("[data-testid=stSidebarNavLink]")
    names = links.all_inner_texts()
    assert len(names) == len(set(PAGES.values()))
    for number, name in enumerate(names):
        links.nth(number).focus()
        page.keyboard.press("Enter")
        page.locator("h1", has_text=name.splitlines()[-1]).wait_for()
        desk.settle()
        assert not list_nameless(page)
    desk.check()


def list_nameless(page: Page) -> list[str]:
    """Controls that a screen reader would call nothing."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll('[data-testid=stMain] button, [data-testid=stMain] input')]
        .filter(one => one.offsetParent && !(one.innerText || one.ariaLabel || one.labels?.length
            || one.getAttribute('aria-labelledby') || one.title || one.placeholder))
        .map(one => one.outerHTML.slice(0, 200))"""
    )
    return found
