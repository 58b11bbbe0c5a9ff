"""The page of re-engagement, as a person uses it, and the file that it offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from metrics.database import Database
from metrics.display import format_date
from metrics.install import close_installation
from metrics.reengage import AUDIENCES, export_audience, list_audience
from metrics.viewer import Viewer
from pages.widgets.definitions import define
from pages.widgets.text import md, md_cell
from tests.shop import Shop
from tests.test_pages import PAGES, read, rename
from tests.test_reengage import BEN, LISTS, SEGMENTS, add_order, fixture_shop, read_csv

DAY = timedelta(days=1)
OpenPage = Callable[..., AppTest]
__all__ = ["fixture_shop"]
COLUMNS = (
    "id,email,first_name,last_name,full_name,phone,city,country,audience,segment,last_order_at,total_orders,"
    "total_spent,currency,last_login"
)


@pytest.fixture(name="open_reengage")
def fixture_open_reengage(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenPage]:
    """Opens the page over a fresh database, with the query of its URL."""
    monkeypatch.setenv("DATABASE_URL", url)
    close_installation()

    def open_reengage(**query: str) -> AppTest:
        st.cache_data.clear()
        page = AppTest.from_file(str(PAGES / "reengage.py"), default_timeout=60)
        page.query_params.update(query)
        page.run()
        assert not page.exception, page.exception
        return page

    yield open_reengage
    close_installation()


def test_the_page_shows_lists_segments_and_people(
    open_reengage: OpenPage, database: Database, alice: UUID, bob: UUID
) -> None:
    assert "Nobody is in this list now" in read(open_reengage())
    rename(database, alice, "**bold** [x](javascript:alert(1))", ":red[y]")
    add_order(database, alice, database.now() - 40 * DAY, 1500)
    page = open_reengage()
    lists, segments, people = (table.value for table in page.table)
    assert (len(lists), len(segments)) == (len(LISTS), len(SEGMENTS))
    assert list(people["Customer"]) == [r"**\*\*bold\*\* \[x\]\(javascript\:alert\(1\)\) \:red\[y\]**"]
    names = [f"**{md(row.label)}** :gray[{md(row.rule)}]" for row in AUDIENCES.values()]
    assert [*lists["Name"], *segments["Name"]] == names
    assert "who spent TZS 1,500 so far" in read(page)
    page.selectbox(key="audience").set_value("prospects").run()
    assert page.query_params["audience"] == "prospects"
    assert list(page.table[2].value["Customer"]) == ["**Bob Temu**"]
    assert [link.proto.url for link in page.get("link_button")] == ["/export/audience.csv?audience=prospects"]
    assert md("audience is 'x': use lapsed") in read(open_reengage(audience="x"))


def test_the_page_needs_customers_and_a_viewer(open_reengage: OpenPage) -> None:
    assert "No customers yet" in read(open_reengage())
    address = config.get_option("server.address")
    config.set_option("server.address", "0.0.0.0")
    try:
        page = open_reengage()
        assert page.error
        assert not page.title
    finally:
        config.set_option("server.address", address)


def test_the_page_says_what_the_last_order_was(
    open_reengage: OpenPage, database: Database, alice: UUID, bob: UUID
) -> None:
    at = database.now() - 40 * DAY
    add_order(database, alice, at, 150_000)
    add_order(database, bob, at, 1)
    with database.write() as connection:
        connection.execute("ALTER TABLE orders ALTER COLUMN total_amount DROP NOT NULL")
        connection.execute("UPDATE orders SET total_amount = NULL WHERE user_id = %s", (bob,))
    day = format_date(at, ZoneInfo("Africa/Dar_es_Salaam"))
    page = open_reengage()
    assert list(page.table[2].value["Last order"]) == [f"{md_cell('TZS 150,000')} · {md_cell(day)}", md_cell(day)]
    helps = {text.help for text in [*page.markdown, *page.caption]}
    assert {define(word) for word in ("audience", "segment", "members", "value_at_stake")} <= helps
    page.selectbox(key="audience").set_value("promising").run()
    assert len(page.table[2].value) == 2
    assert dict(page.query_params) == {"audience": "promising"}


def test_the_page_opens_at_the_audience_and_page_of_its_url(open_reengage: OpenPage, database: Database) -> None:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO users (email, first_name) SELECT 'n' || n || '@example.co.tz', 'N' || n"
            " FROM generate_series(1, 45) AS n"
        )
    page = open_reengage(audience="prospects", page="3")
    assert "Showing 41–45 of 45" in read(page)
    assert list(page.table[2].value["Last order"]) == [md("-")] * 5
    page.selectbox(key="audience").set_value("lapsed").run()
    assert "Nobody is in this list now" in read(page)
    assert not page.query_params


def test_an_analysts_file_is_the_list(shop: Shop) -> None:
    for key in AUDIENCES:
        members = list_audience(shop.database, BEN, key, as_of=shop.as_of, limit=1000)
        rows = read_csv(export_audience(shop.database, BEN, key, as_of=shop.as_of))
        listed = [(str(one.id), one.full_name, one.email or "", one.phone or "") for one in members]
        assert [(row["id"], row["full_name"], row["email"], row["phone"]) for row in rows] == listed


def test_an_empty_file_has_its_columns(database: Database, ada: Viewer) -> None:
    for key in AUDIENCES:
        assert b"".join(export_audience(database, ada, key)).decode().strip() == COLUMNS
        assert list_audience(database, ada, key) == []
