"""Keys of the JSON API: made and revoked by command, stored as a hash, each with a role, and what they saw logged."""

from __future__ import annotations

import os
import subprocess
import sys
from uuid import UUID

import pytest

from metrics.audit import list_audit
from metrics.database import Database
from metrics.keys import KeyNameError, add_key, find_key_holder, list_keys, revoke_key
from metrics.settings import PROJECT
from metrics.viewer import Viewer
from tests.test_api import PATH, make_client


def run(database: Database, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "metrics", "keys", *words],
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": database.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_works(database: Database, alice: UUID) -> None:
    made = run(database, "add", "reports", "--role", "admin")
    key = made.stdout.strip()
    assert key.startswith("cm_")
    assert "only its hash" in made.stderr
    client = make_client(database, None)
    bearer = {"Authorization": f"Bearer {key}"}
    [user] = client.get(PATH, headers=bearer).json()["data"]["users"]
    assert user["email"] == "alice@example.co.tz"
    assert run(database, "list").stdout.startswith("reports: admin, made ")
    assert run(database, "revoke", "reports").stdout == "reports opens nothing any more\n"
    assert client.get(PATH, headers=bearer).status_code == 403
    assert ", revoked " in run(database, "list").stdout


def test_only_its_hash_is_stored(database: Database) -> None:
    key = add_key(database, "reports", "admin")
    with database.write() as connection:
        [row] = connection.execute("SELECT to_jsonb(k)::text FROM metrics_api_keys AS k").fetchall()
    assert key not in row[0]
    assert key.removeprefix("cm_") not in row[0]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_analyst_s_key_gets_masked_contacts(database: Database, alice: UUID, form: str) -> None:
    with database.write() as connection:
        connection.execute("UPDATE users SET phone = '+255 754 123 456' WHERE id = %s", [alice])
    key = add_key(database, "reports", "analyst")
    client = make_client(database, None)
    text = client.get(f"{PATH}?format={form}", headers={"Authorization": f"Bearer {key}"}).content.decode()
    assert "a•••@example.co.tz" in text
    assert "•••56" in text
    assert "alice@" not in text
    assert "754" not in text


def test_names_are_used_once_and_revoked_once(database: Database) -> None:
    add_key(database, "reports", "analyst")
    with pytest.raises(KeyNameError, match="is taken"):
        add_key(database, "reports", "admin")
    revoke_key(database, "reports")
    for name in ("reports", "nobody"):
        with pytest.raises(KeyNameError, match="No key in use"):
            revoke_key(database, name)
    assert [(key.name, key.role) for key in list_keys(database)] == [("reports", "analyst")]
    assert run(database, "revoke", "nobody").returncode == 1


@pytest.mark.parametrize("key", ["", "cm_", "'; DROP TABLE users; --", "ключ", "x" * 10_000])
def test_what_is_no_key_opens_nothing(database: Database, key: str) -> None:
    assert find_key_holder(database, key) is None


def test_what_a_key_saw_is_in_the_log(database: Database, alice: UUID, ada: Viewer) -> None:
    key = add_key(database, "reports", "admin")
    client = make_client(database, None)
    for form in ("json", "csv"):
        assert client.get(f"{PATH}?format={form}&search=Alice", headers={"Authorization": f"Bearer {key}"}).is_success
    assert [(deed.actor, deed.action, deed.total_rows) for deed in list_audit(database, ada)] == [
        ("key reports", "export", 1),
        ("key reports", "reveal", 1),
    ]
    assert "Alice" not in str([deed.details for deed in list_audit(database, ada)])


def test_files_behind_the_buttons_ask_for_a_person(database: Database, alice: UUID) -> None:
    key = add_key(database, "reports", "admin")
    client = make_client(database, None)
    for path in ("customers.csv", "sessions.csv", "audience.csv"):
        assert client.get(f"/export/{path}", headers={"Authorization": f"Bearer {key}"}).status_code == 401
