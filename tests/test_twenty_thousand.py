"""The top of a list is the top of the whole base, however many customers stand before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from metrics.choices import INTERVALS, ORDERS, SORTS
from metrics.customers import CustomerQuery, count_customers, list_customers
from metrics.database import Database
from metrics.viewer import Viewer
from tests import recount
from tests.conftest import Server

CUSTOMERS = 20_000
LOAD = (
    """
    INSERT INTO users (id, email, created_at)
    SELECT md5('customer ' || n)::uuid, n || '@example.co.tz',
        now() - abs(hashtext('registered ' || n)) % 86400000 * interval '1 second'
    FROM generate_series(1, 20000) AS n
    """,
    # The cube gathers the visits on few customers, as in a real shop.
    """
    INSERT INTO user_sessions (session_id, user_id, started_at)
    SELECT 's' || n,
        md5('customer ' || 1 + (power(abs(hashtext('person ' || n)) % 1000 / 1e3, 3) * 19999)::int)::uuid,
        now() - (1 + abs(hashtext('session ' || n)) % 5184000) * interval '1 second'
    FROM generate_series(1, 24000) AS n
    """,
    """
    INSERT INTO orders (user_id, total_amount, created_at)
    SELECT md5('customer ' || 1 + abs(hashtext('buyer ' || n)) % 20000)::uuid, n,
        now() - (1 + abs(hashtext('order ' || n)) % 5184000) * interval '1 second'
    FROM generate_series(1, 12000) AS n
    """,
    """
    INSERT INTO service_bookings (user_id, created_at)
    SELECT md5('customer ' || 1 + abs(hashtext('booker ' || n)) % 20000)::uuid,
        now() - (1 + abs(hashtext('booking ' || n)) % 5184000) * interval '1 second'
    FROM generate_series(1, 6000) AS n
    """,
)


@pytest.fixture(scope="module", name="base")
def fixture_base(embedded_server: Server) -> Iterator[tuple[Database, recount.Base, datetime]]:
    url = embedded_server.create_database()
    database = Database(replace(embedded_server.settings, database_url=url), url)
    with database.write() as connection:
        for statement in LOAD:
            connection.execute(statement)
        base = recount.read_base(connection)
    yield database, base, database.now()
    database.close()
    embedded_server.drop_database(url)


@pytest.mark.parametrize("interval", INTERVALS)
def test_it_lists_the_top_of_the_whole_base(
    base: tuple[Database, recount.Base, datetime], ada: Viewer, interval: str
) -> None:
    database, rows, as_of = base
    customers = recount.count_customers(rows, interval, as_of)
    assert len(customers) == CUSTOMERS
    for sort in SORTS:
        for order in ORDERS:
            expected = [one.id for one in recount.sort_customers(customers.values(), sort, order)]
            query = CustomerQuery(interval=interval, sort=sort, order=order)
            first = list_customers(database, ada, query, as_of=as_of, limit=20)
            assert [one.id for one in first.customers] == expected[:20], (sort, order)
            last = list_customers(database, ada, query, as_of=as_of, limit=20, page=1000)
            assert [one.id for one in last.customers] == expected[-20:], (sort, order)
    assert count_customers(database, ada, CustomerQuery(interval=interval)) == CUSTOMERS
