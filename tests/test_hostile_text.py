"""Text from outside is data: in a file a spreadsheet does not run it, in JSON it is exactly itself."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from metrics.api import list_routes
from metrics.customers import CustomerQuery, export_customers, list_customers
from metrics.database import Database
from metrics.session_list import export_sessions
from metrics.sessions import list_sessions
from metrics.viewer import Viewer

NAME = "**bold** [x](javascript:alert(1)) <img src=x onerror=alert(1)> $x^2$ :red[y] =1+1"
API_KEY = "a key of the tests"
DANGEROUS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", '=HYPERLINK("http://x";"y")']
HARMLESS = [
    NAME,
    "Asha",
    "1 =1+1",
    "'=1+1",
    'say "hi", twice',
    "two\nlines",
    "a;b,c",
    "Ünï 日本 🛒",
    "NULL",
    "\\.",
    "\\N",
]
TEXTS = [*DANGEROUS, *HARMLESS]
SECRET = "sid-that-only-the-tracker-knows"


def add_customer(database: Database, text: str) -> UUID:
    """A customer who wrote the same text into every field, and brought it along in every session field."""
    with database.write() as connection:
        row = connection.execute(
            "INSERT INTO users (email, first_name, last_name, phone, city, country)"
            " VALUES (%(text)s, %(text)s, NULL, %(text)s, %(text)s, %(text)s) RETURNING id",
            {"text": text},
        ).fetchone()
        assert row
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at, device_type, browser_name, browser_version,"
            " os_name, os_version, country, city, landing_page, referrer, user_agent, ip_address)"
            " VALUES (%(secret)s, %(id)s, now() - interval '1 h', %(text)s, %(text)s, %(text)s, %(text)s, %(text)s,"
            " %(text)s, %(text)s, %(text)s, %(text)s, %(text)s, '196.249.97.33')",
            {"text": text, "id": row[0], "secret": SECRET},
        )
        connection.execute(
            "INSERT INTO orders (user_id, total_amount, payment_status) VALUES (%s, -5, 'pending')", [row[0]]
        )
        connection.execute("INSERT INTO services (title) VALUES (%s)", [text])
        connection.execute(
            "INSERT INTO service_bookings (user_id, service_id) SELECT %s, id FROM services WHERE title = %s",
            [row[0], text],
        )
    key: UUID = row[0]
    return key


@pytest.fixture(name="people")
def fixture_people(database: Database) -> dict[UUID, str]:
    """Who wrote what."""
    return {add_customer(database, text): text for text in TEXTS}


def read_rows(parts: Iterable[bytes], key: str) -> tuple[str, dict[UUID, dict[str, str]]]:
    """The file as text, and its rows by an id, as RFC 4180 reads it."""
    text = b"".join(parts).decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert all(None not in row and None not in row.values() for row in rows)
    return text, {UUID(row[key]): row for row in rows}


def get_safe(text: str) -> str:
    return "'" + text if text[0] in "=+-@\t\r" else text


def test_it_writes_customers_that_a_spreadsheet_does_not_run(
    database: Database, ada: Viewer, people: dict[UUID, str]
) -> None:
    whole, rows = read_rows(export_customers(database, ada, CustomerQuery()), "id")
    assert rows.keys() == people.keys()
    for key, row in rows.items():
        text = people[key]
        for column in "email first_name full_name phone city country last_booking_service primary_browser".split():
            assert row[column] == get_safe(text), column
        assert row["last_name"] == ""
        # A number is a number, the negative one too.
        assert row["last_order_amount"] == "-5.00"
        assert float(row["total_spent"]) == 0
        assert row["total_sessions"] == "1"
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in row)
    assert SECRET not in whole


def test_it_writes_sessions_that_a_spreadsheet_does_not_run(
    database: Database, ada: Viewer, people: dict[UUID, str]
) -> None:
    whole, rows = read_rows(export_sessions(database, ada), "user_id")
    assert rows.keys() == people.keys()
    for key, row in rows.items():
        for column in (
            "device_type browser_name browser_version os_name os_version country city landing_page referrer"
        ).split():
            assert row[column] == get_safe(people[key]), column
        assert row["ip_address"] == "196.249.xxx.xxx"
    assert SECRET not in whole
    assert "97.33" not in whole


def test_it_reads_back_exactly(database: Database, ada: Viewer, people: dict[UUID, str]) -> None:
    for customer in list_customers(database, ada, CustomerQuery()).customers:
        text = people[customer.id]
        assert (customer.full_name, customer.email, customer.phone) == (text, text, text)
        assert customer.last_booking_service == text
        [session] = list_sessions(database, ada, customer.id)
        assert (session.browser_name, session.referrer, session.landing_page) == (text, text, text)


@pytest.mark.parametrize("text", [NAME, "=HYPERLINK(", "\\N", 'say "hi", twice', "日本", "'=1+1"])
def test_it_finds_exactly(database: Database, ada: Viewer, people: dict[UUID, str], text: str) -> None:
    found = {one.id for one in list_customers(database, ada, CustomerQuery(search=text)).customers}
    assert found == {key for key, written in people.items() if text in written}


def test_it_answers_json_exactly(database: Database, people: dict[UUID, str]) -> None:
    keyed = Database(replace(database.settings, api_keys=(API_KEY,)), database.url)
    app = Starlette(routes=list_routes(lambda: keyed))
    with TestClient(app, headers={"Authorization": f"Bearer {API_KEY}"}) as client:
        answer = client.get("/api/customers/metrics")
    keyed.close()
    assert answer.headers["content-type"] == "application/json"
    assert SECRET not in answer.text
    data = answer.json()["data"]
    assert {UUID(user["id"]) for user in data["users"]} == people.keys()
    for user in data["users"]:
        text = people[UUID(user["id"])]
        for name in ("email", "first_name", "full_name", "phone", "city", "country", "last_booking_service"):
            assert user[name] == text
        assert user["recent_sessions"][0]["city"] == text
        assert user["last_order_amount"] == -5
    assert data["statistics"]["browser_breakdown"] == dict.fromkeys(TEXTS, 1)
