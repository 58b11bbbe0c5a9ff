"""A reset forgets visits, of one customer or of all, and counts from nothing again; all else stays."""

from __future__ import annotations

from uuid import UUID

from metrics.customers import CustomerQuery, get_customer, list_customers
from metrics.database import Database
from metrics.privacy import reset_all_sessions, reset_customer
from metrics.retention import prune_sessions
from metrics.statistics import get_statistics
from metrics.viewer import Viewer
from tests.fold import find_differences, fold
from tests.shop import fill_shop
from tests.test_privacy import SOME, fill
from tests.test_sessions import add_session


def test_a_reset_forgets_visits_and_keeps_the_rest(database: Database, ada: Viewer, alice: UUID) -> None:
    fill(database, alice)
    prune_sessions(database, ada)
    fold(database)
    receipt = reset_customer(database, ada, alice)
    assert dict(receipt.removed) == {"metrics_pruned_customers": 1, "user_sessions": 3}
    found = get_customer(database, ada, alice)
    assert (found.total_sessions, found.last_login, found.primary_device) == (0, None, "Unknown")
    assert (found.total_orders, found.total_bookings, found.total_reviews) == (1, 1, 1)
    add_session(database, alice, "again", database.now())
    assert get_customer(database, ada, alice).total_sessions == 1
    assert not find_differences(database, SOME)


def test_a_reset_of_all_keeps_customers_orders_and_reviews(database: Database, ada: Viewer) -> None:
    with database.write() as connection:
        fill_shop(connection, database.now())
    orders = get_statistics(database, ada, "all").orders_in_period
    prune_sessions(database, ada, days=61)
    fold(database)
    receipt = reset_all_sessions(database, ada)
    assert receipt.removed["user_sessions"] > 0
    assert receipt.removed["metrics_pruned_sessions"] > 0
    numbers = get_statistics(database, ada, "all")
    assert (numbers.total_sessions, numbers.unique_users_in_period, numbers.orders_in_period) == (0, 0, orders)
    assert not any(customer.last_login for customer in list_customers(database, ada, CustomerQuery()).customers)
    fold(database)
    assert not find_differences(database, SOME)
