"""What triggers, the fold and files cost, each beside the same without it, in one run."""

import asyncio
import time
from collections.abc import Callable, Iterable

import psutil
import psycopg

from bench.questions import ADA
from metrics import customers
from metrics.customers import CustomerQuery
from metrics.database import Database, connect
from metrics.folder import Folder

LOAD = """
INSERT INTO {table} (id, user_id, total_amount, status, payment_status, created_at)
SELECT gen_random_uuid(), ids.id, 1000 + o.n % 90000, 'completed', 'paid', now() - o.n * interval '1 second'
FROM generate_series(1, {rows}) AS o (n)
JOIN bench_ids AS ids ON ids.n = o.n::bigint * 7919 % (SELECT count(*) FROM bench_ids)
"""
IDS = "CREATE TABLE bench_ids AS SELECT row_number() OVER (ORDER BY id) - 1 AS n, id FROM users"
# As the shop has it, with the indexes that we add: what is compared is the triggers.
COPY_OF_ORDERS = "CREATE TABLE bench_orders (LIKE orders INCLUDING ALL)"


def measure_loads(database: Database, orders: int) -> None:
    """Prints a table: a bulk load of orders, the fold after it, a fold of nothing, and the file of all customers."""
    print("\n| what | s | rows a second | ratio | memory on top, MB |")
    print("|---|---:|---:|---:|---:|")
    with connect(database.url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_ids, bench_orders")
        connection.execute(IDS)
        connection.execute(COPY_OF_ORDERS)
        connection.execute("ANALYZE bench_ids")
        bare = _time(lambda: connection.execute(LOAD.format(table="bench_orders", rows=orders)))
        _say(f"bulk load of {orders:,} orders, no trigger", bare, orders, 1.0)
        fired = _time(lambda: connection.execute(LOAD.format(table="orders", rows=orders)))
        _say("the same with our triggers", fired, orders, bare / fired)
        connection.execute("DROP TABLE bench_ids, bench_orders")
    folder = Folder(database.settings, database.url)
    _say("the fold after it", _time(lambda: asyncio.run(folder.do())), orders, None)
    _say("a fold with nothing new", _time(lambda: asyncio.run(folder.do())), 0, None)
    total = customers.count_customers(database, ADA, CustomerQuery())
    with connect(database.url) as connection:
        plain = _time(lambda: _copy_plain(connection))
    _say(f"COPY of {total:,} customers, as psql would", plain, total, 1.0)
    for interval in ("all", "monthly"):
        query = CustomerQuery(interval)
        before = psutil.Process().memory_info().rss
        peak = before
        begin = time.perf_counter()
        for _ in customers.export_customers(database, ADA, query):
            peak = max(peak, psutil.Process().memory_info().rss)
        took = time.perf_counter() - begin
        _say(f"CSV of all customers, interval {interval}", took, total, plain / took, (peak - before) / 1e6)


def _copy_plain(connection: psycopg.Connection) -> None:
    statement = "COPY (SELECT * FROM metrics_customers ORDER BY sessions_in_period DESC) TO STDOUT (FORMAT csv, HEADER)"
    with connection.cursor().copy(statement) as rows, open("/dev/null", "wb") as file:
        for row in rows:
            file.write(row)


def _time(do: Callable[[], object]) -> float:
    begin = time.perf_counter()
    do()
    return time.perf_counter() - begin


def _say(label: str, seconds: float, rows: int, ratio: float | None, megabytes: float | None = None) -> None:
    words: Iterable[str] = (
        f"{seconds:,.2f}",
        f"{rows / seconds:,.0f}" if rows else "",
        "" if ratio is None else f"{ratio:.2f}",
        "" if megabytes is None else f"{megabytes:,.1f}",
    )
    print(f"| {label} | {' | '.join(words)} |", flush=True)
