"""Brings a database to the current schema: ordered files, one transaction each, remembered with a checksum."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import psycopg

from metrics.database import DatabaseError, connect
from metrics.statements import SQL_FOLDER

MIGRATIONS = SQL_FOLDER / "migrations"
LOCK = 7_283_764_119  # any number, as long as it stays the same

SHOP_TABLES = {
    "users": ("id", "email", "first_name", "last_name", "phone", "city", "country", "created_at"),
    "orders": ("id", "user_id", "total_amount", "status", "payment_status", "created_at"),
    "services": ("id", "title"),
    "service_bookings": (
        "id",
        "service_id",
        "user_id",
        "service_type",
        "status",
        "total_amount",
        "created_at",
    ),
    "reviews": ("id", "user_id", "product_id", "rating", "created_at"),
}


class ShopSchemaError(DatabaseError):
    """A table or column of the shop is missing."""


class MigrationError(DatabaseError):
    """A migration cannot run, or is not the one that ran."""


def migrate(url: str, log: Callable[[str], object] = print, folder: Path = MIGRATIONS) -> list[str]:
    """Runs what has not run yet and returns its names; [] when the schema is current. Safe to repeat and to race."""
    done: list[str] = []
    with connect(url, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: _say_notice(notice, log))
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        _check_server(connection)
        _check_shop(connection)
        # Functions that run with our rights keep this path: nobody's temporary table may stand in for one of ours.
        connection.execute("SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', false)")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS metrics_migrations (name text PRIMARY KEY, checksum text NOT NULL, "
            "applied_at timestamptz NOT NULL DEFAULT now())"
        )
        known = dict(connection.execute("SELECT name, checksum FROM metrics_migrations").fetchall())
        for path in sorted(folder.glob("*.sql")):
            text = path.read_text(encoding="utf-8")
            checksum = hashlib.sha256(text.encode()).hexdigest()
            if path.stem in known:
                if known[path.stem] != checksum:
                    raise MigrationError(
                        f"{path.name} is not the file that this database ran: "
                        "put the released file back, and change the schema by a new file"
                    )
                continue
            try:
                with connection.transaction():
                    connection.execute(text.encode())
                    connection.execute(
                        "INSERT INTO metrics_migrations (name, checksum) VALUES (%s, %s)", (path.stem, checksum)
                    )
            except psycopg.Error as error:
                raise MigrationError(f"{path.name} failed and changed nothing: {_first_line(error)}") from error
            log(f"applied {path.stem}")
            done.append(path.stem)
        if folder == MIGRATIONS:
            # Each time: the extension it wants may have been made since the last one, and rights may have been lost.
            connection.execute("SELECT metrics_make_search_index()")
            connection.execute("SELECT metrics_grant_rights()")
    if not done:
        log("the schema is current")
    return done


def remove(url: str, log: Callable[[str], object] = print) -> None:
    """Takes back every table, trigger, index and function of ours, in one transaction; the shop's rows stay."""
    with connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute((SQL_FOLDER / "remove.sql").read_bytes())
    log("removed our tables, triggers, indexes and functions; the shop's tables are as they were")


def is_current(connection: psycopg.Connection) -> bool:
    """Whether every migration of this release ran here."""
    row = connection.execute("SELECT to_regclass('metrics_migrations') IS NOT NULL").fetchone()
    if not (row and row[0]):
        return False
    known = {name for (name,) in connection.execute("SELECT name FROM metrics_migrations").fetchall()}
    return known >= {path.stem for path in MIGRATIONS.glob("*.sql")}


def _check_server(connection: psycopg.Connection) -> None:
    version = connection.info.server_version // 10_000
    if version < 15:
        raise MigrationError(f"The server is PostgreSQL {version}: use 15 or later")


def _check_shop(connection: psycopg.Connection) -> None:
    for table, columns in SHOP_TABLES.items():
        found = {
            name
            for (name,) in connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
                (table,),
            ).fetchall()
        }
        if not found:
            raise ShopSchemaError(
                f"The shop's table {table} is missing: point DATABASE_URL at the shop's database, "
                "or fill an empty one with python -m metrics demo"
            )
        missing = [column for column in columns if column not in found]
        if missing:
            raise ShopSchemaError(f"The shop's table {table} has no column {missing[0]}: add it, then migrate again")


def _say_notice(notice: psycopg.errors.Diagnostic, log: Callable[[str], object]) -> None:
    # "does not exist, skipping" is what IF EXISTS is for; what an administrator must do is worth saying.
    if notice.message_primary and "Ask the administrator" in notice.message_primary:
        log(notice.message_primary)


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0]
