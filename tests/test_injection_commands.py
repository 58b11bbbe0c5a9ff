"""Texts that would be SQL, in every argument of every command."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from metrics.__main__ import main, make_parser
from metrics.database import Database
from tests.attacks import ATTACKS, HARMLESS
from tests.conftest import Server
from tests.test_injection import list_tables

# What stands in the other arguments that a command asks for.
GIVEN = {"noun": "customers", "user": str(uuid4()), "name": HARMLESS}
# Arguments that take any text: the rest refuse what they do not know, before anything is done.
FREE = {
    "export --output",
    "export --search",
    "export --device",
    "export --country",
    "prune --archive",
    "keys add name",
    "keys revoke name",
}
# Of those, what names a file or a key.
NAMING = FREE - {"export --search", "export --device", "export --country"}


def list_arguments(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every argument that takes a value, with the words of its command and the others that it asks for."""
    given = [action for action in parser._actions if not action.option_strings and action.dest in GIVEN]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from list_arguments(command, (*words, name))
        elif action.nargs != 0:
            others = tuple(GIVEN[other.dest] for other in given if other is not action)
            name = action.option_strings[0] if action.option_strings else action.dest
            yield (*words, *others), " ".join((*words, name))


ARGUMENTS = {name: words for words, name in list_arguments(make_parser())}


@pytest.fixture(scope="module")
def database(embedded_server: Server) -> Iterator[Database]:
    """A shop with a customer."""
    url = embedded_server.create_database()
    opened = Database(embedded_server.settings, url)
    with opened.write() as connection:
        connection.execute("INSERT INTO users (first_name, email) VALUES ('Zawadi', 'zawadi@shop.example')")
    yield opened
    opened._pool.close()
    embedded_server.drop_database(url)


def run(words: tuple[str, ...], name: str, text: str) -> int:
    """The exit code of the command with that text in that argument."""
    last = name.rpartition(" ")[2]
    try:
        return main([*words, f"{last}={text}" if last.startswith("--") else text])
    except SystemExit as stopped:
        return int(stopped.code or 0)


def test_no_argument_is_forgotten() -> None:
    assert ARGUMENTS.keys() >= FREE
    assert {"erase user", "reset user", "export-person user", "export --user", "demo --seed"} <= ARGUMENTS.keys()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_is_only_text(
    database: Database,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("METRICS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    before = list_tables(database.url)
    harmless = run(ARGUMENTS[name], name, HARMLESS)
    wanted = capfd.readouterr()
    assert (harmless == 2) == (name not in FREE)
    for attack in ATTACKS.values():
        # No program can be given a NUL; what stands on a line of its own, and where a file goes, is for whoever types.
        text = re.sub(r"[\0\r\n/]", "", attack) if name in NAMING else attack.replace("\0", "")
        assert run(ARGUMENTS[name], name, text) == harmless, attack
        said = capfd.readouterr()
        assert "Traceback" not in said.err, attack
        assert len(said.out.splitlines()) == len(wanted.out.splitlines()), attack
    assert list_tables(database.url) == before
