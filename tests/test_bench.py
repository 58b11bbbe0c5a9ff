"""The measurements run, at the small size; what they measure is no test."""

import os
import subprocess
import sys

from metrics.settings import PROJECT


def test_it_prints_a_row_for_every_question() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "bench", "--repeat", "1", "--seconds", "1"],
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/never-asked"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    rows = [line for line in result.stdout.splitlines() if line.startswith("| ") and "question" not in line]
    assert len(rows) > 60
    assert len([row for row in rows if " connections |" in row and row.endswith("| 0 |")]) == 6
    assert not [row for row in rows if "| over " in row]
