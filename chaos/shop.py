"""The shop itself: orders and bookings, each tried until it is committed, and every error that it was given."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID

import psycopg

Connection = psycopg.AsyncConnection[Any]
INSERT_ORDERS = (
    "INSERT INTO orders (id, user_id, total_amount, status, payment_status) "
    "SELECT id, user_id, 1000, 'completed', 'paid' FROM unnest(%s::uuid[], %s::uuid[]) AS o (id, user_id) "
    "ON CONFLICT (id) DO NOTHING"
)
INSERT_BOOKINGS = (
    "INSERT INTO service_bookings (id, user_id, service_type, status, total_amount) "
    "SELECT id, user_id, 'repair', 'confirmed', 500 FROM unnest(%s::uuid[], %s::uuid[]) AS b (id, user_id) "
    "ON CONFLICT (id) DO NOTHING"
)
CANCEL = "UPDATE orders SET status = 'cancelled' WHERE id = ANY (%s::uuid[]) AND user_id = ANY (%s::uuid[])"


class Tills:
    """Tills side by side on the same customers, until they are told to stop."""

    def __init__(self, url: str, user_ids: Sequence[str], tills: int, seed: int) -> None:
        self.order_ids: set[UUID] = set()
        self.booking_ids: set[UUID] = set()
        self.errors: Counter[str] = Counter()
        self._url = url
        self._user_ids = user_ids
        self._rngs = [Random(f"{seed} till {number}") for number in range(tills)]
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """They sell."""
        self._tasks = [asyncio.create_task(self._sell(rng)) for rng in self._rngs]

    async def close(self) -> None:
        """They finish what they are at."""
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def _sell(self, rng: Random) -> None:
        connection: Connection | None = None
        sold: list[UUID] = []
        while not self._is_over:
            size = rng.choice((1, 1, 2, 5))
            ids = [UUID(int=rng.getrandbits(128), version=4) for _ in range(size)]
            # In no order: a till knows nothing of ours.
            users = rng.choices(self._user_ids, k=size)
            statement, kept = rng.choice(((INSERT_ORDERS, self.order_ids), (INSERT_BOOKINGS, self.booking_ids)))
            if sold and rng.random() < 0.2:
                statement, kept, ids = CANCEL, set(), rng.sample(sold, min(len(sold), size))
                users = list(self._user_ids)
            connection = await self._run(connection, statement, ids, users)
            kept.update(ids)
            if statement == INSERT_ORDERS:
                sold = [*sold[-200:], *ids]
            await asyncio.sleep(rng.expovariate(1 / 0.05))
        if connection:
            await connection.close()

    async def _run(
        self, connection: Connection | None, statement: str, ids: Sequence[UUID], users: Sequence[str]
    ) -> Connection:
        while True:
            try:
                if connection is None or connection.broken:
                    connection = await psycopg.AsyncConnection.connect(
                        self._url, autocommit=True, connect_timeout=5, application_name="till"
                    )
                await connection.execute(statement, (list(ids), list(users)))
                return connection
            except psycopg.Error as error:
                self.errors[type(error).__name__] += 1
                await asyncio.sleep(0.1)
