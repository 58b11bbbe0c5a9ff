"""What is no HTTP, or tries to be two requests in one, against the server as it runs: refused, and nothing slips in."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from random import Random

import httpx2
import psutil
import pytest

from tests.endpoint_server import EndpointServer, serve_endpoint
from tests.server import wait_until

START = "/api/analytics/session"
SEED = 20


@pytest.fixture(scope="module")
def endpoint(request: pytest.FixtureRequest) -> Iterator[EndpointServer]:
    server = request.getfixturevalue("embedded_server")
    url = server.create_database()
    with serve_endpoint(url) as endpoint:
        yield endpoint
    server.drop_database(url)


def send(endpoint: EndpointServer, text: bytes, seconds: float = 0.4) -> bytes:
    """All that it answers until it hangs up, or is silent for that long."""
    host, _, port = endpoint.address.removeprefix("http://").partition(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as wire, suppress(OSError):
        wire.sendall(text)
        while piece := wire.recv(65_536):
            answer += piece
    return answer


def post(session_id: str, *headers: str, body: bytes | None = None, line: str = f"POST {START} HTTP/1.1") -> bytes:
    """A start by hand; without headers, one that is taken."""
    body = json.dumps({"session_id": session_id}).encode() if body is None else body
    head = [line, "Host: 127.0.0.1", *(headers or (f"Content-Length: {len(body)}",)), "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def list_statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


# Whoever reads one of these as the other reads one request as two, or two as one (RFC 9112, sections 6.3 and 11.2).
HIDDEN = post("smuggled")
LENGTH = f"Content-Length: {len(HIDDEN)}"
SMUGGLED = {
    "chunked and a length": post("a", "Transfer-Encoding: chunked", LENGTH, body=b"0\r\n\r\n" + HIDDEN),
    "a length and chunked": post("a", LENGTH, "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
    "two lengths": post("a", "Content-Length: 2", LENGTH, body=b"{}" + HIDDEN),
    "two equal lengths in one": post("a", "Content-Length: 2, 2", body=b"{}" + HIDDEN),
    "a length with a plus": post("a", "Content-Length: +2", body=b"{}" + HIDDEN),
    "a negative length": post("a", "Content-Length: -1", body=HIDDEN),
    "a length in hex": post("a", "Content-Length: 0x2", body=b"{}" + HIDDEN),
    "a length of 20 digits": post("a", "Content-Length: 18446744073709551618", body=b"{}" + HIDDEN),
    "a coding that is none": post("a", "Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + HIDDEN),
    "chunked, then another": post("a", "Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + HIDDEN),
    "a coding with a tab before its colon": post("a", "Transfer-Encoding\t: chunked", body=b"0\r\n\r\n" + HIDDEN),
    "a coding on a folded line": post("a", "X: y\r\n Transfer-Encoding: chunked", LENGTH, body=HIDDEN),
    "a chunk of no size": post("a", "Transfer-Encoding: chunked", body=b"\r\n{}\r\n0\r\n\r\n" + HIDDEN),
    "a chunk of a negative size": post("a", "Transfer-Encoding: chunked", body=b"-1\r\n{}\r\n0\r\n\r\n" + HIDDEN),
    "a chunk of a huge size": post("a", "Transfer-Encoding: chunked", body=b"F" * 17 + b"\r\n{}\r\n0\r\n\r\n" + HIDDEN),
}
# One request each, and no beacon.
NO_HTTP = {
    "of 1991": b"GET /healthz\r\n",
    "of version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "of version 9": post("b", line=f"POST {START} HTTP/9.9"),
    "a space in the path": post("b", line=f"POST {START} x HTTP/1.1"),
    "a NUL in a header": post("b", "X: \0", "Content-Length: 0"),
    "a control in a name": post("b", "X\x01: y", "Content-Length: 0"),
    "a space before a colon": post("b", "X : y", "Content-Length: 0"),
    "no method": b" / HTTP/1.1\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "endless headers": b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
    "one endless header": b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 200_000,
    "an endless path": b"GET /" + b"x" * 200_000,
}


def list_ids(endpoint: EndpointServer) -> set[str]:
    return {row["session_id"] for row in endpoint.list_sessions()}


def check_alive(endpoint: EndpointServer, name: str) -> None:
    assert httpx2.get(endpoint.address + "/healthz").json() == {"status": "up"}
    assert httpx2.post(endpoint.address + START, json={"session_id": name}).status_code == 201
    assert name in list_ids(endpoint)


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_may_be_read_as_two_requests_brings_none_in(endpoint: EndpointServer, name: str) -> None:
    answer = send(endpoint, SMUGGLED[name])
    statuses = list_statuses(answer)
    assert set(statuses) <= {400, 413}, answer
    assert "smuggled" not in list_ids(endpoint)
    check_alive(endpoint, f"after {name}")


@pytest.mark.parametrize("name", NO_HTTP)
def test_what_is_no_http_is_refused(endpoint: EndpointServer, name: str) -> None:
    answer = send(endpoint, NO_HTTP[name])
    assert set(list_statuses(answer)) <= {400, 404, 413, 505}, answer
    assert "b" not in list_ids(endpoint)
    check_alive(endpoint, f"after {name}")


def test_a_request_after_one_that_was_refused_is_read_as_itself(endpoint: EndpointServer) -> None:
    """Pipelined, as a proxy may send them: each has the answer to itself and not to its neighbour."""
    bad = post("c", body=b"no JSON")
    answer = send(endpoint, post("first") + bad + post("third"))
    assert list_statuses(answer) == [201, 400, 201]
    assert {"first", "third"} <= list_ids(endpoint)


def test_after_a_body_that_is_too_large_nothing_of_the_rest_is_read(endpoint: EndpointServer) -> None:
    text = post("large", "Content-Length: 100000", body=b"x" * 20_000 + post("in the body") + b"x" * 100_000)
    assert set(list_statuses(send(endpoint, text))) <= {413, 400}
    assert "in the body" not in list_ids(endpoint)


def test_an_upgrade_is_not_taken(endpoint: EndpointServer) -> None:
    for protocol in ("websocket", "h2c"):
        answer = send(
            endpoint, post("up", "Connection: Upgrade", f"Upgrade: {protocol}", "Content-Length: 2", body=b"{}")
        )
        assert 101 not in list_statuses(answer)


def test_random_bytes_and_spoiled_requests_leave_no_trace(
    endpoint: EndpointServer, caplog: pytest.LogCaptureFixture
) -> None:
    rng = Random(SEED)
    before = list_ids(endpoint)
    statuses: set[int] = set()
    with caplog.at_level(logging.WARNING):
        for number in range(400):
            text = bytearray(post(f"spoiled {number}"))
            for _ in range(rng.randrange(1, 6)):
                place = rng.randrange(len(text))
                text[place : place + rng.randrange(4)] = rng.randbytes(rng.randrange(4))
            statuses |= set(list_statuses(send(endpoint, bytes(text), 0.01)))
            statuses |= set(list_statuses(send(endpoint, rng.randbytes(rng.randrange(300)), 0.01)))
    assert statuses <= {200, 201, 400, 403, 404, 405, 413, 501}
    # Where only a letter of a header or of the id was spoiled, it is a beacon like any other.
    assert len(list_ids(endpoint) - before) < 300
    assert not [record for record in caplog.records if record.exc_info]
    check_alive(endpoint, "after random bytes")


def test_connections_that_never_finish_hold_nobody_up(endpoint: EndpointServer) -> None:
    host, _, port = endpoint.address.removeprefix("http://").partition(":")
    process = psutil.Process()
    files = process.num_fds()
    pieces = (b"", b"POST ", post("slow")[:-3], b"GET /healthz HTTP/1.1\r\nX:")
    wires = [socket.create_connection((host, int(port))) for _ in range(300)]
    for number, wire in enumerate(wires):
        wire.sendall(pieces[number % len(pieces)])
    began = time.monotonic()
    check_alive(endpoint, "beside the slow ones")
    assert time.monotonic() - began < 5
    for wire in wires:
        wire.close()
    wait_until(lambda: process.num_fds() <= files + 5, "as few open files as before")
    assert "slow" not in list_ids(endpoint)
