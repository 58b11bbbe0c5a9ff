"""The demo shop: the same for a seed and a moment, of the sizes asked for, with everything a real shop has."""

from datetime import UTC, datetime
from itertools import islice
from random import Random

import psycopg
import pytest

from metrics.database import Database
from metrics.demo import DemoError, fill_shop
from metrics.demo_people import make_crowd
from metrics.demo_visits import list_hours, list_sessions

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
SIZES = {"users": 300, "sessions": 5_000, "orders": 900, "bookings": 300}


def ask(url: str, sql: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(sql).fetchone()
    assert row
    return row[0]


def test_it_fills_an_empty_database_with_what_was_asked_for(empty_url: str) -> None:
    said: list[str] = []
    fill_shop(empty_url, **SIZES, log=said.append)
    for table, count in (
        ("users", 300),
        ("user_sessions", 5_000),
        ("orders", 900),
        ("service_bookings", 300),
        ("reviews", 150),
        ("user_activity_summary", 300),
    ):
        assert ask(empty_url, f"SELECT count(*) FROM {table}") == count, table
    assert "300 customers, 5,000 sessions" in said[-1]
    for what, condition in {
        "guests": "FROM user_sessions WHERE user_id IS NULL AND NOT is_bot",
        "bots": "FROM user_sessions WHERE is_bot",
        "active now": "FROM user_sessions WHERE ended_at IS NULL AND last_activity_at > now() - interval '30 minutes'",
        "lost sight of": "FROM user_sessions WHERE ended_at IS NULL AND last_activity_at < now() - interval '1 day'",
        "IPv6": "FROM user_sessions WHERE family(ip_address) = 6",
        "no place": "FROM user_sessions WHERE country IS NULL AND city IS NULL",
        "cancelled": "FROM orders WHERE status = 'cancelled'",
        "refunded": "FROM orders WHERE payment_status = 'refunded'",
        "failed": "FROM orders WHERE payment_status = 'failed'",
        "guests' orders": "FROM orders WHERE user_id IS NULL",
        "nameless": "FROM users WHERE last_name IS NULL",
        "never came": "FROM user_activity_summary WHERE total_sessions = 0",
        "stopped coming": "FROM user_activity_summary WHERE last_login_at < now() - interval '30 days'",
    }.items():
        assert ask(empty_url, f"SELECT count(*) {condition}") > 0, what
    share = ask(empty_url, "SELECT avg((device_type = 'mobile')::int) FROM user_sessions WHERE NOT is_bot")
    assert share > 0.6
    assert ask(empty_url, "SELECT count(*) FROM user_sessions WHERE ended_at > now() OR last_activity_at > now()") == 0


def test_it_is_the_same_for_a_seed_and_a_moment() -> None:
    def make(seed: int) -> list[str]:
        rng = Random(seed)
        return list(list_sessions(rng, make_crowd(rng, 200), NOW, 1_000))

    assert make(7) == make(7)
    assert make(7) != make(8)
    assert len({line.split("\t")[0] for line in make(7)}) == 1_000


def test_its_sessions_come_in_the_order_of_time() -> None:
    rng = Random(1)
    starts = [line.split("\t")[3] for line in islice(list_sessions(rng, make_crowd(rng, 200), NOW, 3_000), 2_900)]
    assert starts == sorted(starts)


@pytest.mark.parametrize("count", [0, 1, 7, 12_345])
def test_its_hours_add_up(count: int) -> None:
    assert sum(within for _, within in list_hours(NOW, count)) == count


def test_it_refuses_a_database_that_holds_customers(database: Database, alice: object) -> None:
    with pytest.raises(DemoError, match="holds customers"):
        fill_shop(database.url, **SIZES)
    assert ask(database.url, "SELECT count(*) FROM users") == 1


def test_a_large_shop_has_the_same_summaries_indexes_and_triggers(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metrics.demo.LARGE", 100)
    fill_shop(empty_url, users=50, sessions=400, orders=100, bookings=30, log=lambda line: None)
    assert ask(empty_url, "SELECT to_regclass('idx_user_sessions_started_at') IS NOT NULL") is True
    assert ask(empty_url, "SELECT to_regclass('user_sessions_session_id_user_id_key') IS NOT NULL") is True
    assert ask(empty_url, "SELECT sum(total_sessions) FROM user_activity_summary") == ask(
        empty_url, "SELECT count(*) FROM user_sessions WHERE user_id IS NOT NULL AND NOT is_bot"
    )
    before = ask(empty_url, "SELECT sum(total_orders) FROM user_activity_summary")
    with psycopg.connect(empty_url) as connection:
        connection.execute("INSERT INTO orders (user_id, total_amount) SELECT id, 1 FROM users LIMIT 1")
    assert ask(empty_url, "SELECT sum(total_orders) FROM user_activity_summary") == before + 1
