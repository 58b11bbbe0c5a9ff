"""The embedded server: shared, stopped by the last that leaves, and started again after whatever happened to it."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from metrics.embedded import EmbeddedError, start_embedded, stop_embedded
from metrics.settings import PROJECT, Settings, load_settings

START = """
import sys
from dataclasses import replace
from pathlib import Path
from metrics.embedded import start_embedded
from metrics.settings import load_settings
print(start_embedded(replace(load_settings({}), home=Path(sys.argv[1]))), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: a socket's may have 107 characters."""
    with TemporaryDirectory(prefix="cm-") as folder:
        yield Path(folder)


@pytest.fixture
def settings(home: Path) -> Settings:
    return replace(load_settings({}), home=home)


def join(home: Path) -> subprocess.Popen[str]:
    """Another process that holds the server until its standard input is closed."""
    other = subprocess.Popen(
        [sys.executable, "-c", START, str(home)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert other.stdout
    assert other.stdout.readline().startswith("postgresql://")
    return other


def is_running(home: Path) -> bool:
    return (home / "postgres" / "postmaster.pid").exists()


def test_the_last_that_leaves_stops_it(home: Path) -> None:
    first, second = join(home), join(home)
    first.communicate()
    assert is_running(home)
    second.communicate()
    assert not is_running(home)


def test_a_killed_holder_does_not_keep_it(home: Path, settings: Settings) -> None:
    killed = join(home)
    killed.kill()
    killed.communicate()
    # Somebody else has the number of the killed process now, and has had it for longer than the list exists.
    holders = home / "postgres" / ".handle_pids.json"
    holders.write_text(json.dumps([os.getpid()]))
    os.utime(holders, (1_000_000_000, 1_000_000_000))
    other = join(home)
    other.communicate()
    assert not is_running(home)


def test_it_starts_again_after_a_crash_even_if_its_number_was_given_away(home: Path, settings: Settings) -> None:
    holder = join(home)
    ledger = home / "postgres" / "postmaster.pid"
    lines = ledger.read_text().splitlines()
    os.kill(int(lines[0]), signal.SIGKILL)
    holder.kill()
    holder.communicate()
    ledger.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    os.utime(ledger, (1_000_000_000, 1_000_000_000))
    with psycopg.connect(start_embedded(settings)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    stop_embedded(settings)
    assert not is_running(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a server that runs as somebody else")
def test_a_private_folder_is_opened_for_passing_through_only(home: Path, settings: Settings) -> None:
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    start_embedded(settings)
    stop_embedded(settings)
    assert stat.S_IMODE(home.stat().st_mode) == 0o711


def test_a_long_path_is_no_hindrance(home: Path, settings: Settings) -> None:
    far = replace(settings, home=home / ("a-long-name" * 6) / ("a-long-name" * 6))
    with psycopg.connect(start_embedded(far)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    stop_embedded(far)


def test_a_folder_with_something_else_in_it_is_one_sentence(home: Path, settings: Settings) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "notes.txt").write_text("mine")
    with pytest.raises(EmbeddedError, match="does not start") as error:
        start_embedded(settings)
    assert "\n" not in str(error.value)
    assert (home / "postgres" / "notes.txt").read_text() == "mine"
