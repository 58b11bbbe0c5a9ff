"""The spool on disk: what was appended is there after any death, in its order, once, and never beyond its bound."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.beacons import Beacon, Entry
from metrics.settings import PROJECT
from metrics.spool import FILE, Batch, Part, Spool, SpoolError
from metrics.spooler import split


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool", 64)
    yield opened
    opened.close()


def append(spool: Spool, *texts: str) -> None:
    for text in texts:
        spool.append(Part(1, text.encode()))


def fill(spool: Spool) -> tuple[int, str]:
    """How many batches of a kilobyte it takes, and what it says then."""
    for number in range(100_000):
        try:
            append(spool, f"{number:01000}")
        except SpoolError as error:
            return number, str(error)
    raise AssertionError("it has no end")


def read_all(spool: Spool) -> list[str]:
    """What it holds, oldest first, taken out of it."""
    texts = []
    while batches := spool.peek(1_000):
        for batch in batches:
            texts.append(batch.payload.decode())
            spool.forget(batch)
    return texts


def test_what_is_appended_is_read_in_its_order_until_it_is_forgotten(spool: Spool) -> None:
    append(spool, *"abc")
    assert spool.count() == 3
    assert [one.payload for one in spool.peek(2)] == [b"a", b"b"]
    assert read_all(spool) == ["a", "b", "c"]
    assert (spool.count(), spool.peek(9)) == (0, [])


def test_what_is_put_together_stands_first_and_keeps_its_name_until_it_is_done(spool: Spool) -> None:
    append(spool, *"abcd")
    first = spool.peek(3)
    spool.merge(first, [Part(2, b"ab"), Part(1, b"c")])
    # Another process had read them too.
    spool.merge(first, [Part(3, b"abc")])
    (head,) = spool.peek(9)
    assert (head.payload, head.is_merged, spool.count()) == (b"ab", True, 4)
    assert spool.peek(9) == [head]
    assert read_all(spool) == ["ab", "c", "d"]


def test_forgetting_twice_takes_nothing_elses_place(spool: Spool) -> None:
    append(spool, "a")
    (old,) = spool.peek(1)
    spool.forget(old)
    append(spool, "b")
    spool.forget(old)
    assert read_all(spool) == ["b"]


def test_what_the_database_never_takes_is_put_aside(spool: Spool, tmp_path: Path) -> None:
    append(spool, "bad", "good")
    spool.refuse(spool.peek(1)[0])
    assert (spool.count(), read_all(spool)) == (1, ["good"])
    with sqlite3.connect(tmp_path / "spool" / FILE) as connection:
        assert connection.execute("SELECT payload FROM refused").fetchall() == [(b"bad",)]


def test_what_was_put_aside_is_forgotten_after_a_month(spool: Spool, tmp_path: Path) -> None:
    append(spool, "old", "new")
    for batch in spool.peek(2):
        spool.refuse(batch)
    with sqlite3.connect(tmp_path / "spool" / FILE) as connection:
        connection.execute("UPDATE refused SET refused_at = datetime('now', '-31 days') WHERE payload = ?", (b"old",))
    Spool(tmp_path / "spool", 64).close()
    with sqlite3.connect(tmp_path / "spool" / FILE) as connection:
        assert connection.execute("SELECT payload FROM refused").fetchall() == [(b"new",)]


def test_two_processes_share_it(spool: Spool, tmp_path: Path) -> None:
    other = Spool(tmp_path / "spool", 64)
    for number in range(20):
        append(spool if number % 2 else other, str(number))
    assert other.count() == 20
    assert read_all(spool) == [str(number) for number in range(20)]
    other.close()


def test_it_is_nobody_elses_to_read(spool: Spool, tmp_path: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "spool").iterdir()}
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    assert modes[FILE] == 0


def test_a_full_spool_refuses_and_takes_again_once_there_is_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1)
    kept, sentence = fill(spool)
    assert "database or disk is full" in sentence
    assert 500 < kept < 1_100
    assert spool.count() == kept
    for batch in spool.peek(100):
        spool.forget(batch)
    append(spool, "again")
    assert len(read_all(spool)) == kept - 100 + 1
    spool.shrink()
    assert (tmp_path / FILE).stat().st_size < 50_000
    spool.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root alone")
def test_on_a_full_disk_what_was_kept_can_still_be_put_together_and_forgotten(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], check=False).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        spool = Spool(disk, 64)
        kept, sentence = fill(spool)
        assert kept > 1_000, sentence
        (disk / "others").touch()
        batches = spool.peek(400)
        spool.merge(batches, [Part(len(batches), b"".join(one.payload for one in batches))])
        texts = read_all(spool)
        assert "".join(texts) == "".join(f"{number:01000}" for number in range(kept))
        spool.shrink()
        append(spool, "again")
        assert read_all(spool) == ["again"]
        spool.close()
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("seed", range(3))
def test_a_torn_end_is_cut_at_a_whole_batch(tmp_path: Path, seed: int) -> None:
    spool = Spool(tmp_path / "whole", 64)
    append(spool, *(f"{number:0500}" for number in range(40)))
    # As a machine that stops leaves it: nothing closed, nothing tidied up.
    log = tmp_path / "whole" / f"{FILE}-wal"
    rng = random.Random(seed)
    lengths = set()
    for number in range(60):
        torn = tmp_path / f"torn{number}"
        torn.mkdir()
        shutil.copy(tmp_path / "whole" / FILE, torn)
        text = bytearray(log.read_bytes())
        cut = rng.randrange(len(text))
        # Cut off, or filled with what was on the disk before.
        torn_text = bytes(text[:cut]) if number % 2 else bytes(text[:cut]) + rng.randbytes(len(text) - cut)
        (torn / log.name).write_bytes(torn_text)
        again = Spool(torn, 64)
        count = again.count()
        texts = read_all(again)
        assert texts == [f"{number:0500}" for number in range(count)]
        append(again, "next")
        assert read_all(again) == ["next"]
        again.close()
        lengths.add(count)
    assert len(lengths) > 10
    spool.close()


WRITER = """
import sys
from pathlib import Path
from metrics.spool import Part, Spool
spool = Spool(Path(sys.argv[1]), 64)
number = int(sys.argv[2])
while True:
    spool.append(Part(1, str(number).encode()))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
    if number % 7 == 0:
        batches = [one for one in spool.peek(20) if not one.is_merged]
        spool.merge(batches, [Part(len(batches), b",".join(one.payload for one in batches))]) if batches else None
