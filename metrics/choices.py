"""Every choice a person or a script may make, one row each: widget, API and SQL cannot disagree."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

# Of what was seen, so that a sentence stays one.
LONGEST_ECHO = 80


def go_back(moment: datetime, age: timedelta) -> datetime:
    """So long before that moment: on a local clock a day may have 23 or 25 hours, here it has 24."""
    return (moment.astimezone(UTC) - age).astimezone(moment.tzinfo)


class Choice(Protocol):
    """What every row of a choice table has: the word in the URL and the words on the screen."""

    @property
    def key(self) -> str: ...

    @property
    def label(self) -> str: ...


Row = TypeVar("Row", bound=Choice)


class ChoiceError(ValueError):
    """A parameter has a value that is not one of the accepted ones."""


@dataclass(frozen=True, slots=True)
class Sort:
    """A way to sort customers: its `column`, the SQL `type` a cursor casts to, and the key the column belongs to.

    Counts are never NULL, and saying where NULLs go would keep their indexes from serving both directions.
    The key `c.id` instead of `c.user_id` says that the column is the shop's, so that an index there may give the order.
    """

    key: str
    label: str
    column: str
    type: str
    nulls: str = ""
    required: str = "c.user_id"


@dataclass(frozen=True, slots=True)
class Interval:
    """A rolling window of `days`, or no lower bound; charts cut it into `bucket`s."""

    key: str
    label: str
    days: int | None
    bucket: str

    def get_since(self, as_of: datetime) -> datetime | None:
        """Where the window that ends at as_of begins; None without a lower bound."""
        return None if self.days is None else go_back(as_of, timedelta(days=self.days))


@dataclass(frozen=True, slots=True)
class Order:
    """A direction, as SQL; `after` says that a value comes later than another in it, `before` that it comes earlier.

    `index_nulls` is where an index on DESC NULLS LAST has its NULLs when it is read in that direction.
    """

    key: str
    label: str
    sql: str
    after: str
    before: str
    index_nulls: str


@dataclass(frozen=True, slots=True)
class Activity:
    """A filter on what a customer did."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Dimension:
    """What sessions are broken down by: its family `column`, and its `version_column` where there is one."""

    key: str
    label: str
    column: str
    version_column: str


@dataclass(frozen=True, slots=True)
class Format:
    """A form of an answer."""

    key: str
    label: str


def _table(*rows: Row) -> dict[str, Row]:
    return {row.key: row for row in rows}


SORTS = _table(
    Sort("sessions", "Most Active (Sessions)", "c.sessions_in_period", "bigint"),
    Sort("orders", "Most Orders", "c.orders_in_period", "bigint"),
    Sort("bookings", "Most Bookings", "c.bookings_in_period", "bigint"),
    Sort("last_login", "Recent Login", "c.last_login_at", "timestamptz", "NULLS LAST"),
    Sort("registered", "Recently Registered", "c.registered_at", "timestamptz", "NULLS LAST", "c.id"),
)

INTERVALS = _table(
    Interval("all", "All Time", None, "month"),
    Interval("daily", "Last 24 Hours", 1, "hour"),
    Interval("weekly", "Last 7 Days", 7, "day"),
    Interval("monthly", "Last 30 Days", 30, "day"),
)

ORDERS = _table(
    Order("desc", "Descending", "DESC", "<", ">", "NULLS LAST"),
    Order("asc", "Ascending", "ASC", ">", "<", "NULLS FIRST"),
)

ACTIVITIES = _table(
    Activity("all", "All customers"),
    Activity("active", "Active in period"),
    Activity("inactive", "Inactive 30+ days"),
    Activity("never", "Never active"),
)

DIMENSIONS = _table(
    Dimension("device", "Device", "device_type", "os_name"),
    Dimension("browser", "Browser", "browser_name", "browser_version"),
    Dimension("os", "Operating system", "os_name", "os_version"),
)

FORMATS = _table(
    Format("json", "JSON"),
    Format("csv", "CSV"),
)


def choose(table: Mapping[str, Row], parameter: str, key: str) -> Row:
    """The row of that key; ChoiceError names the parameter, what was seen and what is accepted."""
    row = table.get(key)
    if row is None:
        *others, last = table
        raise ChoiceError(f"{parameter} is {key[:LONGEST_ECHO]!r}: use {', '.join(others)} or {last}")
    return row
