"""The database: few rights to read, rows guarded, and one sentence when it is away."""

from contextlib import ExitStack
from dataclasses import replace
from uuid import UUID

import psycopg
import pytest

from metrics import customers
from metrics.customers import CustomerQuery
from metrics.database import MOST_READERS, BadDatabaseUrl, Database, DatabaseAway, SchemaMissing, connect, open_database
from metrics.settings import load_settings
from metrics.viewer import NotAllowed, Viewer
from tests.conftest import Server


def test_it_reads_as_the_reader_in_the_shops_time_zone(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute("SELECT current_user, current_setting('TimeZone')").fetchone() == (
            "metrics_reader",
            "Africa/Dar_es_Salaam",
        )


@pytest.mark.parametrize(
    "forbidden",
    [
        "SELECT * FROM user_sessions",
        "SELECT session_id FROM user_sessions",
        "SELECT * FROM users",
        "SELECT * FROM user_activity_summary",
        "SELECT metrics_rebuild_summaries()",
    ],
)
def test_a_reader_sees_the_masked_views_only(database: Database, forbidden: str) -> None:
    with database.read() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(forbidden)


def test_a_reader_cannot_write(database: Database) -> None:
    with database.read() as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TEMPORARY TABLE anything ()")


def test_a_customer_sees_only_their_own_rows(database: Database, alice: UUID, bob: UUID) -> None:
    with database.write() as connection:
        for number, user_id in enumerate((alice, bob, bob)):
            connection.execute(
                "INSERT INTO user_sessions (session_id, user_id) VALUES (%s, %s)", (str(number), user_id)
            )
    with database.write() as connection:
        connection.execute("SET LOCAL ROLE metrics_customer")
        assert connection.execute("SELECT count(*) FROM user_sessions").fetchone() == (0,)
        connection.execute("SELECT set_config('app.user_id', %s, true)", (str(alice),))
        assert connection.execute("SELECT user_id FROM user_sessions").fetchall() == [(alice,)]
        assert connection.execute("SELECT user_id FROM user_activity_summary").fetchall() == [(alice,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM user_sessions")


def test_nobody_reads_without_being_a_viewer(database: Database) -> None:
    with pytest.raises(NotAllowed):
        customers.list_customers(database, "ada", CustomerQuery())  # type: ignore[arg-type]


def test_it_comes_back_by_itself_after_its_connections_were_cut(
    database: Database, embedded_server: Server, ada: Viewer
) -> None:
    assert customers.count_customers(database, ada, CustomerQuery()) == 0
    with embedded_server.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'metrics'")
    assert customers.count_customers(database, ada, CustomerQuery()) == 0


@pytest.mark.parametrize(
    "seen",
    [
        "mysql://root:se-cret@localhost/shop",
        "shop",
        "password=se-cret host=localhost",
        "postgresql://[bad",
        "postgresql://shop:se@cret@localhost/shop",
        "postgresql://shop:se-cret/@localhost/shop",
        "postgresql://shop:se-cret@localhost:port/shop",
        "postgresql://shop:se%-cret@localhost/shop",
    ],
)
def test_it_refuses_a_url_that_is_none_and_keeps_the_password(seen: str) -> None:
    with pytest.raises(BadDatabaseUrl, match=r"use postgresql://user:password@host:5432/database") as error:
        open_database(load_settings({"DATABASE_URL": seen}))
    assert "cret" not in str(error.value)


def test_it_says_why_the_server_refuses(embedded_server: Server) -> None:
    target = embedded_server.get_url("no_such_shop")
    wanted = 'refuses the connection .*database "no_such_shop" does not exist'
    with pytest.raises(DatabaseAway, match=wanted):
        connect(target).__enter__()


@pytest.mark.parametrize("target", ["postgresql://127.0.0.1:1/shop", "postgresql://no-such-host.invalid/shop"])
def test_it_gives_the_reason_and_no_hint_of_the_driver(target: str) -> None:
    with pytest.raises(DatabaseAway, match=r"does not answer \(.*(refused|resolve).*\): check DATABASE_URL"):
        connect(target).__enter__()


def test_it_says_in_one_sentence_that_nobody_answers(ada: Viewer) -> None:
    url = "postgresql://shop:secret-word@127.0.0.1:1/shop"
    database = Database(replace(load_settings({}), database_url=url), url)
    with pytest.raises(DatabaseAway) as error:
        customers.count_customers(database, ada, CustomerQuery())
    assert "does not answer" in str(error.value)
    assert "secret-word" not in str(error.value)
    database.close()


def test_it_says_when_migrate_has_not_run(empty_url: str, ada: Viewer) -> None:
    database = Database(replace(load_settings({}), database_url=empty_url), empty_url)
    with pytest.raises(SchemaMissing, match="run python -m metrics migrate"):
        customers.count_customers(database, ada, CustomerQuery())
    database.close()


def test_a_plan_from_before_a_migration_is_made_anew(database: Database) -> None:
    with database.write() as connection:
        connection.execute("CREATE VIEW growing AS SELECT 1 AS a")
        connection.execute("GRANT SELECT ON growing TO metrics_reader")

    def read() -> tuple[int, ...] | None:
        with database.read() as connection:
            return connection.execute("SELECT * FROM growing", prepare=True).fetchone()

    assert read() == (1,)
    with database.write() as connection:
        connection.execute("CREATE OR REPLACE VIEW growing AS SELECT 1 AS a, 2 AS b")
    with pytest.raises(DatabaseAway, match="brought up to date"):
        read()
    assert read() == (1, 2)


def test_whoever_comes_when_every_connection_is_taken_is_told_so(database: Database) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_READERS):
            stack.enter_context(database.read())
        with pytest.raises(DatabaseAway, match="Too many answers are being given at once"), database.read():
            pass
    assert database.now()
