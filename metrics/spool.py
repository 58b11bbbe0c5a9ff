"""Batches on disk while the database is away: fsynced before they are acknowledged, read again in their order.

SQLite keeps them, because it survives being killed between any two instructions: a torn end of its log is found by
checksums and cut (https://www.sqlite.org/wal.html). Several processes may share one spool.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

FILE = "beacons.sqlite"
VERSION = 1
PAGE = 4096
BUSY_SECONDS = 5
# The log is written into the file after a megabyte, so that the reserve always has room for that.
LOG_PAGES = 256
# Disk space set aside: where nothing more can be written, what is replayed can still be forgotten.
RESERVE = 2 * 2**20
REFUSED_STAY = "-30 days"
SCHEMA = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS batches (
        position INTEGER PRIMARY KEY, -- smaller is older
        id TEXT NOT NULL, -- by which the database knows that it has this batch
        size INTEGER NOT NULL, -- beacons
        is_merged INTEGER NOT NULL, -- put together from several for the replay
        payload BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS refused (refused_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, payload BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS totals (size INTEGER NOT NULL);
    INSERT INTO totals SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM totals);
    PRAGMA user_version = {VERSION};
    CREATE TRIGGER IF NOT EXISTS count_added AFTER INSERT ON batches
    BEGIN UPDATE totals SET size = size + NEW.size; END;
    CREATE TRIGGER IF NOT EXISTS count_removed AFTER DELETE ON batches
    BEGIN UPDATE totals SET size = size - OLD.size; END;
    COMMIT;
"""


class SpoolError(RuntimeError):
    """The spool cannot be read or written; the message says why in one sentence."""


class Batch(NamedTuple):
    """A batch as it lies on disk."""

    position: int
    id: UUID
    size: int
    is_merged: bool
    payload: bytes


class Part(NamedTuple):
    """What a batch becomes when it is put together with others, or taken apart."""

    size: int
    payload: bytes


class Look(NamedTuple):
    """What a spool holds: beacons that wait, batches that the database refused, and seconds without a change."""

    waiting: int
    refused: int
    quiet_seconds: float


def look(folder: Path) -> Look | None:
    """From outside, changing nothing; None where there is none, or none that can be read."""
    file = folder / FILE
    try:
        changed_at = max(path.stat().st_mtime for path in folder.glob(f"{FILE}*"))
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as connection:
            waiting, refused = connection.execute(
                "SELECT (SELECT size FROM totals), (SELECT count(*) FROM refused)"
            ).fetchone()
    except (OSError, ValueError, sqlite3.Error):
        return None
    return Look(waiting, refused, time.time() - changed_at)


class Spool:
    """A bounded file of batches, oldest first; every method that writes returns after the fsync, or SpoolError."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        """Opens what a process before this one may have left, whatever became of that one."""
        self._folder = folder
        self._reserve = folder / "reserve"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Who visited what is nobody else's to read.
            folder.chmod(0o700)
            with self._told():
                self._connection = sqlite3.connect(
                    folder / FILE, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
                )
                self._prepare(megabytes)
        except OSError as error:
            raise SpoolError(f"The spool in {str(folder)!r} cannot be written ({error.strerror})") from None

    def count(self) -> int:
        """How many beacons wait."""
        with self._told():
            total: int = self._connection.execute("SELECT size FROM totals").fetchone()[0]
        return total

    def append(self, part: Part) -> None:
        """Adds a batch behind the others."""
        self._change(lambda: self._insert(None, part, is_merged=False))

    def peek(self, most: int) -> list[Batch]:
        """The oldest: one that was put together before, or as many others as hold about that many beacons."""
        with self._told():
            cursor = self._connection.execute(
                "SELECT position, id, size, is_merged, payload FROM batches ORDER BY position LIMIT ?", (most,)
            )
            return list(self._take(cursor, most))

    def merge(self, batches: Sequence[Batch], parts: Sequence[Part]) -> None:
        """Puts these in the place of those, which they hold all of; nothing where another process has done it."""
        first = batches[0].position

        def swap() -> None:
            gone = sum(self._delete(one) for one in batches)
            if gone < len(batches):
                self._connection.execute("ROLLBACK")
                return
            for position, part in enumerate(parts, first - len(parts) + 1):
                self._insert(position, part, is_merged=True)

        self._change(swap, uses_reserve=True)

    def forget(self, batch: Batch) -> None:
        """Removes it, once the database has it."""
        self._change(lambda: self._delete(batch), uses_reserve=True)

    def refuse(self, batch: Batch) -> None:
        """Puts aside what the database will never take: it stands in the table `refused`, for people to look at."""

        def move() -> None:
            if self._delete(batch):
                self._connection.execute("INSERT INTO refused (payload) VALUES (?)", (batch.payload,))

        self._change(move, uses_reserve=True)

    def shrink(self) -> None:
        """Gives the disk back what an empty spool does not need, and sets the reserve aside again."""
        with suppress(sqlite3.Error):
            # Long enough for somebody to look; who is erased must not lie here for ever.
            self._connection.execute("DELETE FROM refused WHERE refused_at < datetime('now', ?)", (REFUSED_STAY,))
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._set_aside()

    def close(self) -> None:
        """Leaves the file for the next process."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _prepare(self, megabytes: int) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = WAL")
        # Each commit is on the disk when it returns, not when the system finds the time.
        run("PRAGMA synchronous = FULL")
        # Kilobytes of memory: what is read is read once.
        run("PRAGMA cache_size = -128")
        run(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        run(f"PRAGMA journal_size_limit = {LOG_PAGES * PAGE}")
        run(f"PRAGMA max_page_count = {megabytes * 2**20 // PAGE}")
        version = run("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise SpoolError(f"The spool in {str(self._folder)!r} is that of a later release: start that one")
        if version == 0:
            self._connection.executescript(SCHEMA)
        (self._folder / FILE).chmod(0o600)
        if not self.count():
            self.shrink()
        self._set_aside()

    def _set_aside(self) -> None:
        with suppress(OSError):
            if not self._reserve.exists() or self._reserve.stat().st_size < RESERVE:
                with self._reserve.open("wb") as file:
                    for _ in range(RESERVE // PAGE):
                        file.write(bytes(PAGE))

    def _insert(self, position: int | None, part: Part, *, is_merged: bool) -> None:
        self._connection.execute(
            "INSERT INTO batches (position, id, size, is_merged, payload) VALUES (?, ?, ?, ?, ?)",
            (position, str(uuid4()), part.size, is_merged, part.payload),
        )

    def _delete(self, batch: Batch) -> int:
        # By its id too: the place may be another's by now.
        cursor = self._connection.execute(
            "DELETE FROM batches WHERE position = ? AND id = ?", (batch.position, str(batch.id))
        )
        return cursor.rowcount

    @staticmethod
    def _take(rows: sqlite3.Cursor, most: int) -> Iterator[Batch]:
        room = most
        for position, name, size, is_merged, payload in rows:
            if room < most and (is_merged or size > room):
                return
            yield Batch(position, UUID(name), size, bool(is_merged), payload)
            if is_merged:
                return
            room -= size

    def _change(self, work: Callable[[], object], *, uses_reserve: bool = False) -> None:
        with self._told():
            try:
                self._commit(work)
            except sqlite3.OperationalError:
                if not uses_reserve or not self._reserve.exists():
                    raise
                self._reserve.unlink()
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self._commit(work)

    def _commit(self, work: Callable[[], object]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            work()
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SpoolError(f"The spool in {str(self._folder)!r} cannot be used ({error})") from None
