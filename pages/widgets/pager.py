"""Pages of a list: their numbers, and a jump to any of them."""

import streamlit as st

from pages.widgets.state import forget_notes, write_url

PAGE_SIZE = 20


def count_pages(rows: int) -> int:
    """How many pages that many rows fill; an empty list has one."""
    return max(1, -(-rows // PAGE_SIZE))


def describe_rows(page: int, rows: int) -> str:
    """Which rows of how many a page shows: "Showing 1-20 of 1,237"."""
    first = (page - 1) * PAGE_SIZE + 1
    return f"Showing {first:,}–{min(page * PAGE_SIZE, rows):,} of {rows:,}"


def show_pager(pages: int) -> None:
    """The pager of the page itself; its number is in the URL."""
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
            st.pagination(pages, key="page", on_change=forget_notes)
            if pages > 7:
                st.number_input(
                    "Go to page",
                    min_value=1,
                    max_value=pages,
                    value=None,
                    step=1,
                    key="jump",
                    placeholder="Go to page",
                    label_visibility="collapsed",
                    on_change=_jump,
                    width=150,
                )
    write_url(page=1)


def _jump() -> None:
    # None: the field was only cleared.
    if st.session_state["jump"] is not None:
        st.session_state["page"] = st.session_state["jump"]
        st.session_state["jump"] = None
        forget_notes()
