"""What a browser may say: the message's fields, read strictly, and one sentence for each that cannot be used."""

import json
import re
import secrets
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from metrics.settings import CAP

LONGEST_BODY = 8 * 1024
LONGEST_ID = 255
LONGEST_PATH = 2048
REASONS = ("sign_out", "user_switch", "page_hide", "gone", "lost", "reported")
# Somebody left or somebody else came: no sign of life takes these back.
FINAL_REASONS = ("sign_out", "user_switch")
CAP_MS = CAP.total_seconds() * 1000

# Within 64 bits, which is what is stored.
OrderKey = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Previous(Struct):
    """The session before this one in the same browser: closes it if its own end was lost."""

    session_id: str
    age: float | None = None
    t: OrderKey | None = None
    reason: str | None = None


class Message(Struct):
    """One beacon's body; what else stands in it is not read."""

    session_id: str | None = None
    t: OrderKey | None = None
    age: float | None = None
    up: float | None = None
    reason: str | None = None
    prev: Previous | None = None
    token: str | None = None
    user_id: str | None = None
    landing_page: str | None = None
    referrer: str | None = None
    touch: int | None = None
    hints: dict[str, Any] | None = None
    device_type: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    browser_name: str | None = None
    browser_version: str | None = None
    user_agent: str | None = None


class BadMessage(ValueError):
    """A body that cannot be used; the message names the field and what is accepted."""


_decoder = msgspec.json.Decoder(Message)
_FIELD = re.compile(r"`\$\.([\w.]+)")
_SEEN = re.compile(r"got `(\w+)`")
_KINDS = {
    "int": "a number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_ACCEPTED = {
    "session_id": f"text of 1 to {LONGEST_ID} characters",
    "t": "a whole number of 64 bits",
    "age": "a number of milliseconds",
    "up": "a number of milliseconds",
    "reason": f"{', '.join(REASONS[:-1])} or {REASONS[-1]}",
    "prev": "an object with session_id, age, t and reason",
    "touch": "a whole number",
    "hints": "an object",
}
_ESCAPED_NUL = re.compile(rb"\\u0000", re.IGNORECASE)


def read_message(body: bytes) -> Message:
    """The message in a body of any content type; BadMessage in one sentence."""
    try:
        message = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        message = _read_leniently(body)
    if message.reason is not None and message.reason.replace("\0", "") not in REASONS:
        raise BadMessage(f"reason is {message.reason[:40]!r}: use {_ACCEPTED['reason']}")
    for session_id in (message.session_id, message.prev and message.prev.session_id):
        if session_id and len(session_id) > LONGEST_ID:
            raise BadMessage(f"session_id has {len(session_id)} characters: use {_ACCEPTED['session_id']}")
    # Postgres takes no NUL, in no text; what is too long is refused as it was sent.
    if b"\0" in body or _ESCAPED_NUL.search(body):
        _strip(message)
    return message


def demand_session_id(message: Message) -> str:
    """The message's session id; BadMessage where it has none."""
    if not message.session_id:
        raise BadMessage(f"session_id is missing: use {_ACCEPTED['session_id']}, the one that the session started with")
    return message.session_id


def make_session_id() -> str:
    """128 random bits: whoever knows them may touch and end the session."""
    return secrets.token_hex(16)


def clamp_age(milliseconds: float | None) -> float | None:
    """How long ago, within [0, CAP]: a browser's clock may have jumped meanwhile."""
    return None if milliseconds is None else min(max(milliseconds, 0.0), CAP_MS)


def cut(text: str | None, length: int) -> str | None:
    """The text's first characters; None for an empty one."""
    return text[:length] if text else None


def _read_leniently(body: bytes) -> Message:
    """Half of a surrogate pair, which a text can be cut to, is dropped, and 7.0 is 7; all else is refused."""
    try:
        seen = json.loads(body.decode("utf-8"), parse_float=_read_number)
        text = json.dumps(seen, ensure_ascii=False).encode("utf-8", "ignore")
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise BadMessage(_say(str(error))) from None
    except (ValueError, RecursionError, OverflowError, msgspec.DecodeError):
        raise BadMessage(
            'The body is not JSON that can be read: send an object in UTF-8, such as {"session_id": "..."}'
        ) from None


def _read_number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _strip(message: Message | Previous) -> None:
    for field in message.__struct_fields__:
        value = getattr(message, field)
        if isinstance(value, str):
            setattr(message, field, value.replace("\0", ""))
        elif isinstance(value, Previous):
            _strip(value)


def _say(error: str) -> str:
    field = _FIELD.search(error)
    seen = _SEEN.search(error)
    if not field:
        kind = _KINDS.get(seen[1], "something else") if seen else "something else"
        return f"The body is {kind}: send a JSON object"
    name = field[1]
    accepted = _ACCEPTED.get(name.rpartition(".")[2], "text")
    kind = _KINDS.get(seen[1], "something else") if seen else "too large or too small, or not there"
    return f"{name} is {kind}: use {accepted}"
