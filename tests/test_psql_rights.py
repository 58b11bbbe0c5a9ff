"""Every role at a psql prompt, with a login of its own: what each may read and call, and that nothing else works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from metrics.database import Database
from metrics.migrate import SHOP_TABLES

BEACON, READER, ADMIN, CUSTOMER, NOBODY = ROLES = (
    "metrics_beacon",
    "metrics_reader",
    "metrics_admin",
    "metrics_customer",
    "nobody",
)
# What each may read, a word for each table and view; the rest nobody reads.
READS = {
    BEACON: "",
    READER: (
        "metrics_bookings metrics_changes metrics_customers metrics_erasures metrics_fold metrics_kept_customers "
        "metrics_migrations metrics_orders metrics_period_customers metrics_period_durations metrics_period_sessions "
        "metrics_period_totals metrics_periods metrics_points metrics_pruned_customers metrics_pruned_durations "
        "metrics_pruned_places metrics_pruned_points metrics_pruned_sessions metrics_registrations metrics_retention "
        "metrics_sessions"
    ),
    ADMIN: "metrics_api_keys metrics_audit metrics_migrations metrics_sign_outs",
    CUSTOMER: "user_activity_summary user_sessions",
    NOBODY: "",
}
UNREAD = {"metrics_audit_id_seq", "metrics_lifetime_sessions", "metrics_replays", "user_device_counts", *SHOP_TABLES}
# What each may call of the functions that do more than their caller could.
CALLS = {
    BEACON: "metrics_end_sessions metrics_heartbeat_sessions metrics_start_sessions metrics_take_step",
    READER: "",
    ADMIN: (
        "metrics_begin_erasure metrics_count_traces metrics_erase_customer metrics_export_person metrics_fold_step "
        "metrics_prune_sessions metrics_reset_all_sessions metrics_reset_customer metrics_sign_out "
        "metrics_sweep_sessions metrics_write_audit"
    ),
    CUSTOMER: "",
    NOBODY: "",
}
UNCALLED = set(
    "metrics_apply_booking_changes metrics_apply_order_changes metrics_apply_session_changes metrics_fold_customers "
    "metrics_grant_rights metrics_make_search_index metrics_rebuild_summaries metrics_recount "
    "metrics_write_summaries".split()
)
RELATIONS = """
SELECT c.relname, c.relkind = 'r' AS is_table, a.attname
FROM pg_class AS c
JOIN LATERAL (
    SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND attidentity = '' ORDER BY attnum LIMIT 1
) AS a ON true
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S')
ORDER BY c.relname
"""
FUNCTIONS = """
SELECT
    p.proname,
    p.prosecdef,
    p.prorettype = 'trigger'::regtype AS is_trigger,
    array(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n) ORDER BY n) AS types
