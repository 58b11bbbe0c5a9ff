"""Check: silent where all is well, one sentence with a hint for each thing that is not."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from metrics.check import CHECKER, check
from metrics.database import Database, SchemaMissing
from metrics.rebuild import rebuild
from metrics.retention import prune_sessions
from metrics.settings import PROJECT
from metrics.spool import Part, Spool
from tests.fold import fold
from tests.shop import fill_shop


@pytest.fixture(name="shop")
def fixture_shop(any_database: Database) -> Database:
    with any_database.write() as connection:
        fill_shop(connection, any_database.now())
        connection.execute("SELECT metrics_sweep_sessions('30 min', '1 day', 100000)")
    prune_sessions(any_database, CHECKER)
    fold(any_database)
    return any_database


def test_it_finds_nothing_where_all_is_well(shop: Database) -> None:
    assert not list(check(shop))
    assert not list(check(shop, full=True))


@pytest.mark.parametrize(
    ("deed", "sentence"),
    [
        (
            "ALTER TABLE orders DISABLE TRIGGER trigger_log_order_update",
            "trigger_log_order_update on orders is switched",
        ),
        (
            "DROP TRIGGER trigger_update_activity_on_user ON users",
            "trigger_update_activity_on_user on users is missing",
        ),
        ("UPDATE user_activity_summary SET total_orders = total_orders + 1", "is not what a recount gives"),
        ("UPDATE metrics_fold SET folded_until = NULL", "Nothing is folded"),
        ("UPDATE metrics_fold SET folded_until = now() - interval '2 hours'", "The fold is 120 minutes behind"),
        (
            "INSERT INTO user_sessions (session_id, started_at) VALUES ('silent', now() - interval '2 hours')",
            "1 sessions went silent long ago",
        ),
        ("ALTER TABLE metrics_audit DISABLE ROW LEVEL SECURITY", "metrics_audit has no row-level security"),
        ("DROP POLICY metrics_own_sessions ON user_sessions", "The policy metrics_own_sessions on user_sessions"),
        (
            "INSERT INTO user_sessions (session_id, started_at, ended_at)"
            " VALUES ('old', now() - interval '93 days', now() - interval '93 days')",
            "1 sessions are older than the 90 days",
        ),
    ],
)
def test_it_says_what_is_not(shop: Database, deed: str, sentence: str) -> None:
    with shop.write() as connection:
        connection.execute(deed)
    [finding] = check(shop)
    assert sentence in finding


@pytest.mark.parametrize(
    ("deed", "sentence"),
    [
        ("UPDATE user_activity_summary SET total_orders = total_orders + 1", "in total_orders"),
        ("UPDATE user_activity_summary SET primary_os = 'BeOS'", "in primary_os"),
        ("UPDATE user_activity_summary SET last_login_at = NULL", "in last_login_at"),
        ("DELETE FROM user_activity_summary WHERE total_orders > 0", "have no summary"),
        ("UPDATE metrics_period_sessions SET sessions = sessions + 1", "total_sessions of Last 24 Hours is"),
        ("UPDATE metrics_period_totals SET orders = orders + 1", "orders_in_period of Last 24 Hours is"),
    ],
)
def test_drift_is_named_and_a_rebuild_repairs_it(shop: Database, deed: str, sentence: str) -> None:
    with shop.write() as connection:
        connection.execute(deed)
    assert any(sentence in finding for finding in check(shop)), list(check(shop))
    rebuild(shop)
    assert not list(check(shop, full=True))


def test_beacons_that_nobody_writes_are_said(database: Database, tmp_path: Path) -> None:
    fold(database)
    settled = Database(replace(database.settings, home=tmp_path), database.url)
    assert not list(check(settled))
    spool = Spool(tmp_path / "spool", 64)
    for text in (b"a", b"b"):
        spool.append(Part(3, text))
    assert not list(check(settled))  # they may be on their way this very moment
    for path in (tmp_path / "spool").iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    (finding,) = check(settled)
    assert finding.startswith("6 beacons wait in ")
    assert "start python -m metrics endpoint" in finding
    for batch in spool.peek(9):
        spool.refuse(batch)
    (finding,) = check(settled)
    assert finding.startswith("2 batches of beacons in ")
    spool.close()
    settled.close()


def test_the_command_exits_with_1_and_a_hint(shop: Database) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "metrics", "check"]
        environment = os.environ | {"DATABASE_URL": shop.url}
        return subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    assert (run().returncode, run().stdout) == (0, "all is well\n")
    with shop.write() as connection:
        connection.execute("TRUNCATE service_bookings")
    result = run()
    assert result.returncode == 1
    assert "run python -m metrics fold" in result.stdout


def test_a_schema_of_yesterday_is_said_first(database: Database) -> None:
    with database.write() as connection:
        connection.execute("DELETE FROM metrics_migrations WHERE name LIKE '0016%'")
    with pytest.raises(SchemaMissing, match="migrate"):
        list(check(database))
