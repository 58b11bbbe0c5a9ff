"""Customers: the whole base in any order over any interval, each opened on the spot."""

from datetime import datetime

import streamlit as st

from metrics.choices import INTERVALS, ORDERS, SORTS
from metrics.customers import Customer, CustomerQuery, count_customers, list_customers
from metrics.viewer import Viewer
from pages.widgets.account import note_reveal
from pages.widgets.customer import refresh_customer, show_customer, show_customer_row
from pages.widgets.database import explain_trouble, get_database
from pages.widgets.definitions import define
from pages.widgets.downloads import link_customers_csv
from pages.widgets.filters import choose_view, read_view, show_customer_filters
from pages.widgets.pager import PAGE_SIZE, count_pages, describe_rows, show_pager
from pages.widgets.state import keep_page_within, read_page, show_notes
from pages.widgets.tables import show_customers
from pages.widgets.text import md
from pages.widgets.viewer import gate

viewer = gate()


# Kept while nothing was written anywhere: what the shop stored shows on the next click.
@st.cache_data(ttl=15, max_entries=64, scope="session", show_spinner=False)
def count_rows(viewer: Viewer, query: CustomerQuery, written: str) -> tuple[datetime, int]:
    """The moment that the whole screen stands at, and how many customers the filters leave."""
    database = get_database()
    as_of = database.now()
    return as_of, count_customers(database, viewer, query, as_of=as_of)


@st.cache_data(ttl=15, max_entries=64, scope="session", show_spinner=False)
def list_rows(viewer: Viewer, query: CustomerQuery, as_of: datetime, page: int) -> list[Customer]:
    """One page of customers as of that moment; contacts that an admin asked to see are in the audit log."""
    customers = list_customers(get_database(), viewer, query, as_of=as_of, limit=PAGE_SIZE, page=page).customers
    note_reveal(viewer, "customers on screen", len(customers))
    return customers


def show_nobody(query: CustomerQuery) -> None:
    """What to do where the list is empty."""
    is_filtered = query.search or query.device or query.country or query.activity != "all"
    if is_filtered:
        st.info("No customer matches. Try fewer letters, or take a filter away.", icon=":material/search_off:")
        st.button("Clear search and filters", icon=":material/filter_alt_off:", on_click=clear_filters)
    else:
        st.info(
            "No customers yet. They appear here as soon as the shop's users table has rows; "
            "`python -m metrics demo` fills an empty database with a believable shop.",
            icon=":material/group_add:",
        )


def clear_filters() -> None:
    """Back to everybody."""
    st.session_state.update({"search": "", "activity": "all", "device": "", "country": "", "page": 1})


@st.fragment
def show_table(viewer: Viewer, customers: list[Customer], query: CustomerQuery, key: str) -> None:
    """The same rows as a grid; a selected one opens below it, and only this part runs again."""
    chosen = show_customers(customers, key)
    if chosen is None:
        st.caption("Select a row to see the customer.")
    else:
        with st.container(border=True):
            st.subheader(md(chosen.full_name), anchor=False)
            show_customer(viewer, *refresh_customer(viewer, chosen, query.interval))


def describe_list(query: CustomerQuery, page: int, rows: int) -> str:
    """What the list shows, in the words of its choices."""
    parts = [describe_rows(page, rows), SORTS[query.sort].label, INTERVALS[query.interval].label]
    if query.order != "desc":
        parts.append(ORDERS[query.order].label)
    return " · ".join(parts)


st.title("Customers", anchor=False)
with explain_trouble("customers"):
    query = show_customer_filters(viewer)
    read_page()
    read_view()
    with st.skeleton(height=640):
        as_of, rows = count_rows(viewer, query, get_database().get_snapshot())
        page = keep_page_within(count_pages(rows))
        customers = list_rows(viewer, query, as_of, page) if rows else []
    show_notes()
    if customers:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(describe_list(query, page, rows), help=define("counts"), width="content")
            st.space("stretch")
            view = choose_view()
            link_customers_csv(query)
        if view == "table":
            show_table(viewer, customers, query, f"table {query} {page}")
        else:
            with st.container(gap="xsmall"):
                for customer in customers:
                    show_customer_row(viewer, customer, query, as_of)
        show_pager(count_pages(rows))
    else:
        show_nobody(query)
