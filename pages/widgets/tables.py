"""Customers and sessions as rows: cells are words of `display`, and what came from outside is escaped."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from metrics.customers import Customer
from metrics.display import (
    NONE,
    format_ago,
    format_browser,
    format_count,
    format_device,
    format_duration,
    format_location,
    format_os,
    format_time,
)
from metrics.sessions import Session
from pages.widgets.database import get_settings, get_timezone
from pages.widgets.text import md, md_cell, plain

ICONS = {"mobile": "smartphone", "tablet": "tablet", "desktop": "computer", "bot": "smart_toy"}
ACTIVE = ":green-badge[:material/radio_button_checked: Active]"


def show_sessions(sessions: list[Session]) -> None:
    """Sessions as an HTML table, which a screen reader reads and a phone scrolls inside its own box."""
    timezone = get_timezone()
    rows = [
        {
            "Started": md_cell(format_time(session.started_at, timezone)),
            "Ended": ACTIVE if session.ended_at is None else md_cell(format_time(session.ended_at, timezone)),
            "Duration": md_cell(format_duration(session.duration_seconds, session.is_active)),
            "Device": md_device(session.device_type),
            "Browser": md_cell(format_browser(session.browser_name, session.browser_version)),
            "OS": md_cell(format_os(session.os_name, session.os_version)),
            "Location": md(format_location(session.city, session.country)),
            "IP": md_cell(session.ip_address or NONE),
        }
        for session in sessions
    ]
    st.table(rows, border="horizontal", hide_index=True, alt="Sessions, the latest first")


def md_device(device: str) -> str:
    """Mobile with its icon, as Markdown."""
    return f":material/{ICONS.get(device, 'devices_other')}:\u00a0{md_cell(format_device(device))}"


def show_customers(customers: list[Customer], key: str) -> Customer | None:
    """Customers as a grid; the one whose row is selected."""
    frame = pd.DataFrame(
        {
            "Customer": [plain(customer.full_name) for customer in customers],
            "E-mail": [plain(customer.email or NONE) for customer in customers],
            "Active": [["Active"] if customer.is_active else [] for customer in customers],
            "Sessions": [customer.sessions_in_period for customer in customers],
            "Orders": [customer.orders_in_period for customer in customers],
            "Bookings": [customer.bookings_in_period for customer in customers],
            "Spent": [float(customer.spent_in_period) for customer in customers],
            "Last seen": _moments([customer.last_login for customer in customers]),
            "Registered": _moments([customer.registered_at for customer in customers]),
            "Country": [plain(customer.country or NONE) for customer in customers],
            "Device": [plain(format_device(customer.primary_device)) for customer in customers],
        }
    )
    settings = get_settings()
    moment = st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm", timezone=settings.timezone)
    columns: dict[str, Any] = {
        "Customer": st.column_config.TextColumn(width="medium"),
        "Active": st.column_config.MultiselectColumn(options=["Active"], color=["#15803d"], width=90),
        "Spent": st.column_config.NumberColumn(f"Spent ({settings.currency})", format="%,d"),
        "Last seen": moment,
        "Registered": moment,
    }
    event = st.dataframe(
        frame,
        height="content",
        hide_index=True,
        column_config=columns,
        on_select="rerun",
        selection_mode="single-row",
        key=key,
        placeholder=NONE,
        alt="Customers",
    )
    selected = event.selection.rows
    return customers[selected[0]] if selected and selected[0] < len(customers) else None


def show_rows(rows: Sequence[Mapping[str, object]], formats: Mapping[str, Callable[[Any], str]], alt: str) -> None:
    """Rows as an HTML table; columns with a format are numbers and stand at the right, the others are Markdown."""
    # Numbers stay numbers, so that the table sets them right; the words come by their formats.
    words = pd.DataFrame(rows).style.format(dict(formats), na_rep=NONE)
    st.table(words, border="horizontal", hide_index=True, alt=alt)


def show_most_active(customers: list[Customer], as_of: datetime) -> None:
    """A short ranking by sessions, as an HTML table."""
    rows = [
        {
            "Customer": f"**{md(customer.full_name)}**" + (f" {ACTIVE}" if customer.is_active else ""),
            "Sessions": customer.sessions_in_period,
            "Orders": customer.orders_in_period,
            "Bookings": customer.bookings_in_period,
            "Last seen": md_cell(format_ago(customer.last_login, as_of)),
        }
        for customer in customers
    ]
    counts = dict.fromkeys(("Sessions", "Orders", "Bookings"), format_count)
    show_rows(rows, counts, "The most active customers of the last 7 days")


def _moments(moments: list[datetime | None]) -> "pd.Series[Any]":
    # A column of NULLs alone would otherwise be typed as object.
    return pd.Series(pd.to_datetime(moments, utc=True))
