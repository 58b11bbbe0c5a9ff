"""Privacy in Chromium: a person found, handed out, reset and erased with a receipt, and the log of it."""

import json
from collections.abc import Iterator
from itertools import count
from uuid import UUID

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Screen

pytestmark = pytest.mark.browser

_NUMBERS = count(1)


def add_person(url: str, name: str) -> UUID:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "INSERT INTO users (email, first_name, last_name) VALUES (%s, %s, 'Ngoma') RETURNING id",
            (f"{name.lower()}@example.com", name),
        ).fetchone()
        assert row
        connection.execute("INSERT INTO user_sessions (session_id, user_id) VALUES (%s, %s)", (name, row[0]))
        connection.execute("INSERT INTO orders (user_id, total_amount) VALUES (%s, 5)", (row[0],))
    return row[0]


@pytest.fixture
def person(demo_url: str) -> Iterator[UUID]:
    """Somebody who asks for it, of this test alone."""
    someone = add_person(demo_url, f"Zawadi{next(_NUMBERS)}")
    yield someone
    with psycopg.connect(demo_url) as connection:
        connection.execute("DELETE FROM orders WHERE user_id = %s", (someone,))
        connection.execute("DELETE FROM users WHERE id = %s", (someone,))


def find(desk: Screen, person: UUID, demo_url: str) -> Page:
    with psycopg.connect(demo_url) as connection:
        row = connection.execute("SELECT email FROM users WHERE id = %s", (person,)).fetchone()
    assert row
    page = desk.open("/privacy")
    page.get_by_label("Find a person").fill(row[0])
    page.keyboard.press("Enter")
    page.locator("[data-testid=stRadio] label", has_text=row[0].partition("@")[0].capitalize()).click()
    page.get_by_text("We keep of").wait_for()
    desk.settle()
    return page


def test_it_hands_out_what_is_known(desk: Screen, person: UUID, demo_url: str) -> None:
    page = find(desk, person, demo_url)
    page.get_by_role("button", name="Prepare the export").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download JSON").click()
    known = json.loads(waiting.value.path().read_text())
    assert known["id"] == str(person)
    assert [len(known[part]) for part in ("sessions", "orders")] == [1, 1]
    desk.check()


def test_it_erases_after_a_typed_word_and_gives_a_receipt(desk: Screen, person: UUID, demo_url: str) -> None:
    page = find(desk, person, demo_url)
    erase = page.get_by_role("button", name="Erase the person")
    expect(erase).to_be_disabled()
    page.get_by_role("textbox", name="To go on, type").fill("something else")
    page.keyboard.press("Enter")
    desk.settle()
    expect(erase).to_be_disabled()
    page.get_by_role("textbox", name="To go on, type").fill(str(person))
    page.keyboard.press("Enter")
    expect(erase).to_be_enabled()
    erase.click()
    page.get_by_text("Looked for again: 0 rows left").wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the receipt").click()
    receipt = json.loads(waiting.value.path().read_text())
    assert (receipt["deed"], receipt["subject"]) == ("erase", str(person))
    assert receipt["removed"]["user_sessions"] == 1
    assert set(receipt["left"].values()) == {0}
    desk.open("/privacy")
    expect(page.get_by_role("cell", name=str(person)).first).to_be_visible()
    with psycopg.connect(demo_url) as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM user_sessions WHERE user_id = %(id)s),"
            " (SELECT count(*) FROM orders WHERE user_id = %(id)s)",
            {"id": person},
        ).fetchone()
    assert counts == (0, 1)
    desk.check()


def test_it_forgets_the_visits_alone(desk: Screen, person: UUID, demo_url: str) -> None:
    page = find(desk, person, demo_url)
    page.get_by_role("textbox", name="To go on, type").fill(str(person))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Forget the visits").click()
    page.get_by_text("Removed 1 sessions").wait_for()
    with psycopg.connect(demo_url) as connection:
        row = connection.execute(
            "SELECT total_sessions, total_orders FROM user_activity_summary WHERE user_id = %s", (person,)
        ).fetchone()
    assert row == (0, 1)
    desk.check()


def test_all_visits_go_only_after_the_whole_sentence(desk: Screen) -> None:
    page = desk.open("/privacy")
    page.locator("summary", has_text="Forget every visit of everybody").click()
    button = page.get_by_role("button", name="Forget all visits")
    expect(button).to_be_disabled()
    page.get_by_role("textbox", name="To go on, type RESET ALL SESSIONS").fill("reset all sessions")
    page.keyboard.press("Enter")
    desk.settle()
    expect(button).to_be_disabled()
    page.locator("summary", has_text="Keys of the JSON API").click()
    page.get_by_text("makes one").wait_for()
    desk.check()
