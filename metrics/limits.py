"""How many beacons one sender may send: token buckets in bounded memory, and a log that a flood cannot fill."""

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable

# Some 4 MB of senders, and of refusals what a day's log can take.
MOST_SENDERS = 10_000
MOST_REFUSALS = 1_000
BURST = 100
LOGGER = logging.getLogger(__name__)


class RateLimit:
    """A bucket a sender: `per_minute` flow in, a burst of up to a hundred of them flows out at once."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._most = max(min(per_minute, BURST), self._per_second)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, sender: str) -> int:
        """0 when the sender may go on, else in how many seconds."""
        now = self._clock()
        bucket = self._buckets.get(sender)
        if bucket is None:
            if len(self._buckets) >= MOST_SENDERS:
                # Whoever was silent longest has the fullest bucket: forgetting it gives away the least.
                self._buckets.popitem(last=False)
            level = self._most
        else:
            level, since = bucket
            level = min(self._most, level + (now - since) * self._per_second)
            self._buckets.move_to_end(sender)
        if level < 1:
            self._buckets[sender] = (level, now)
            return math.ceil((1 - level) / self._per_second)
        self._buckets[sender] = (level - 1, now)
        return 0


class RefusalLog:
    """Says a refusal at once, and its repeats in one line a minute."""

    def __init__(self, every_seconds: float = 60, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_seconds = every_seconds
        self._clock = clock
        self._repeats: dict[tuple[str, str | None], int] = {}
        self._since = clock()

    def add(self, reason: str, network: str | None) -> None:
        """Notes one; the network is as truncated as the addresses that are stored."""
        if self._clock() - self._since >= self._every_seconds:
            self.flush()
        key = (reason, network)
        if key in self._repeats:
            self._repeats[key] += 1
        elif len(self._repeats) < MOST_REFUSALS:
            self._repeats[key] = 0
            LOGGER.warning("refused", extra={"reason": reason, "network": network})

    def flush(self) -> None:
        """Says the repeats of the last minute."""
        for (reason, network), repeats in self._repeats.items():
            if repeats:
                LOGGER.warning("refused again", extra={"reason": reason, "network": network, "times": repeats})
        self._repeats.clear()
        self._since = self._clock()
