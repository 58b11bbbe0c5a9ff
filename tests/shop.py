"""A small nasty shop: ties, NULLs, cancelled orders, guests, bots, stale sessions, exact edges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from metrics.database import Database
from tests.conftest import Server
from tests.recount import Base, read_base

CUSTOMERS = 150
API_KEY = "a key of the tests"
STATUSES = ("pending", "processing", "completed", "completed", "cancelled", None)
PAYMENTS = ("pending", "paid", "paid", "paid", "failed", "refunded", "cancelled", None)
AMOUNTS = (Decimal("0.00"), Decimal("0.01"), Decimal("150000.00"), Decimal("99999999.99"), None)
REASONS = (
    "sign_out",
    "user_switch",
    "page_hide",
    "gone",
    "lost",
    "timeout",
    "cap",
    "reported",
    None,
)
DEVICES = ("mobile", "mobile", "desktop", "tablet", None)
BROWSERS = ("Chrome", "Chrome", "Safari", "Opera Mini", None)
SYSTEMS = ("Android", "Android", "iOS", "Windows", None)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
# Every edge of every window, one instant inside and one outside of it.
EDGES = tuple(
    length + step
    for length in (timedelta(0), DAY, 7 * DAY, 30 * DAY)
    for step in (-TICK, timedelta(0), TICK)
    if length + step >= timedelta(0)
)
# A shop's own tables are often more permissive than the demo's.
NULLABLE = {
    "users": ("created_at",),
    "orders": ("status", "payment_status", "total_amount"),
    "service_bookings": ("status",),
}
SESSION_COLUMNS = (
    "id session_id user_id started_at ended_at last_activity_at end_reason is_bot device_type "
    "browser_name browser_version os_name os_version ip_address city country"
).split()


def make_id(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)


def copy_rows(connection: psycopg.Connection[Any], table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    """A bulk load, as a restore does it."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def allow_nulls(connection: psycopg.Connection[Any]) -> None:
    for table, columns in NULLABLE.items():
        for column in columns:
            connection.execute(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")


def clear_shop(connection: psycopg.Connection[Any]) -> None:
    connection.execute("TRUNCATE user_sessions, reviews, service_bookings, orders, services, users CASCADE")


def choose_age(random: Random) -> timedelta:
    """Edges often, whole hours for ties, and the whole last year."""
    kind = random.random()
    if kind < 0.3:
        return random.choice(EDGES)
    if kind < 0.7:
        return timedelta(hours=random.choice((1, 2, 5, 23, 25, 100, 167, 169, 500, 719, 721, 2000)))
    return timedelta(minutes=random.randrange(1, 400 * 24 * 60))


def list_users(random: Random, as_of: datetime) -> list[tuple[Any, ...]]:
    users: list[tuple[Any, ...]] = []
    for number in range(CUSTOMERS):
        first = random.choice(("Asha", "Juma", "Neema", "O'Brien", "Zuwena 100%", "", None))
        last = random.choice(("Mushi", "Massawe", "Kim_aro", "", None))
        email = None if number % 11 == 0 else f"person{number}@example.co.tz"
        created = random.choice(
            (
                None,
                as_of,
                as_of - random.choice(EDGES),
                as_of - 400 * DAY,
                as_of - timedelta(days=random.randrange(500)),
            )
        )
        city, country = random.choice((("Arusha", "Tanzania"), ("Nairobi", "Kenya"), (None, None)))
        phone = None if number % 7 == 0 else f"+2557{number:08d}"
        users.append((make_id(random), email, first, last, phone, city, country, created))
    return users


def make_session(random: Random, user_id: UUID | None, as_of: datetime) -> tuple[Any, ...]:
    """Open or closed, now or stale, sometimes with times no clock would give."""
    started = as_of - choose_age(random)
    kind = random.choice(("closed", "closed", "stale", "now", "odd", "bare"))
    ended = last = reason = None
    if kind == "closed":
        ended = started + timedelta(seconds=random.choice((0, 0, 59, 60, 90, 900, 4500)))
        last, reason = ended, random.choice(REASONS)
    elif kind == "stale":
        last = min(started + timedelta(minutes=random.choice((0, 7, 45))), as_of)
    elif kind == "now":
        last = as_of - random.choice(
            (
                timedelta(seconds=5),
                timedelta(minutes=5),
                timedelta(minutes=5) + TICK,
                timedelta(minutes=30) - TICK,
                timedelta(minutes=30),
            )
        )
        last = max(last, started)
    elif kind == "odd":  # ends before its start, or lasts for days
        ended = started + random.choice((-timedelta(hours=1), 3 * DAY))
        reason = "reported"
    return (
        make_id(random),
        f"sid-{random.getrandbits(64):x}",
        user_id,
        started,
        ended,
        last,
        reason,
        random.random() < 0.15,
        random.choice(DEVICES),
        random.choice(BROWSERS),
        random.choice(("120", "17.2", None)),
        random.choice(SYSTEMS),
        random.choice(("14", "11", None)),
        random.choice(("196.249.97.33", "2001:db8:77:88::5", None)),
        random.choice(("Dar es Salaam", None)),
        random.choice(("Tanzania", None)),
    )


def make_order(random: Random, user_id: UUID | None, as_of: datetime) -> tuple[Any, ...]:
    return (
        make_id(random),
        user_id,
        random.choice(AMOUNTS),
        random.choice(STATUSES),
        random.choice(PAYMENTS),
        as_of - choose_age(random),
    )


def make_booking(random: Random, user_id: UUID | None, as_of: datetime, services: list[UUID]) -> tuple[Any, ...]:
    return (
        make_id(random),
        random.choice((*services, None)),
        user_id,
        random.choice(STATUSES),
        as_of - choose_age(random),
    )


def fill_shop(connection: psycopg.Connection[Any], as_of: datetime, seed: int = 2) -> None:
    """The same shop for the same seed and instant; about 150 customers with up to 40 of each."""
    random = Random(seed)
    allow_nulls(connection)
    clear_shop(connection)
    users = list_users(random, as_of)
    services = [make_id(random) for _ in range(4)]
    sessions, orders, bookings, reviews = [], [], [], []
    for user in [*(user[0] for user in users), *[None] * 12]:
        # Small counts that many share, so that every sort has ties; every fifth has nothing.
        sizes = (0, 0, 1, 1, 2, 3, 5, 40) if random.random() < 0.8 else (0,)
        for _ in range(random.choice(sizes)):
            sessions.append(make_session(random, user, as_of))
        for _ in range(min(random.choice(sizes), 12)):
            orders.append(make_order(random, user, as_of))
        for _ in range(min(random.choice(sizes), 8)):
            bookings.append(make_booking(random, user, as_of, services))
        for _ in range(min(random.choice(sizes), 4)):
            reviews.append((make_id(random), user, random.randrange(1, 6)))
    copy_rows(
        connection,
        "users",
        "id email first_name last_name phone city country created_at".split(),
        users,
    )
    copy_rows(
        connection,
        "services",
        ["id", "title"],
        [(key, f"Service {number}") for number, key in enumerate(services)],
    )
    copy_rows(connection, "user_sessions", SESSION_COLUMNS, sessions)
    copy_rows(
        connection,
        "orders",
        "id user_id total_amount status payment_status created_at".split(),
        orders,
    )
    copy_rows(
        connection,
        "service_bookings",
        "id service_id user_id status created_at".split(),
        bookings,
    )
    copy_rows(connection, "reviews", ["id", "user_id", "rating"], reviews)


@dataclass(frozen=True)
class Shop:
    """The nasty shop, what is in its tables, and the instant that everything is asked for."""

    database: Database
    base: Base
    as_of: datetime


@contextmanager
def open_shop(server: Server) -> Iterator[Shop]:
    """A database of its own, for a whole module: nobody writes to it."""
    url = server.create_database()
    database = Database(replace(server.settings, database_url=url, api_keys=(API_KEY,)), url)
    as_of = database.now()
    with database.write() as connection:
        fill_shop(connection, as_of)
        base = read_base(connection)
    yield Shop(database, base, as_of)
    database.close()
    server.drop_database(url)
