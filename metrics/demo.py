"""Fills an empty database with a believable shop, the same for the same seed and moment, at any size."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from random import Random

import psycopg
from tqdm import tqdm

from metrics.database import DatabaseError, connect
from metrics.demo_people import FormatAge, list_users, make_crowd
from metrics.demo_sales import list_bookings, list_orders, list_reviews, list_services
from metrics.demo_visits import list_sessions
from metrics.migrate import is_current, migrate
from metrics.statements import SQL_FOLDER, get_statement

# Above this many rows of one kind all are loaded first, and indexes and summaries made of them afterwards.
LARGE = 200_000
ROWS_A_STATEMENT = 500_000


class DemoError(DatabaseError):
    """The database is not one to be filled."""


def fill_shop(
    url: str,
    *,
    users: int = 2_000,
    sessions: int = 40_000,
    orders: int = 12_000,
    bookings: int = 3_000,
    seed: int = 1,
    now: datetime | None = None,
    log: Callable[[str], object] = print,
) -> None:
    """Creates the shop's tables where they are missing, ours too, and fills them, all rows or none.

    The same seed and `now`, from which all times count back, make the same rows. DemoError when there are customers,
    when a size is none, and when the tables do not take the rows.
    """
    begin = time.perf_counter()
    sizes = {"users": users, "sessions": sessions, "orders": orders, "bookings": bookings}
    for noun, count in sizes.items():
        least = int(noun == "users")
        if count < least:
            raise DemoError(f"--{noun} is {count}: use {least} or more")
    try:
        with connect(url) as connection:
            connection.execute((SQL_FOLDER / "demo_shop.sql").read_bytes())
            _demand_empty(connection)
            current = is_current(connection)
        if not current:
            migrate(url, log=lambda line: None)
        _fill(url, sizes, seed, now or datetime.now(UTC), log)
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DemoError(f"The demo shop was not filled ({reason}): use an empty database of your own") from error
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    log(
        f"filled the shop with {users:,} customers, {sessions:,} sessions, {orders:,} orders and {bookings:,} bookings "
        f"in {time.perf_counter() - begin:,.1f} s with {megabytes:,.0f} MB of memory"
    )


def _fill(url: str, sizes: dict[str, int], seed: int, moment: datetime, log: Callable[[str], object]) -> None:
    users, sessions, orders, bookings = sizes.values()
    rng = Random(seed)
    crowd = make_crowd(rng, users)
    services = list_services(rng)
    with connect(url) as connection:
        # Two that fill at once: the second waits here, and then finds the first one's customers.
        connection.execute(get_statement("lock_users"))
        _demand_empty(connection)
        large = max(sizes.values()) > LARGE and _silence_triggers(connection, log)
        indexes = _drop_indexes(connection) if large else []
        with tqdm(
            total=users + orders + bookings + orders // 6 + sessions,
            unit=" rows",
            unit_scale=True,
            desc="filling the demo shop",
            disable=not sys.stderr.isatty(),
        ) as progress:
            _copy(connection, progress, "copy_users", list_users(rng, crowd, FormatAge(moment)))
            _copy(connection, progress, "copy_services", (f"{key}\t{title}\n" for key, title in services))
            _copy(connection, progress, "copy_orders", list_orders(rng, crowd, moment, orders))
            _copy(connection, progress, "copy_bookings", list_bookings(rng, crowd, moment, bookings, services))
            _copy(connection, progress, "copy_reviews", list_reviews(rng, crowd, moment, orders // 6))
            _copy(connection, progress, "copy_sessions", list_sessions(rng, crowd, moment, sessions))
        if large:
            _finish_large(connection, indexes, log)
        # Whoever shows a page that signs in as anybody must know that these customers were made up.
        connection.execute(get_statement("mark_demo"))
    with connect(url, autocommit=True) as connection:
        connection.execute(get_statement("analyze"))


def _copy(connection: psycopg.Connection, progress: tqdm, name: str, lines: Iterator[str]) -> None:
    # Several statements for a large table: what a statement must remember until its end stays small.
    while batch := list(islice(lines, 1_000)):
        with connection.cursor().copy(get_statement(name)) as copy:
            rows = 0
            while batch:
                copy.write("".join(batch))
                rows += len(batch)
                progress.update(len(batch))
                batch = list(islice(lines, 1_000)) if rows < ROWS_A_STATEMENT else []


def _silence_triggers(connection: psycopg.Connection, log: Callable[[str], object]) -> bool:
    try:
        # A savepoint of the transaction that runs already: a refusal leaves that one usable.
        with connection.transaction():
            connection.execute(get_statement("silence_triggers"))
    except psycopg.errors.InsufficientPrivilege:
        log("loading with triggers on, because this user may not silence them: this takes longer")
        return False
    log("loading with triggers and indexes off; indexes are made and every customer is counted afterwards")
    return True


def _drop_indexes(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute(get_statement("list_index_definitions")).fetchall()
    for name, _ in rows:
        connection.execute(get_statement("drop_index", index_name=name))
    return [definition for _, definition in rows]


def _finish_large(connection: psycopg.Connection, indexes: list[str], log: Callable[[str], object]) -> None:
    connection.execute(get_statement("give_memory_for_indexes"))
    for definition in indexes:
        log(f"making {definition.split(' ON ')[0].split()[-1]}")
        connection.execute(definition.encode())
    log("counting every customer")
    connection.execute(get_statement("rebuild_summaries"))


def _demand_empty(connection: psycopg.Connection) -> None:
    row = connection.execute(get_statement("has_customers")).fetchone()
    if row and row[0]:
        raise DemoError("The database holds customers: the demo shop fills only an empty one")
