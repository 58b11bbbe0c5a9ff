"""Customers in Chromium: rows that open, links that can be shared, text that stays text, a file that comes."""

import csv

import pytest

from tests.browser.conftest import EVE_NAME, Screen

pytestmark = pytest.mark.browser

SUMMARY = "[data-testid=stExpander] summary"


def test_it_works(desk: Screen) -> None:
    page = desk.open("/")
    assert page.locator("h1").inner_text() == "Customers"
    assert page.locator(SUMMARY).count() == 20
    assert page.locator("[data-testid=stTable]").count() == 0
    page.locator(SUMMARY).first.click()
    page.wait_for_selector("[data-testid=stTable]")
    desk.settle()
    headers = page.locator("[data-testid=stTable] th").all_inner_texts()
    assert headers == ["Started", "Ended", "Duration", "Device", "Browser", "OS", "Location", "IP"]
    desk.check()


def test_it_shows_the_table_view(screen: Screen) -> None:
    page = screen.open("/?view=table")
    page.wait_for_selector("[data-testid=stDataFrame] canvas")
    screen.check()


def test_it_opens_a_row_with_the_keyboard(desk: Screen) -> None:
    page = desk.open("/")
    page.locator(SUMMARY).nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=stTable]")
    desk.settle()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    desk.check()


def test_it_writes_choices_to_the_url_that_open_the_same_view_again(desk: Screen) -> None:
    page = desk.open("/")
    page.get_by_label("Sort by").click()
    page.get_by_role("option", name="Most Orders").click()
    page.wait_for_url("**/?sortBy=orders")
    desk.settle()
    first = page.locator(SUMMARY).first.inner_text()
    page.get_by_text("Ascending").click()
    page.wait_for_url("**sortOrder=asc**")
    desk.settle()
    assert page.locator(SUMMARY).first.inner_text() != first
    desk.open("/?sortBy=orders")
    assert page.get_by_text("Showing 1–20 of 201 · Most Orders · All Time").is_visible()
    assert page.locator(SUMMARY).first.inner_text() == first
    desk.check()


def test_it_jumps_to_a_page(desk: Screen) -> None:
    page = desk.open("/")
    page.get_by_label("Go to page").fill("11")
    page.keyboard.press("Enter")
    page.wait_for_url("**page=11")
    page.get_by_text("Showing 201–201 of 201").wait_for()
    desk.settle()
    assert page.locator(SUMMARY).count() == 1
    desk.check()


def test_it_searches_while_one_types(desk: Screen) -> None:
    page = desk.open("/")
    page.get_by_placeholder("Name, e-mail or phone").press_sequentially("eve@ex")
    page.get_by_text("Showing 1–1 of 1 ").wait_for()
    desk.settle()
    assert page.locator(SUMMARY).count() == 1
    desk.check()


def test_it_shows_text_from_outside_as_exactly_that(desk: Screen) -> None:
    page = desk.open("/?search=eve@example.com")
    label = page.locator(SUMMARY).first
    assert EVE_NAME in label.inner_text()
    assert "eve@example.com" in label.inner_text()
    label.click()
    page.wait_for_selector("[data-testid=stTable]")
    desk.settle()
    table = page.locator("[data-testid=stTable]").inner_text()
    assert "<b>Brow*ser*</b>" in table
    assert "<i>OS</i>" in table
    assert "![x](" in table
    main = page.locator("[data-testid=stMain]")
    assert main.locator("img, a[href^=mailto], a[href^=javascript], a[href*=evil]").count() == 0
    desk.check()


def test_it_downloads_every_filtered_row(desk: Screen) -> None:
    page = desk.open("/?sortBy=registered")
    link = page.get_by_role("link", name="Export CSV")
    answer = page.request.get(desk.address + str(link.get_attribute("href")))
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(answer.text().splitlines()))
    assert len(rows) == 201
    assert rows[0]["email"] == "eve@example.com"


def test_it_says_what_of_a_link_could_not_be_used(desk: Screen) -> None:
    page = desk.open("/?sortBy=name")
    assert page.get_by_text("sortBy is 'name': use sessions, orders, bookings").is_visible()
    assert page.locator(SUMMARY).count() == 20
    desk.check()
