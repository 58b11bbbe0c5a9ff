"""The tracker's file: small, current, and without anything that a shop's page or its policy would not allow."""

import gzip
import re
import subprocess
from pathlib import Path

import pytest

from metrics.settings import PROJECT

SOURCE = PROJECT / "metrics" / "tracker.js"
BUILT = PROJECT / "metrics" / "tracker.min.js"
LARGEST = 2_560
BUILD = "npx --yes terser@5.51.2 metrics/tracker.js --ecma 2017 --compress passes=3,unsafe_arrows --mangle".split()


@pytest.fixture(scope="module")
def built() -> str:
    return BUILT.read_text(encoding="utf-8")


def test_it_works(built: str) -> None:
    assert "/api/analytics/session" in built
    assert "customerMetrics" in built


def test_it_is_small(built: str) -> None:
    assert len(gzip.compress(built.encode(), 9, mtime=0)) <= LARGEST


def test_it_is_built_from_the_source_beside_it(built: str, tmp_path: Path) -> None:
    command = [*BUILD, "-o", str(tmp_path / "made.js")]
    made = subprocess.run(command, check=False, cwd=PROJECT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "made.js").read_text(encoding="utf-8").strip() == built.strip(), (
        f"run {' '.join(BUILD)} -o {BUILT}"
    )


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"\beval\b|\bFunction\s*\(|new Function", "a strict policy forbids text that becomes code"),
        (r"\.cookie\b", "no cookie"),
        (r"['\"](before)?unload['\"]", "a listener for unload keeps pages out of the back/forward cache"),
        (r"createElement|innerHTML|\.style\b", "the page's markup is the shop's"),
        (r"XMLHttpRequest|importScripts|import\(", "one file, one way to talk"),
        (r"\bconsole\b", "nothing in the shop's console"),
    ],
)
def test_it_leaves_the_page_alone(built: str, pattern: str, why: str) -> None:
    assert re.search(pattern, built) is None, why


@pytest.mark.parametrize(
    ("pattern", "year"),
    [
        (r"\?\.[a-zA-Z_$\[(]", "optional chaining, 2020"),
        (r"\?\?", "nullish coalescing, 2020"),
        (r"\|\|=|&&=", "logical assignment, 2021"),
        (r"catch\s*\{", "catch without a name, 2019"),
        (r"\{\s*\.\.\.|,\s*\.\.\.[\w$]+\s*\}", "spread in an object, 2018"),
        (r"\basync\b|\bawait\b", "not before 2017, and slow where it is translated"),
        (r"\d_\d", "separators in numbers, 2021"),
        (r"#[a-z]\w*\s*[=(;]", "private fields, 2022"),
        (r"\.at\(|\.flat\(|replaceAll|Object\.fromEntries|globalThis", "functions of 2019 and later"),
    ],
)
def test_old_phones_can_read_it(built: str, pattern: str, year: str) -> None:
    assert re.search(pattern, built) is None, year
