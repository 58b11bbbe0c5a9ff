"""The database: a pool that reads with few rights, connections that write, and errors in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool, PoolTimeout

from metrics.embedded import start_embedded, stop_embedded
from metrics.settings import Settings
from metrics.statements import get_statement

READER = "metrics_reader"
ADMIN = "metrics_admin"
# Long, because All Time over twenty million sessions is counted from the sessions themselves, behind a skeleton.
STATEMENT_TIMEOUT_SECONDS = 120
CONNECT_TIMEOUT_SECONDS = 5
MOST_READERS = 10
# In the server's own words: it starts, it stops, or every connection is taken.
PASSING = ("starting up", "shutting down", "recovery", "too many", "remaining connection slots")
FOLD_REACH = timedelta(minutes=30)


class DatabaseError(RuntimeError):
    """The database cannot do what was asked.

    DatabaseError
      +-- BadDatabaseUrl    the URL is none
      +-- DatabaseAway      nobody answers, or not in time
      +-- SchemaMissing     our tables are not there
      +-- DatabaseRefuses   it does not do what was asked
      +-- MissingRight      the login may not do that
    """


class BadDatabaseUrl(DatabaseError):
    """DATABASE_URL is not a PostgreSQL URL."""


class DatabaseAway(DatabaseError):
    """PostgreSQL does not answer, or not in time."""


class SchemaMissing(DatabaseError):
    """The database answers, but `migrate` has not run there."""


class DatabaseRefuses(DatabaseError):
    """PostgreSQL does not do what was asked; its own words may hold rows of the shop, and stay in its own log."""


class MissingRight(DatabaseError):
    """The login of DATABASE_URL lacks a role."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Until when sessions, orders and bookings are counted in what is kept, and whose days its days are."""

    folded_until: datetime
    timezone: str


class Database:
    """An open database: `read()` from a pool, `write()` in a transaction of its own."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.settings = settings
        self.url = url
        self._counting = Lock()
        self._readers = 0
        self._pool = ConnectionPool(
            settings.database_read_url or url,
            min_size=0,
            max_size=MOST_READERS,
            timeout=CONNECT_TIMEOUT_SECONDS,
            reconnect_timeout=1,
            configure=self._configure_reader,
            # A connection that died with its server is replaced before anybody sees it.
            check=ConnectionPool.check_connection,
            open=False,
            name="metrics-read",
            kwargs={"autocommit": True, "connect_timeout": CONNECT_TIMEOUT_SECONDS, "application_name": "metrics"},
        )

    @contextmanager
    def read(self) -> Iterator[psycopg.Connection]:
        """A read-only connection as metrics_reader; DatabaseAway or SchemaMissing instead of the driver's errors."""
        self._pool.open()
        try:
            with self._pool.connection() as connection, self._count_reader():
                yield connection
        except PoolTimeout:
            if self._readers >= MOST_READERS:
                raise DatabaseAway("Too many answers are being given at once: try again in a moment") from None
            raise DatabaseAway(
                "The database does not answer: check that PostgreSQL runs and that DATABASE_URL is right"
            ) from None
        except psycopg.errors.QueryCanceled:
            raise DatabaseAway(
                f"The database did not finish within {STATEMENT_TIMEOUT_SECONDS} s: choose a shorter interval"
            ) from None
        except psycopg.OperationalError:
            raise DatabaseAway("The database went away in the middle of an answer: try again") from None
        except psycopg.errors.FeatureNotSupported:
            # A plan that was made before `migrate` ran under us; the next connection makes it anew.
            connection.close()
            raise DatabaseAway("The schema was brought up to date in the middle of an answer: try again") from None
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedColumn):
            raise SchemaMissing("Our tables are not in this database: run python -m metrics migrate") from None
        except psycopg.Error as error:
            raise DatabaseRefuses(
                f"The database refuses what was asked (SQLSTATE {error.sqlstate}): its own log says why"
            ) from None

    @contextmanager
    def write(self) -> Iterator[psycopg.Connection]:
        """One transaction with the rights of DATABASE_URL's own user, committed when the block ends well."""
        with connect(self.url) as connection:
            yield connection

    @contextmanager
    def administer(self) -> Iterator[psycopg.Connection]:
        """One transaction as metrics_admin, which may erase, prune and read the audit log; MissingRight without it."""
        with connect(self.url) as connection:
            try:
                connection.execute("SELECT set_config('TimeZone', %s, false)", (self.settings.timezone,))
                connection.execute(get_statement("take_role"), {"role": ADMIN})
                yield connection
            except psycopg.errors.InsufficientPrivilege as error:
                reason = str(error).strip().splitlines()[0]
                raise MissingRight(
                    f"The login of DATABASE_URL may not do that ({reason}): GRANT {ADMIN} to it, or use the owner's"
                ) from None
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction):
                raise SchemaMissing("The schema is not that of this release: run python -m metrics migrate") from None

    def now(self) -> datetime:
        """The database's clock, the only one that counts."""
        with self.read() as connection:
            row = connection.execute("SELECT now()").fetchone()
        assert row is not None
        moment: datetime = row[0]
        return moment

    def get_fold(self) -> Fold | None:
        """How far what is kept of each period reaches; None where nothing is."""
        with self.read() as connection:
            return connection.cursor(row_factory=class_row(Fold)).execute(get_statement("get_fold")).fetchone()

    def is_folded(self, as_of: datetime) -> bool:
        """Whether answers as of that moment may come from what is kept of each period, because the fold is near it.

        Either way they are the same; from far away, counting the rows themselves is no slower.
        """
        fold = self.get_fold()
        if fold is None:
            return False
        return abs(as_of - fold.folded_until) <= FOLD_REACH and fold.timezone == self.settings.timezone

    def get_snapshot(self) -> str:
        """What this moment sees of all transactions: the same text means that nothing was written in between."""
        with self.read() as connection:
            row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
        assert row is not None
        snapshot: str = row[0]
        return snapshot

    def close(self) -> None:
        """Closes the pool and leaves an embedded server, which stops with its last process."""
        self._pool.close()
        stop_embedded(self.settings)

    @contextmanager
    def _count_reader(self) -> Iterator[None]:
        with self._counting:
            self._readers += 1
        try:
            yield
        finally:
            with self._counting:
                self._readers -= 1

    def _configure_reader(self, connection: psycopg.Connection) -> None:
        for name, value in {
            "TimeZone": self.settings.timezone,
            "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
            "idle_in_transaction_session_timeout": "60s",
            "default_transaction_read_only": "on",
            # Medians and breakdowns of a long interval sort in memory instead of on disk.
            "work_mem": "64MB",
            # Compiling costs more than it saves for pages that are answered in milliseconds.
            "jit": "off",
        }.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        connection.execute(get_statement("take_role"), {"role": READER})


