"""What must hold for any input whatsoever, parser by parser: each takes bytes or text, and returns or fails loudly."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import msgspec

from metrics.address import Addresses, Client
from metrics.beacon_routes import read_headers
from metrics.beacons import Beacon
from metrics.choices import ChoiceError
from metrics.cursors import read_cursor
from metrics.customers import CustomerQuery
from metrics.identity import GUEST, Identities
from metrics.messages import LONGEST_ID, REASONS, BadMessage, Message, clamp_age, demand_session_id, read_message
from metrics.origins import Origins
from metrics.place import LONGEST_NAME, Places
from metrics.session_list import SessionQuery
from metrics.visitor import LONGEST_USER_AGENT, Visitor, read_visitor

SECRET = "a-secret-of-the-tests-that-is-long-enough"
SENTENCE = re.compile(r"[^\n\r]{1,400}")
PROXY = "10.0.0.1"
COUNTS: dict[str, int] = {}


def check_body(body: bytes) -> None:
    """A message within its bounds that can be written down, or one sentence."""
    _count("body")
    try:
        message = read_message(body)
        session_id = demand_session_id(message)
    except BadMessage as error:
        _check_sentence(error)
        return
    assert 0 < len(session_id) <= LONGEST_ID
    assert message.reason is None or message.reason.replace("\0", "") in REASONS
    for age in (message.age, message.up, message.prev.age if message.prev else None):
        clamped = clamp_age(age)
        assert clamped is None or 0 <= clamped <= 86_400_000
    for field in message.__struct_fields__:
        value = getattr(message, field)
        assert not isinstance(value, str) or "\0" not in value, field
    beacon = Beacon(session_id, t=message.t, age=clamp_age(message.age), landing_page=message.landing_page)
    text = msgspec.json.encode(beacon).decode()
    assert r"\u0000" not in text
    _check_visitor(read_visitor({}, message))


def check_headers(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """An address or none, a visitor of known words, a yes or no to the origin, a place of text or none."""
    _count("headers")
    # As the server hands them over: names in lower case, values as they came.
    found = read_headers({"headers": [(name.lower(), value) for name, value in headers]})
    for peer in (PROXY, "8.8.8.8", "", "junk"):
        client = ADDRESSES.read_client(peer, found)
        assert client.is_behind_trusted_proxy == (peer == PROXY)
        if client.address:
            assert ipaddress.ip_address(str(client.address)) == client.address
            assert ipaddress.ip_address(ADDRESSES.stored(client.address) or "")
        assert peer != "8.8.8.8" or str(client.address) == peer
        for name in NOWHERE.read_place(client, found):
            assert name is None or 0 < len(name) <= LONGEST_NAME
    _check_visitor(read_visitor(found, Message()))
    origin = found.get("origin", "")
    assert OWN.allow(origin) is (origin.lower() == "https://shop.example")
    assert isinstance(ANY_LOCAL.allow(origin), bool)


def check_token(token: str) -> None:
    """A guest, unless the shop's secret signed it."""
    _count("token")
    identity, _ = asyncio.run(IDENTITIES.identify(token, None))
    signed, _, signature = token.rpartition(".")
    if identity != GUEST:
        wanted = hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256)
        padded = signature + "=" * (-len(signature) % 4)
        assert base64.urlsafe_b64decode(padded) == wanted
        assert UUID(identity.user_id or "")


def check_places(database: Path, addresses: Sequence[str]) -> None:
    """Names of some length or none, whatever the file holds."""
    _count("mmdb")
    places = Places(str(database))
    for address in addresses:
        for name in places.read_place(Client(ipaddress.ip_address(address)), {}):
            assert name is None or (0 < len(name) <= LONGEST_NAME and "\0" not in name)


def check_url(parameters: Mapping[str, str]) -> None:
    """A query of known words, a moment of the cursor that PostgreSQL knows, or one sentence for each."""
    _count("url")
    words = dict(parameters)
    cursor = words.pop("cursor", "")
    sessions = {name: words[name] for name in ("state", "reason", "who") if name in words}
    customers = {name: words[name] for name in ("sort", "order", "search", "activity", "device") if name in words}
    interval = words.get("interval", "all")
    query = CustomerQuery()
    for make, chosen in ((CustomerQuery, customers), (SessionQuery, sessions)):
        try:
            made = make(interval=interval, **chosen)
        except ChoiceError as error:
            _check_sentence(error)
            continue
        if isinstance(made, CustomerQuery):
            query = made
    try:
        as_of, after = read_cursor(query.choices, cursor)
    except ChoiceError as error:
        _check_sentence(error)
        return
    assert as_of.tzinfo
    assert isinstance(after["after_id"], UUID)


def _check_visitor(visitor: Visitor) -> None:
    assert visitor.device_type
    for word in (visitor.browser_name, visitor.browser_version, visitor.os_name, visitor.os_version):
        assert word is None or len(word) <= LONGEST_USER_AGENT
    assert "\0" not in (visitor.user_agent or "")
    assert len(visitor.user_agent or "") <= LONGEST_USER_AGENT
    with suppress(UnicodeEncodeError):
        # Half of a surrogate pair never comes here: headers are Latin-1, bodies are JSON.
        msgspec.json.encode([visitor.browser_name, visitor.os_name, visitor.user_agent])


def _check_sentence(error: Exception) -> None:
    assert SENTENCE.fullmatch(str(error)), error


def _count(parser: str) -> None:
    COUNTS[parser] = COUNTS.get(parser, 0) + 1


ADDRESSES = Addresses((PROXY,), "truncated")
NOWHERE = Places("")
OWN, ANY_LOCAL = Origins(("https://shop.example",)), Origins(())
IDENTITIES = Identities(secret=SECRET, jwks_url="", trusts_claims=False)
