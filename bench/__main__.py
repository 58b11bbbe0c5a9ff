"""`python -m bench`: fills a database of its own at a size, asks every question, sends beacons, prints Markdown."""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles

from bench.beacons import measure_beacons
from metrics import customers, devices, sessions, statistics
from metrics.choices import DIMENSIONS, INTERVALS, ORDERS, SORTS
from metrics.customers import CustomerQuery
from metrics.database import STATEMENT_TIMEOUT_SECONDS, Database, DatabaseAway, connect, open_database
from metrics.demo import fill_shop
from metrics.settings import Settings, load_settings
from metrics.viewer import Viewer

SIZES = {
    "small": {"users": 2_000, "sessions": 40_000, "orders": 12_000, "bookings": 3_000},
    "medium": {"users": 100_000, "sessions": 2_000_000, "orders": 300_000, "bookings": 60_000},
    "full": {"users": 1_000_000, "sessions": 20_000_000, "orders": 3_000_000, "bookings": 600_000},
}
BEACON_SECONDS = 10
SERVER = {"shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
ADA = Viewer("ada@shop.example", "admin")


def main() -> None:
    """Fills, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--repeat", type=int, default=20, help="times a question is asked, at most")
    parser.add_argument("--seconds", type=float, default=30, help="time given to one question, at most")
    parser.add_argument("--only", choices=("questions", "beacons"), help="one of the two tables")
    parser.add_argument("--home", type=Path, help="keep the filled database here for the next run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = arguments.home or Path(folder)
        # A server of its own: neither the demo shop's nor the one that DATABASE_URL names.
        os.environ.pop("DATABASE_URL", None)
        settings = replace(load_settings(os.environ), home=home.resolve())
        database = give_memory(settings)
        try:
            fill(database, arguments.size)
            if arguments.only != "beacons":
                measure(database, arguments.size, arguments.repeat, arguments.seconds)
            if arguments.only != "questions":
                measure_beacons(database, min(arguments.seconds, BEACON_SECONDS))
        finally:
            database.close()


def give_memory(settings: Settings) -> Database:
    """The database as a shop would run it: what comes out of the box holds 128 MB and checkpoints at every gigabyte."""
    database = open_database(settings)
    with connect(database.url, autocommit=True) as connection:
        for name, value in SERVER.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    # The last one who leaves stops the server, and the next one starts it with what it was told.
    database.close()
    return open_database(settings)


def fill(database: Database, size: str) -> None:
    """Fills an empty database and says how long it took and how much memory."""
    if is_filled(database):
        print("The database is filled already: measuring what is there.")
        return
    begin = time.perf_counter()
    fill_shop(database.url, seed=1, log=print, **SIZES[size])
    seconds = time.perf_counter() - begin
    with database.write() as connection:
        connection.execute("ANALYZE")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"Filled in {seconds:,.0f} s, {megabytes:,.0f} MB of memory at most.")


def is_filled(database: Database) -> bool:
    """Whether our tables are there and hold customers."""
    with database.write() as connection:
        row = connection.execute("SELECT to_regclass('user_activity_summary') IS NOT NULL").fetchone()
        if not (row and row[0]):
            return False
        return connection.execute("SELECT 1 FROM users LIMIT 1").fetchone() is not None


def measure(database: Database, size: str, repeat: int, seconds: float) -> None:
    """Prints a row a question: how long, and how many times as long as 20 rows by primary key."""
    as_of = database.now()
    questions = list_questions(database, as_of)
    print(f"\nSize {size}: {', '.join(f'{count:,} {noun}' for noun, count in SIZES[size].items())}\n")
    print("| question | times asked | p50 ms | p95 ms | against 20 rows by key |")
    print("|---|---:|---:|---:|---:|")
    unit = 0.0
    for label, ask in questions:
        try:
            took = time_question(ask, repeat, seconds)
        except DatabaseAway:
            print(f"| {label} | 1 | over {STATEMENT_TIMEOUT_SECONDS},000 | | |", flush=True)
            continue
        middle, worst = median(took), (quantiles(took, n=20)[-1] if len(took) > 1 else took[0])
        unit = unit or middle
        print(f"| {label} | {len(took)} | {middle:,.2f} | {worst:,.2f} | {middle / unit:,.1f} |", flush=True)


def list_questions(database: Database, as_of: datetime) -> list[tuple[str, Callable[[], object]]]:
    """What is asked, in the words of the page; the first is the unit that the others are compared with."""
    first = customers.list_customers(database, ADA, CustomerQuery(), as_of=as_of)
    ids = [customer.id for customer in first.customers]
    busiest = ids[0]
    questions: list[tuple[str, Callable[[], object]]] = [
        ("20 customers by primary key", lambda: by_key(database, ids)),
    ]
    for interval in INTERVALS.values():
        for sort in SORTS.values():
            for order in ORDERS.values():
                query = CustomerQuery(interval.key, sort.key, order.key)
                questions.append(
                    (
                        f"list: {interval.label}, {sort.label}, {order.label}",
                        lambda query=query: customers.list_customers(database, ADA, query, as_of=as_of),
                    )
                )
    for page in (10, 1_000):
        questions.append(
            (
                f"list: All Time, Most Active (Sessions), page {page:,}",
                lambda page=page: customers.list_customers(database, ADA, CustomerQuery(), as_of=as_of, page=page),
            )
        )
    for search in ("juma", "+255 7541", "nobody-is-called-so"):
        questions.append(
            (
                f"search: {search}",
                lambda search=search: customers.list_customers(
                    database, ADA, CustomerQuery(search=search), as_of=as_of
                ),
            )
        )
    questions += [
        ("count of all customers", lambda: customers.count_customers(database, ADA, CustomerQuery(), as_of=as_of)),
        ("last 20 sessions of the busiest", lambda: sessions.list_sessions(database, ADA, busiest, as_of=as_of)),
        ("online now", lambda: sessions.count_online(database, ADA, as_of=as_of)),
    ]
    for interval in reversed(INTERVALS.values()):
        key = interval.key
        questions += [
            (
                f"cards: {interval.label}",
                lambda key=key: statistics.get_statistics(database, ADA, key, as_of=as_of),
            ),
            (
                f"lines over time: {interval.label}",
                lambda key=key: statistics.list_series(database, ADA, key, as_of=as_of),
            ),
            (
                f"device, browser, OS: {interval.label}",
                lambda key=key: [
                    devices.list_shares(database, ADA, dimension, key, as_of=as_of) for dimension in DIMENSIONS
                ],
            ),
        ]
    return questions


def by_key(database: Database, ids: list[object]) -> object:
    """The cheapest question that brings twenty customers."""
    with database.read() as connection:
        return connection.execute("SELECT * FROM metrics_customers WHERE user_id = ANY (%s)", [ids]).fetchall()


def time_question(ask: Callable[[], object], repeat: int, seconds: float) -> list[float]:
    """Milliseconds of each time it was asked, after once to warm up; fewer times when it is slow."""
    ask()
    took: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(took) < repeat and (not took or time.perf_counter() < deadline):
        begin = time.perf_counter()
        ask()
        took.append((time.perf_counter() - begin) * 1000)
    return took


if __name__ == "__main__":
    main()
