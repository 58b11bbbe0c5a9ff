"""The public routes: one beacon in, one answer out, and one sentence for whatever is refused."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from prometheus_client import Counter
from starlette.types import Receive, Scope, Send

from metrics import meters
from metrics.address import Addresses, Client
from metrics.beacons import Beacon, CannotBeStored, Kind, NotRecorded, Outcome
from metrics.identity import Identities
from metrics.limits import RateLimit, RefusalLog
from metrics.messages import (
    FINAL_REASONS,
    LONGEST_BODY,
    LONGEST_PATH,
    BadMessage,
    Message,
    Previous,
    clamp_age,
    cut,
    demand_session_id,
    make_session_id,
    read_message,
)
from metrics.origins import Origins
from metrics.place import Places
from metrics.recorder import Recorder
from metrics.visitor import CLIENT_HINTS, read_visitor

PLAIN_HEADERS = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"vary", b"Origin"),
)
RETRY_SECONDS = 5
BODY_SECONDS = 10
TOO_LARGE = f"The body is larger than {LONGEST_BODY} bytes: send less"
LOGGER = logging.getLogger(__name__)


class Refused(RuntimeError):
    """A beacon that is not taken: its status, one sentence, and what to count it as."""

    def __init__(self, status: int, sentence: str, reason: str, *, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


@dataclass
class Door:
    """What every beacon passes: who may send, how much, as whom, and who writes it down."""

    origins: Origins
    addresses: Addresses
    networks: Addresses  # as short as the log may know them
    places: Places
    identities: Identities
    recorder: Recorder
    sender_limit: RateLimit
    session_limit: RateLimit
    log: RefusalLog = field(default_factory=RefusalLog)


class BeaconRoute:
    """An ASGI app for one path: the kind of beacon by method."""

    def __init__(self, door: Door, kinds: Mapping[str, Kind]) -> None:
        self._door = door
        self._kinds = kinds
        self._methods = ", ".join(kinds).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = read_headers(scope)
        kind = self._kinds.get(scope["method"])
        status, body, more = await self._answer(scope, receive, headers, kind)
        if kind:
            _counter(kind, status).inc()
        sent = [*PLAIN_HEADERS, *more, (b"content-length", str(len(body)).encode())]
        origin = headers.get("origin")
        if origin and self._door.origins.allow(origin):
            sent += (
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-expose-headers", b"Retry-After"),
            )
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": body})

    async def _answer(
        self, scope: Scope, receive: Receive, headers: Mapping[str, str], kind: Kind | None
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        client = self._door.addresses.read_client(scope["client"][0] if scope.get("client") else None, headers)
        try:
            self._check_sender(client, headers)
            if kind is None:
                return (
                    204,
                    b"",
                    [
                        (b"access-control-allow-methods", self._methods),
                        (b"access-control-allow-headers", b"Content-Type"),
                        (b"access-control-max-age", b"86400"),
                    ],
                )
            message = read_message(await _read_body(receive, headers))
            status, answer = await self._record(kind, message, client, headers)
            return (
                status,
                msgspec.json.encode(answer),
                [(b"accept-ch", CLIENT_HINTS.encode())] if kind == "start" else [],
            )
        except BadMessage as error:
            refusal = Refused(400, str(error), "message")
        except CannotBeStored as error:
            refusal = Refused(400, str(error), "stored")
        except NotRecorded as error:
            refusal = Refused(503, f"{error}: send it again", "away", retry_after=RETRY_SECONDS)
        except Refused as error:
            refusal = error
        except Exception:
            # None is expected; the contract is that no input gets a 500, and the log has where it failed.
            LOGGER.exception("a beacon failed")
            refusal = Refused(503, "Something went wrong here: send it again", "failure", retry_after=RETRY_SECONDS)
        meters.REFUSALS.labels(refusal.reason).inc()
        self._door.log.add(refusal.reason, self._door.networks.stored(client.address))
        more = [(b"retry-after", str(refusal.retry_after).encode())] if refusal.retry_after else []
        if refusal.status in (408, 413):
            # Nobody reads the rest of it.
            more.append((b"connection", b"close"))
        return refusal.status, msgspec.json.encode({"error": str(refusal)}), more

    def _check_sender(self, client: Client, headers: Mapping[str, str]) -> None:
        wait = self._door.sender_limit.take(client.rate_key)
        if wait:
            raise Refused(429, f"Too many beacons from this address: wait {wait} s", "rate", retry_after=wait)
        origin = headers.get("origin")
        if origin is not None and not self._door.origins.allow(origin):
            raise Refused(
                403, f"The origin is {origin[:80]!r}: only the origins in METRICS_ALLOWED_ORIGINS may send", "origin"
            )

    async def _record(
        self, kind: Kind, message: Message, client: Client, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        session_id = (message.session_id or make_session_id()) if kind == "start" else demand_session_id(message)
        wait = self._door.session_limit.take(session_id)
        if wait:
            raise Refused(429, f"Too many beacons of this session: wait {wait} s", "session_rate", retry_after=wait)
        beacon = Beacon(session_id=session_id, t=message.t, age=clamp_age(message.age), up=clamp_age(message.up))
        if kind == "end":
            beacon.is_end = True
            beacon.reason = message.reason or _guess_reason(message, headers)
        if kind == "start" or beacon.up is not None:
            await self._describe(beacon, message, client, headers)
        elif message.token:
            await self._identify(beacon, message)
        ended = _end_previous(message.prev) if message.prev else None
        outcome = await self._door.recorder.record(kind, beacon, ended)
        return _write_answer(kind, session_id, outcome)

    async def _identify(self, beacon: Beacon, message: Message) -> None:
        identity, doubt = await self._door.identities.identify(message.token, message.user_id)
        if doubt:
            meters.TOKENS.labels(doubt).inc()
        beacon.user_id = identity.user_id
        beacon.is_verified = identity.is_verified
        # A token that is not believed says nothing about who is there.
        beacon.states_identity = identity.user_id is not None

    async def _describe(self, beacon: Beacon, message: Message, client: Client, headers: Mapping[str, str]) -> None:
        await self._identify(beacon, message)
        visitor = read_visitor(headers, message)
        beacon.device_type = visitor.device_type
        beacon.browser_name = visitor.browser_name
        beacon.browser_version = visitor.browser_version
        beacon.os_name = visitor.os_name
        beacon.os_version = visitor.os_version
        beacon.is_bot = visitor.is_bot
        beacon.user_agent = visitor.user_agent
        beacon.ip_address = self._door.addresses.stored(client.address)
        beacon.country, beacon.city = self._door.places.read_place(client, headers)
        beacon.landing_page = cut(message.landing_page, LONGEST_PATH)
        beacon.referrer = cut(message.referrer, LONGEST_PATH)
        beacon.previous_session_id = message.prev.session_id if message.prev else None


def _end_previous(previous: Previous) -> Beacon:
    """The end of the session before, in case its own was lost or is still on its way."""
    reason = previous.reason if previous.reason in FINAL_REASONS else "lost"
    age = clamp_age(previous.age)
    return Beacon(session_id=previous.session_id, t=previous.t, age=age, is_end=True, reason=reason)


def _guess_reason(message: Message, headers: Mapping[str, str]) -> str:
    """A page that gives no reason and sends plain text is closing: only sendBeacon sends a string like that."""
    is_beacon = message.t is None and headers.get("content-type", "").startswith("text/plain")
    return "page_hide" if is_beacon else "reported"


def _write_answer(kind: Kind, session_id: str, outcome: Outcome) -> tuple[int, dict[str, Any]]:
    answer: dict[str, Any] = {"success": True}
    if kind == "start":
        answer["data"] = {"session_id": session_id, "started_at": outcome.started_at}
    if outcome.next_step and kind != "end":
        answer["next"] = outcome.next_step
    return (201 if outcome.is_new else 200), answer


@cache
def _counter(kind: Kind, status: int) -> Counter:
    return meters.BEACONS.labels(kind, status)


def read_headers(scope: Scope) -> dict[str, str]:
    """The request's headers by lower-case name; a header that comes several times is one list."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1")
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


async def _read_body(receive: Receive, headers: Mapping[str, str]) -> bytes:
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:12]) > LONGEST_BODY:
        raise Refused(413, TOO_LARGE, "size")
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while message.get("more_body") and len(body) <= LONGEST_BODY:
                    message = await receive()
                    body += message.get("body", b"")
        except TimeoutError:
            raise Refused(408, f"The body did not arrive within {BODY_SECONDS} s: send it again", "slow") from None
    if len(body) > LONGEST_BODY:
        raise Refused(413, TOO_LARGE, "size")
    return body
