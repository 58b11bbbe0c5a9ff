"""Tricks at a psql prompt: tables, types and functions that pass for ours, and rows that belong to somebody else."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from metrics.database import Database
from tests.conftest import add_customer
from tests.test_psql_rights import ADMIN, BEACON, CUSTOMER, READER, RELATIONS, ROLES, log_in

# Runs as whoever is fooled into running it, and says as whom.
SPRING = """
CREATE FUNCTION pg_temp.spring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'ran as %', current_user;
    RETURN NEW;
END
$$
"""


def list_notices(connection: psycopg.Connection) -> list[str]:
    """What traps say from now on."""
    notices: list[str] = []
    connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    return notices


def lay_traps(connection: psycopg.Connection, names: list[str]) -> None:
    """A temporary table under each name, and a function under each name that ours call."""
    connection.execute(SPRING)
    for name in names:
        connection.execute(
            f"CREATE TEMP TABLE {name} AS SELECT NULL::uuid AS id, NULL::uuid AS user_id, NULL::text AS session_id"
        )
        connection.execute(
            f"CREATE TRIGGER spring BEFORE INSERT OR UPDATE OR DELETE ON pg_temp.{name} "
            "FOR EACH ROW EXECUTE FUNCTION pg_temp.spring()"
        )
    for head in ("now() RETURNS timestamptz", "metrics_current_user_id() RETURNS uuid", "lower(text) RETURNS text"):
        connection.execute(
            f"CREATE FUNCTION pg_temp.{head} LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE NOTICE 'ran as %', current_user; RETURN NULL; END $$"
        )
    connection.execute("SET search_path = pg_temp, public")


@pytest.mark.parametrize(
    ("role", "call", "proof"),
    [
        (BEACON, "SELECT * FROM metrics_start_sessions(%(beacons)s, '30 min', '12 h')", "user_sessions"),
        (BEACON, "SELECT metrics_take_step(%(id)s, 0)", "metrics_replays"),
        (ADMIN, "SELECT metrics_write_audit('me', 'reveal', 'x', 1)", "metrics_audit"),
        (ADMIN, "SELECT metrics_sign_out('ada@shop.example')", "metrics_sign_outs"),
        (ADMIN, "SELECT metrics_begin_erasure(%(id)s)", "metrics_erasures"),
    ],
)
def test_a_table_of_the_same_name_fools_no_function(any_database: Database, role: str, call: str, proof: str) -> None:
    values = {
        "id": uuid4(),
        "beacons": json.dumps([{"n": 1, "session_id": "a", "received_at": "2026-01-01T00:00:00Z"}]),
    }
    with any_database.write() as connection:
        names = [name for name, _, _ in connection.execute(RELATIONS)]
        before = connection.execute(f"SELECT count(*) FROM {proof}").fetchone()
    with log_in(any_database, role) as connection:
        lay_traps(connection, names)
        notices = list_notices(connection)
        connection.execute(call, values)
        for name in names:
            assert connection.execute(f"SELECT id IS NULL FROM pg_temp.{name}").fetchall() == [(True,)], name
        connection.commit()
    assert not [notice for notice in notices if notice != "ran as login_of_" + role]
    with any_database.write() as connection:
        after = connection.execute(f"SELECT count(*) FROM {proof}").fetchone()
    assert before == (0,)
    assert after
    assert after > before


@pytest.mark.parametrize("role", ROLES)
def test_a_cast_of_one_s_own_never_runs_as_the_owner(any_database: Database, role: str) -> None:
    """The triggers of the shop's tables cast its columns to text: on another table the cast would be the attacker's."""
    alice = add_customer(any_database, "Alice", "Mushi")
    with log_in(any_database, role) as connection:
        notices = list_notices(connection)
        connection.execute("CREATE TYPE pg_temp.word AS (word text)")
        connection.execute(
            "CREATE FUNCTION pg_temp.spring(pg_temp.word) RETURNS text LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE NOTICE 'ran as %', current_user; RETURN 'paid'; END $$"
        )
        connection.execute("CREATE CAST (pg_temp.word AS text) WITH FUNCTION pg_temp.spring(pg_temp.word)")
        connection.execute(
            "CREATE TEMP TABLE mine (user_id uuid, status pg_temp.word, payment_status text, total_amount numeric, "
            "created_at timestamptz)"
        )
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(
                "CREATE TRIGGER mine AFTER INSERT ON mine REFERENCING NEW TABLE AS new_rows "
                "FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_order()"
            )
    assert notices == []
    with any_database.write() as connection:
        row = connection.execute(
            "SELECT total_orders, total_spent FROM user_activity_summary WHERE user_id = %s", [alice]
        ).fetchone()
    assert row in (None, (0, 0))


@pytest.fixture(name="people")
def fixture_people(any_database: Database) -> tuple[UUID, UUID]:
    """Alice and Bob, with a session each."""
    alice, bob = (add_customer(any_database, *name) for name in (("Alice", "Mushi"), ("Bob", "Temu")))
    with any_database.write() as connection:
        for user_id, session_id in ((alice, "of-alice"), (bob, "of-bob"), (None, "of-a-guest")):
            connection.execute("INSERT INTO user_sessions (session_id, user_id) VALUES (%s, %s)", [session_id, user_id])
    return alice, bob


@pytest.mark.parametrize("table", ["user_sessions", "user_activity_summary"])
def test_a_customer_sees_their_own_rows(any_database: Database, people: tuple[UUID, UUID], table: str) -> None:
    alice, bob = people
    with log_in(any_database, CUSTOMER) as connection:
        for asker, seen in ((alice, [alice]), (bob, [bob]), (uuid4(), []), ("", [])):
            connection.execute("SELECT set_config('app.user_id', %s, false)", [str(asker)])
            for query in (
                f"SELECT user_id FROM {table}",
                f"SELECT user_id FROM {table} WHERE true OR user_id IS NULL",
                f"SELECT a.user_id FROM {table} AS a JOIN {table} AS b ON true",
                f"SELECT user_id FROM {table} AS s UNION SELECT user_id FROM {table}",
            ):
                assert [row[0] for row in connection.execute(query)] == seen, query


@pytest.mark.parametrize("asker", ["alice", "' OR true --", "%", "00000000-0000-0000-0000-00000000000", "{}"])
def test_who_is_no_customer_sees_nothing(any_database: Database, people: tuple[UUID, UUID], asker: str) -> None:
    with log_in(any_database, CUSTOMER) as connection:
        connection.execute("SELECT set_config('app.user_id', %s, false)", [asker])
        with pytest.raises(errors.InvalidTextRepresentation):
            connection.execute("SELECT user_id FROM user_sessions")


def test_a_customer_does_not_look_past_the_policy(any_database: Database, people: tuple[UUID, UUID]) -> None:
    with log_in(any_database, CUSTOMER) as connection:
        connection.execute("SELECT set_config('app.user_id', %s, false)", [str(people[0])])
        notices = list_notices(connection)
        # So cheap that the planner would ask it first, if it trusted it.
        connection.execute(
            "CREATE FUNCTION pg_temp.look(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS "
            "$$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
        )
        connection.execute("SELECT 1 FROM user_sessions WHERE pg_temp.look(session_id)")
        assert notices == ["of-alice"]
        # An error that names a value names only one's own.
        with pytest.raises(errors.InvalidTextRepresentation, match="of-alice"), connection.transaction():
            connection.execute("SELECT session_id::int FROM user_sessions")
        assert connection.execute("SELECT count(*) FROM pg_stats WHERE schemaname = 'public'").fetchone() == (0,)
        connection.execute("SET row_security = off")
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("SELECT * FROM user_sessions")


@pytest.mark.parametrize("role", [BEACON, READER, ADMIN, CUSTOMER])
def test_no_role_reads_what_the_owner_asks(any_database: Database, role: str) -> None:
    with any_database.write() as owner, log_in(any_database, role) as connection:
        owner.execute("SELECT 'a secret of the owner'")
        rows = connection.execute("SELECT query FROM pg_stat_activity WHERE usename <> current_user").fetchall()
    assert rows
    assert {row[0] for row in rows} <= {"<insufficient privilege>"}


def test_the_reader_sees_addresses_cut_and_no_session_id(any_database: Database, people: tuple[UUID, UUID]) -> None:
    with any_database.write() as connection:
        connection.execute("UPDATE user_sessions SET ip_address = '196.249.97.33', user_agent = 'a secret browser'")
    with log_in(any_database, READER) as connection:
        for (name,) in connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') "
            "AND has_table_privilege(oid, 'SELECT')"
        ).fetchall():
            text = str(connection.execute(f"SELECT * FROM {name}").fetchall())
            for secret in ("97.33", "of-alice", "a secret browser"):
                assert secret not in text, (name, secret)
