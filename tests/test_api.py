"""The JSON API and the CSV routes: who is let in, what is accepted, what comes back."""

import csv
import io
import json
from dataclasses import replace
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from metrics.admission import HEADER, LOCAL, Admission
from metrics.api import list_routes
from metrics.database import Database
from metrics.settings import load_settings

KEY = {"Authorization": "Bearer the-key"}
PATH = "/api/customers/metrics"


def make_client(database: Database, admission: Admission | None = LOCAL) -> TestClient:
    """As behind the gate, which names whoever it let in."""
    headers = {HEADER: admission.write()} if admission else {}
    return TestClient(Starlette(routes=list_routes(lambda: database)), headers=headers)


@pytest.fixture
def client(database: Database) -> TestClient:
    database.settings = replace(database.settings, api_keys=("another-key", "the-key"))
    return make_client(database)


def test_it_answers_an_empty_shop(client: TestClient) -> None:
    data = client.get(PATH, headers=KEY).json()["data"]
    assert data["users"] == []
    assert data["next_cursor"] is None
    assert data["statistics"]["total_users"] == 0
    assert data["statistics"]["end_rate_percent"] is None
    assert data["statistics"]["avg_duration_minutes"] is None


def test_it_answers_with_every_field_of_the_contract(client: TestClient, database: Database, alice: UUID) -> None:
    with database.write() as connection:
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at, last_activity_at, ended_at, device_type, "
            "browser_name, browser_version, os_name, os_version, ip_address, country, city) VALUES ('secret', %s, "
            "now() - interval '2 hours', now() - interval '90 minutes', now() - interval '90 minutes', 'mobile', "
            "'Chrome', '120', 'Android', '14', '196.249.7.0', 'Tanzania', 'Dar es Salaam')",
            (alice,),
        )
        connection.execute("INSERT INTO orders (user_id, total_amount) VALUES (%s, 150000)", (alice,))
    answer = client.get(PATH, headers=KEY)
    assert "secret" not in answer.text
    data = answer.json()["data"]
    assert data["interval"] == "all"
    assert set(data["statistics"]) >= {
        "total_users",
        "total_sessions",
        "unique_users_in_period",
        "guest_sessions",
        "bot_sessions",
        "active_sessions",
        "ended_sessions",
        "end_rate_percent",
        "avg_duration_minutes",
        "orders_in_period",
        "bookings_in_period",
    }
    assert data["statistics"]["device_breakdown"] == {"mobile": 1}
    assert data["statistics"]["browser_breakdown"] == {"Chrome": 1}
    assert data["statistics"]["os_breakdown"] == {"Android": 1}
    [user] = data["users"]
    assert user["id"] == str(alice)
    assert user["full_name"] == "Alice Mushi"
    assert (user["total_sessions"], user["sessions_in_period"], user["total_orders"]) == (1, 1, 1)
    assert user["last_order_amount"] == 150000
    assert '"last_order_amount":150000.00' in answer.text
    assert (user["primary_device"], user["primary_browser"], user["primary_os"]) == ("mobile", "Chrome", "Android")
    [session] = user["recent_sessions"]
    assert session["duration_minutes"] == 30
    assert session["active"] is False
    assert (session["os"], session["browser"]) == ("Android 14", "Chrome 120")
    assert session["ip_address"] == "196.249.xxx.xxx"
    assert (session["country"], session["city"]) == ("Tanzania", "Dar es Salaam")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Basic the-key"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Bearer wrong"}, 403),
        ({"Authorization": "Bearer the-key2"}, 403),
        (KEY, 200),
        ({"Authorization": "bearer another-key"}, 200),
    ],
)
def test_it_asks_for_a_key(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.get(PATH, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("interval=yearly", "interval is 'yearly': use all, daily, weekly or monthly"),
        ("sortBy=name", "sortBy is 'name': use sessions, orders, bookings, last_login or registered"),
        ("sortOrder=up", "sortOrder is 'up': use desc or asc"),
        ("limit=0", "limit is '0': use a whole number from 1 to 1000"),
        ("limit=1001", "limit is '1001': use a whole number from 1 to 1000"),
        ("limit=-5", "limit is '-5': use a whole number from 1 to 1000"),
        ("limit=99999999999999999999", "limit is '99999999999999999999': use a whole number from 1 to 1000"),
        ("format=xml", "format is 'xml': use json or csv"),
        ("cursor=x", "cursor is not one of ours: use next_cursor of the page before"),
        ("cursor=bnVsbA", "cursor is not one of ours: use next_cursor of the page before"),
        ("search=" + "a" * 201, "search has 201 characters: use 200 at most"),
    ],
)
def test_it_names_what_is_accepted(client: TestClient, asked: str, sentence: str) -> None:
    answer = client.get(f"{PATH}?{asked}", headers=KEY)
    assert (answer.status_code, answer.json()) == (400, {"error": sentence})


def test_a_cursor_of_another_order_is_refused(client: TestClient, alice: UUID, bob: UUID) -> None:
    cursor = client.get(f"{PATH}?limit=1", headers=KEY).json()["data"]["next_cursor"]
    assert client.get(f"{PATH}?limit=1&cursor={cursor}", headers=KEY).json()["data"]["next_cursor"] is None
    answer = client.get(f"{PATH}?sortBy=orders&cursor={cursor}", headers=KEY)
    assert answer.status_code == 400
    assert "made for interval=all, sortBy=sessions, sortOrder=desc" in answer.json()["error"]


