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
INSERT INTO orders (id, user_id, total_amount, status, payment_status, created_at)
SELECT gen_random_uuid(), id, 1000 + n % 90000, 'completed', 'paid', now() - n * interval '1 second'
FROM {customers}
"""
# Those who order next are those who ordered before; or, at worst, everybody once.
LOADS = {
    "by those who order": """CREATE TABLE bench_customers AS
        SELECT row_number() OVER () AS n, user_id AS id FROM orders WHERE user_id IS NOT NULL LIMIT {rows}""",
    "by everybody, once each": """CREATE TABLE bench_customers AS
        SELECT row_number() OVER () AS n, id FROM users ORDER BY random() LIMIT {rows}""",
}


FILES = {"all": "metrics_customers", "monthly": "metrics_customers_kept('monthly', now())"}


def measure_loads(database: Database, orders: int) -> None:
    """Prints a table: a bulk load of orders, the fold after it, a fold of nothing, and the file of all customers."""
    print("\n| what | s | rows a second | ratio | memory on top, MB |")
    print("|---|---:|---:|---:|---:|")
    folder = Folder(database.settings, database.url)
    for label, customers_of in LOADS.items():
        with connect(database.url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS bench_customers")
            loaded = connection.execute(customers_of.format(rows=orders)).rowcount
            load = LOAD.format(customers="bench_customers")
            with connection.transaction(force_rollback=True):
                connection.execute("ALTER TABLE orders DISABLE TRIGGER USER")
                bare = _time(lambda load=load: connection.execute(load))
            _say(f"bulk load of {loaded:,} orders {label}, triggers off", bare, loaded, 1.0)
            fired = _time(lambda load=load: connection.execute(load))
            _say("the same with triggers on", fired, loaded, bare / fired)
            connection.execute("DROP TABLE bench_customers")
        _say("the fold after it", _time(lambda: asyncio.run(folder.do())), loaded, None)
    _say("a fold with nothing new", _time(lambda: asyncio.run(folder.do())), 0, None)
    total = customers.count_customers(database, ADA, CustomerQuery())
    for interval, source in FILES.items():
        with connect(database.url) as connection:
            plain = _time(lambda connection=connection, source=source: _copy_plain(connection, source))
        _say(f"COPY of {total:,} customers, interval {interval}, as psql would", plain, total, 1.0)
        query = CustomerQuery(interval)
        before = psutil.Process().memory_info().rss
        peak = before
        begin = time.perf_counter()
        for _ in customers.export_customers(database, ADA, query):
            peak = max(peak, psutil.Process().memory_info().rss)
        took = time.perf_counter() - begin
        _say("the page's CSV of them", took, total, plain / took, (peak - before) / 1e6)


def _copy_plain(connection: psycopg.Connection, source: str) -> None:
    statement = f"COPY (SELECT * FROM {source} ORDER BY sessions_in_period DESC) TO STDOUT (FORMAT csv, HEADER)"
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
