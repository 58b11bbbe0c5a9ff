"""The demo shop: the same for a seed and a moment, of the sizes asked for, with everything a real shop has."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

import psycopg
import pytest

from metrics.database import Database
from metrics.demo import DemoError, fill_shop
from metrics.demo_people import make_crowd
from metrics.demo_visits import LOCAL, list_hours, list_sessions
from tests.conftest import Server

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
SIZES = {"users": 300, "sessions": 5_000, "orders": 900, "bookings": 300}


def ask(url: str, sql: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(sql).fetchone()
    assert row
    return row[0]


def list_indexes(url: str) -> object:
    return ask(url, "SELECT array_agg(indexdef ORDER BY indexdef) FROM pg_indexes WHERE schemaname = 'public'")


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
        "pending": "FROM orders WHERE payment_status = 'pending' AND status = 'pending'",
        "for nothing": "FROM orders WHERE total_amount = 0",
        "guests' orders": "FROM orders WHERE user_id IS NULL",
        "guests' bookings": "FROM service_bookings WHERE user_id IS NULL",
        "cancelled bookings": "FROM service_bookings WHERE status = 'cancelled'",
        "nameless": "FROM users WHERE last_name IS NULL AND first_name IS NULL",
        "without a phone": "FROM users WHERE phone IS NULL",
        "registered together": "FROM users GROUP BY created_at HAVING count(*) > 1",
        "bought twice at once": "FROM orders WHERE user_id IS NOT NULL GROUP BY user_id, created_at "
        "HAVING count(*) > 1",
        "lapsed but visiting": "FROM user_activity_summary WHERE last_order_at < now() - interval '30 days' "
        "AND last_login_at > now() - interval '30 days'",
        "never came": "FROM user_activity_summary WHERE total_sessions = 0",
        "stopped coming": "FROM user_activity_summary WHERE last_login_at < now() - interval '30 days'",
    }.items():
        assert ask(empty_url, f"SELECT EXISTS (SELECT {condition})") is True, what
    for what, condition in {
        "not rounded to 500 shillings": "FROM orders WHERE total_amount % 500 <> 0",
        "before its customer": "FROM orders JOIN users ON users.id = user_id "
        "WHERE orders.created_at < users.created_at",
        "came before joining": "FROM user_sessions JOIN users ON users.id = user_id "
        "WHERE started_at < users.created_at",
        "ended in the future": "FROM user_sessions WHERE ended_at > now() OR last_activity_at > now()",
        "ended before it began": "FROM user_sessions WHERE ended_at < started_at OR last_activity_at < started_at",
        "a guest who signed out": "FROM user_sessions WHERE user_id IS NULL AND end_reason = 'sign_out'",
        "a person's full address": "FROM user_sessions WHERE ip_address <> set_masklen(network(set_masklen("
        "ip_address, CASE family(ip_address) WHEN 4 THEN 24 ELSE 48 END)), CASE family(ip_address) WHEN 4 THEN 32 "
        "ELSE 128 END)",
        "an id that is no UUIDv7": "FROM user_sessions WHERE substr(id::text, 15, 1) <> '7'",
        "a session id of another form": "FROM user_sessions WHERE session_id !~ '^[0-9a-f]{32}$'",
        "a version left open": "FROM user_sessions WHERE user_agent LIKE '%{%' OR browser_version LIKE '%{%'",
    }.items():
        assert ask(empty_url, f"SELECT EXISTS (SELECT {condition})") is False, what


def test_its_shares_are_those_of_a_shop_on_phones() -> None:
    rng = Random(1)
    rows = [line.rstrip("\n").split("\t") for line in list_sessions(rng, make_crowd(rng, 500), NOW, 20_000)]
    people = [row for row in rows if row[-1] == "f"]
    assert 0.03 < 1 - len(people) / len(rows) < 0.05
    assert 0.20 < sum(row[1] == r"\N" for row in people) / len(rows) < 0.25
    assert 0.66 < sum(row[7] == "mobile" for row in people) / len(people) < 0.76
    visits = Counter(row[1] for row in people if row[1] != r"\N")
    assert visits.most_common(1)[0][1] > 200
    assert len(visits) < 400


def test_its_evenings_are_busier_than_its_nights_in_the_shops_own_zone() -> None:
    local = Counter(
        (NOW - timedelta(seconds=begin)).astimezone(LOCAL).hour
        for begin, within in list_hours(NOW, 50_000)
        for _ in range(within)
    )
    assert local[20] > 5 * local[3]


def test_it_is_the_same_for_a_seed_and_a_moment(embedded_server: Server) -> None:
    def fill(seed: int) -> list[object]:
        fresh = embedded_server.create_database()
        fill_shop(fresh, users=80, sessions=900, orders=150, bookings=60, seed=seed, now=NOW, log=lambda line: None)
        sums = [
            ask(fresh, f"SELECT md5(string_agg(row::text, chr(10) ORDER BY id)) FROM {table} AS row")
            for table in ("users", "services", "orders", "service_bookings", "reviews", "user_sessions")
        ]
        embedded_server.drop_database(fresh)
        return sums

    first, again, other = fill(7), fill(7), fill(8)
    assert first == again
    assert not set(first) & set(other)


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


def test_two_that_fill_at_once_leave_one_shop(url: str) -> None:
    def fill(seed: int) -> str:
        try:
            fill_shop(url, **SIZES, seed=seed, log=lambda line: None)
        except DemoError as error:
            return str(error)
        return "filled"

    with ThreadPoolExecutor() as pool:
        answers = sorted(pool.map(fill, (1, 2)))
    assert answers[1] == "filled"
    assert "holds customers" in answers[0]
    assert ask(url, "SELECT count(*) FROM users") == SIZES["users"]


def test_it_says_so_when_the_tables_do_not_take_its_rows(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE orders ADD COLUMN till text NOT NULL")
    with pytest.raises(DemoError, match=r'not filled \(null value in column "till"'):
        fill_shop(url, **SIZES)
    assert ask(url, "SELECT count(*) FROM users") == 0


@pytest.mark.parametrize(("noun", "count"), [("users", 0), ("sessions", -1), ("bookings", -7)])
def test_it_refuses_a_size_that_is_none(url: str, noun: str, count: int) -> None:
    with pytest.raises(DemoError, match=rf"^--{noun} is {count}: use \d or more$"):
        fill_shop(url, **{**SIZES, noun: count})


def test_it_fills_the_smallest_shop(url: str) -> None:
    fill_shop(url, users=1, sessions=0, orders=0, bookings=0, log=lambda line: None)
    assert ask(url, "SELECT count(*) FROM user_activity_summary") == 1


def test_a_large_shop_has_the_same_summaries_indexes_and_triggers(
    url: str, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metrics.demo.LARGE", 100)
    fill_shop(empty_url, users=50, sessions=400, orders=100, bookings=30, log=lambda line: None)
    assert list_indexes(empty_url) == list_indexes(url)
    assert ask(empty_url, "SELECT sum(total_sessions) FROM user_activity_summary") == ask(
        empty_url, "SELECT count(*) FROM user_sessions WHERE user_id IS NOT NULL AND NOT is_bot"
    )
    before = ask(empty_url, "SELECT sum(total_orders) FROM user_activity_summary")
    with psycopg.connect(empty_url) as connection:
        connection.execute("INSERT INTO orders (user_id, total_amount) SELECT id, 1 FROM users LIMIT 1")
    assert ask(empty_url, "SELECT sum(total_orders) FROM user_activity_summary") == before + 1
