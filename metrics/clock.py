"""The database's clock, which is the only one that counts, told without asking it for every beacon."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from metrics.beacons import Connection, Entry, get_clock

# How long an answer is gone by, and by how much our own clock may be set meanwhile.
ASK_SECONDS = 60
SLACK = timedelta(seconds=1)


class Clock:
    """Its time by what passed since it was asked."""

    def __init__(self) -> None:
        self._asked_at = 0.0  # by a clock that nobody sets
        self._ours: datetime | None = None
        self._theirs: datetime | None = None

    def is_old(self) -> bool:
        """Whether it is time to ask again."""
        return time.monotonic() - self._asked_at > ASK_SECONDS

    async def ask(self, connection: Connection) -> None:
        """Asks the database; an answer that took its time says nothing about when it was given."""
        began, ours = time.monotonic(), datetime.now(UTC)
        theirs = await get_clock(connection)
        took = time.monotonic() - began
        if took < SLACK.total_seconds():
            self._asked_at, self._ours, self._theirs = began, ours, theirs - timedelta(seconds=took / 2)

    def tell_time(self) -> datetime | None:
        """Its time now; None where it was never asked, or where this machine slept or its clock was set since."""
        if self._theirs is None or self._ours is None:
            return None
        passed = timedelta(seconds=time.monotonic() - self._asked_at)
        if abs(datetime.now(UTC) - self._ours - passed) > SLACK:
            return None
        return self._theirs + passed

    def date(self, entries: Iterable[Entry]) -> None:
        """Dates what was received before the database was ever asked; not after now, should ours have been set back."""
        now = datetime.now(UTC)
        ahead = self._theirs - self._ours if self._theirs and self._ours else timedelta(0)
        for one in entries:
            for beacon in (one.beacon, one.previous):
                if beacon and beacon.received_at is None and one.received_at:
                    beacon.received_at = min(one.received_at, now) + ahead
