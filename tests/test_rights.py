"""Who may do what with personal data: roles of the dashboard, and roles of the database tried by hand."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest

from metrics.audit import list_audit
from metrics.database import Database
from metrics.privacy import count_traces, erase_customer, export_person, reset_all_sessions, reset_customer
from metrics.retention import prune_sessions
from metrics.viewer import NotAllowed, Viewer

BEN = Viewer("ben@shop.example", "analyst")


def test_an_analyst_may_do_none_of_it(database: Database, alice: UUID) -> None:
    deeds: tuple[Callable[[], object], ...] = (
        lambda: erase_customer(database, BEN, alice),
        lambda: erase_customer(database, BEN, alice, dry_run=True),
        lambda: reset_customer(database, BEN, alice),
        lambda: reset_all_sessions(database, BEN),
        lambda: export_person(database, BEN, alice),
        lambda: count_traces(database, BEN, alice),
        lambda: list_audit(database, BEN),
        lambda: prune_sessions(database, BEN),
    )
    for deed in deeds:
        with pytest.raises(NotAllowed, match="for admins"):
            deed()


@pytest.mark.parametrize("role", ["metrics_reader", "metrics_beacon", "metrics_customer"])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM metrics_audit",
        "SELECT * FROM metrics_api_keys",
        "SELECT * FROM metrics_sign_outs",
        "SELECT metrics_write_audit('me', 'erase', 'x', 1)",
        "SELECT * FROM metrics_count_traces(gen_random_uuid())",
        "SELECT metrics_begin_erasure(gen_random_uuid())",
        "SELECT * FROM metrics_erase_customer(gen_random_uuid(), 'me')",
        "SELECT * FROM metrics_reset_customer(gen_random_uuid(), 'me')",
        "SELECT * FROM metrics_reset_all_sessions('me')",
        "SELECT metrics_export_person(gen_random_uuid(), 'me')",
        "SELECT * FROM metrics_prune_sessions(now(), 'UTC', 1)",
        "DELETE FROM user_sessions",
        "DELETE FROM metrics_erasures",
    ],
)
def test_other_roles_may_do_none_of_it(database: Database, role: str, statement: str) -> None:
    with database.write() as connection:
        connection.execute(f"SET ROLE {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


@pytest.mark.parametrize(
    "statement", ["DELETE FROM user_sessions", "SELECT * FROM users", "INSERT INTO metrics_audit DEFAULT VALUES"]
)
def test_an_admin_acts_through_functions_alone(database: Database, statement: str) -> None:
    with database.write() as connection:
        connection.execute("SET ROLE metrics_admin")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
