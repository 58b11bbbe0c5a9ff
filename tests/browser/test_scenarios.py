"""The five scenarios of the reference, as a person tries them: the demo shop in one tab, the dashboard in the other."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Screen
from tests.endpoint_server import serve_endpoint

pytestmark = pytest.mark.browser

SUMMARY = "[data-testid=stExpander] summary"
# A browser that says it is headless counts as a bot, and bots are left out of every number.
USUAL = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
COUNTS = re.compile(r"([\d,]+)\s(session|order|booking)")


@dataclass
class Shop:
    """The demo shop's page and what a visitor does there."""

    page: Page
    url: str

    def sign_in(self, place: int) -> str:
        """Signs in as one of those offered; returns the customer's e-mail."""
        box = self.page.get_by_label("Customer")
        box.select_option(index=place)
        user_id = box.input_value()
        with self.page.expect_response("**/api/analytics/session"):
            self.page.get_by_role("button", name=re.compile("Sign in|Switch user")).click()
        expect(self.page.get_by_role("status")).to_contain_text("Signed in as")
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT email FROM users WHERE id = %s", (user_id,)).fetchone()
        assert row
        return str(row[0])

    def press(self, button: str, said: str) -> None:
        """Presses a button and waits for what the shop says."""
        self.page.get_by_role("button", name=button).click()
        expect(self.page.get_by_role("status")).to_have_text(said)


@pytest.fixture
def shop(browser: Browser, demo_url: str) -> Iterator[Shop]:
    with serve_endpoint(demo_url) as endpoint:
        context = browser.new_context(user_agent=USUAL)
        page = context.new_page()
        page.goto(f"{endpoint.address}/demo")
        yield Shop(page, demo_url)
        context.close()


def open_customer(desk: Screen, email: str, interval: str = "all") -> Locator:
    """The customer's row, open."""
    page = desk.open(f"/?search={email}&interval={interval}")
    row = page.locator("[data-testid=stExpander]", has_text=email)
    click(desk, row)
    return row


def click(desk: Screen, row: Locator) -> None:
    row.locator("summary").click()
    desk.settle()


def read_counts(row: Locator) -> dict[str, int]:
    return {noun: int(count.replace(",", "")) for count, noun in COUNTS.findall(row.locator("summary").inner_text())}


def first_session(row: Locator) -> Locator:
    return row.locator("[data-testid=stTable] tbody tr").first


def test_signing_out_ends_the_session(shop: Shop, desk: Screen) -> None:
    email = shop.sign_in(1)
    row = open_customer(desk, email)
    expect(row.locator("summary")).to_contain_text("Active")
    expect(first_session(row)).to_contain_text("Active")
    expect(first_session(row)).to_contain_text("Chrome 156")
    with shop.page.expect_response("**/api/analytics/session"):
        shop.press("Sign out", "Signed out.")
    click(desk, row)
    click(desk, row)
    expect(first_session(row)).not_to_contain_text("Active")
    expect(first_session(row)).to_contain_text("<1 min")
    expect(row.locator("summary")).not_to_contain_text("Active")


def test_switching_users_ends_one_session_and_starts_the_next(shop: Shop, desk: Screen) -> None:
    first = shop.sign_in(1)
    second = shop.sign_in(2)
    assert first != second
    before = open_customer(desk, first)
    expect(first_session(before)).not_to_contain_text("Active")
    expect(before.locator("summary")).not_to_contain_text("Active")
    after = open_customer(desk, second)
    expect(first_session(after)).to_contain_text("Active")
    expect(after.locator("summary")).to_contain_text("Active")


@pytest.mark.parametrize("interval", ["all", "daily"])
def test_an_order_shows_on_the_next_click(shop: Shop, desk: Screen, interval: str) -> None:
    email = shop.sign_in(3)
    row = open_customer(desk, email, interval)
    before = read_counts(row)
    click(desk, row)
    shop.press("Order for TZS 50,000", "Ordered for TZS 50,000.")
    click(desk, row)
    expect(row).to_contain_text(re.compile(r"Last order.*TZS 50,000 · \d", re.DOTALL))
    assert read_counts(row)["order"] == before["order"] + 1


def test_a_booking_shows_on_the_next_click(shop: Shop, desk: Screen) -> None:
    email = shop.sign_in(4)
    row = open_customer(desk, email)
    before = read_counts(row)
    click(desk, row)
    shop.press("Book Repair Service", "Booked: Repair Service.")
    click(desk, row)
    expect(row).to_contain_text(re.compile(r"Last booking.*Repair Service · \d", re.DOTALL))
    assert read_counts(row)["booking"] == before["booking"] + 1


@pytest.mark.parametrize(
    ("key", "noun", "button", "said"),
    [
        ("orders", "order", "Order for TZS 50,000", "Ordered for TZS 50,000."),
        ("bookings", "booking", "Book Repair Service", "Booked: Repair Service."),
    ],
)
def test_whoever_orders_or_books_most_comes_first(
    shop: Shop, desk: Screen, key: str, noun: str, button: str, said: str
) -> None:
    email = shop.sign_in(2)
    page = desk.open(f"/?sortBy={key}")
    top = read_counts(page.locator("[data-testid=stExpander]").first)[noun]
    own = read_counts(open_customer(desk, email))[noun]
    for _ in range(top - own + 1):
        with shop.page.expect_response("**/demo/*"):
            shop.press(button, said)
    desk.open(f"/?sortBy={key}")
    expect(page.locator(SUMMARY).first).to_contain_text(email)
    counts = [read_counts(row)[noun] for row in page.locator("[data-testid=stExpander]").all()]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == top + 1


def test_whoever_came_last_or_most_comes_first(shop: Shop, desk: Screen) -> None:
    page = desk.open("/?sortBy=last_login")
    email = shop.sign_in(3)
    for label in ("Most Active (Sessions)", "Recent Login"):
        page.get_by_label("Sort by").click()
        page.get_by_role("option", name=label).click()
        expect(page.get_by_text(f"· {label} ·")).to_be_visible()
        desk.settle()
    expect(page.locator(SUMMARY).first).to_contain_text(email)
    desk.open("/?sortBy=sessions")
    counts = [read_counts(row)["session"] for row in page.locator("[data-testid=stExpander]").all()]
    assert counts == sorted(counts, reverse=True)
    desk.open("/?sortBy=registered")
    expect(page.locator(SUMMARY).first).to_contain_text("eve@example.com")
