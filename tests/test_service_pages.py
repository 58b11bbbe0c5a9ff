"""The page of services, as a person uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from metrics.database import Database
from metrics.install import close_installation
from pages.widgets.definitions import define
from pages.widgets.text import md
from tests.test_pages import PAGES, read, rename
from tests.test_services import book

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OpenServices = Callable[..., AppTest]


@pytest.fixture(name="open_services")
def fixture_open_services(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenServices]:
    """Opens the page over a fresh database, with the query of its URL."""
    monkeypatch.setenv("DATABASE_URL", url)
    close_installation()

    def open_services(interval: str = "all", **query: str) -> AppTest:
        st.cache_data.clear()
        page = AppTest.from_file(str(PAGES / "services.py"), default_timeout=60)
        page.session_state["interval"] = interval
        page.query_params.update(query)
        page.run()
        assert not page.exception, page.exception
        return page

    yield open_services
    close_installation()


def test_the_page_says_what_to_do(open_services: OpenServices, database: Database, alice: UUID) -> None:
    assert "No bookings yet" in read(open_services())
    book(database, alice, "Repair", database.now() - 9 * DAY)
    assert "choose a longer one" in read(open_services("weekly"))


def test_the_page_shows_services_and_who_books_one(
    open_services: OpenServices, database: Database, alice: UUID, bob: UUID
) -> None:
    now = database.now()
    rename(database, alice, "**bold** [x](javascript:alert(1))", ":red[y]")
    for _ in range(3):
        book(database, alice, "Repair *now*", now - HOUR, amount=1500)
    book(database, bob, "Setup", now - HOUR)
    book(database, None, "Setup", now - HOUR, status="cancelled")
    page = open_services("daily")
    cards = {card.label: card.value for card in page.metric}
    assert cards == {"Bookings": "4", "Customers": "2", "Booked value (TZS)": "4,500", "Cancelled": "20%"}
    services, people = (table.value for table in page.table)
    assert list(services["Service"]) == [md("Repair *now*"), "Setup"]
    assert list(services["Bookings"]) == [3, 1]
    assert list(people["Customer"]) == [r"**\*\*bold\*\* \[x\]\(javascript\:alert\(1\)\) \:red\[y\]**", "**Bob Temu**"]
    page.selectbox(key="service").set_value("Setup").run()
    assert page.query_params["service"] == "Setup"
    assert list(page.table[1].value["Customer"]) == ["**Bob Temu**"]
    page.selectbox(key="service").set_value("").run()
    assert len(page.table[1].value) == 2
    assert "service" not in page.query_params
    page.session_state["table-services"] = True
    frame = page.run().dataframe[0].value
    assert list(frame.columns) == ["From", "All", "Repair *now*", "Setup"]
    assert frame["All"].sum() == 4


def test_the_page_forgets_a_service_nobody_booked(open_services: OpenServices, database: Database, alice: UUID) -> None:
    book(database, alice, "Repair", database.now() - HOUR)
    page = open_services(service="Mars")
    assert md("service is 'Mars': nobody booked that in the interval") in read(page)
    assert "service" not in page.query_params
    assert len(page.table[1].value) == 1


def test_the_page_shows_a_stranger_nothing(open_services: OpenServices, database: Database, alice: UUID) -> None:
    book(database, alice, "Repair", database.now() - HOUR)
    address = config.get_option("server.address")
    config.set_option("server.address", "0.0.0.0")
    try:
        page = open_services()
        assert page.error
        assert not page.table
        assert not page.metric
    finally:
        config.set_option("server.address", address)


def test_the_page_pages_through_who_books(open_services: OpenServices, database: Database, alice: UUID) -> None:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO users (email, first_name) SELECT 'n' || n || '@example.co.tz', 'N' || n"
            " FROM generate_series(1, 21) AS n"
        )
        connection.execute(
            "INSERT INTO service_bookings (user_id, service_type, status, created_at)"
            " SELECT id, 'Visit', 'completed', now() - interval '1 hour' FROM users WHERE id <> %s",
            (alice,),
        )
    book(database, alice, "Repair", database.now() - HOUR)
    page = open_services(page="2")
    assert "Showing 21–22 of 22 · All Time" in read(page)
    page.selectbox(key="service").set_value("Visit").run()
    assert "Showing 1–20 of 21 · All Time" in read(page)
    assert dict(page.query_params) == {"service": "Visit"}
    page.session_state["interval"] = "daily"
    assert "Showing 1–20 of 21 · Last 24 Hours" in read(page.run())


def test_every_number_of_the_page_says_what_it_is(open_services: OpenServices, database: Database, alice: UUID) -> None:
    book(database, alice, "Repair", database.now() - HOUR)
    page = open_services()
    assert all(card.help for card in page.metric)
    helps = {text.help for text in page.markdown}
    assert {define(word) for word in ("service", "service_series", "who_books")} <= helps


def test_a_service_of_guests_alone_leaves_no_page_in_the_url(open_services: OpenServices, database: Database) -> None:
    book(database, None, "Repair", database.now() - HOUR)
    page = open_services(service="Repair", page="2")
    assert "No customer has a counted booking here" in read(page)
    assert dict(page.query_params) == {"service": "Repair"}
