"""Migrations: repeatable, remembered, careful with the shop, and equal to schema.sql."""

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from metrics.customers import CustomerQuery, list_customers
from metrics.database import Database
from metrics.migrate import MIGRATIONS, MigrationError, ShopSchemaError, migrate, remove
from metrics.settings import load_settings
from metrics.statements import SQL_FOLDER
from metrics.viewer import Viewer
from tests.schema import SCHEMA, dump_schema


def count_ours(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT (SELECT count(*) FROM pg_class WHERE relname ~ '^(metrics_|user_(sessions|activity|device)|idx_)' "
        "AND relnamespace = 'public'::regnamespace) "
        "+ (SELECT count(*) FROM pg_trigger WHERE tgname ~ '^trigger_(update|log)_') "
        "+ (SELECT count(*) FROM pg_proc WHERE proname ~ '^(metrics_|update_user_activity)')"
    ).fetchone()
    assert row
    return row[0]


def test_it_is_safe_to_repeat(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        connection.execute((SQL_FOLDER / "demo_shop.sql").read_bytes())
    said: list[str] = []
    assert migrate(empty_url, said.append) == [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]
    assert migrate(empty_url, said.append) == []
    assert said[-1] == "the schema is current"
    assert any("enhance_user_activity_tracking" in line for line in said)


def test_it_names_a_missing_table(empty_url: str) -> None:
    with pytest.raises(ShopSchemaError, match="table users is missing"):
        migrate(empty_url)


def test_it_names_a_missing_column(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        connection.execute((SQL_FOLDER / "demo_shop.sql").read_bytes())
        connection.execute("ALTER TABLE orders DROP COLUMN payment_status")
    with pytest.raises(ShopSchemaError, match="table orders has no column payment_status"):
        migrate(empty_url)


def test_it_refuses_a_file_that_changed_after_it_ran(database: Database, tmp_path: Path) -> None:
    for path in MIGRATIONS.glob("*.sql"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    changed = min(tmp_path.glob("*.sql"))
    changed.write_text(changed.read_text() + "-- changed\n")
    with pytest.raises(MigrationError, match="is not the file that this database ran"):
        migrate(database.url, folder=tmp_path)


def test_it_changes_nothing_when_a_file_fails(database: Database, tmp_path: Path) -> None:
    for path in MIGRATIONS.glob("*.sql"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "9999_break.sql").write_text("CREATE TABLE half_done (); SELECT 1 / 0;")
    with pytest.raises(MigrationError, match=r"9999_break\.sql failed and changed nothing: division by zero"):
        migrate(database.url, folder=tmp_path)
    with database.write() as connection:
        assert connection.execute("SELECT to_regclass('half_done')").fetchone() == (None,)


def test_it_counts_what_the_shop_already_has_and_leaves_its_rows(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        connection.execute((SQL_FOLDER / "demo_shop.sql").read_bytes())
        connection.execute("INSERT INTO users (email) VALUES ('alice@example.co.tz')")
        connection.execute("INSERT INTO orders (user_id, total_amount) SELECT id, 50000 FROM users")
    migrate(empty_url, log=lambda line: None)
    with psycopg.connect(empty_url) as connection:
        counted = connection.execute("SELECT total_orders, last_order_amount FROM user_activity_summary").fetchone()
        assert counted == (1, 50000)
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1,)


def test_it_takes_over_the_reference_tables_with_their_rows(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        connection.execute((SQL_FOLDER / "demo_shop.sql").read_bytes())
        connection.execute("INSERT INTO users (email) VALUES ('alice@example.co.tz')")
        connection.execute(
            """
            CREATE TABLE user_sessions (
                id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid REFERENCES users (id),
                session_id varchar(255) NOT NULL, started_at timestamptz NOT NULL DEFAULT now(),
                last_activity_at timestamptz NOT NULL DEFAULT now(), ended_at timestamptz);
            CREATE TABLE user_activity_summary (
                id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid REFERENCES users (id) UNIQUE,
                total_sessions int DEFAULT 0, total_orders int DEFAULT 0, total_bookings int DEFAULT 0,
                total_reviews int DEFAULT 0, last_login_at timestamptz, primary_device_type varchar(50),
                primary_browser varchar(100), primary_os varchar(100),
                created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
            CREATE INDEX idx_user_activity_total_sessions ON user_activity_summary (total_sessions DESC);
            INSERT INTO user_sessions (user_id, session_id)
            SELECT id, 'session_1762394628181_6vpstmhd2' FROM users, generate_series(1, 2);
            INSERT INTO user_activity_summary (user_id, total_sessions) SELECT id, 17 FROM users;
            """
        )
    migrate(empty_url, log=lambda line: None)
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT total_sessions FROM user_activity_summary").fetchone() == (2,)


def test_it_takes_everything_back(database: Database) -> None:
    with database.write() as connection:
        connection.execute("INSERT INTO users (email) VALUES ('alice@example.co.tz')")
        assert count_ours(connection) > 0
    remove(database.url, log=lambda line: None)
    with database.write() as connection:
        assert count_ours(connection) == 0
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (1,)
    assert migrate(database.url, log=lambda line: None)


def test_without_the_right_to_make_extensions_a_search_finds_the_same(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        connection.execute((SQL_FOLDER / "demo_shop.sql").read_bytes())
        connection.execute("INSERT INTO users (email, first_name) VALUES ('alice@example.co.tz', 'Alice')")
        connection.execute("DROP ROLE IF EXISTS careful")
        connection.execute("CREATE ROLE careful LOGIN CREATEROLE")
        connection.execute("GRANT metrics_reader, metrics_beacon, metrics_admin, metrics_customer TO careful")
        connection.execute("GRANT CREATE, USAGE ON SCHEMA public TO careful")
        for table in ("users", "orders", "services", "service_bookings", "reviews"):
            connection.execute(f"ALTER TABLE {table} OWNER TO careful")
    url = empty_url.replace("//postgres:@", "//careful:@")
    assert url != empty_url
    said: list[str] = []
    migrate(url, said.append)
    assert any("CREATE EXTENSION pg_trgm" in line for line in said)
    database = Database(replace(load_settings({}), database_url=url), url)
    ada = Viewer("ada@shop.example", "admin")

    def search() -> list[str | None]:
        return [one.email for one in list_customers(database, ada, CustomerQuery(search="lice@")).customers]

    assert search() == ["alice@example.co.tz"]
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT to_regclass('idx_users_search')").fetchone() == (None,)
        connection.execute("CREATE EXTENSION pg_trgm")
    migrate(url, said.append)
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT to_regclass('idx_users_search')::text").fetchone() == ("idx_users_search",)
    assert search() == ["alice@example.co.tz"]
    database.close()
    remove(url, said.append)
    with psycopg.connect(empty_url) as connection:
        connection.execute("DROP OWNED BY careful")
        connection.execute("DROP ROLE careful")


def test_schema_is_what_the_migrations_add_up_to(url: str) -> None:
    assert dump_schema(url) == SCHEMA.read_text(encoding="utf-8"), "renew it with python -m tests.schema"
