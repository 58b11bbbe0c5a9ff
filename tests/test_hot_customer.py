"""32 writers on one customer, of everything at once, while retention, erasure, resets, folds and a rebuild go on."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from metrics.check import check
from metrics.database import Database
from metrics.privacy import erase_customer, reset_customer
from metrics.rebuild import rebuild
from metrics.retention import prune_sessions
from metrics.settings import CAP
from metrics.viewer import Viewer
from tests.conftest import add_customer
from tests.fold import EVERY, find_differences, fold
from tests.shop import make_id
from tests.test_privacy import keep_writing

WRITERS = 32
SOME = EVERY[::9]
BEACON = "SELECT * FROM metrics_{}_sessions(%s::json, '30 minutes', %s)"


class Shop:
    """What each writer does next: it knows nothing of the others, and takes customers in no order."""

    def __init__(self, hot: UUID, others: list[UUID]) -> None:
        self.hot = hot
        self.others = others
        self.done: Counter[str] = Counter()
        self._rngs: dict[int, Random] = {}

    def write(self, connection: psycopg.Connection[Any], number: int) -> None:
        writer = number // 1_000_000
        rng = self._rngs.setdefault(writer, Random(writer))
        customers = [self.hot if rng.random() < 0.7 else rng.choice(self.others) for _ in range(rng.choice((1, 1, 4)))]
        ids = [make_id(rng) for _ in customers]
        kind = ("order", "booking", "session", "beacon")[writer % 4]
        getattr(self, f"_{kind}")(connection, rng, ids, customers)
        self.done[kind] += 1

    def _order(self, connection: psycopg.Connection[Any], rng: Random, ids: list[UUID], customers: list[UUID]) -> None:
        connection.execute(
            "INSERT INTO orders (id, user_id, total_amount, status, payment_status) SELECT id, user_id, 500,"
            " 'completed', 'paid' FROM unnest(%s::uuid[], %s::uuid[]) AS o (id, user_id)",
            [ids, customers],
        )
        if rng.random() < 0.5:
            connection.execute("UPDATE orders SET status = 'cancelled' WHERE id = ANY (%s)", [ids])

    def _booking(
        self, connection: psycopg.Connection[Any], rng: Random, ids: list[UUID], customers: list[UUID]
    ) -> None:
        # With a customer's visit in one transaction, as a shop that does both at once.
        with connection.transaction():
            connection.execute(
                "INSERT INTO service_bookings (id, user_id, service_type, status) SELECT id, user_id, 'Braids',"
                " 'pending' FROM unnest(%s::uuid[], %s::uuid[]) AS b (id, user_id)",
                [ids[:1], customers[:1]],
            )
            if rng.random() < 0.3:
                connection.execute("DELETE FROM service_bookings WHERE id = ANY (%s)", [ids])

    def _session(
        self, connection: psycopg.Connection[Any], rng: Random, ids: list[UUID], customers: list[UUID]
    ) -> None:
        age = timedelta(days=rng.choice((0, 2, 50, 100)))
        connection.execute(
            "INSERT INTO user_sessions (id, session_id, user_id, started_at, ended_at) SELECT id, id::text, user_id,"
            " now() - %s, now() - %s FROM unnest(%s::uuid[], %s::uuid[]) AS s (id, user_id)",
            [age, age, ids, customers],
        )

    def _beacon(self, connection: psycopg.Connection[Any], rng: Random, ids: list[UUID], customers: list[UUID]) -> None:
        for n, kind in enumerate(("start", "heartbeat", "end"), start=1):
            beacons = [
                {
                    "n": 0,
                    "session_id": str(one),
                    "t": n,
                    "user_id": str(user),
                    "states_identity": True,
                    "reason": "gone",
                }
                for one, user in zip(ids, customers, strict=True)
            ]
            connection.execute(BEACON.format(kind), [json.dumps(beacons), CAP])


def test_nobody_is_told_of_a_deadlock_and_nothing_drifts(any_database: Database, ada: Viewer) -> None:
    hot, *others = [add_customer(any_database, f"Person{number}", "Mushi") for number in range(9)]
    shop = Shop(hot, others)
    fold(any_database)
    with keep_writing(any_database, shop.write, WRITERS) as failures:
        for forgotten in others[:2]:
            fold(any_database)
            prune_sessions(any_database, ada)
            erase_customer(any_database, ada, forgotten)
            reset_customer(any_database, ada, hot)
        rebuild(any_database)
        fold(any_database)
        prune_sessions(any_database, ada)
    assert not failures, Counter(type(failure).__name__ for failure in failures)
    assert min(shop.done.values()) > 50
    assert len(shop.done) == 4
    prune_sessions(any_database, ada)
    fold(any_database)
    assert not list(check(any_database, full=True))
    assert not find_differences(any_database, SOME)
