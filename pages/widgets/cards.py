"""The eight numbers of an interval, each with its change, its line, its definition, and what stands behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import streamlit as st

from metrics.display import (
    format_change,
    format_count,
    format_duration,
    format_money_short,
    format_percent,
    format_plural,
)
from metrics.series import Point
from metrics.statistics import Statistics
from pages.widgets.database import get_settings
from pages.widgets.definitions import define

# What half a phone is wide enough for: 999,999 or 100.00%.
LONGEST_OF_TWO = 8
BEFORE = {"daily": "vs prev. 24 h", "weekly": "vs prev. 7 d", "monthly": "vs prev. 30 d"}


@dataclass(frozen=True, slots=True)
class Card:
    """What one card shows: `change` compares `now` and `before`, `line` is its course, `detail` stands below."""

    label: str
    value: str
    word: str
    detail: str
    now: float | Decimal | None = None
    before: float | Decimal | None = None
    line: tuple[float, ...] = ()


def show_cards(now: Statistics, before: Statistics | None, points: Sequence[Point], include_bots: bool) -> None:
    """Four cards a row on a desk; two on a phone, or one where a number has seven digits and would be cut."""
    cards = list_cards(now, before, points, include_bots)
    is_long = any(len(card.value) > LONGEST_OF_TWO for card in cards)
    with st.grid(4, min_column_width=200 if is_long else 150):
        for card in cards:
            _show_card(card, BEFORE.get(now.interval, ""))


def list_cards(now: Statistics, before: Statistics | None, points: Sequence[Point], include_bots: bool) -> list[Card]:
    """The cards in the order of the screen."""
    currency = get_settings().currency

    def course(name: str) -> tuple[float, ...]:
        # The ends hold only a part of an hour, day or month, and would read as a fall.
        whole = points[1:-1] if len(points) > 4 else points
        # Where nobody came, there is no average: the line passes over it.
        return tuple(float(value) for value in (getattr(point, name) for point in whole) if value is not None)

    def compare(name: str) -> tuple[float | Decimal | None, float | Decimal | None]:
        return getattr(now, name), getattr(before, name) if before else None

    bots = format_plural(now.bot_sessions, "bot session")
    earlier = now.total_users - now.new_users_in_period if before else None
    return [
        Card(
            "Customers",
            format_count(now.total_users),
            "customers",
            f"{format_count(now.new_users_in_period)} registered in the interval" if now.since else "ever registered",
            now.total_users,
            earlier,
            course("new_users"),
        ),
        Card(
            "Active customers",
            format_count(now.unique_users_in_period),
            "unique",
            f"and {format_plural(now.guest_sessions, 'guest session')}",
            *compare("unique_users_in_period"),
            course("unique_users"),
        ),
        Card(
            "Sessions",
            format_count(now.total_sessions),
            "session",
            f"{bots} {'included' if include_bots else 'left out'}",
            *compare("total_sessions"),
            course("sessions"),
        ),
        Card(
            "Average duration",
            format_duration(now.avg_duration_seconds),
            "duration",
            describe_lengths(now, now.closed_sessions),
            *compare("avg_duration_seconds"),
            course("avg_duration_seconds"),
        ),
        Card(
            "End rate",
            _percent(now.end_rate_percent),
            "end_rate",
            f"{_percent(now.explicit_end_rate_percent)} reported · {format_count(now.active_sessions)} active",
            *compare("end_rate_percent"),
            course("end_rate_percent"),
        ),
        Card(
            "Orders",
            format_count(now.orders_in_period),
            "order",
            "cancelled ones left out",
            *compare("orders_in_period"),
            course("orders"),
        ),
        Card(
            "Bookings",
            format_count(now.bookings_in_period),
            "booking",
            "cancelled ones left out",
            *compare("bookings_in_period"),
            course("bookings"),
        ),
        Card(
            # The currency in the label leaves a phone room for the number.
            f"Revenue ({currency})",
            format_money_short(now.revenue_in_period, "").strip(),
            "revenue",
            "paid orders",
            *compare("revenue_in_period"),
            course("revenue"),
        ),
    ]


def describe_lengths(numbers: Statistics, closed: int) -> str:
    """What stands beside every average duration: median, p90, and over how many sessions."""
    parts = (
        f"median {format_duration(numbers.median_duration_seconds)}",
        f"p90 {format_duration(numbers.p90_duration_seconds)}",
        f"n {format_count(closed)}",
    )
    # Spaces that do not break: a number stays beside its word.
    return " · ".join(part.replace(" ", "\u00a0") for part in parts)


def _show_card(card: Card, against: str) -> None:
    change = None
    if card.now is not None and card.before is not None:
        change = format_change(card.now, card.before)
    with st.container(border=True, height="stretch", gap="xxsmall"):
        st.metric(
            card.label,
            card.value,
            # A number, because a text "0" would be shown as a rise.
            0 if change == "0" else change,
            help=define(card.word),
            delta_description=against if change else None,
            chart_data=list(card.line) or None,
            chart_type="area",
            # Without a window before, there is no rise or fall to colour.
            delta_color="normal" if change else "primary",
        )
        st.caption(card.detail)


def _percent(percent: Decimal | None) -> str:
    return format_percent(None if percent is None else percent / 100, 2)
