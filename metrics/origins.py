"""Whose pages may send beacons: the origins of the settings, or pages of this machine where none are named."""

from contextlib import suppress
from functools import lru_cache
from urllib.parse import urlsplit

from metrics.address import is_loopback
from metrics.settings import SettingError


class Origins:
    """The allow-list. CORS does not stop a foreign page from sending, so every beacon's Origin is held against it."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        for origin in allowed:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
                raise SettingError(
                    f"METRICS_ALLOWED_ORIGINS has {origin!r}: use origins such as https://shop.example, commas between"
                )
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)

    def allow(self, origin: str) -> bool:
        """Whether beacons with this Origin are taken; without a list, those of pages on this machine."""
        return origin.lower() in self._allowed if self._allowed else is_local(origin)


@lru_cache(maxsize=256)
def is_local(origin: str) -> bool:
    """Whether the origin is a page on this machine, at any port."""
    with suppress(ValueError):
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and is_loopback(parts.hostname or "")
    return False
