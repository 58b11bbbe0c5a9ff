"""Named SQL statements from sql/*.sql, written in psql's own parameter syntax so that they run by hand too.

`:'since'` is a bound value; a bare `:sort_column` is a fragment: one written before it (`-- fragment: matching`), or
one that only `choices` may supply.
"""

import re
from collections.abc import Mapping
from functools import cache
from itertools import zip_longest
from pathlib import Path

SQL_FOLDER = Path(__file__).resolve().parent.parent / "sql"

_MARK = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
_VALUE = re.compile(r"(?<!:):'(\w+)'")
_FRAGMENT = re.compile(r"(?<![:\w]):(\w+)")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


class UnknownStatement(LookupError):
    """No file in sql/ holds a statement of that name."""


@cache
def list_statements() -> dict[str, str]:
    """Every named statement as it stands in its file, by name, with a comment that says where it came from."""
    statements: dict[str, str] = {}
    fragments: dict[str, str] = {}
    for path in sorted(SQL_FOLDER.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        marks = list(_MARK.finditer(text))
        for mark, following in zip_longest(marks, marks[1:]):
            kind, name = mark.groups()
            if name in statements or name in fragments:
                raise ValueError(f"sql/{path.name} names {name} a second time: use one name once")
            body = text[mark.end() : following.start() if following else len(text)]
            body = _COMMENT.sub("", body).strip().rstrip(";")
            if kind == "fragment":
                fragments[name] = _fill(body, fragments)
                continue
            line = text.count("\n", 0, mark.start()) + 1
            # A leading block comment survives into pg_stat_statements and the slow-query log.
            statements[name] = f"/* sql/{path.name}:{line} {name} */\n" + _fill(body, fragments)
    return statements


def _fill(body: str, fragments: Mapping[str, str]) -> str:
    return _FRAGMENT.sub(lambda found: fragments.get(found[1], found[0]), body)


def get_statement(name: str, **fragments: str) -> str:
    """The statement for psycopg, its fragments in place; UnknownStatement where the name or a fragment is missing."""
    statement = list_statements().get(name)
    if statement is None:
        raise UnknownStatement(f"{name} is not in sql/: use a name from its files")
    origin, _, body = statement.partition("\n")
    body = _fill(body, fragments)
    missing = _FRAGMENT.search(body)
    if missing:
        raise UnknownStatement(f"{name} lacks its fragment {missing[0]}: pass a row of choices")
    return f"{origin}\n" + _VALUE.sub(r"%(\1)s", body.replace("%", "%%"))
