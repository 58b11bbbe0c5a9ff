"""Health: the monitoring questions say what the cards, lists, charts, the JSON API and the files say."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from metrics.admission import HEADER, LOCAL
from metrics.api import list_routes
from metrics.choices import INTERVALS
from metrics.customers import CustomerQuery, count_customers, list_customers
from metrics.database import Database
from metrics.devices import list_places, list_share_series, list_shares
from metrics.health import (
    get_average_duration,
    get_beacon_rate,
    get_chore_state,
    get_end_rate,
    list_indexes,
    list_most_active,
    list_tables,
)
from metrics.retention import get_retention, prune_sessions
from metrics.rhythm import list_hours
from metrics.series import list_series
from metrics.session_list import SessionQuery, count_all_sessions, list_end_reasons
from metrics.statements import get_statement
from metrics.statistics import get_statistics
from metrics.viewer import NotAllowed, Viewer
from tests.conftest import Server
from tests.fold import fold
from tests.shop import API_KEY, Shop, open_shop
from tests.test_sessions import add_session


@pytest.fixture(scope="module", name="shop", params=["counted", "kept", "pruned"])
def fixture_shop(request: pytest.FixtureRequest, embedded_server: Server) -> Iterator[Shop]:
    with open_shop(embedded_server) as shop:
        if request.param == "pruned":
            assert prune_sessions(shop.database, LOCAL.view(), days=61).sessions
        if request.param != "counted":
            fold(shop.database)
        yield shop


@pytest.mark.parametrize("interval", INTERVALS)
def test_a_number_is_one_number_wherever_it_stands(shop: Shop, ada: Viewer, interval: str) -> None:
    """Card, list, chart, breakdown, JSON, file and monitoring question, all at one moment."""
    # A tick later: what begins at the very moment is a lifetime's, and of no window yet.
    database, as_of = shop.database, shop.as_of + timedelta(microseconds=1)
    card = get_statistics(database, ada, interval, as_of=as_of)
    ends = get_end_rate(database, ada, interval, as_of=as_of)
    lengths = get_average_duration(database, ada, interval, as_of=as_of)
    assert (ends.sessions, ends.ended, ends.end_rate_percent, ends.explicit_end_rate_percent) == (
        card.total_sessions,
        card.ended_sessions,
        card.end_rate_percent,
        card.explicit_end_rate_percent,
    )
    assert lengths.sessions == card.closed_sessions
    assert lengths.avg_duration_seconds == pytest.approx(card.avg_duration_seconds)

    # Rows that retention took are in no list of rows, nor in shares by day.
    is_detailed = interval != "all" or get_retention(database, ada).kept_since is None
    rows = {
        "shares": sum(point.sessions for point in list_share_series(database, ada, "os", interval, as_of=as_of)),
        "list": count_all_sessions(database, ada, SessionQuery(interval=interval), as_of=as_of),
        "active and reasons": card.active_sessions
        + sum(reason.sessions for reason in list_end_reasons(database, ada, interval, as_of=as_of)),
    }
    totals = (rows if is_detailed else {}) | {
        "lines": sum(point.sessions for point in list_series(database, ada, interval, as_of=as_of)),
        "devices": sum(share.sessions for share in list_shares(database, ada, "device", interval, as_of=as_of)),
        "browsers": sum(share.sessions for share in list_shares(database, ada, "browser", interval, as_of=as_of)),
        "countries": sum(place.sessions for place in list_places(database, ada, interval, "country", as_of=as_of)),
        "cities": sum(place.sessions for place in list_places(database, ada, interval, "city", as_of=as_of)),
        "hours": sum(hour.sessions for hour in list_hours(database, ada, interval, as_of=as_of)),
    }
    assert totals == dict.fromkeys(totals, card.total_sessions)

    query = CustomerQuery(interval=interval)
    customers = list_customers(database, ada, query, as_of=as_of, limit=1000).customers
    assert sum(one.sessions_in_period for one in customers) + card.guest_sessions == card.total_sessions
    assert sum(one.sessions_in_period > 0 for one in customers) == card.unique_users_in_period
    assert len(customers) == count_customers(database, ada, query, as_of=as_of) == card.total_users
    active = list_most_active(database, ada, interval, as_of=as_of, limit=10)
    expected = [(one.id, one.sessions_in_period) for one in customers if one.sessions_in_period][:10]
    assert [(one.user_id, one.sessions) for one in active] == expected


def test_the_api_and_the_files_say_the_same(shop: Shop, ada: Viewer) -> None:
    app = Starlette(routes=list_routes(lambda: shop.database))
    client = TestClient(app, headers={"Authorization": f"Bearer {API_KEY}", HEADER: LOCAL.write()})
    data = client.get("/api/customers/metrics?interval=monthly&limit=1000").json()["data"]
    text = client.get("/export/customers.csv?interval=monthly").content.decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["id"] for row in rows] == [user["id"] for user in data["users"]]
    for name in ("total_sessions", "sessions_in_period", "orders_in_period", "bookings_in_period", "total_reviews"):
        assert [int(row[name]) for row in rows] == [user[name] for user in data["users"]], name
    sessions = client.get("/export/sessions.csv?interval=monthly").content.decode()
    assert len(list(csv.reader(io.StringIO(sessions, newline="")))) - 1 == data["statistics"]["total_sessions"]


@pytest.mark.parametrize("name", ["get_end_rate", "get_average_duration", "list_most_active"])
def test_the_questions_run_by_hand_as_the_reader(shop: Shop, name: str) -> None:
    text = get_statement(name, mask_name="")
    values = {
        "as_of": shop.as_of,
        "since": shop.as_of - timedelta(days=7),
        "timeout": timedelta(minutes=30),
        "cap": timedelta(hours=24),
        "limit": 3,
    }
    with psycopg.connect(shop.database.url) as connection:
        connection.execute("SET ROLE metrics_reader")
        assert connection.execute(text, values).fetchall()


def test_an_empty_shop_has_nothing_to_divide(database: Database, ada: Viewer) -> None:
    assert get_end_rate(database, ada, "all").end_rate_percent is None
    assert get_average_duration(database, ada, "all").avg_duration_seconds is None
    assert list_most_active(database, ada) == []


def test_it_knows_how_busy_and_how_late_it_is(database: Database, ada: Viewer, alice: UUID) -> None:
    now = database.now()
    add_session(database, alice, "now", now)
    add_session(database, alice, "silent", now - timedelta(minutes=50))
    rate = get_beacon_rate(database, ada)
    assert (rate.started_in_hour, rate.seen_in_minute) == (2, 1)
    state = get_chore_state(database, ada)
    assert (state.unswept, state.folded_until) == (1, None)
    fold(database)
    state = get_chore_state(database, ada)
    assert state.folded_until is not None
    assert state.waiting_changes == 0


def test_it_knows_tables_and_indexes(database: Database, ada: Viewer) -> None:
    assert {"users", "user_sessions", "metrics_audit"} <= {table.name for table in list_tables(database, ada)}
    assert "idx_user_sessions_started_at" in {index.name for index in list_indexes(database, ada)}


def test_it_is_for_admins(database: Database) -> None:
    with pytest.raises(NotAllowed, match="for admins"):
        list_tables(database, Viewer("ben@shop.example", "analyst"))
