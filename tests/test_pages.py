"""The pages as a person uses them: each opens, answers a click, and says what to do when there is nothing to show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from metrics.choices import INTERVALS, SORTS
from metrics.database import Database
from metrics.install import close_installation
from metrics.settings import PROJECT
from pages.widgets.text import md

PAGES = PROJECT / "pages"
NAMES = ("customers", "overview", "sessions", "devices", "reengage", "services", "health", "privacy")
OpenPage = Callable[..., AppTest]


@pytest.fixture(name="open_page")
def fixture_open_page(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenPage]:
    """Opens a page over a fresh database, with the query of its URL."""
    monkeypatch.setenv("DATABASE_URL", url)
    close_installation()

    def open_page(name: str = "customers", **query: str) -> AppTest:
        # Every AppTest is the same session to the cache; a browser that opens the page is a new one.
        st.cache_data.clear()
        page = AppTest.from_file(str(PAGES / "_frame.py"), default_timeout=60)
        for key, value in query.items():
            page.query_params[key] = value
        page.run()
        if name != "customers":
            page.switch_page(f"{name}.py").run()
        assert not page.exception, page.exception
        return page

    yield open_page
    close_installation()


def visit(
    database: Database, user_id: UUID | None, session_id: str, *, device: str = "mobile", bot: bool = False
) -> None:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at, device_type, browser_name, os_name, is_bot) "
            "VALUES (%s, %s, now() - interval '1 minute', %s, 'Chrome', 'Android', %s)",
            (session_id, user_id, device, bot),
        )


def rename(database: Database, user_id: UUID, first_name: str, last_name: str) -> None:
    with database.write() as connection:
        connection.execute(
            "UPDATE users SET first_name = %s, last_name = %s WHERE id = %s", (first_name, last_name, user_id)
        )


def open_row(page: AppTest, user_id: UUID) -> None:
    page.session_state[f"customer-{user_id}"] = True
    page.run()
    assert not page.exception


def read(page: AppTest) -> str:
    """Every word of the page."""
    blocks = (page.title, page.markdown, page.caption, page.info, page.error, page.warning)
    labels = [row.label for row in page.expander]
    return "\n".join([*labels, *(str(element.value) for elements in blocks for element in elements)])


def test_it_works(open_page: OpenPage, database: Database, alice: UUID, bob: UUID) -> None:
    visit(database, alice, "a1")
    visit(database, alice, "a2")
    page = open_page()
    assert page.title[0].value == "Customers"
    assert "Showing 1–2 of 2 · Most Active (Sessions) · All Time" in read(page)
    first, second = [row.label.replace("\u00a0", " ") for row in page.expander]
    assert first.startswith("**Alice Mushi**")
    assert ":green-badge[Active]" in first
    assert "2 sessions · 0 orders · 0 bookings" in first
    assert second.startswith("**Bob Temu**")
    assert "never seen" in second


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_to_do_in_an_empty_shop(open_page: OpenPage, name: str) -> None:
    words = read(open_page(name))
    expected = {
        "customers": "No customers yet",
        "overview": "Nobody came",
        "sessions": "No sessions yet",
        "devices": "No sessions yet",
        "reengage": "No customers yet",
        "services": "No bookings yet",
        "health": "No session of this interval has ended",
        "privacy": "search for them here",
    }
    assert expected[name] in words


@pytest.mark.parametrize("name", NAMES)
def test_it_explains_a_database_that_is_away(open_page: OpenPage, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/away")
    # Nobody needs to wait as long as a slow network may take.
    monkeypatch.setattr("metrics.database.CONNECT_TIMEOUT_SECONDS", 1)
    close_installation()
    page = open_page(name)
    assert "does not answer" in read(page)
    assert "Try again" in [button.label.strip() for button in page.button]


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_a_stranger_nothing(open_page: OpenPage, alice: UUID, name: str) -> None:
    # Each page by itself too: its first line asks the gate, whatever led there.
    address = config.get_option("server.address")
    config.set_option("server.address", "0.0.0.0")
    try:
        for path in (PAGES / "_frame.py", PAGES / f"{name}.py"):
            page = AppTest.from_file(str(path), default_timeout=60).run()
            assert "You are not signed in" in read(page)
            assert not page.expander
            assert not page.metric
            assert not page.title
    finally:
        config.set_option("server.address", address)


def test_it_offers_the_labels_of_the_choices(open_page: OpenPage, alice: UUID) -> None:
    page = open_page()
    assert page.selectbox(key="sortBy").options == [sort.label for sort in SORTS.values()]
    assert page.selectbox(key="interval").options == [interval.label for interval in INTERVALS.values()]


def test_it_keeps_the_choices_in_the_url(open_page: OpenPage, alice: UUID, bob: UUID) -> None:
    page = open_page(sortBy="registered", interval="weekly", search="ali")
    assert "Showing 1–1 of 1 · Recently Registered · Last 7 Days" in read(page)
    page.selectbox(key="sortBy").set_value("orders").run()
    assert page.query_params["sortBy"] == "orders"
    assert page.query_params["search"] == "ali"
    page.selectbox(key="sortBy").set_value("sessions").run()
    assert "sortBy" not in page.query_params


def test_it_keeps_sort_and_interval_from_page_to_page(open_page: OpenPage, alice: UUID) -> None:
    page = open_page(sortBy="orders", interval="weekly")
    page.switch_page("overview.py").run()
    assert "Last 7 Days" in read(page)
    page.switch_page("customers.py").run()
    assert "Most Orders · Last 7 Days" in read(page)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("sortBy", "name", "sortBy is 'name': use sessions, orders, bookings, last_login or registered"),
        ("sortOrder", "up", "sortOrder is 'up': use desc or asc"),
        ("interval", "yearly", "interval is 'yearly': use all, daily, weekly or monthly"),
        ("activity", "x", "activity is 'x': use all, active, inactive or never"),
        ("country", "Mars", "country is 'Mars': no customer has that"),
        ("view", "grid", "view is 'grid': use list or table"),
        ("page", "-1", "page is '-1': use a whole number, 1 or more"),
        ("page", "9", "page is 9: there are 1"),
    ],
)
def test_it_falls_back_with_a_note(open_page: OpenPage, alice: UUID, name: str, value: str, sentence: str) -> None:
    page = open_page(**{name: value})
    assert md(sentence) in read(page)
    assert "Showing 1–1 of 1 · Most Active (Sessions) · All Time" in read(page)
    assert name not in page.query_params


def test_it_finds_nobody_and_lets_the_search_be_cleared(open_page: OpenPage, alice: UUID) -> None:
    page = open_page(search="zzz")
    assert "No customer matches" in read(page)
    page.button[0].click().run()
    assert "Showing 1–1 of 1" in read(page)
    assert "search" not in page.query_params


def test_it_asks_for_sessions_only_when_a_row_is_open(open_page: OpenPage, database: Database, alice: UUID) -> None:
    visit(database, alice, "a1")
    page = open_page()
    assert not page.table
    open_row(page, alice)
    table = page.table[0].value
    assert list(table.columns) == ["Started", "Ended", "Duration", "Device", "Browser", "OS", "Location", "IP"]
    assert "Active" in table["Ended"].iloc[0]
    assert table["Duration"].iloc[0] == r"\-"


def test_it_shows_two_customers_who_share_a_session_id(
    open_page: OpenPage, database: Database, alice: UUID, bob: UUID
) -> None:
    visit(database, alice, "shared")
    visit(database, bob, "shared")
    page = open_page()
    open_row(page, alice)
    open_row(page, bob)
    assert [len(table.value) for table in page.table] == [1, 1]


def test_it_shows_text_from_outside_as_text(open_page: OpenPage, database: Database, alice: UUID) -> None:
    rename(database, alice, "**bold** [x](javascript:alert(1))", "<img src=x onerror=alert(1)> $x^2$ :red[y]")
    label = open_page().expander[0].label
    assert r"\*\*bold\*\* \[x\]\(javascript\:alert\(1\)\)" in label
    assert r"\<img src\=x onerror\=alert\(1\)\> \$x\^2\$ \:red\[y\]" in label


def test_it_shows_the_same_rows_as_a_table(open_page: OpenPage, database: Database, alice: UUID, bob: UUID) -> None:
    visit(database, bob, "b1")
    page = open_page(view="table")
    table = page.dataframe[0].value
    assert list(table["Customer"]) == ["Bob Temu", "Alice Mushi"]
    assert list(table["Sessions"]) == [1, 0]


def test_it_exports_what_the_filters_leave(open_page: OpenPage, alice: UUID) -> None:
    page = open_page(sortBy="orders", interval="weekly", search="ali mu&shi", activity="never")
    assert "No customer matches" in read(page)
    page = open_page(sortBy="orders", interval="weekly", search="ali", activity="never")
    links = [element.proto.url for element in page.get("link_button")]
    assert links == ["/export/customers.csv?interval=weekly&sortBy=orders&sortOrder=desc&search=ali&activity=never"]


def test_it_counts_bots_only_when_asked(open_page: OpenPage, database: Database, alice: UUID) -> None:
    visit(database, alice, "a1")
    visit(database, None, "crawler", bot=True)
    page = open_page("overview")
    cards = {card.label: card.value for card in page.metric}
    assert cards["Sessions"] == "1"
    assert "1 bot session left out" in read(page)
    page.toggle(key="bots").set_value(True).run()
    cards = {card.label: card.value for card in page.metric}
    assert cards["Sessions"] == "2"
    assert page.query_params["bots"] == "true"


def test_it_explains_every_number_on_a_card(open_page: OpenPage, alice: UUID) -> None:
    page = open_page("overview", interval="weekly")
    assert len(page.metric) == 8
    assert all(card.help for card in page.metric)


def test_it_says_what_the_devices_show(open_page: OpenPage, database: Database, alice: UUID) -> None:
    visit(database, alice, "a1")
    visit(database, alice, "a2")
    visit(database, None, "g1", device="desktop")
    assert "**67% of sessions are on phones.**" in read(open_page("devices"))
