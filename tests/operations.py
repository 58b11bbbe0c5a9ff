"""Random operations on the shop's tables, each one statement, each noted for a failure's report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from tests.shop import (
    AMOUNTS,
    BROWSERS,
    DEVICES,
    PAYMENTS,
    STATUSES,
    SYSTEMS,
    copy_rows,
    make_id,
)

Connection = psycopg.Connection[Any]
EVENTS = ("user_sessions", "orders", "service_bookings", "reviews")
TIMES = {"user_sessions": "started_at"}
COLUMNS = {
    "user_sessions": "id session_id user_id started_at last_activity_at is_bot device_type browser_name os_name",
    "orders": "id user_id created_at total_amount status payment_status",
    "service_bookings": "id user_id created_at service_id status",
    "reviews": "id user_id created_at rating",
}


class Operations:
    """A seeded source of operations on one connection; `log` keeps what was done."""

    def __init__(self, connection: Connection, seed: int, as_of: datetime) -> None:
        self.connection = connection
        self.random = Random(seed)
        self.as_of = as_of
        self.log: list[str] = []

    def run(self, sql: str, *values: Any) -> None:
        done = self.connection.execute(sql, values)
        self.log.append(f"{sql} {values} -> {done.rowcount} rows")

    def list_ids(self, table: str) -> list[UUID]:
        return [row[0] for row in self.connection.execute(f"SELECT id FROM {table} ORDER BY id")]

    def pick(self, table: str, most: int) -> list[UUID]:
        ids = self.list_ids(table)
        return self.random.sample(ids, min(len(ids), self.random.randint(1, most)))

    def choose_user(self) -> UUID | None:
        return self.random.choice([*self.list_ids("users"), None])

    def choose_time(self) -> datetime:
        """Few different instants, so that the latest is often shared and decided by id."""
        return self.as_of - timedelta(hours=self.random.choice((0, 1, 2, 3, 30, 800)))

    def make_row(self, table: str) -> tuple[Any, ...]:
        random, moment = self.random, self.choose_time()
        start = (make_id(random), self.choose_user(), moment)
        if table == "orders":
            return (
                *start,
                random.choice([amount for amount in AMOUNTS if amount is not None]),
                random.choice(STATUSES),
                random.choice(PAYMENTS),
            )
        if table == "service_bookings":
            services = [*self.list_ids("services"), None]
            return (*start, random.choice(services), random.choice(STATUSES))
        if table == "reviews":
            return (*start, random.randrange(1, 6))
        return (
            start[0],
            f"sid-{random.getrandbits(64):x}",
            start[1],
            moment,
            random.choice((None, moment + timedelta(minutes=5))),
            random.random() < 0.2,
            random.choice(DEVICES),
            random.choice(BROWSERS),
            random.choice(SYSTEMS),
        )

    def insert(self, table: str) -> None:
        row = self.make_row(table)
        marks = ", ".join(["%s"] * len(row))
        self.run(f"INSERT INTO {table} ({', '.join(COLUMNS[table].split())}) VALUES ({marks})", *row)

    def bulk_insert(self, table: str) -> None:
        rows = [self.make_row(table) for _ in range(self.random.randint(2, 12))]
        copy_rows(self.connection, table, COLUMNS[table].split(), rows)
        self.log.append(f"COPY {table} {rows}")

    def update(self, table: str, column: str, value: Any) -> None:
        ids = self.pick(table, 6)
        self.run(f"UPDATE {table} SET {column} = %s WHERE id = ANY(%s)", value, ids)

    def move(self, table: str) -> None:
        """To another customer, to nobody, or from nobody."""
        self.update(table, "user_id", self.choose_user())

    def move_all(self, table: str) -> None:
        """Every customer's rows to the next customer, in one statement."""
        self.run(
            f"UPDATE {table} SET user_id = next.id FROM (SELECT id, lead(id, 1) OVER (ORDER BY id)"
            f" AS next_id FROM users) AS this JOIN users AS next ON next.id = this.next_id"
            f" WHERE {table}.user_id = this.id"
        )

    def change_time(self, table: str) -> None:
        self.update(table, TIMES.get(table, "created_at"), self.choose_time())

    def change_word(self, table: str) -> None:
        """The columns that decide whether and how a row counts."""
        column, values = self.random.choice(
            {
                "orders": [
                    ("status", STATUSES),
                    ("payment_status", PAYMENTS),
                    ("total_amount", AMOUNTS[:-1]),
                ],
                "service_bookings": [
                    ("status", STATUSES),
                    ("service_id", (*self.list_ids("services"), None)),
                ],
                "reviews": [("rating", (1, 5))],
                "user_sessions": [
                    ("is_bot", (True, False)),
                    ("device_type", DEVICES),
                    ("browser_name", BROWSERS),
                    ("os_name", SYSTEMS),
                    ("last_activity_at", (self.as_of,)),
                    ("ended_at", (self.as_of, None)),
                ],
            }[table]
        )
        self.update(table, column, self.random.choice(values))

    def change_nothing(self, table: str) -> None:
        self.run(f"UPDATE {table} SET user_id = user_id")

    def swap_all(self, table: str) -> None:
        """A MERGE deletes, updates and inserts in one statement."""
        row = dict(zip(COLUMNS[table].split(), self.make_row(table), strict=True))
        self.run(
            f"MERGE INTO {table} AS target USING (SELECT id, row_number() OVER (ORDER BY id) AS n"
            f" FROM {table} UNION ALL SELECT %s::uuid, 0) AS source ON target.id = source.id"
            f" WHEN MATCHED AND n %% 2 = 0 THEN DELETE"
            f" WHEN MATCHED THEN UPDATE SET user_id = %s"
            f" WHEN NOT MATCHED THEN INSERT ({', '.join(row)})"
            f" VALUES ({', '.join(['%s'] * len(row))})",
            row["id"],
            self.choose_user(),
            *row.values(),
        )

    def upsert(self, table: str) -> None:
        """One row that exists and one that does not, in one INSERT ... ON CONFLICT."""
        columns = COLUMNS[table].split()
        old, new = self.make_row(table), self.make_row(table)
        if ids := self.pick(table, 1):
            old = (ids[0], *old[1:])
        marks = ", ".join(["%s"] * len(columns))
        self.run(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}), ({marks})"
            f" ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id",
            *old,
            *new,
        )

    def delete(self, table: str) -> None:
        self.run(f"DELETE FROM {table} WHERE id = ANY(%s)", self.pick(table, 6))

    def truncate(self, table: str) -> None:
        self.run(f"TRUNCATE {table}")

    def add_users(self, table: str) -> None:
        del table
        self.run(
            "INSERT INTO users (id) SELECT unnest(%s::uuid[])",
            [make_id(self.random) for _ in range(self.random.randint(1, 3))],
        )

    def delete_users(self, table: str) -> None:
        del table
        self.run("DELETE FROM users WHERE id = ANY(%s)", self.pick("users", 2))

    def rename_service(self, table: str) -> None:
        del table
        self.update("services", "title", f"Renamed {self.random.randrange(100)}")

    def delete_service(self, table: str) -> None:
        del table
        self.run("DELETE FROM services WHERE id = ANY(%s)", self.pick("services", 1))

    def do(self, kind: str, table: str) -> None:
        KINDS[kind](self, table)


# Growth comes first: hypothesis shrinks towards the front of a list.
KINDS: dict[str, Callable[[Operations, str], None]] = {
    "insert": Operations.insert,
    "bulk_insert": Operations.bulk_insert,
    "change_word": Operations.change_word,
    "move": Operations.move,
    "change_time": Operations.change_time,
    "delete": Operations.delete,
    "upsert": Operations.upsert,
    "swap_all": Operations.swap_all,
    "move_all": Operations.move_all,
    "change_nothing": Operations.change_nothing,
    "truncate": Operations.truncate,
    "add_users": Operations.add_users,
    "delete_users": Operations.delete_users,
    "rename_service": Operations.rename_service,
    "delete_service": Operations.delete_service,
}
