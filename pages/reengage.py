"""Re-engagement: whom to write to again, by audience and segment, what they are worth, and the file for a campaign."""

from datetime import datetime

import streamlit as st

from metrics.display import (
    NONE,
    format_ago,
    format_count,
    format_date,
    format_money,
    format_money_short,
    format_plural,
    format_time,
)
from metrics.reengage import AUDIENCES, Member, Size, list_audience, list_audiences
from metrics.viewer import Viewer
from pages.widgets.account import note_reveal
from pages.widgets.database import explain_trouble, get_database, get_settings, get_timezone
from pages.widgets.definitions import define
from pages.widgets.downloads import link_audience_csv
from pages.widgets.pager import PAGE_SIZE, count_pages, describe_rows, show_pager
from pages.widgets.state import begin_again, keep_page_within, read_choice, read_page, show_notes, write_url
from pages.widgets.tables import show_rows
from pages.widgets.text import md, md_cell
from pages.widgets.viewer import gate

viewer = gate()


@st.cache_data(ttl=60, max_entries=4, scope="session", show_spinner=False)
def read_sizes(viewer: Viewer) -> tuple[datetime, list[Size]]:
    """Every audience with its size, and the moment that the whole screen stands at."""
    database = get_database()
    as_of = database.now()
    return as_of, list_audiences(database, viewer, as_of=as_of)


@st.cache_data(ttl=60, max_entries=32, scope="session", show_spinner=False)
def read_members(viewer: Viewer, audience: str, as_of: datetime, page: int) -> list[Member]:
    """One page of an audience; contacts that an admin asked to see are in the audit log."""
    members = list_audience(get_database(), viewer, audience, as_of=as_of, limit=PAGE_SIZE, page=page)
    note_reveal(viewer, f"audience {audience} on screen", len(members))
    return members


def show_sizes(sizes: list[Size], segments: bool) -> None:
    """Audiences or segments: how many, what they spent, and the rule."""
    spent = f"Spent ({get_settings().currency})"
    rows = [
        {
            "Name": f"**{md(AUDIENCES[size.audience].label)}** :gray[{md(AUDIENCES[size.audience].rule)}]",
            "Customers": size.customers,
            spent: size.value,
        }
        for size in sizes
        if AUDIENCES[size.audience].is_segment == segments
    ]
    formats = {"Customers": format_count, spent: lambda value: format_money_short(value, "").strip()}
    show_rows(rows, formats, "Segments" if segments else "Lists to write to")


def md_last_order(member: Member) -> str:
    """Its amount and day, "TZS 150,000 · 3 Mar 2026", as Markdown; an order without an amount has its day alone.

    Between the two it may break, so that the row fits a desk.
    """
    if member.last_order_at is None:
        return md(NONE)
    day = md_cell(format_date(member.last_order_at, get_timezone()))
    if member.last_order_amount is None:
        return day
    return f"{md_cell(format_money(member.last_order_amount, get_settings().currency))} · {day}"


def show_members(members: list[Member], as_of: datetime) -> None:
    """The people, those that spent most first."""
    spent = f"Spent ({get_settings().currency})"
    rows = [
        {
            "Customer": f"**{md(member.full_name)}**",
            "E-mail": md(member.email or NONE),
            "Phone": md_cell(member.phone or NONE),
            "Orders": member.total_orders,
            "Bookings": member.total_bookings,
            spent: member.total_spent,
            "Last order": md_last_order(member),
            "Last seen": md_cell(format_ago(member.last_login, as_of)),
        }
        for member in members
    ]
    formats = {"Orders": format_count, "Bookings": format_count, spent: lambda money: format_money(money, "").strip()}
    show_rows(rows, formats, "Customers of the list, those that spent most first")


st.title("Re-engagement", anchor=False)
with explain_trouble("reengage"):
    read_choice("audience", AUDIENCES, "lapsed")
    read_page()
    with st.skeleton(height=620):
        as_of, sizes = read_sizes(viewer)
    if not any(size.customers for size in sizes):
        st.info(
            "No customers yet. They appear here as soon as the shop's users table has rows.",
            icon=":material/group_add:",
        )
        st.stop()
    st.caption(f"All time, whatever the interval · as of {format_time(as_of, get_timezone())}")
    with st.grid(2, min_column_width=380):
        with st.container(border=True, height="stretch"):
            st.markdown("**Lists to write to** :gray[a customer may be in several]", help=define("audience"))
            show_sizes(sizes, segments=False)
        with st.container(border=True, height="stretch"):
            st.markdown("**Segments** :gray[each customer is in one]", help=define("segment"))
            show_sizes(sizes, segments=True)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Show",
            list(AUDIENCES),
            format_func=lambda key: AUDIENCES[key].label,
            key="audience",
            on_change=begin_again,
            filter_mode=None,
            width=300,
        )
        st.space("stretch")
        link_audience_csv(st.session_state["audience"])
    write_url(audience="lapsed")
    audience = st.session_state["audience"]
    size = next(size for size in sizes if size.audience == audience)
    page = keep_page_within(count_pages(size.customers))
    show_notes()
    st.markdown(f"**{md(AUDIENCES[audience].label)}** :gray[{md(AUDIENCES[audience].rule)}]", help=define("members"))
    if size.customers:
        value = format_money_short(size.value, get_settings().currency)
        st.caption(
            f"{describe_rows(page, size.customers)} · {format_plural(size.customers, 'customer')} "
            f"who spent {value} so far",
            help=define("value_at_stake"),
        )
        with st.skeleton(height=400):
            show_members(read_members(viewer, audience, as_of, page), as_of)
    else:
        st.info("Nobody is in this list now. Choose another above.", icon=":material/sentiment_satisfied:")
    # With one page it shows nothing, and takes the page of a longer list out of the URL.
    show_pager(count_pages(size.customers))
