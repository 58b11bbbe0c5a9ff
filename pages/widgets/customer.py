"""One customer on screen: the line in the list, and what is inside when it is open."""

from datetime import datetime

import streamlit as st

from metrics.customers import Customer, CustomerNotFound, CustomerQuery, get_customer
from metrics.display import (
    NONE,
    format_ago,
    format_browser,
    format_count,
    format_date,
    format_device,
    format_location,
    format_money,
    format_os,
    format_plural,
    format_time,
)
from metrics.sessions import count_sessions, list_sessions
from metrics.viewer import Viewer
from pages.widgets.database import explain_trouble, get_database, get_settings, get_timezone
from pages.widgets.definitions import define
from pages.widgets.downloads import link_sessions_csv
from pages.widgets.pager import PAGE_SIZE, count_pages, describe_rows
from pages.widgets.tables import show_sessions
from pages.widgets.text import md, md_cell, md_gray


def describe_customer(customer: Customer, sort: str, as_of: datetime) -> str:
    """The line of a closed row, as Markdown."""
    counts = " · ".join(
        (
            format_plural(customer.sessions_in_period, "session"),
            format_plural(customer.orders_in_period, "order"),
            format_plural(customer.bookings_in_period, "booking"),
        )
    ).replace(" ", "\u00a0")
    seen = f"last seen {format_ago(customer.last_login, as_of)}" if customer.last_login else "never seen"
    if sort == "registered" and customer.registered_at:
        seen = f"registered {format_date(customer.registered_at, get_timezone())}"
    parts = [
        f"**{md(customer.full_name)}**",
        md_gray(customer.email) if customer.email and customer.email != customer.full_name else "",
        ":green-badge[Active]" if customer.is_active else "",
        counts.replace("\u00a0·\u00a0", " · "),
        f":gray[{md_cell(seen)}]",
    ]
    return "\u2002".join(part for part in parts if part)


def refresh_customer(viewer: Viewer, customer: Customer, interval: str) -> tuple[Customer, datetime]:
    """The customer as of this click, and that moment: an order may have come since the list was read."""
    database = get_database()
    as_of = database.now()
    try:
        return get_customer(database, viewer, customer.id, interval=interval, as_of=as_of), as_of
    except CustomerNotFound:
        return customer, as_of


@st.fragment
def show_customer_row(viewer: Viewer, customer: Customer, query: CustomerQuery, as_of: datetime) -> None:
    """One row; what is inside is queried when it is open, and alone."""
    key = f"customer-{customer.id}"
    if st.session_state.get(key):
        with explain_trouble(key):
            customer, as_of = refresh_customer(viewer, customer, query.interval)
        # A label that changes makes another expander of it, which would be closed.
        st.session_state[key] = True
    # The id and not the session or the e-mail: ids are the only thing that no two rows share.
    label = describe_customer(customer, query.sort, as_of)
    row = st.expander(label, key=key, on_change="rerun")
    if row.open:
        with row:
            show_customer(viewer, customer, as_of)


def show_customer(viewer: Viewer, customer: Customer, as_of: datetime) -> None:
    """Last order, last booking, contact, habits, lifetime counts and sessions of one customer."""
    with st.container(border=False, gap="medium"):
        _show_facts(customer)
        _show_lifetime(customer)
        with explain_trouble(f"sessions-{customer.id}"):
            _show_sessions(viewer, customer, as_of)


def _show_facts(customer: Customer) -> None:
    timezone, currency = get_timezone(), get_settings().currency
    order = booking = ":gray[None yet]"
    if customer.last_order_at:
        amount = NONE if customer.last_order_amount is None else format_money(customer.last_order_amount, currency)
        order = f"{md(amount)} · :gray[{md(format_time(customer.last_order_at, timezone))}]"
    if customer.last_booking_at:
        service = customer.last_booking_service or "Unknown service"
        booking = f"{md(service)} · :gray[{md(format_time(customer.last_booking_at, timezone))}]"
    place = format_location(customer.city, customer.country)
    contact = " · ".join(
        [
            md_gray(customer.email) if customer.email else "no e-mail",
            md(customer.phone) if customer.phone else "no phone",
            md(place),
        ]
    )
    habits = ":gray[No sessions yet]"
    if customer.last_login:
        device, browser = format_device(customer.primary_device), format_browser(customer.primary_browser, None)
        habits = " · ".join(md(word) for word in (device, browser, format_os(customer.primary_os, None)))
    with st.grid(2, min_column_width=260):
        _show_fact(":material/shopping_bag:", "Last order", order, define("last_order"))
        _show_fact(":material/event:", "Last booking", booking, define("last_booking"))
        _show_fact(":material/contact_mail:", "Contact", contact, None)
        _show_fact(":material/devices:", "Usually on", habits, define("primary"))


def _show_fact(icon: str, title: str, text: str, definition: str | None) -> None:
    with st.container(border=True, height="stretch", gap="xxsmall"):
        st.markdown(f"{icon} **{title}**", help=definition)
        st.markdown(text)


def _show_lifetime(customer: Customer) -> None:
    facts = (
        ("All sessions", format_count(customer.total_sessions), "lifetime_sessions"),
        ("All orders", format_count(customer.total_orders), "lifetime_orders"),
        ("All bookings", format_count(customer.total_bookings), "lifetime_bookings"),
        ("All reviews", format_count(customer.total_reviews), "lifetime_reviews"),
        ("Spent", format_money(customer.total_spent, get_settings().currency), "spent"),
    )
    with st.grid(5, min_column_width=120):
        for label, value, word in facts:
            with st.container(gap="xxsmall"):
                st.caption(label, help=define(word))
                st.markdown(f"**{value}**")


def _show_sessions(viewer: Viewer, customer: Customer, as_of: datetime) -> None:
    database = get_database()
    kept = count_sessions(database, viewer, customer.id)
    if not kept:
        gone = customer.total_sessions > 0
        st.caption(
            f"No session of the last {get_settings().retention_days} days: older detail is removed, counts stay."
            if gone
            else "No sessions yet."
        )
        return
    pages = count_pages(kept)
    # The pager comes last on screen and is asked first.
    table, foot = st.container(), st.container(horizontal=True, vertical_alignment="center")
    page = 1
    with foot:
        if pages > 1:
            page = st.pagination(pages, key=f"sessions-{customer.id}")
        note = f"{describe_rows(page, kept)} sessions" if pages > 1 else format_plural(kept, "session")
        st.caption(note, help=define("sessions_of"), width="content")
        st.space("stretch")
        link_sessions_csv(customer.id)
    with table:
        show_sessions(list_sessions(database, viewer, customer.id, as_of=as_of, limit=PAGE_SIZE, page=page))