FROM pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
ORDER BY p.proname
"""
WRITES = (
    "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE {table} SET {column} = {column}",
    "DELETE FROM {table}",
    "TRUNCATE {table} CASCADE",
    "LOCK TABLE {table}",
    "SELECT * FROM {table} FOR UPDATE",
    "COPY {table} FROM STDIN",
    "ALTER TABLE {table} ADD COLUMN taken text",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {table} OWNER TO CURRENT_USER",
    "CREATE POLICY everything ON {table} USING (true)",
    "CREATE RULE quietly AS ON INSERT TO {table} DO INSTEAD NOTHING",
    "CREATE TRIGGER mine AFTER INSERT ON {table} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE INDEX ON {table} ({column})",
    "COMMENT ON TABLE {table} IS 'mine'",
    "DROP TABLE {table} CASCADE",
)
# What no login of ours may do to the server; the refusal is of the right, unless another is named.
DEEDS: dict[str, type[psycopg.Error]] = dict.fromkeys(
    [
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/mine'",
        "CREATE TEMP TABLE words (word text); COPY words FROM '/etc/passwd'",
        "CREATE TEMP TABLE words (word text); COPY words FROM PROGRAM 'id'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_read_binary_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        "SELECT pg_stat_file('PG_VERSION')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_export(1, '/tmp/mine')",
        "SET SESSION AUTHORIZATION postgres",
        "SET ROLE postgres",
        "SET ROLE pg_read_all_data",
        "SET ROLE pg_write_all_data",
        "SET ROLE pg_execute_server_program",
        "SET ROLE pg_database_owner",
        "SET session_replication_role = replica",
        "SET log_statement = 'none'",
        "SET lo_compat_privileges = on",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "ALTER ROLE metrics_admin LOGIN",
        "CREATE ROLE mine SUPERUSER",
        "GRANT metrics_admin TO CURRENT_USER WITH ADMIN OPTION",
        "GRANT pg_read_all_data TO CURRENT_USER",
        "CREATE TABLE public.mine (id int)",
        "CREATE VIEW public.mine AS SELECT 1",
        "CREATE TYPE public.mine AS ENUM ('a')",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE FUNCTION public.upper(text) RETURNS text LANGUAGE sql RETURN 'mine'",
        "CREATE OPERATOR public.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = uuid_eq)",
        "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE c AS '/lib/x86_64-linux-gnu/libc.so.6', 'system'",
        "CREATE FUNCTION pg_temp.mine(int) RETURNS int LANGUAGE internal AS 'int4abs'",
        "CREATE OR REPLACE FUNCTION metrics_mask_ip(inet) RETURNS text LANGUAGE sql RETURN host($1)",
        "ALTER FUNCTION metrics_mask_ip(inet) SECURITY DEFINER",
        "CREATE OR REPLACE VIEW metrics_customers AS SELECT 1",
        "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION metrics_refuse_change()",
        "CREATE PUBLICATION mine FOR ALL TABLES",
        "CREATE FOREIGN DATA WRAPPER mine",
        "CREATE LANGUAGE mine HANDLER plpgsql_call_handler",
        "ALTER DATABASE postgres SET search_path = pg_temp",
        "ALTER SCHEMA public OWNER TO CURRENT_USER",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_shadow",
        "SELECT * FROM pg_statistic",
        "SELECT * FROM pg_hba_file_rules",
        "SELECT pg_reload_conf()",
        "SELECT pg_switch_wal()",
        "SELECT pg_stat_reset()",
        "SELECT pg_create_physical_replication_slot('mine')",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    ],
    errors.InsufficientPrivilege,
) | {
    # What is not installed cannot be called either.
    "SELECT dblink_connect('dbname=postgres')": errors.UndefinedFunction,
    "DO LANGUAGE plpython3u 'pass'": errors.UndefinedObject,
}


@contextmanager
def log_in(database: Database, role: str) -> Iterator[psycopg.Connection]:
    """A login that may do what that role may and no more, as psql would have it; rolled back at the end."""
    login = f"login_of_{role}"
    with database.write() as connection:
        # Logins belong to the whole server, which goes with the tests.
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [login]).fetchone():
            connection.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(login)))
            if role != NOBODY:
                connection.execute(SQL("GRANT {} TO {}").format(Identifier(role), Identifier(login)))
    with psycopg.connect(make_conninfo(database.url, user=login)) as connection:
        yield connection
        connection.rollback()


def log_in_as_each(database: Database) -> Iterator[tuple[str, psycopg.Connection]]:
    """Every role in its turn."""
    for role in ROLES:
        with log_in(database, role) as connection:
            yield role, connection


def attempt(connection: psycopg.Connection, statement: str) -> type[Exception] | None:
    """The error that the statement meets; None where it works. Nothing of it stays."""
    try:
        with connection.transaction(force_rollback=True):
            if statement.startswith("COPY") and statement.endswith("STDIN"):
                with connection.cursor().copy(statement) as copy:
                    copy.write("")
            else:
                connection.execute(statement)
    except psycopg.Error as error:
        return type(error)
    return None


def test_each_role_reads_what_it_needs(any_database: Database) -> None:
    with any_database.write() as connection:
        relations = connection.execute(RELATIONS).fetchall()
    # A new table must be added to one of the two.
    assert {name for name, _, _ in relations} == UNREAD.union(*(words.split() for words in READS.values()))
    for role, connection in log_in_as_each(any_database):
        for name, _, _ in relations:
            expected = None if name in READS[role].split() else errors.InsufficientPrivilege
            assert attempt(connection, f"SELECT * FROM {name}") is expected, (role, name)
            assert attempt(connection, f"COPY (SELECT * FROM {name}) TO '/tmp/mine'") is errors.InsufficientPrivilege


def test_no_role_writes_to_a_table(any_database: Database) -> None:
    with any_database.write() as connection:
        tables = [(name, column) for name, is_table, column in connection.execute(RELATIONS) if is_table]
    for role, connection in log_in_as_each(any_database):
        for table, column in tables:
            for statement in WRITES:
                error = attempt(connection, statement.format(table=table, column=column))
                assert error is errors.InsufficientPrivilege, (role, table, statement)


def test_no_role_writes_through_a_view(any_database: Database) -> None:
    with any_database.write() as connection:
        views = [name for name, is_table, _ in connection.execute(RELATIONS) if not is_table]
    for role, connection in log_in_as_each(any_database):
        for view in views:
            for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"):
                row = connection.execute("SELECT has_table_privilege(%s, %s)", [view, right]).fetchone()
                assert row == (False,), (role, view, right)


def test_each_role_calls_what_it_needs(any_database: Database) -> None:
    with any_database.write() as connection:
        functions = connection.execute(FUNCTIONS).fetchall()
    guarded = UNCALLED.union(*(words.split() for words in CALLS.values()))
    assert {name for name, *_ in functions} >= guarded
    for role, connection in log_in_as_each(any_database):
        connection.execute("CREATE TEMP TABLE mine (id uuid)")
        for name, has_owners_rights, is_trigger, types in functions:
            if is_trigger and has_owners_rights:
                # On a table of one's own it would read rows of one's own making with the owner's rights.
                statement = f"CREATE TRIGGER mine AFTER INSERT ON mine EXECUTE FUNCTION {name}()"
                assert attempt(connection, statement) is errors.InsufficientPrivilege, (role, name)
                continue
            if name not in guarded:
                # Everybody may call it, because it does nothing that its caller could not.
                assert not has_owners_rights, name
                continue
            statement = f"SELECT {name}({', '.join(f'NULL::{kind}' for kind in types)})"
            is_refused = attempt(connection, statement) is errors.InsufficientPrivilege
            assert is_refused == (name not in CALLS[role].split()), (role, name)


def test_no_role_does_anything_to_the_server(any_database: Database) -> None:
    for role, connection in log_in_as_each(any_database):
        for deed, error in DEEDS.items():
            assert attempt(connection, deed) is error, (role, deed)
        for other in ROLES[:-1]:
            if other != role:
                assert attempt(connection, f"SET ROLE {other}") is errors.InsufficientPrivilege
                assert attempt(connection, f"SET ROLE login_of_{other}") is not None


def test_no_role_makes_databases_or_settings(any_database: Database) -> None:
    for role, connection in log_in_as_each(any_database):
        # None of these stands in a transaction.
        connection.autocommit = True
        for deed in (
            "ALTER SYSTEM SET log_statement = 'all'",
            "CREATE DATABASE mine",
            "DROP DATABASE postgres",
            "CREATE TABLESPACE mine LOCATION '/tmp'",
        ):
            try:
                connection.execute(deed)
                error = None
            except psycopg.Error as met:
                error = type(met)
            assert error is errors.InsufficientPrivilege, (role, deed)
