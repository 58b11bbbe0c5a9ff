"""The page of all sessions, and what the devices page says of time and places, as a person uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from metrics import session_list
from metrics.database import Database
from metrics.devices import Place, SharePoint
from metrics.install import close_installation
from pages.widgets import share_charts
from pages.widgets.text import md
from tests.test_pages import PAGES, fixture_open_page, read, rename, visit

OpenList = Callable[..., AppTest]
__all__ = ["fixture_open_page"]


@pytest.fixture(name="open_list")
def fixture_open_list(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenList]:
    """Opens the page of sessions over a fresh database, with the query of its URL."""
    monkeypatch.setenv("DATABASE_URL", url)
    close_installation()

    def open_list(interval: str = "all", **query: str) -> AppTest:
        st.cache_data.clear()
        page = AppTest.from_file(str(PAGES / "sessions.py"), default_timeout=60)
        page.session_state["interval"] = interval
        for key, value in query.items():
            page.query_params[key] = value
        page.run()
        assert not page.exception, page.exception
        return page

    yield open_list
    close_installation()


def get_link(page: AppTest) -> str:
    [link] = [element.proto.url for element in page.get("link_button")]
    return str(link)


def test_it_works(open_list: OpenList, database: Database, alice: UUID) -> None:
    visit(database, alice, "a1")
    visit(database, None, "g1", device="desktop")
    visit(database, None, "crawler", bot=True)
    page = open_list()
    assert page.title[0].value == "Sessions"
    assert "Showing 1–2 of 2 · All Time" in read(page)
    assert "Session detail is kept for 90 days." in read(page)
    table = page.table[0].value
    assert set(table["Customer"]) == {"**Alice Mushi**", ":gray[Guest]"}
    assert all("Active" in cell for cell in table["Ended"])
    assert "Reasons of end" not in read(page)
    page.toggle(key="bots").set_value(True).run()
    assert "Showing 1–3 of 3 · All Time" in read(page)
    assert get_link(page).endswith("bots=true")


def test_it_filters_by_the_words_of_its_url(open_list: OpenList, database: Database, alice: UUID) -> None:
    visit(database, alice, "a1")
    visit(database, None, "g1", device="desktop")
    words = {"who": "customers", "state": "active", "device": "mobile", "browser": "Chrome", "country": "Unknown"}
    page = open_list("weekly", **words)
    assert "Showing 1–1 of 1 · Last 7 Days" in read(page)
    assert dict(page.query_params) == words
    link = urlsplit(get_link(page))
    assert link.path == "/export/sessions.csv"
    everything = words | {"interval": "weekly", "reason": "all"}
    assert parse_qs(link.query) == {name: [value] for name, value in everything.items()}
    page.selectbox(key="who").set_value("guests").run()
    assert "No session matches" in read(page)
    page.button[0].click().run()
    assert "Showing 1–2 of 2 · Last 7 Days" in read(page)
    assert not dict(page.query_params)


def test_an_empty_list_leaves_no_page_in_the_url(open_list: OpenList, alice: UUID) -> None:
    page = open_list(page="3")
    assert "No sessions yet" in read(page)
    assert "page" not in page.query_params


def test_it_says_why_sessions_ended(open_list: OpenList, database: Database, alice: UUID) -> None:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at, ended_at, end_reason) VALUES"
            " ('a', %(id)s, now() - interval '2 hours', now() - interval '1 hour', 'sign_out'),"
            " ('b', %(id)s, now() - interval '3 hours', now() - interval '2 hours', '*old*'),"
            " ('c', %(id)s, now() - interval '4 hours', NULL, NULL)",
            {"id": alice},
        )
    page = open_list()
    assert "3 ended sessions, All Time" in read(page)
    reasons = page.dataframe[0].value
    assert dict(zip(reasons["Reason"], reasons["Sessions"], strict=True)) == {
        "*old*": 1,
        "Signed out": 1,
        "Fell silent": 1,
    }
    assert set(page.table[0].value["Reason"]) == {r"\*old\*", "Signed\u00a0out", "Fell\u00a0silent"}
    page.selectbox(key="reason").set_value("timeout").run()
    assert "Showing 1–1 of 1" in read(page)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("state", "open", "state is 'open': use all, active or ended"),
        ("who", "bots", "who is 'bots': use all, customers or guests"),
        ("country", "Mars", "country is 'Mars': no recent session has that. Showing all countries."),
        ("bots", "yes", "bots is 'yes': use true or false"),
        ("page", "9", "page is 9: there are 1"),
    ],
)
def test_it_falls_back_with_a_note(
    open_list: OpenList, database: Database, alice: UUID, name: str, value: str, sentence: str
) -> None:
    visit(database, alice, "a1")
    page = open_list(**{name: value})
    assert md(sentence) in read(page)
    assert "Showing 1–1 of 1" in read(page)
    assert name not in page.query_params


def test_it_says_what_to_do_when_there_is_nothing(open_list: OpenList, database: Database, alice: UUID) -> None:
    assert "No sessions yet" in read(open_list())
    with database.write() as connection:
        connection.execute("INSERT INTO user_sessions (session_id, started_at) VALUES ('x', now() - interval '9 days')")
    assert "choose a longer one" in read(open_list("weekly"))


def test_it_turns_its_pages(open_list: OpenList, database: Database, alice: UUID) -> None:
    for number in range(45):
        visit(database, alice, f"s{number}")
    page = open_list(page="3")
    assert "Showing 41–45 of 45" in read(page)
    assert len(page.table[0].value) == 5


def test_it_says_more_than_where_it_stopped_counting(
    open_list: OpenList, database: Database, alice: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(45):
        visit(database, alice, f"s{number}")
    monkeypatch.setattr(session_list, "MOST_COUNTED", 40)
    page = open_list()
    assert "Showing 1–20 of more than 40 · All Time" in read(page)


def test_it_shows_text_from_outside_as_text(open_list: OpenList, database: Database, alice: UUID) -> None:
    visit(database, alice, "a1")
    rename(database, alice, "**bold** [x](javascript:alert(1))", ":red[y]")
    [name] = open_list().table[0].value["Customer"]
    assert name == r"**\*\*bold\*\* \[x\]\(javascript\:alert\(1\)\) \:red\[y\]**"


def test_it_shows_a_stranger_nothing(open_list: OpenList, database: Database, alice: UUID) -> None:
    visit(database, alice, "a1")
    address = config.get_option("server.address")
    config.set_option("server.address", "0.0.0.0")
    try:
        page = open_list()
        assert page.error
        assert not page.table
        assert not page.title
    finally:
        config.set_option("server.address", address)


def test_the_devices_page_shows_time_and_places(
    open_page: Callable[..., AppTest], database: Database, alice: UUID
) -> None:
    visit(database, alice, "a1")
    visit(database, None, "g1", device="unknown")
    with database.write() as connection:
        connection.execute("UPDATE user_sessions SET country = 'Kenya', city = 'Nairobi' WHERE session_id = 'a1'")
        connection.execute(
            "INSERT INTO user_sessions (session_id, started_at) VALUES ('x', now() - interval '2 hours')"
        )
    page = open_page("devices", interval="daily", over="browser")
    assert page.query_params["over"] == "browser"
    tables = {frame.value.columns[0]: frame.value for frame in page.dataframe}
    assert list(tables["Country"]["Country"]) == ["Unknown", "Kenya"]
    assert list(tables["City"]["City"]) == ["Unknown", "Nairobi, Kenya"]
    assert list(tables["City"]["Sessions"]) == [2, 1]
    page.segmented_control(key="over").set_value("device").run()
    page.session_state["table-over-time"] = True
    page.run()
    assert not page.exception
    [table] = [frame.value for frame in page.dataframe if frame.value.columns[0] == "From"]
    # Without a device, and with one that nobody knows: the same on the screen.
    assert list(table.columns) == ["From", "Sessions", "Unknown", "Mobile"]
    assert table["Sessions"].sum() == 3


def test_two_families_of_one_name_are_one_line(database: Database) -> None:
    now = database.now()
    points = [SharePoint(now, "unknown", 1, 0.25), SharePoint(now, "Unknown", 2, 0.5), SharePoint(now, "bot", 1, 0.25)]
    named = share_charts.name_points(points, {"unknown": "Unknown", "bot": "Bot"})
    assert named == [SharePoint(now, "Unknown", 3, 0.75), SharePoint(now, "Bot", 1, 0.25)]


def test_it_names_a_place() -> None:
    names = [share_charts.name_place(Place(*place, 1, 1.0)) for place in (
        ("Kenya", "Nairobi"), ("Kenya", "Unknown"), ("Unknown", "Unknown"), ("Kenya", None), ("Unknown", "Arusha")
    )]  # fmt: skip
    assert names == ["Nairobi, Kenya", "Kenya, city unknown", "Unknown", "Kenya", "Arusha"]
