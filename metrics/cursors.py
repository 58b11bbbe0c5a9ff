"""Cursors: where a page of customers ended, for the next one, as text that belongs in a URL."""

import base64
import binascii
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from metrics.choices import INTERVALS, ORDERS, SORTS, ChoiceError

# Windows and what they are compared with end before and begin after a moment: these leave room for both.
FIRST_YEAR, LAST_YEAR = 1970, 9000
# PostgreSQL knows no offset from UTC of as much.
TOO_FAR = timedelta(hours=16)


def write_cursor(
    choices: tuple[str, str, str], as_of: datetime, value: str | None, latest: datetime | None, last_id: UUID
) -> str:
    """After the customer of that value, latest activity and id, for this interval, sort and order."""
    words = [*choices, as_of.isoformat(), value, latest.isoformat() if latest else "-infinity", str(last_id)]
    return base64.urlsafe_b64encode(json.dumps(words).encode()).decode().rstrip("=")


def read_cursor(choices: tuple[str, str, str], cursor: str) -> tuple[datetime, dict[str, Any]]:
    """The moment of the first page and the customer the last one ended on; ChoiceError where it is not for these."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        words = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        interval, sort, order, as_of_text, value, latest, last_id = words
        if interval not in INTERVALS or sort not in SORTS or order not in ORDERS:
            raise ValueError("a cursor's choices are choices")
        as_of = _read_moment(as_of_text)
        if not FIRST_YEAR <= as_of.year <= LAST_YEAR:
            raise ValueError("a cursor's moment is one that the database's clock gave")
        if latest != "-infinity":
            latest = _read_moment(latest).isoformat()
        if value is not None:
            value = _read_count(value) if SORTS[sort].type == "bigint" else _read_moment(value).isoformat()
        after = {"after_value": value, "after_latest": latest, "after_id": UUID(last_id)}
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error):
        raise ChoiceError("cursor is not one of ours: use next_cursor of the page before") from None
    if (interval, sort, order) != choices:
        raise ChoiceError(
            f"cursor was made for interval={interval}, sortBy={sort}, sortOrder={order}: "
            "keep these, or start again without a cursor"
        )
    return as_of, after


# Written anew, because Python reads more spellings of numbers and moments than PostgreSQL does.
def _read_moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    offset = moment.utcoffset()
    if offset is None or abs(offset) >= TOO_FAR:
        raise ValueError("a cursor's moment has an offset")
    return moment


def _read_count(text: str) -> str:
    count = int(text)
    if not -(2**63) <= count < 2**63:
        raise ValueError("a count has 64 bits")
    return str(count)