@pytest.mark.parametrize("search", ["%", "_", "\\", "'; DROP TABLE users; --", "\0", "ali%", "(", "Ünïcødé 中文"])
def test_a_search_is_only_text(client: TestClient, alice: UUID, search: str) -> None:
    answer = client.get(PATH, params={"search": search}, headers=KEY)
    assert answer.status_code == 200
    assert len(answer.json()["data"]["users"]) == (1 if search == "\0" else 0)


@pytest.mark.parametrize(
    "search", ["alice", "ALICE MUSHI", " alice   mushi ", "@example.co.tz", "0754 123", "255754123"]
)
def test_it_finds_by_name_e_mail_and_phone(
    client: TestClient, database: Database, alice: UUID, bob: UUID, search: str
) -> None:
    with database.write() as connection:
        connection.execute("UPDATE users SET phone = '+255 754 123 456' WHERE id = %s", (alice,))
        connection.execute("UPDATE users SET email = 'bob@elsewhere.example' WHERE id = %s", (bob,))
    users = client.get(PATH, params={"search": search}, headers=KEY).json()["data"]["users"]
    assert [user["id"] for user in users] == [str(alice)]


def test_csv_holds_every_row_and_no_formula(client: TestClient, database: Database, alice: UUID, bob: UUID) -> None:
    with database.write() as connection:
        connection.execute("UPDATE users SET first_name = '=1+1', last_name = E'two\\nlines' WHERE id = %s", (alice,))
        connection.execute("INSERT INTO orders (user_id, total_amount) VALUES (%s, 150000)", (alice,))
    answer = client.get(f"{PATH}?format=csv&limit=1", headers=KEY)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))
    assert len(rows) == 2
    row = next(row for row in rows if row["id"] == str(alice))
    assert row["first_name"] == "'=1+1"
    assert row["last_name"] == "two\nlines"
    assert (row["last_order_amount"], row["currency"]) == ("150000.00", "TZS")
    assert row["registered_at"].endswith("+03:00")
    assert answer.content.count(b"\r\n") == 3
    assert client.get("/export/customers.csv").content == answer.content


def test_the_sessions_csv_holds_one_customer(client: TestClient, database: Database, alice: UUID, bob: UUID) -> None:
    with database.write() as connection:
        for user_id in (alice, bob):
            connection.execute("INSERT INTO user_sessions (session_id, user_id) VALUES ('shared', %s)", (user_id,))
    text = client.get(f"/export/sessions.csv?user_id={alice}").text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["user_id"] for row in rows] == [str(alice)]
    assert "shared" not in text
    assert client.get("/export/sessions.csv?user_id=1").status_code == 400


def test_the_head_of_a_file_is_not_the_file(client: TestClient, alice: UUID) -> None:
    head, whole = client.head("/export/customers.csv"), client.get("/export/customers.csv")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-disposition", "content-type", "content-encoding", "cache-control"):
        assert head.headers[name] == whole.headers[name]
    assert whole.headers["content-disposition"] == 'attachment; filename="customers.csv"'


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("search=alice", {"alice"}),
        ("activity=never", {"bob"}),
        ("activity=active&interval=daily", {"alice"}),
        ("device=mobile", {"alice"}),
        ("country=Kenya", {"bob"}),
        ("sortBy=registered&sortOrder=asc&country=", {"alice", "bob"}),
    ],
)
def test_the_button_s_csv_takes_the_page_s_filters(
    client: TestClient, database: Database, alice: UUID, bob: UUID, asked: str, wanted: set[str]
) -> None:
    with database.write() as connection:
        connection.execute("UPDATE users SET country = 'Kenya' WHERE id = %s", (bob,))
        connection.execute(
            "INSERT INTO user_sessions (session_id, user_id, started_at, device_type) "
            "VALUES ('one', %s, now() - interval '1 hour', 'mobile')",
            (alice,),
        )
    rows = csv.DictReader(io.StringIO(client.get(f"/export/customers.csv?{asked}").text, newline=""))
    assert {row["first_name"].lower() for row in rows} == wanted


def test_the_button_s_csv_names_what_is_accepted(client: TestClient) -> None:
    answer = client.get("/export/customers.csv?activity=asleep")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("activity is 'asleep': use ")


def test_every_refusal_is_json_that_no_cache_keeps(client: TestClient) -> None:
    for method, path, status in (
        ("GET", "/api/elsewhere", 404),
        ("GET", "/export", 404),
        ("POST", PATH, 405),
        ("DELETE", "/export/customers.csv", 405),
        ("GET", PATH, 401),
    ):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert set(json.loads(answer.text)) == {"error"}
        assert answer.headers["cache-control"] == "no-store"


def test_it_says_that_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody needs to wait as long as a slow network may take.
    monkeypatch.setattr("metrics.database.CONNECT_TIMEOUT_SECONDS", 1)
    url = "postgresql://shop:secret-word@127.0.0.1:1/shop"
    database = Database(replace(load_settings({}), database_url=url, api_keys=("the-key",)), url)
    client = make_client(database)
    for path in (PATH, PATH + "?format=csv", "/export/customers.csv"):
        answer = client.get(path, headers=KEY)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "does not answer" in answer.json()["error"]
    database.close()
