"""What a process needs before it can answer: settings, a current schema, and a shop in an embedded database."""

from collections.abc import Callable
from threading import Lock

from psycopg import Connection

from metrics.database import Database, connect, open_database
from metrics.migrate import SHOP_TABLES, migrate
from metrics.settings import Settings, load_settings
from metrics.statements import get_statement


def open_installation(log: Callable[[str], object] = print) -> Database:
    """The database of the settings, ready to be asked.

    An embedded one is brought to the current schema and, while it is empty, filled with the demo shop. A database that
    DATABASE_URL names is the shop's own: it is left as it is until somebody runs `migrate`.
    Raises SettingError, EmbeddedError or DatabaseError, each in one sentence.
    """
    settings = load_settings()
    database = open_database(settings)
    if not settings.database_url:
        prepare_demo_database(settings, database.url, log)
    return database


_opening = Lock()
_opened: list[Database] = []


def get_installation(log: Callable[[str], object] = print) -> Database:
    """The one open database that the pages and the routes of this process share; a failure is tried again next time."""
    with _opening:
        if not _opened:
            _opened.append(open_installation(log))
        return _opened[0]


def close_installation() -> None:
    """Closes it, if it was opened."""
    with _opening:
        while _opened:
            _opened.pop().close()


def prepare_demo_database(settings: Settings, url: str, log: Callable[[str], object] = print) -> None:
    """Fills an empty embedded database once, even when two processes start together."""
    with connect(url) as lock:
        # Held until the block ends: the second process waits, and then finds customers.
        lock.execute(get_statement("lock_preparation"))
        with connect(url) as connection:
            row = connection.execute(get_statement("count_shop_tables"), {"tables": list(SHOP_TABLES)}).fetchone()
            tables = row[0] if row else 0
            is_empty = tables == 0 or not _has_customers(connection)
        if is_empty:
            # Late: an endpoint that finds its database filled stays small.
            from metrics.demo import fill_shop

            log("Filling the demo shop; this happens once and takes a few seconds.")
            fill_shop(url, log=log)
        else:
            migrate(url, log=lambda line: None)


def _has_customers(connection: Connection) -> bool:
    row = connection.execute(get_statement("has_customers")).fetchone()
    return bool(row and row[0])
