"""Health in Chromium: each control used once."""

import pytest

from tests.browser.conftest import Screen

pytestmark = pytest.mark.browser


def test_it_works(desk: Screen) -> None:
    page = desk.open("/health?interval=weekly")
    page.locator("[data-testid=stMetric]").nth(3).wait_for()
    desk.settle()
    for words in ("How sessions ended", "Most active this week", "In the background", "Is it sound?"):
        assert page.get_by_text(words, exact=True).first.is_visible(), words
    desk.check()


def test_it_checks_on_request_and_names_what_is_late(desk: Screen) -> None:
    page = desk.open("/health")
    page.get_by_role("button", name="Check now").click()
    # No endpoint runs over this shop: nobody folds.
    page.get_by_text("Nothing is folded, so that every list and card counts the rows themselves").wait_for()
    assert page.get_by_role("cell", name="Late").first.is_visible()
    desk.check()


def test_it_opens_tables_indexes_and_questions(desk: Screen) -> None:
    page = desk.open("/health")
    for label in ("Tables and their sizes", "Indexes and their use"):
        page.locator("summary", has_text=label).click()
        desk.settle()
    page.locator("[data-testid=stDataFrame] canvas").nth(1).wait_for()
    page.locator("summary", has_text="The monitoring questions as SQL").click()
    page.locator("code", has_text="metrics_sessions_at").first.wait_for()
    desk.settle()
    desk.check()
