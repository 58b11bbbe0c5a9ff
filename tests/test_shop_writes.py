"""The shop goes on writing as it did before we came: whoever writes, however its tables differ from the demo's."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from metrics.database import Database
from tests.recount import count_customers, read_base
from tests.test_summary import find_differences, list_summaries

Connection = psycopg.Connection[Any]


def add_user(connection: Connection) -> UUID:
    row = connection.execute("INSERT INTO users (email) VALUES ('asha@example.co.tz') RETURNING id").fetchone()
    assert row
    key: UUID = row[0]
    return key


def assert_true(database: Database, connection: Connection) -> None:
    expected = count_customers(read_base(connection), "all", database.now())
    assert not find_differences(expected, list_summaries(connection))


def test_a_role_without_rights_on_our_tables_may_write(any_database: Database) -> None:
    role = f"shop_{uuid4().hex}"
    with any_database.write() as connection:
        asha = add_user(connection)
        connection.execute(f"CREATE ROLE {role}")
        try:
            connection.execute(f"GRANT ALL ON users, orders, service_bookings, services, reviews TO {role}")
            connection.execute(f"SET ROLE {role}")
            connection.execute("INSERT INTO users (email) VALUES ('new@example.co.tz')")
            connection.execute("INSERT INTO orders (user_id, total_amount) VALUES (%s, 5)", [asha])
            connection.execute("INSERT INTO service_bookings (user_id) VALUES (%s)", [asha])
            connection.execute("INSERT INTO reviews (user_id) VALUES (%s)", [asha])
            connection.execute("UPDATE orders SET status = 'completed', payment_status = 'paid'")
            connection.execute("DELETE FROM reviews")
            connection.execute("DELETE FROM users WHERE email = 'new@example.co.tz'")
            connection.execute("RESET ROLE")
            assert_true(any_database, connection)
        finally:
            connection.execute("RESET ROLE")
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")


def test_a_restore_may_write_with_an_empty_search_path(any_database: Database) -> None:
    """pg_dump's files begin by emptying it."""
    with any_database.write() as connection:
        asha = add_user(connection)
        connection.execute("SET search_path = ''")
        connection.execute("INSERT INTO public.orders (user_id, total_amount) VALUES (%s, 5)", [asha])
        connection.execute("INSERT INTO public.service_bookings (user_id) VALUES (%s)", [asha])
        connection.execute("INSERT INTO public.reviews (user_id) VALUES (%s)", [asha])
        connection.execute("INSERT INTO public.user_sessions (session_id, user_id) VALUES ('a', %s)", [asha])
        connection.execute("INSERT INTO public.users (email) VALUES ('b')")
        connection.execute("RESET search_path")
        assert_true(any_database, connection)


@pytest.mark.parametrize("table", ["orders", "service_bookings", "reviews"])
def test_a_row_of_an_unknown_customer_may_be_written(any_database: Database, table: str) -> None:
    """Not every shop has foreign keys: the customer may come later, or be gone already."""
    more = ", total_amount" if table == "orders" else ""
    value = ", 5" if more else ""
    with any_database.write() as connection:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_user_id_fkey")
        connection.execute(f"INSERT INTO {table} (user_id{more}) VALUES (%s{value})", [uuid4()])
        asha = add_user(connection)
        connection.execute(f"INSERT INTO {table} (user_id{more}) VALUES (%s{value})", [asha])
        connection.execute("DELETE FROM users")
        connection.execute(f"UPDATE {table} SET created_at = created_at - interval '1 h'")
        add_user(connection)
        connection.execute("INSERT INTO users (id) VALUES (%s)", [asha])
        assert_true(any_database, connection)
        connection.execute(f"DELETE FROM {table}")
        assert_true(any_database, connection)


def test_a_date_may_be_missing(any_database: Database) -> None:
    """Supabase's created_at is nullable; such an order counts, and is the last one of nobody who has another."""
    with any_database.write() as connection:
        asha = add_user(connection)
        for table in ("users", "orders", "service_bookings", "reviews"):
            connection.execute(f"ALTER TABLE {table} ALTER COLUMN created_at DROP NOT NULL")
        connection.execute("INSERT INTO users (created_at) VALUES (NULL)")
        for amount, created in ((5, "now()"), (6, "NULL")):
            connection.execute(
                f"INSERT INTO orders (user_id, total_amount, created_at) VALUES (%s, %s, {created})", [asha, amount]
            )
            connection.execute(f"INSERT INTO service_bookings (user_id, created_at) VALUES (%s, {created})", [asha])
            connection.execute(f"INSERT INTO reviews (user_id, created_at) VALUES (%s, {created})", [asha])
        summary = list_summaries(connection)[asha]
    assert (summary["total_orders"], summary["total_bookings"], summary["total_reviews"]) == (2, 2, 2)
    assert summary["last_order_amount"] == 5
    assert summary["last_order_at"] is not None
    assert summary["last_booking_at"] is not None


def test_the_largest_amounts_may_be_spent_often(any_database: Database) -> None:
    with any_database.write() as connection:
        asha = add_user(connection)
        connection.execute(
            "INSERT INTO orders (user_id, total_amount, payment_status)"
            " SELECT %s, 999999999999.99, 'paid' FROM generate_series(1, 20)",
            [asha],
        )
        assert_true(any_database, connection)


def test_a_customer_may_get_a_new_id(any_database: Database) -> None:
    with any_database.write() as connection:
        asha = add_user(connection)
        connection.execute("UPDATE users SET id = %s WHERE id = %s", [uuid4(), asha])
        assert_true(any_database, connection)


def test_a_rolled_back_write_leaves_nothing(any_database: Database) -> None:
    with any_database.write() as connection:
        asha = add_user(connection)
        with connection.transaction() as undone:
            connection.execute("INSERT INTO orders (user_id, total_amount) VALUES (%s, 5)", [asha])
            raise psycopg.Rollback(undone)
        assert_true(any_database, connection)
        assert list_summaries(connection)[asha]["total_orders"] == 0