"""


def test_killed_at_any_moment_it_holds_what_was_acknowledged_and_at_most_one_batch_more(tmp_path: Path) -> None:
    rng = random.Random(5)
    acknowledged = 0
    for _ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, str(acknowledged)], cwd=PROJECT, stdout=subprocess.PIPE
        )
        assert process.stdout
        said = process.stdout.readline()
        time.sleep(rng.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read()
        process.wait()
        process.stdout.close()
        # Its last line may be torn as well.
        acknowledged = int(said[: said.rindex(b"\n")].rpartition(b"\n")[2]) + 1
        spool = Spool(tmp_path, 64)
        found = spool.count()
        assert found in (acknowledged, acknowledged + 1)
        acknowledged = found
        spool.close()
    spool = Spool(tmp_path, 64)
    assert ",".join(read_all(spool)) == ",".join(str(number) for number in range(acknowledged))
    assert acknowledged > 100
    spool.close()


def test_what_is_no_spool_is_one_sentence_and_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"something else " * 1_000)
    with pytest.raises(SpoolError, match="file is not a database"):
        Spool(tmp_path, 64)
    assert (tmp_path / FILE).read_bytes() == b"something else " * 1_000
    (tmp_path / "folder" / FILE).mkdir(parents=True)
    with pytest.raises(SpoolError, match="unable to open"):
        Spool(tmp_path / "folder", 64)
    (tmp_path / "file").touch()
    with pytest.raises(SpoolError, match="cannot be written"):
        Spool(tmp_path / "file" / "spool", 64)


def test_one_of_a_later_release_is_left_alone(spool: Spool, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "spool" / FILE) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(SpoolError, match="later release"):
        Spool(tmp_path / "spool", 64)


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 5)), max_size=40))
@settings(deadline=None)
def test_rounds_hold_no_session_twice_and_keep_its_order(stories: list[tuple[int, int | None]]) -> None:
    entries = [
        Entry("heartbeat", Beacon(f"s{one}", t=t), None if other is None else Beacon(f"s{other}", is_end=True))
        for t, (one, other) in enumerate(stories)
    ]
    rounds = split(entries)
    for batch in rounds:
        touched = [session_id for one in batch for session_id in one.list_ids()]
        assert len(touched) == len(set(touched))
    written = [one for batch in rounds for one in batch]
    assert len(written) == len(entries)
    for session_id in {session_id for one in entries for session_id in one.list_ids()}:
        before = [one.beacon.t for one in entries if session_id in one.list_ids()]
        assert [one.beacon.t for one in written if session_id in one.list_ids()] == before


def test_a_batch_is_what_it_was(spool: Spool) -> None:
    append(spool, "x")
    (batch,) = spool.peek(1)
    assert isinstance(batch, Batch)
    assert (batch.size, batch.is_merged, batch.payload) == (1, False, b"x")
