"""Texts that would be SQL or markup on the pages: in their URLs, in what is typed, and in every row of the shop."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import streamlit as st
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from metrics.database import Database
from metrics.install import close_installation
from metrics.settings import PROJECT
from tests.attacks import ATTACKS
from tests.test_injection import list_tables
from tests.test_pages import NAMES, PAGES

# Every name that a page looks for in its URL.
QUERY = (
    "activity audience bots browser country device interval over page reason search service sortBy sortOrder state "
    "view who"
).split()
MARKDOWN = "[x](javascript:alert(1)) ![y](https://evil.example/y.png) <img src=x onerror=alert(1)> :red[z] `k` $x^2$"
MIXED = f"'; DROP TABLE users; -- %s {MARKDOWN}"
RAW = re.compile(r"(?<!\\)\]\(javascript|(?<!\\)<img|(?<!\\):red\[|(?<!\\)`k`|(?<!\\)\$x")
# Where a browser puts words on the screen as they are: what a person picks from or types, tables of cells, addresses.
PLAIN = {
    ("selectbox", "options"),
    ("selectbox", "raw_value"),
    ("text_input", "value"),
    ("text_input", "default"),
    ("vega_lite_chart", "alt"),
    ("vega_lite_chart", "spec"),
    ("link_button", "url"),
    ("arrow_data_frame", "columns"),
    ("plotly_chart", "alt"),
}


@pytest.fixture(name="open_page")
def fixture_open_page(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Opens a page with a query in its URL, in a shop where every text is an attack."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    close_installation()

    def open_page(name: str, query: dict[str, str]) -> AppTest:
        st.cache_data.clear()
        page = AppTest.from_file(str(PAGES / "_frame.py"), default_timeout=60)
        page.run()
        for key, value in query.items():
            page.query_params[key] = value
        page.switch_page(f"{name}.py").run()
        assert not page.exception, page.exception
        return page

    yield open_page
    close_installation()


def list_words(message: Message, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in an element, with the names of the fields that lead to it."""
    for field, value in message.ListFields():
        names = (*path, field.name)
        many = value if field.is_repeated else [value]
        for one in many:
            if isinstance(one, Message):
                yield from list_words(one, names)
            elif isinstance(one, str):
                yield names, one


def list_elements(block: Any) -> Iterator[Any]:
    """Every element below, blocks too."""
    for child in getattr(block, "children", {}).values():
        yield child
        yield from list_elements(child)


def assert_nothing_is_markup(page: AppTest) -> int:
    """Raises AssertionError for an attack that stands where markup is read; how many stand there as text."""
    found = 0
    for element in list_elements(page._tree):
        proto = getattr(element, "proto", None)
        if not isinstance(proto, Message):
            continue
        if element.type == "markdown":
            assert not proto.allow_html, proto.body
        texts = [(names, text) for names, text in list_words(proto)]
        if element.type == "table":
            texts += [(("cell",), str(text)) for text in element.value.to_numpy().ravel()]
        for names, text in texts:
            if (element.type, names[0]) in PLAIN or "javascript" not in text:
                continue
            found += 1
            if element.type == "plotly_chart":
                # Plotly reads a few tags, and no Markdown.
                assert "<img" not in str(json.loads(text)), text
            else:
                assert not RAW.search(text), (element.type, names, text)
    return found


def attack_shop(url: str) -> UUID:
    """The id of a customer with sessions, orders, bookings and reviews, every text of which is an attack."""
    user_id = uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO users (id, email) VALUES (%s, 'a')", [user_id])
        connection.execute("INSERT INTO services (title) VALUES ('a')")
        connection.execute("INSERT INTO reviews (user_id, rating) SELECT id, 5 FROM users")
        connection.execute(
            "INSERT INTO service_bookings (user_id, service_id) SELECT u.id, s.id FROM users u, services s"
        )
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at, ended_at) "
            "SELECT n::text, id, now() - interval '9 min', now() - n * interval '1 min' "
            "FROM users, generate_series(0, 3) n"
        )
        connection.execute("INSERT INTO user_sessions (session_id) VALUES ('guest')")
        connection.execute(
            "INSERT INTO metrics_audit (actor, action, subject, total_rows) VALUES (%(a)s, %(a)s, %(a)s, 1)",
            {"a": MARKDOWN},
        )
        connection.execute("INSERT INTO metrics_api_keys VALUES (%s, 'analyst', 'x')", [MARKDOWN])
        columns = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND table_name IN ('users', 'services', 'orders', 'reviews', 'service_bookings', 'user_sessions') "
            "AND data_type IN ('text', 'character varying') AND column_name NOT IN ('session_id', 'payment_status')"
        ).fetchall()
        for table, column in columns:
            try:
                with connection.transaction():
                    connection.execute(f"UPDATE {table} SET {column} = %s", [MARKDOWN])
            except psycopg.errors.CheckViolation:
                assert column in ("end_reason", "status"), column
    return user_id


def test_no_name_of_a_url_is_forgotten() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in sorted((PROJECT / "pages").rglob("*.py"))}
    source = "\n".join(sources.values())
    named = set(re.findall(r'read_(?:choice|option|text|switch)\(\s*"(\w+)"', source))
    # A few are read in a loop over a table of theirs.
    tables = re.findall(r'^(?:TABLES = \{"state"|OPTIONS = \{"device").*', source, re.MULTILINE)
    assert len(tables) == len(re.findall(r"read_(?:choice|option)\(name,", sources["sessions.py"])) == 2
    named |= {name for table in tables for name in re.findall(r'"(\w+)":', table)}
    assert named | {"page"} == set(QUERY)
    assert [name for name, text in sources.items() if "query_params" in text] == ["state.py"]


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_the_shop_is_only_text(open_page: Any, database: Database, name: str) -> None:
    user_id = attack_shop(database.url)
    page = open_page(name, {"bots": "true", "audience": "booked"})
    # What opens and what is found by a search, where the page has it.
    for key in ("reset-all", "keys", f"customer-{user_id}"):
        page.session_state[key] = True
    if name == "privacy":
        page.text_input(key="person-search").set_value("javascript").run()
        page.session_state["person"] = user_id
    page.run()
    assert not page.exception, page.exception
    found = assert_nothing_is_markup(page)
    assert found or name in ("overview", "health"), name
    assert name != "privacy" or any("To go on, type" in typed.label for typed in page.text_input)


@pytest.mark.parametrize("name", NAMES)
def test_a_url_is_only_text(open_page: Any, database: Database, alice: object, name: str) -> None:
    before = list_tables(database.url)
    # What is typed reaches the database from the list of customers; elsewhere a word is one of a list or nothing.
    for attack in (MIXED, *(ATTACKS.values() if name == "customers" else ())):
        page = open_page(name, dict.fromkeys(QUERY, attack))
        assert_nothing_is_markup(page)
        for typed in page.text_input:
            typed.set_value(attack)
        page.run()
        assert not page.exception, page.exception
        assert_nothing_is_markup(page)
    assert list_tables(database.url) == before
