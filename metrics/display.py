"""Numbers and moments in the words a person reads: pure, so that page, API and CSV can agree on them."""

from datetime import datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal

MINUTE, HOUR, DAY, MONTH, YEAR = 60, 3_600, 86_400, 30 * 86_400, 365 * 86_400

NONE = "-"
UNKNOWN = "Unknown"


def format_count(number: int) -> str:
    """1237 is "1,237"."""
    return f"{number:,}"


def format_plural(number: int, noun: str) -> str:
    """1 is "1 order", 1237 is "1,237 orders"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def format_money(amount: Decimal, currency: str) -> str:
    """Money, "TZS 150,000"; cents are shown only where there are some."""
    cents = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    whole = cents == cents.to_integral_value()
    return f"{currency} {cents:,.0f}" if whole else f"{currency} {cents:,.2f}"


def format_money_short(amount: Decimal, currency: str) -> str:
    """Money as "TZS 86.5M" where the whole amount would not fit on a card; below a million it is whole."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M")):
        if abs(amount) >= size:
            return f"{currency} {(amount / size).quantize(Decimal('0.1'), ROUND_HALF_UP):,}{letter}"
    return format_money(amount.quantize(Decimal(1), ROUND_HALF_UP), currency)


def format_duration(seconds: float | None, is_active: bool = False) -> str:
    """Whole minutes, rounded half up; "-" only while the session is active."""
    if is_active or seconds is None:
        return NONE
    if seconds < MINUTE:
        return "<1 min"
    minutes = (Decimal(str(seconds)) / MINUTE).quantize(Decimal(1), ROUND_HALF_UP)
    return f"{minutes:,} min"


def format_time(moment: datetime, timezone: tzinfo) -> str:
    """A moment, "16 Nov 2026, 07:47", in words that no locale of the server changes."""
    local = moment.astimezone(timezone)
    return f"{format_date(moment, timezone)}, {local:%H:%M}"


def format_date(moment: datetime, timezone: tzinfo) -> str:
    """A day, "16 Nov 2026"."""
    local = moment.astimezone(timezone)
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def format_ago(moment: datetime | None, as_of: datetime) -> str:
    """How long ago, "3 d ago", rounded down; "never" without a moment."""
    if moment is None:
        return "never"
    seconds = (as_of - moment).total_seconds()
    if seconds < MINUTE:
        return "just now"
    for size, unit in ((YEAR, "y"), (MONTH, "mo"), (DAY, "d"), (HOUR, "h")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds // MINUTE)} min ago"


def format_percent(part: float | Decimal | None, digits: int = 0) -> str:
    """A share of 0 to 1 as "62%"; "n/a" where there was nothing to divide; never "0%" for something."""
    if part is None:
        return "n/a"
    percent = (Decimal(str(part)) * 100).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    if percent == 0 and part > 0:
        return f"<{Decimal(1).scaleb(-digits):f}%"
    return f"{percent:,.{digits}f}%"


def format_change(now: float | Decimal, before: float | Decimal) -> str | None:
    """The change against before, as "12.4%" or "-3.2%"; None where there was nothing before."""
    if not before:
        return None
    change = (Decimal(str(now)) / Decimal(str(before)) - 1) * 100
    rounded = change.quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{rounded + 0:,}%" if rounded else "0"


def format_browser(name: str | None, version: str | None) -> str:
    """Chrome 120: the family and its major version."""
    major = (version or "").partition(".")[0]
    return _join(name, major)


def format_os(name: str | None, version: str | None) -> str:
    """Windows 11."""
    return _join(name, version or "")


def format_device(device: str | None) -> str:
    """Mobile."""
    return device.capitalize() if device else UNKNOWN


def format_location(city: str | None, country: str | None) -> str:
    """The place as "City, Country", the one that is known, or "Unknown"."""
    known = [place for place in (city, country) if place and place.casefold() != "unknown"]
    return ", ".join(known) or UNKNOWN


def _join(name: str | None, version: str) -> str:
    if not name or name.casefold() == "unknown":
        return UNKNOWN
    return f"{name} {version}".rstrip()
