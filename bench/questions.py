"""Every question of the pages: how long, and how many times as long as twenty customers by primary key."""

import time
from collections.abc import Callable
from datetime import datetime
from statistics import median, quantiles

from metrics import customers, devices, series, sessions, statistics
from metrics.choices import DIMENSIONS, INTERVALS, ORDERS, SORTS
from metrics.customers import CustomerQuery
from metrics.database import STATEMENT_TIMEOUT_SECONDS, Database, DatabaseAway
from metrics.viewer import Viewer

ADA = Viewer("ada@shop.example", "admin")
DEEP_PAGE = 1_000
# From everybody to nobody: names, parts of names, e-mails, phones.
SEARCHES = (
    "a",
    "ma",
    "255",
    "@",
    "juma",
    "mushi",
    "asha mushi",
    "kimaro 9",
    "john",
    "gmail",
    "xyz",
    "0754 123",
    "+255 7541",
    "7541234",
    "nobody-is-called-so",
    "zq",
)


def measure_questions(database: Database, title: str, repeat: int, seconds: float) -> None:
    """Prints a row a question: how long, and how many times as long as 20 rows by primary key."""
    as_of = database.now()
    questions = list_questions(database, as_of)
    print(f"\n{title}\n")
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
                for page in (1, DEEP_PAGE):
                    query = CustomerQuery(interval.key, sort.key, order.key)
                    questions.append(
                        (
                            f"list: {interval.label}, {sort.label}, {order.label}"
                            + (f", page {page:,}" if page > 1 else ""),
                            lambda query=query, page=page: customers.list_customers(
                                database, ADA, query, as_of=as_of, page=page
                            ),
                        )
                    )
    for search in SEARCHES:
        query = CustomerQuery(search=search)
        questions.append(
            (
                f"search: {search}",
                lambda query=query: customers.list_customers(database, ADA, query, as_of=as_of),
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
                lambda key=key: series.list_series(database, ADA, key, as_of=as_of),
            ),
            (
                f"device, browser, OS: {interval.label}",
                lambda key=key: [
                    devices.list_shares(database, ADA, dimension, key, as_of=as_of) for dimension in DIMENSIONS
                ],
            ),
        ]
        if interval.days:
            questions.append(
                (
                    f"cards of the window before: {interval.label}",
                    lambda key=key: statistics.get_previous_statistics(database, ADA, key, as_of=as_of),
                )
            )
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
