"""Recounts a window as a whole: the cards, the breakdowns, the series and who is online."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from math import floor
from typing import Any

from tests.recount import (
    EXPLICIT,
    LENGTHS,
    ONLINE,
    ZONE,
    Base,
    Row,
    get_duration,
    get_end,
    get_last_activity,
    get_spent,
    get_value,
    is_counted_booking,
    is_counted_order,
    is_within,
)


def get_percent(part: int, whole: int) -> Decimal | None:
    """Two decimals, rounded half up; nothing where there is nothing to divide by."""
    if not whole:
        return None
    return (Decimal(100 * part) / whole).quantize(Decimal("0.01"), ROUND_HALF_UP)


def get_quantile(values: list[float], share: float) -> float | None:
    """Between the two neighbours, in proportion."""
    if not values:
        return None
    values = sorted(values)
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def list_sessions_of(base: Base, interval: str, as_of: datetime, bots: bool = False) -> list[Row]:
    """The sessions a metric of this window is over: human ones unless bots are asked for."""
    return [
        row
        for row in base.user_sessions
        if is_within(row["started_at"], interval, as_of) and (bots or not row["is_bot"])
    ]


def list_counted_of(base: Base, interval: str, as_of: datetime) -> tuple[list[Row], list[Row]]:
    """Counted orders and counted bookings of this window, those without a customer too."""
    orders = [row for row in base.orders if is_counted_order(row) and is_within(row["created_at"], interval, as_of)]
    bookings = [
        row
        for row in base.service_bookings
        if is_counted_booking(row) and is_within(row["created_at"], interval, as_of)
    ]
    return orders, bookings


def count_unique(sessions: Iterable[Row]) -> int:
    return len({row["user_id"] for row in sessions if row["user_id"] is not None})


def count_statistics(
    base: Base, interval: str, as_of: datetime, bots: bool = False, until: datetime | None = None
) -> dict[str, Any]:
    """The cards of a window, by the names of the product's fields; until, where it ended before."""
    until = until or as_of
    sessions = list_sessions_of(base, interval, until, bots)
    everyone = list_sessions_of(base, interval, until, bots=True)
    closed = [row for row in sessions if get_end(row, as_of) is not None]
    durations = []
    for row in closed:
        duration = get_duration(row, as_of)
        assert duration is not None
        durations.append(duration.total_seconds())
    orders, bookings = list_counted_of(base, interval, until)
    length = LENGTHS[interval]
    return {
        "since": None if length is None else until - length,
        "total_users": len(base.users),
        "total_sessions": len(sessions),
        "unique_users_in_period": count_unique(sessions),
        "guest_sessions": sum(row["user_id"] is None for row in sessions),
        "bot_sessions": sum(bool(row["is_bot"]) for row in everyone),
        "active_sessions": len(sessions) - len(closed),
        "ended_sessions": len(closed),
        "end_rate_percent": get_percent(len(closed), len(sessions)),
        "explicit_end_rate_percent": get_percent(sum(row["end_reason"] in EXPLICIT for row in closed), len(closed)),
        "closed_sessions": len(closed),
        "avg_duration_seconds": sum(durations) / len(durations) if durations else None,
        "median_duration_seconds": get_quantile([floor(seconds + 0.5) for seconds in durations], 0.5),
        "p90_duration_seconds": get_quantile([floor(seconds + 0.5) for seconds in durations], 0.9),
        "orders_in_period": len(orders),
        "bookings_in_period": len(bookings),
        "revenue_in_period": get_spent(orders),
        "new_users_in_period": sum(is_within(user["created_at"], interval, until) for user in base.users),
    }


def count_breakdown(base: Base, dimension: str, interval: str, as_of: datetime, bots: bool = False) -> Counter[str]:
    return Counter(get_value(row, dimension) for row in list_sessions_of(base, interval, as_of, bots))


def get_bucket(moment: datetime, interval: str) -> datetime:
    """The local hour, day or month the moment falls in."""
    local = moment.astimezone(ZONE).replace(minute=0, second=0, microsecond=0)
    if interval == "daily":
        return local
    local = local.replace(hour=0)
    return local.replace(day=1) if interval == "all" else local


def count_series(base: Base, interval: str, as_of: datetime) -> dict[datetime, dict[str, Any]]:
    """The buckets that hold something; those in between are zero."""
    found: dict[datetime, tuple[list[Row], list[Row], list[Row]]] = defaultdict(lambda: ([], [], []))
    for row in list_sessions_of(base, interval, as_of):
        found[get_bucket(row["started_at"], interval)][0].append(row)
    orders, bookings = list_counted_of(base, interval, as_of)
    for row in orders:
        found[get_bucket(row["created_at"], interval)][1].append(row)
    for row in bookings:
        found[get_bucket(row["created_at"], interval)][2].append(row)
    return {
        bucket: {
            "sessions": len(sessions),
            "unique_users": count_unique(sessions),
            "orders": len(some_orders),
            "bookings": len(some_bookings),
            "revenue": get_spent(some_orders),
        }
        for bucket, (sessions, some_orders, some_bookings) in found.items()
    }


def count_online(base: Base, as_of: datetime) -> tuple[int, int]:
    """Customers, then guest sessions, that are here now."""
    here = [
        row
        for row in base.user_sessions
        if not row["is_bot"] and get_end(row, as_of) is None and get_last_activity(row) >= as_of - ONLINE
    ]
    return count_unique(here), sum(row["user_id"] is None for row in here)
