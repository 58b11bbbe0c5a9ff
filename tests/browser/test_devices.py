"""Devices & browsers in Chromium: the finding, the bars, what is within one, and the same as a table."""

import pytest

from tests.browser.conftest import Screen

pytestmark = pytest.mark.browser


def test_it_works(desk: Screen) -> None:
    page = desk.open("/devices")
    page.locator("[data-testid=stPlotlyChart] .barlayer").nth(2).wait_for()
    desk.settle()
    assert page.get_by_text("of sessions are on phones").is_visible()
    desk.check()


def test_it_shows_the_versions_of_the_bar_that_was_clicked(desk: Screen) -> None:
    page = desk.open("/devices")
    bar = page.locator("[data-testid=stPlotlyChart]").nth(1).locator(".barlayer .point").first
    bar.wait_for()
    desk.settle()
    box = bar.bounding_box()
    assert box
    page.mouse.click(box["x"] + 5, box["y"] + box["height"] / 2)
    page.get_by_text("Versions of").wait_for()
    desk.settle()
    desk.check()


def test_it_tells_the_bars_as_a_table(desk: Screen) -> None:
    page = desk.open("/devices")
    page.get_by_text("As a table").first.click()
    page.wait_for_selector("[data-testid=stDataFrame]")
    desk.settle()
    desk.check()


def test_it_shows_names_from_outside_as_text(desk: Screen) -> None:
    page = desk.open("/devices?interval=daily")
    page.locator("[data-testid=stPlotlyChart]").nth(2).get_by_text("<i>OS</i>").wait_for()
    desk.settle()
    desk.check()
