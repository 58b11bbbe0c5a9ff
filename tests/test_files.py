"""Files of the export command: the page's rows and columns, as CSV and as Parquet, whole or not at all."""

import csv
import io
import os
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from pyarrow import parquet

from metrics.customers import CustomerQuery, export_customers
from metrics.database import Database
from metrics.files import write_file
from metrics.session_list import SessionQuery, export_sessions
from metrics.settings import PROJECT
from metrics.viewer import Viewer
from tests.shop import fill_shop


@pytest.fixture(name="shop")
def fixture_shop(database: Database) -> Database:
    with database.write() as connection:
        fill_shop(connection, database.now())
        connection.execute(
            "UPDATE users SET first_name = %s WHERE id = (SELECT min(id::text)::uuid FROM users)",
            ['=cmd|"a", \n\r\n é'],
        )
    return database


def read_cell(cell: str, value: object) -> object:
    """A CSV cell as the Parquet file has it."""
    if cell == "":
        return None if value is None else ""
    if isinstance(value, bool):
        return cell == "true"
    if isinstance(value, datetime):
        return datetime.fromisoformat(cell)
    if isinstance(value, (int, float, Decimal)):
        return type(value)(cell)
    # What a spreadsheet would run is disarmed in CSV alone.
    return cell.removeprefix("'") if str(value).startswith(tuple("=+-@\t\r")) else cell


@pytest.mark.parametrize("noun", ["customers", "sessions"])
def test_parquet_has_the_rows_of_the_csv_with_their_types(
    shop: Database, ada: Viewer, noun: str, tmp_path: Path
) -> None:
    as_of = shop.now()
    query = CustomerQuery("weekly", "orders")
    path = tmp_path / "file.parquet"
    write_file(shop, noun, query, user_id=None, kind="parquet", path=path)
    if noun == "customers":
        pieces = export_customers(shop, ada, query, as_of=as_of)
    else:
        pieces = export_sessions(shop, ada, SessionQuery("weekly"), as_of=as_of)
    rows = list(csv.DictReader(io.StringIO(b"".join(pieces).decode(), newline="")))
    found = parquet.read_table(path).to_pylist()
    assert rows
    assert [list(row) for row in found[:1]] == [list(row) for row in rows[:1]]
    assert [
        {name: read_cell(cell, one[name]) for name, cell in row.items()} for row, one in zip(rows, found, strict=True)
    ] == found
    if noun == "customers":
        assert {type(one["total_spent"]) for one in found} == {Decimal}
        assert '=cmd|"a", \n\r\n é' in {one["first_name"] for one in found}


def test_the_command_writes_what_the_page_downloads(shop: Database, ada: Viewer) -> None:
    command = [sys.executable, "-m", "metrics", "export", "customers", "--search", "juma", "--order", "asc"]
    environment = os.environ | {"DATABASE_URL": shop.url}
    result = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, timeout=60, check=True)
    assert result.stdout == b"".join(export_customers(shop, ada, CustomerQuery(search="juma", order="asc")))
    assert result.stderr == b""


def test_a_reader_that_had_enough_is_no_error(shop: Database) -> None:
    command = f"{sys.executable} -m metrics export sessions | head -1"
    environment = os.environ | {"DATABASE_URL": shop.url}
    result = subprocess.run(
        command, cwd=PROJECT, env=environment, shell=True, capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.startswith("session_id,user_id,")
    assert result.stderr == ""


def test_a_file_is_whole_or_not_there(shop: Database, tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("yesterday's")
    with shop.write() as connection:
        connection.execute("ALTER TABLE user_activity_summary RENAME TO elsewhere")
        connection.execute("DROP VIEW metrics_customers CASCADE")
    with pytest.raises(Exception, match="migrate"):
        write_file(shop, "customers", CustomerQuery(), user_id=None, kind="csv", path=path)
    assert path.read_text() == "yesterday's"
    assert list(tmp_path.iterdir()) == [path]


def test_it_writes_one_customers_sessions(shop: Database, tmp_path: Path) -> None:
    path = tmp_path / "sessions.csv"
    with shop.write() as connection:
        row = connection.execute(
            "SELECT user_id FROM user_sessions WHERE NOT is_bot AND user_id IS NOT NULL"
        ).fetchone()
    assert row
    write_file(shop, "sessions", CustomerQuery(), user_id=UUID(str(row[0])), kind="csv", path=path)
    assert {one["user_id"] for one in csv.DictReader(path.open(newline=""))} == {str(row[0])}
