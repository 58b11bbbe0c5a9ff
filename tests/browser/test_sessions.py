"""Sessions in Chromium: each filter used once, pages turned, and the file holds what the screen counts."""

import csv
import io

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import EVE_NAME, Screen

pytestmark = pytest.mark.browser


FILTERS = {
    "State": ("Ended", "state=ended"),
    "Reason": ("Signed out", "reason=sign_out"),
    "Who": ("Guests", "who=guests"),
    "Device": ("Tablet", "device=tablet"),
    "Browser": ("Safari", "browser=Safari"),
    "Country": ("Kenya", "country=Kenya"),
}


def test_each_filter_leaves_fewer_and_the_file_holds_them(desk: Screen) -> None:
    for name, (chosen, in_url) in FILTERS.items():
        page = desk.open("/sessions?interval=all")
        page.get_by_role("combobox", name=name).click()
        page.get_by_role("option", name=chosen, exact=True).click()
        page.wait_for_url(f"**{in_url}**")
        desk.settle()
        caption = page.get_by_text("Showing 1–").first.inner_text()
        count = int(caption.partition(" of ")[2].split()[0].replace(",", ""))
        link = page.get_by_role("link", name="Export CSV").get_attribute("href")
        answer = page.request.get(desk.address + str(link))
        rows = list(csv.DictReader(io.StringIO(answer.body().decode(), newline="")))
        assert len(rows) == count > 0, name
        assert page.locator("[data-testid=stTable] tbody tr").count() == min(20, count), name
    desk.check()


def test_it_turns_pages_and_keeps_text_as_text(desk: Screen) -> None:
    page = desk.open("/sessions")
    expect(page.get_by_text(EVE_NAME).first).to_be_visible()
    page.get_by_role("button", name="Page 2", exact=True).click()
    page.wait_for_url("**page=2**")
    expect(page.get_by_text("Showing 21–40 of")).to_be_visible()
    desk.settle()
    desk.check()


def test_it_says_what_to_do_where_nothing_matches(desk: Screen) -> None:
    page = desk.open("/sessions?country=Kenya&reason=cap&device=tablet&who=guests")
    expect(page.get_by_text("No session matches")).to_be_visible()
    desk.check()
