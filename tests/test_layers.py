"""Facts about the repository: who may import whom, where SQL stands, how long a file may be."""

import ast
import re
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import ExecStatus

from metrics.choices import DIMENSIONS, ORDERS, SORTS
from metrics.customers import COUNTED, KEPT, LIFETIMES
from metrics.exports import CSV_CELL
from metrics.settings import PROJECT, SETTINGS
from metrics.statements import SQL_FOLDER, get_statement, list_statements
from metrics.viewer import Viewer, get_masks

LAYERS = (
    {"settings", "choices", "display", "statements", "viewer", "meters", "limits", "logs", "stops", "ports", "spool"},
    {"embedded", "address", "bots", "identity", "messages", "cursors"},
    {"database", "place", "origins", "openapi", "visitor"},
    {"migrate", "exports", "chores", "audit", "keys", "signins"},
    {
        "customers",
        "sessions",
        "devices",
        "statistics",
        "series",
        "rhythm",
        "beacons",
        "sweeper",
        "folder",
        "retention",
        "health",
        "services",
        "reengage",
    },
    {"check", "session_list", "privacy", "rebuild", "clock"},
    {"demo_people", "demo_visits", "demo_sales"},
    {"demo"},
    {"install", "handouts"},
    {"files"},
    {"admission"},
    {"gate", "private_routes"},
    {"downloads"},
    {"api", "bundles", "writer", "demo_page"},
    {"spooler"},
    {"recorder"},
    {"beacon_routes", "endpoint_routes"},
    {"endpoint", "run", "upkeep"},
    {"__main__"},
)
HEIGHTS = {name: height for height, names in enumerate(LAYERS) for name in names}
# Within the demo shop one part hands its customers to the next.
SAME_LAYER = {("demo_visits", "demo_people"), ("demo_sales", "demo_people"), ("demo_sales", "demo_visits")}
COMMANDS = (
    *("migrate", "demo", "run", "endpoint", "fold", "check", "export", "rebuild", "prune", "erase", "reset"),
    *("export-person", "keys"),
)
MODULES = sorted((PROJECT / "metrics").glob("*.py"))
PYTHON = sorted(
    path for part in ("metrics", "pages", "tests", "bench", "chaos") for path in (PROJECT / part).rglob("*.py")
)
SQL_IN_PYTHON = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|TRUNCATE)\b.+", re.DOTALL)
# The pool's own questions, the ledger of migrations, the name of the embedded database, and SQLite's own language.
MAY_HOLD_SQL = {"database", "migrate", "embedded", "spool"}


def list_imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module in ("metrics", "pages", "pages.widgets"):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_it_imports_only_downwards(path: Path) -> None:
    if path.stem == "__init__":
        assert not list_imports(path)
        return
    assert path.stem in HEIGHTS, f"give metrics/{path.name} a layer"
    for module in list_imports(path):
        assert module.split(".")[0] not in {"streamlit", "pandas", "plotly", "pages", "app", "tests"}, module
        if module.startswith("metrics."):
            below = module.split(".")[1]
            lower = HEIGHTS[below] < HEIGHTS[path.stem] or (path.stem, below) in SAME_LAYER
            assert lower, f"{path.stem} may not import {below}"


def test_it_keeps_psycopg_out_of_the_pages() -> None:
    for path in (PROJECT / "pages").rglob("*.py"):
        for module in list_imports(path):
            assert module.split(".")[0] not in {"psycopg", "psycopg_pool"}, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_it_keeps_sql_in_sql_files(path: Path) -> None:
    if path.stem in MAY_HOLD_SQL:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not SQL_IN_PYTHON.match(node.value.strip()), f"{path.name}:{node.lineno} holds SQL"


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(PROJECT)))
def test_it_stays_under_300_lines_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < 300
    assert not text.strip() or ast.get_docstring(ast.parse(text))


def test_every_statement_has_a_sentence() -> None:
    for path in SQL_FOLDER.glob("*.sql"):
        text = path.read_text(encoding="utf-8")
        for mark in re.finditer(r"^-- (?:name|fragment): \w+\n(.*)$", text, re.MULTILINE):
            assert re.match(r"-- [A-Z].*[^:]$", mark[1]), f"{path.name}: {mark[0]}"


def test_every_statement_prepares_against_the_schema(url: str) -> None:
    fragments = {"index_name": "idx_orders_created_at", "cell": CSV_CELL}
    with psycopg.connect(url, autocommit=True) as connection:
        for name, text in list_statements().items():
            for choice in list_choices(text):
                statement = get_statement(name, **fragments, **choice)
                if re.match(r"/\*.*\*/\s*(COPY|DROP|SET|ANALYZE|VACUUM|COMMENT)", statement, re.DOTALL):
                    inner = re.search(r"COPY \((.*)\) TO STDOUT", statement, re.DOTALL)
                    if not inner:
                        continue
                    statement = inner[1]
                numbers: dict[str, int] = {}
                prepared = re.sub(
                    r"%\((\w+)\)s", lambda m, seen=numbers: f"${seen.setdefault(m[1], len(seen) + 1)}", statement
                ).replace("%%", "%")
                result = connection.pgconn.prepare(b"", prepared.encode())
                assert result.status == ExecStatus.COMMAND_OK, f"{name}: {result.error_message.decode()}"


def list_choices(text: str) -> list[dict[str, str]]:
    """Every way the choices fill the fragments of a statement."""
    if ":source" in text or ":counted" in text or ":direction" in text:
        return [
            {
                "source": way.counted,
                "counted": way.counted,
                "kept": way.kept,
                "is_kept": way.is_kept,
                "required": sort.required,
                "sort_column": sort.column,
                "sort_type": sort.type,
                "direction": order.sql,
                "nulls": sort.nulls,
                "comparison": order.after,
                "opposite": order.before,
                "index_nulls": order.index_nulls,
                **get_masks(viewer),
            }
            for viewer in (Viewer("ada@shop.example", "admin"), Viewer("ben@shop.example", "analyst"))
            for way in (LIFETIMES, COUNTED, KEPT)
            for sort in SORTS.values()
            if ":kept" not in text or sort.type == "bigint"
            for order in ORDERS.values()
        ]
    if ":mask_name" in text:
        return [get_masks(Viewer("ada@shop.example", "admin")), get_masks(Viewer("ben@shop.example", "analyst"))]
    if ":column" in text:
        return [{"column": row.column, "version_column": row.version_column} for row in DIMENSIONS.values()]
    return [{}]


def test_the_readme_names_every_setting_and_command() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    for setting in SETTINGS:
        assert f"`{setting.name}`" in text, setting.name
    for target in re.findall(r"^([a-z]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE):
        assert f"make {target}" in text, target
    for command in COMMANDS:
        assert f"python -m metrics {command}" in text, command
