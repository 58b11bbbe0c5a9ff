"""`python -m bench`: fills a database of its own at a size, asks every question, sends beacons, prints Markdown."""

import argparse
import asyncio
import os
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.beacons import measure_beacons
from bench.clicks import measure_clicks
from bench.loads import measure_loads
from bench.questions import measure_questions
from metrics.database import Database, connect, open_database
from metrics.demo import fill_shop
from metrics.folder import Folder
from metrics.migrate import migrate
from metrics.settings import Settings, load_settings
from metrics.sweeper import Sweeper

SIZES = {
    "small": {"users": 2_000, "sessions": 40_000, "orders": 12_000, "bookings": 3_000},
    "medium": {"users": 100_000, "sessions": 2_000_000, "orders": 300_000, "bookings": 60_000},
    "full": {"users": 1_000_000, "sessions": 20_000_000, "orders": 3_000_000, "bookings": 600_000},
}
BEACON_SECONDS = 10
SERVER = {"shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}


def main() -> None:
    """Fills, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--repeat", type=int, default=20, help="times a question is asked, at most")
    parser.add_argument("--seconds", type=float, default=30, help="time given to one question, at most")
    parser.add_argument("--only", choices=("questions", "loads", "beacons", "clicks", "soak"), help="one of the tables")
    parser.add_argument("--minutes", type=int, default=15, help="of --only soak")
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
            catch_up(database)
            if arguments.only in (None, "questions"):
                title = ", ".join(f"{count:,} {noun}" for noun, count in SIZES[arguments.size].items())
                measure_questions(database, f"Size {arguments.size}: {title}", arguments.repeat, arguments.seconds)
            if arguments.only in (None, "loads"):
                measure_loads(database, SIZES[arguments.size]["orders"] // 3)
            if arguments.only in (None, "beacons"):
                measure_beacons(database, min(arguments.seconds, BEACON_SECONDS))
            if arguments.only == "clicks":
                # Only when asked for: it wants Chromium and the tests' packages.
                measure_clicks(database)
            if arguments.only == "soak":
                # Late, because the dashboard's own packages are loaded for it.
                from bench.soak import measure_soak

                measure_soak(database, arguments.minutes)
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


def catch_up(database: Database) -> None:
    """What a running endpoint would have done by now: the schema, the ends of silent sessions, and the fold."""
    migrate(database.url, log=lambda line: None)
    for chore in (Sweeper(database.settings, database.url), Folder(database.settings, database.url)):
        begin = time.perf_counter()
        done = asyncio.run(chore.do())
        print(f"{chore.name}: {done:,} in {time.perf_counter() - begin:,.1f} s")
    with connect(database.url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def is_filled(database: Database) -> bool:
    """Whether our tables are there and hold customers."""
    with database.write() as connection:
        row = connection.execute("SELECT to_regclass('user_activity_summary') IS NOT NULL").fetchone()
        if not (row and row[0]):
            return False
        return connection.execute("SELECT 1 FROM users LIMIT 1").fetchone() is not None


if __name__ == "__main__":
    main()
