"""Where a request comes from: the peer, or what a trusted proxy says of it, and how much of that is kept."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from metrics.settings import SettingError

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks; no address where none can be read."""

    address: Address | None
    is_behind_trusted_proxy: bool = False
    # What beacons are counted by: an IPv4 address, or the /64 that one IPv6 household has to itself.
    rate_key: str = field(init=False)

    def __post_init__(self) -> None:
        key = _truncate(self.address, 64) if isinstance(self.address, IPv6Address) else str(self.address or "unknown")
        object.__setattr__(self, "rate_key", key)


class Addresses:
    """Reads addresses, and says how they are stored; SettingError for a proxy that is no address or network."""

    def __init__(self, trusted_proxies: tuple[str, ...], storage: str) -> None:
        self._trusted = tuple(_read_network(text) for text in trusted_proxies)
        self._storage = storage

    def read_client(self, peer: str | None, headers: Mapping[str, str]) -> Client:
        """The peer; behind a trusted proxy the right-most hop of X-Forwarded-For that is not one of ours."""
        direct = _read_peer(peer or "")
        address = direct.address
        if not self._trusted or address is None or not self._is_trusted(address):
            return direct
        for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
            forwarded = read_address(hop)
            if forwarded is None:
                break  # whatever stands left of junk was not written by a proxy of ours
            address = forwarded
            if not self._is_trusted(address):
                break
        return Client(address, is_behind_trusted_proxy=True)

    def stored(self, address: Address | None) -> str | None:
        """What is kept of it: its /24 or /48, all of it, or nothing."""
        if address is None or self._storage == "none":
            return None
        if self._storage == "full":
            return str(address)
        return _truncate(address, 24 if isinstance(address, IPv4Address) else 48)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


@lru_cache(maxsize=4096)
def read_address(text: str) -> Address | None:
    """An address with or without brackets and port, an IPv4 one out of its IPv6 dress; None for anything else."""
    text = text.strip()
    if len(text) > 64:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def is_loopback(name: str) -> bool:
    """Whether a host name or address means this machine."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=4096)
def _read_peer(text: str) -> Client:
    return Client(read_address(text))


@lru_cache(maxsize=4096)
def _truncate(address: Address, bits: int) -> str:
    return str(ipaddress.ip_network((address, bits), strict=False).network_address)


def _read_network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise SettingError(
            f"METRICS_TRUSTED_PROXIES has {text!r}: use addresses or networks such as 10.0.0.0/8, commas between"
        ) from None
