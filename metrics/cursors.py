"""Cursors: where a page of customers ended, for the next one, as text that belongs in a URL."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from metrics.choices import SORTS, ChoiceError


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
        as_of = datetime.fromisoformat(as_of_text)
        if as_of.tzinfo is None:
            raise ValueError("a cursor's moment has an offset")
        if latest != "-infinity":
            datetime.fromisoformat(latest)
        if value is not None and SORTS[sort].type == "bigint":
            int(value)
        elif value is not None:
            datetime.fromisoformat(value)
        after = {"after_value": value, "after_latest": latest, "after_id": UUID(last_id)}
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error):
        raise ChoiceError("cursor is not one of ours: use next_cursor of the page before") from None
    if (interval, sort, order) != choices:
        raise ChoiceError(
            f"cursor was made for interval={interval}, sortBy={sort}, sortOrder={order}: "
            "keep these, or start again without a cursor"
        )
    return as_of, after
