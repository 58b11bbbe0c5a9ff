"""The JSON API and its CSV answer what a recount in plain Python finds, for every choice."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from metrics.api import list_routes
from metrics.choices import DIMENSIONS, INTERVALS, ORDERS, SORTS
from tests import recount, recount_periods
from tests.conftest import Server
from tests.recount import COUNTED_FIELDS, LAST_FIELDS, Row, get_duration, get_end
from tests.shop import API_KEY, Shop, open_shop

PATH = "/api/customers/metrics"
CHOICES = [(sort, interval, order) for sort in SORTS for interval in INTERVALS for order in ORDERS]


@pytest.fixture(scope="module", name="shop")
def fixture_shop(embedded_server: Server) -> Iterator[Shop]:
    with open_shop(embedded_server) as shop:
        yield shop


@pytest.fixture(scope="module", name="client")
def fixture_client(shop: Shop) -> Iterator[TestClient]:
    app = Starlette(routes=list_routes(lambda: shop.database))
    with TestClient(app, headers={"Authorization": f"Bearer {API_KEY}"}) as client:
        yield client


def ask(client: TestClient, **parameters: str) -> dict[str, Any]:
    answer = client.get(PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["success"] is True
    data: dict[str, Any] = body["data"]
    return data


def read_moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def assert_same_user(found: dict[str, Any], expected: recount.Customer) -> None:
    for name in (*COUNTED_FIELDS, *LAST_FIELDS):
        wanted = getattr(expected, name)
        shown = read_moment(found[name]) if name.endswith(("_at", "login")) else found[name]
        if name in ("last_order_amount", "total_spent", "spent_in_period") and wanted is not None:
            assert round(shown * 100) == wanted * 100, name
        else:
            assert shown == wanted, name
    for name, allowed in expected.primary.items():
        assert found[f"primary_{name}"] in allowed, name
    for name in ("email", "first_name", "last_name", "phone", "city", "country"):
        assert found[name] == expected.user[name]
    assert read_moment(found["registered_at"]) == expected.user["created_at"]


def assert_recent(found: list[dict[str, Any]], sessions: list[Row], as_of: datetime) -> None:
    """The newest of the customer's sessions, newest first, each as the base table has it."""
    by_id = {str(row["id"]): row for row in sessions}
    starts = [read_moment(shown["started_at"]) for shown in found]
    newest = sorted((row["started_at"] for row in sessions), reverse=True)
    assert starts == newest[: len(found)]
    assert len(found) == min(5, len(sessions))
    for shown in found:
        row = by_id[shown["session_id"]]
        assert read_moment(shown["ended_at"]) == get_end(row, as_of)
        assert shown["active"] == (get_end(row, as_of) is None)
        duration = get_duration(row, as_of)
        if duration is None:
            assert shown["duration_minutes"] is None
        else:
            assert shown["duration_minutes"] == pytest.approx(duration.total_seconds() / 60, abs=0.01)
        assert shown["ip_address"] in (None, "196.249.xxx.xxx") or "77" not in shown["ip_address"]


@pytest.mark.parametrize(("sort", "interval", "order"), CHOICES)
def test_it_answers_what_a_recount_finds(shop: Shop, client: TestClient, sort: str, interval: str, order: str) -> None:
    asked = {"interval": interval, "sortBy": sort, "sortOrder": order, "limit": "60"}
    pages = [ask(client, **asked)]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(ask(client, **asked, cursor=cursor))
    assert len(pages) == 3
    [as_of] = {datetime.fromisoformat(page["as_of"]) for page in pages}
    customers = recount.count_customers(shop.base, interval, as_of)
    expected = recount.sort_customers(customers.values(), sort, order)
    users = [user for page in pages for user in page["users"]]
    assert [user["id"] for user in users] == [str(one.id) for one in expected]
    sessions = recount.list_by_user(row for row in shop.base.user_sessions if not row["is_bot"])
    for user, one in zip(users, expected, strict=True):
        assert_same_user(user, one)
        assert_recent(user["recent_sessions"], sessions.get(one.id, []), as_of)
    cards = recount_periods.count_statistics(shop.base, interval, as_of)
    for page in pages:
        assert page["interval"] == interval
        shown = page["statistics"]
        for name in (
            "total_users total_sessions unique_users_in_period guest_sessions bot_sessions "
            "active_sessions ended_sessions orders_in_period bookings_in_period"
        ).split():
            assert shown[name] == cards[name], name
        assert shown["end_rate_percent"] == pytest.approx(float(cards["end_rate_percent"]))
        assert shown["avg_duration_minutes"] == pytest.approx(cards["avg_duration_seconds"] / 60, abs=0.01)
        for dimension in DIMENSIONS:
            assert shown[f"{dimension}_breakdown"] == dict(
                recount_periods.count_breakdown(shop.base, dimension, interval, as_of)
            )


@pytest.mark.parametrize(("sort", "interval", "order"), CHOICES)
def test_its_csv_has_every_row_a_recount_has(
    shop: Shop, client: TestClient, sort: str, interval: str, order: str
) -> None:
    as_of = shop.database.now()  # nothing in the shop changes between this and the answer
    asked = {"interval": interval, "sortBy": sort, "sortOrder": order, "format": "csv"}
    answer = client.get(PATH, params=asked)
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))
    customers = recount.count_customers(shop.base, interval, as_of)
    expected = recount.sort_customers(customers.values(), sort, order)
    assert [row["id"] for row in rows] == [str(one.id) for one in expected]
    for row, one in zip(rows, expected, strict=True):
        for name in COUNTED_FIELDS:
            assert row[name] == str(getattr(one, name)) or float(row[name]) == getattr(one, name)


def test_its_own_defaults_are_all_sessions_desc_100(shop: Shop, client: TestClient) -> None:
    data = ask(client)
    customers = recount.count_customers(shop.base, "all", datetime.fromisoformat(data["as_of"]))
    expected = recount.sort_customers(customers.values(), "sessions", "desc")
    assert [user["id"] for user in data["users"]] == [str(one.id) for one in expected[:100]]
    assert data["interval"] == "all"
