"""Asks every question twice in one moment of a database: of what is kept, and of the rows themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import product

import psycopg

from metrics.choices import ACTIVITIES, DIMENSIONS, INTERVALS, ORDERS, SORTS
from metrics.customers import CustomerQuery, count_customers, get_customer, list_customers
from metrics.database import Database
from metrics.devices import list_shares, list_versions
from metrics.folder import Folder
from metrics.series import list_series
from metrics.statistics import get_previous_statistics, get_statistics
from metrics.viewer import Viewer

ADA = Viewer("ada@shop.example", "admin")
EVERY = [CustomerQuery(*choice) for choice in product(INTERVALS, SORTS, ORDERS, [""], ACTIVITIES)]


class Snapshot(Database):
    """One moment of a database, held; `uses_fold` says which of the two ways answers."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.settings, database.url)
        self.uses_fold = False

    @contextmanager
    def read(self) -> Iterator[psycopg.Connection]:
        yield self.connection

    def is_folded(self, as_of: datetime) -> bool:
        return super().is_folded(as_of) if self.uses_fold else False

    @contextmanager
    def hold(self) -> Iterator[None]:
        with psycopg.connect(self.url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("SELECT set_config('TimeZone', %s, false)", [self.settings.timezone])
            self.connection = connection
            yield


def fold(database: Database) -> int:
    return asyncio.run(Folder(database.settings, database.url).do())


def answer(database: Database, as_of: datetime, queries: list[CustomerQuery]) -> dict[object, object]:
    """Everything that the two ways may answer differently."""
    found: dict[object, object] = {}
    for interval, bots in product(INTERVALS, (False, True)):
        asked = {"as_of": as_of, "include_bots": bots}
        found["cards", interval, bots] = get_statistics(database, ADA, interval, **asked)
        found["cards before", interval, bots] = get_previous_statistics(database, ADA, interval, **asked)
        found["lines", interval, bots] = list_series(database, ADA, interval, **asked)
        for dimension in DIMENSIONS:
            found[dimension, interval, bots] = list_shares(database, ADA, dimension, interval, **asked)
    found["versions"] = list_versions(database, ADA, "browser", "Chrome", "monthly", as_of=as_of)
    for query in queries:
        page = list_customers(database, ADA, query, as_of=as_of, limit=7)
        found["list", query] = page.customers
        if page.next_cursor:
            found["next", query] = list_customers(database, ADA, query, cursor=page.next_cursor, limit=7).customers
        found["page 3", query] = list_customers(database, ADA, query, as_of=as_of, limit=5, page=3).customers
        found["page 12", query] = list_customers(database, ADA, query, as_of=as_of, limit=4, page=12).customers
        found["count", query] = count_customers(database, ADA, query, as_of=as_of)
        if page.customers:
            key = page.customers[0].id
            found["one", query] = get_customer(database, ADA, key, interval=query.interval, as_of=as_of)
    return found


def find_differences(database: Database, queries: list[CustomerQuery], *ages: timedelta) -> list[str]:
    """Where the kept way and the rows themselves disagree, at these ages before now, in one moment of the database."""
    snapshot = Snapshot(database)
    with snapshot.hold():
        now = snapshot.now()
        differences = []
        for as_of in [now - age for age in ages or [timedelta()]]:
            snapshot.uses_fold = False
            direct = answer(snapshot, as_of, queries)
            snapshot.uses_fold = True
            kept = answer(snapshot, as_of, queries)
            differences += [
                f"{as_of} {label}:\n  counted {value}\n  kept    {kept.get(label)}"
                for label, value in direct.items()
                if kept.get(label) != value
            ]
        return differences
