"""Any input whatsoever: bodies, headers, tokens, databases of places and URLs; FUZZ=100 tries 100 times as many."""

import base64
import json
import os
import string
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from metrics.choices import INTERVALS, ORDERS, SORTS
from metrics.cursors import write_cursor
from metrics.messages import Message
from tests.fuzz import SECRET, check_body, check_headers, check_places, check_token, check_url

TIMES = int(os.environ.get("FUZZ", "1"))
fuzzed = settings(
    max_examples=400 * TIMES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True, database=None
)
USER = "11111111-1111-4111-8111-111111111111"
FIELDS = Message.__struct_fields__
ODD = st.sampled_from(
    ["\0", "\ud800", "\x7f", "\u202e", "'", '"', "<", "%00", "\\u0000", "\r\n", "𝕏", "é" * 300, "=1+1", "{}"]
)
TEXT = st.lists(st.text(max_size=30) | ODD, max_size=4).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
MESSAGE = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8).map(lambda fields: {"session_id": "s"} | fields)
HEADERS = (
    "user-agent sec-ch-ua sec-ch-ua-platform sec-ch-ua-platform-version sec-ch-ua-mobile sec-ch-ua-full-version-list "
    "origin x-forwarded-for forwarded cf-ipcountry cf-ipcity x-vercel-ip-country x-vercel-ip-city content-type cookie"
).split()
PIECES = st.sampled_from(
    [
        *(b"Mozilla/5.0 ", b"(iPhone; CPU iPhone OS 17_1 like Mac OS X)", b"Chrome/120.0.0.0", b'"Chromium";v="120"'),
        *(b"https://shop.example", b"null", b"127.0.0.1", b"10.0.0.1, ", b"::ffff:1.2.3.4", b"[2001:db8::1]:80", b"TZ"),
        *(b"bot", b"\xff\xfe", b",", b";", b"Windows", b"?1", b'"13.0.0"', b"%E0%A4%A", b"Dar%20es", b"(", b")" * 50),
    ]
)
VALUE = st.lists(PIECES | st.binary(max_size=20), max_size=8).map(b"".join)


def spoil(data: Any, text: bytes) -> bytes:
    """The same with some bytes changed, doubled, swapped or cut off."""
    spoiled = bytearray(text)
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(spoiled)))
        piece = data.draw(st.binary(max_size=6) | st.sampled_from([b"\0", b"\\ud800", b"1e999", b"NaN", b"[" * 99]))
        length = data.draw(st.integers(0, 4))
        spoiled[place : place + length] = piece
    return bytes(spoiled[: data.draw(st.integers(0, len(spoiled)))]) if data.draw(st.booleans()) else bytes(spoiled)


@fuzzed
@given(st.binary(max_size=300))
@example(b"[" * 8_000)
@example(b'{"session_id":' * 1_500)
@example(b'{"session_id":"a","t":' + b"9" * 8_000 + b"}")
@example(b'{"session_id":"a","age":NaN}')
@example(b'{"session_id":"\\ud800"}')
@example(b'\xef\xbb\xbf{"session_id":"a"}')
def test_bodies_of_any_bytes(body: bytes) -> None:
    check_body(body)


@fuzzed
@given(MESSAGE)
def test_bodies_of_any_json(message: dict[str, Any]) -> None:
    check_body(json.dumps(message).encode())


@fuzzed
@given(MESSAGE, st.data())
def test_bodies_that_were_spoiled(message: dict[str, Any], data: Any) -> None:
    check_body(spoil(data, json.dumps(message).encode()))


@fuzzed
@given(st.lists(st.tuples(st.sampled_from(HEADERS).map(str.encode) | st.binary(max_size=9), VALUE), max_size=12))
def test_headers(headers: list[tuple[bytes, bytes]]) -> None:
    check_headers(headers)


def sign(**claims: Any) -> bytes:
    return jwt.encode({"sub": USER, "exp": int(time.time()) + 86_400} | claims, SECRET, "HS256").encode()


@fuzzed
@given(TEXT | st.text(string.ascii_letters + ".-_=", max_size=200))
@example("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.")
@example("." * 4_000)
def test_tokens_of_any_text(token: str) -> None:
    check_token(token)


@fuzzed
@given(st.data())
def test_tokens_that_were_spoiled(data: Any) -> None:
    claims = data.draw(st.dictionaries(st.sampled_from(["sub", "exp", "nbf", "alg"]), JSON, max_size=3))
    token = sign() if data.draw(st.booleans()) else _sign_any(claims)
    check_token(spoil(data, token).decode("utf-8", "replace"))


def _sign_any(claims: dict[str, Any]) -> bytes:
    try:
        return sign(**claims)
    except (TypeError, ValueError, jwt.PyJWTError):
        return sign()


@pytest.fixture(scope="module")
def geoip_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("places") / "places.mmdb"
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Places")
    for number in range(40):
        names = {"names": {"en": f"Place {number}", "sw": "Mahali"}}
        writer.insert_network(
            IPSet([f"41.{number}.0.0/16"]), {"country": names, "city": names, "traits": [number, 1.5]}
        )
    writer.to_db_file(str(path))
    return path


@fuzzed
@given(st.data())
def test_databases_of_places_that_were_spoiled(geoip_db: Path, data: Any) -> None:
    broken = geoip_db.with_name("broken.mmdb")
    broken.write_bytes(spoil(data, geoip_db.read_bytes()))
    check_places(broken, ("41.7.1.1", "41.39.0.1", "8.8.8.8", "2001:db8::1", "::ffff:41.3.0.0"))


# Whoever can read one can write one.
WORDS = st.sampled_from(["all", "sessions", "desc"]) | JSON
CURSOR = st.lists(WORDS | st.datetimes().map(str) | st.uuids().map(str), min_size=5, max_size=8).map(
    lambda words: base64.urlsafe_b64encode(json.dumps(words).encode()).decode()
)


@fuzzed
@given(
    st.dictionaries(
        st.sampled_from("interval sort order search activity device state reason who".split()),
        TEXT | st.sampled_from([*INTERVALS, *SORTS, *ORDERS, "active", "mobile", "W10", "W10=", "bnVsbA"]),
    ),
    TEXT | CURSOR,
)
@example({}, write_cursor(("all", "sessions", "desc"), datetime.min.replace(tzinfo=UTC), "1", None, UUID(int=0)))
@example({}, write_cursor(("all", "sessions", "desc"), datetime.max.replace(tzinfo=UTC), "1", None, UUID(int=0)))
def test_urls(parameters: dict[str, str], cursor: str) -> None:
    check_url(parameters | {"cursor": cursor})
