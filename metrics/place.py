"""Where a request comes from on the map: what a trusted edge says of it, else a database of the shop's own."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any
from urllib.parse import unquote

from metrics.address import Address, Client

LONGEST_NAME = 100
MOST_ADDRESSES = 4_096
LOGGER = logging.getLogger(__name__)

# Vercel, Cloudflare and CloudFront: the header with the country's code, and the one with the city.
EDGES = (
    ("x-vercel-ip-country", "x-vercel-ip-city"),
    ("cf-ipcountry", "cf-ipcity"),
    ("cloudfront-viewer-country", "cloudfront-viewer-city"),
)


class Places:
    """Reads places; without a database, or with a broken one, only the edge's headers say any."""

    def __init__(self, geoip_db: str) -> None:
        self._reader = _open(geoip_db) if geoip_db else None
        # One carrier's address stands for many phones.
        self._look_up = lru_cache(MOST_ADDRESSES)(self._read)

    def read_place(self, client: Client, headers: Mapping[str, str]) -> tuple[str | None, str | None]:
        """Country and city, each None where nobody knows it. Headers count only where a trusted proxy wrote them."""
        if client.is_behind_trusted_proxy:
            for country_header, city_header in EDGES:
                if country_header in headers:
                    return name_country(headers[country_header]), _read_city(headers.get(city_header, ""))
        if self._reader is None or client.address is None:
            return None, None
        return self._look_up(client.address)

    def _read(self, address: Address) -> tuple[str | None, str | None]:
        assert self._reader
        try:
            found = self._reader.get(address)
        except Exception:
            # An IPv6 address in a database of IPv4, or a database that breaks in the middle, in whatever way.
            return None, None
        return _read_name(found, "country"), _read_name(found, "city")


def name_country(code: str) -> str | None:
    """The English name of a two-letter code (ISO 3166); None for Cloudflare's XX and T1, and for what is no country."""
    code = code.strip().upper()
    if len(code) != 2 or not code.isascii() or not code.isalpha() or code == "XX":
        return None
    return _list_countries().get(code)


@cache
def _list_countries() -> dict[str, str]:
    # Late: 6 MB that only an edge's headers need.
    from babel import Locale

    return dict(Locale("en").territories)


def _open(path: str) -> Any:
    try:
        import maxminddb

        # Read by Python and not by the C library, which broken files bring down with the whole process; and not mapped
        # into memory, where a file that is overwritten does the same. It costs 66 us an address instead of 1.
        return maxminddb.open_database(path, maxminddb.MODE_FILE)
    except Exception as error:
        # Whatever its reader makes of a file that is none.
        LOGGER.warning("METRICS_GEOIP_DB cannot be read (%s): no places are known", type(error).__name__)
        return None


def _read_city(text: str) -> str | None:
    # Percent-encoded by Vercel; plain UTF-8 by others, which headers carry as if it were Latin-1.
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")
    return _clean(unquote(text))


def _read_name(found: Any, kind: str) -> str | None:
    try:
        name = found[kind]["names"]["en"]
    except (KeyError, TypeError):
        return None
    return _clean(name) if isinstance(name, str) else None


def _clean(text: str) -> str | None:
    return text.replace("\0", "").strip()[:LONGEST_NAME] or None