def open_database(settings: Settings) -> Database:
    """The database of DATABASE_URL, or the embedded one; raises DatabaseError or EmbeddedError in one sentence."""
    url = settings.database_url or start_embedded(settings)
    check_url("DATABASE_URL", url)
    if settings.database_read_url:
        check_url("DATABASE_READ_URL", settings.database_read_url)
    return Database(settings, url)


def check_url(name: str, url: str) -> None:
    """Raises BadDatabaseUrl, without the password, for what PostgreSQL would not take."""
    wanted = "use postgresql://user:password@host:5432/database"
    if not url.startswith(("postgresql://", "postgres://")):
        scheme, found, _ = url.partition("://")
        seen = f"starts with {scheme + found!r}" if found else "is not a URL"
        raise BadDatabaseUrl(f"{name} {seen}: {wanted}")
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise BadDatabaseUrl(f"{name} cannot be read as a URL: {wanted}") from None
    # With @ or / in a password, the rest of the password would be read as the host or the port, and be printed as such.
    ports = str(parts.get("port") or "").split(",")
    if "@" in str(parts.get("host") or "") or not all(port.isdecimal() or not port for port in ports):
        raise BadDatabaseUrl(
            f"{name} cannot be read as a URL: {wanted}, the port a number, @ in a password written %40 and / %2F"
        )


@contextmanager
def connect(url: str, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """One connection outside the pool; DatabaseAway says what the server answered, in one sentence."""
    check_url("DATABASE_URL", url)
    try:
        connection = psycopg.connect(
            url, autocommit=autocommit, connect_timeout=CONNECT_TIMEOUT_SECONDS, application_name="metrics"
        )
    except psycopg.OperationalError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = [line for line in lines if line and not line.startswith("Is the server running")][-1]
        _, is_refusal, refusal = reason.partition("FATAL:")
        if is_refusal:
            will_pass = any(word in refusal for word in PASSING)
            hint = "try again in a moment" if will_pass else "check DATABASE_URL"
            raise DatabaseAway(f"The database refuses the connection ({refusal.strip()}): {hint}") from None
        raise DatabaseAway(f"The database does not answer ({reason}): check DATABASE_URL") from None
    try:
        with connection:
            yield connection
    except psycopg.OperationalError:
        if not connection.broken:
            raise
        raise DatabaseAway("The database went away in the middle of an answer: try again") from None
