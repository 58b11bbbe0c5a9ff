"""The packages that we stand on: each is pinned, and each has been looked at."""

from __future__ import annotations

import re
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from metrics.settings import PROJECT

REVIEW = PROJECT / "docs" / "dependencies.md"
ROW = re.compile(r"^\| ([\w.-]+) \| ([^|]+) \|", re.MULTILINE)
TABLE_HEADS = {"package"}


def list_required() -> list[Requirement]:
    """What requirements.txt asks for."""
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    texts = [line.partition(" #")[0].strip() for line in lines if not line.startswith("#")]
    return [Requirement(text) for text in texts if text]


def read_rows(heading: str) -> dict[str, str]:
    """The first two cells of each row under that heading."""
    part = REVIEW.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = {name: second.strip() for name, second in ROW.findall(part) if name not in TABLE_HEADS}
    assert rows, heading
    return rows


def list_brought_along(required: list[Requirement]) -> set[str]:
    """The names of everything that they need, and that needs, on this machine."""
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(one.name), extra) for one in required for extra in ("", *one.extras)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for text in requires(name) or []:
            one = Requirement(text)
            if one.marker is None or one.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(one.name), more) for more in ("", *one.extras)]
    return {name for name, _ in seen}


def test_each_is_pinned_and_reviewed_at_that_version() -> None:
    reviewed = read_rows("Named in requirements.txt")
    pinned = {}
    for one in list_required():
        [specifier] = one.specifier
        assert specifier.operator == "=="
        assert "*" not in specifier.version
        pinned[one.name] = specifier.version
    assert reviewed == pinned


def test_what_comes_along_is_reviewed_too() -> None:
    named = {canonicalize_name(one.name) for one in list_required()}
    assert list_brought_along(list_required()) - named <= read_rows("What comes along").keys()
