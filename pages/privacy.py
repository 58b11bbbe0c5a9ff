"""Privacy: one person's data found, handed out, forgotten or erased; retention; and the log of all such deeds."""

import json
from collections.abc import Mapping
from uuid import UUID

import streamlit as st

from metrics.audit import count_audit, list_audit
from metrics.customers import Customer, CustomerQuery, list_customers
from metrics.database import DatabaseError
from metrics.display import format_count, format_plural, format_time
from metrics.keys import list_keys
from metrics.privacy import (
    ErasureIncomplete,
    Receipt,
    count_traces,
    erase_customer,
    export_person,
    reset_all_sessions,
    reset_customer,
)
from metrics.retention import count_prunable, get_retention, prune_sessions
from metrics.viewer import Viewer
from pages.widgets.database import explain_trouble, get_database, get_settings, get_timezone
from pages.widgets.definitions import define
from pages.widgets.filters import LONGEST_SEARCH
from pages.widgets.pager import PAGE_SIZE, count_pages, describe_rows
from pages.widgets.tables import show_rows
from pages.widgets.text import md, md_cell, md_gray
from pages.widgets.viewer import gate

viewer = gate("admin")

MOST_FOUND = 20
ALL_SESSIONS = "RESET ALL SESSIONS"
TABLES = {
    "user_sessions": "sessions",
    "user_activity_summary": "summary",
    "user_device_counts": "counts by device",
    "metrics_pruned_customers": "counts of sessions that retention removed",
    "metrics_period_customers": "counts of periods",
    "metrics_changes": "changes on their way into counts",
    "metrics_pruned_sessions": "sessions counted after retention",
}


@st.fragment
def show_person(viewer: Viewer) -> None:
    """Find a person, see what is there, and act."""
    with explain_trouble("person"):
        st.subheader("One person", anchor=False)
        search = st.text_input(
            "Find a person", placeholder="Name, e-mail or phone", max_chars=LONGEST_SEARCH, key="person-search"
        )
        _show_receipt()
        if not search.strip():
            st.caption("Whoever asks what you know of them, or to be forgotten: search for them here.")
            return
        found = list_customers(get_database(), viewer, CustomerQuery(search=search.strip()), limit=MOST_FOUND).customers
        if not found:
            st.info("Nobody matches. Somebody who was erased is in no list.", icon=":material/search_off:")
            return
        people = {customer.id: customer for customer in found}
        chosen = st.radio("Person", list(people), format_func=lambda key: _name(people[key]), index=None, key="person")
        if chosen is not None and chosen in people:
            _show_deeds(viewer, people[chosen])


def _show_deeds(viewer: Viewer, customer: Customer) -> None:
    database = get_database()
    words = _list_rows(count_traces(database, viewer, customer.id))
    st.markdown(f"We keep of **{md(customer.full_name)}**: {md(words)}.", help=define("traces"))
    st.caption(f"Customer id {customer.id}")
    with st.container(horizontal=True):
        if st.button("Prepare the export", icon=":material/folder_zip:", help="All that is known, as one JSON file."):
            text = export_person(database, viewer, customer.id)
            st.download_button(
                "Download JSON", text, f"person-{customer.id}.json", "application/json", icon=":material/download:"
            )
    phrase = customer.email or str(customer.id)
    shown = phrase if viewer.sees_contacts else str(customer.id)
    typed = st.text_input(
        f"To go on, type {md_gray(shown)}", key=f"typed-{customer.id}", help="What is removed does not come back."
    )
    sure = typed.strip() in {phrase, str(customer.id)}
    with st.container(horizontal=True):
        st.button(
            "Forget the visits",
            icon=":material/restart_alt:",
            disabled=not sure,
            help="Sessions go and count from nothing again. The customer, orders, bookings and reviews stay.",
            on_click=_act,
            args=(viewer, "reset", customer.id),
        )
        st.button(
            "Erase the person",
            icon=":material/person_remove:",
            type="primary",
            disabled=not sure,
            help="Sessions, summary and counts go, for good: later visits are a guest's. The shop's own rows stay.",
            on_click=_act,
            args=(viewer, "erase", customer.id),
        )


def _act(viewer: Viewer, deed: str, user_id: UUID) -> None:
    try:
        work = erase_customer if deed == "erase" else reset_customer
        st.session_state["receipt"] = work(get_database(), viewer, user_id)
        st.session_state["person"] = None
    except (ErasureIncomplete, DatabaseError) as error:
        st.session_state["receipt"] = str(error)


def _show_receipt() -> None:
    receipt: Receipt | str | None = st.session_state.get("receipt")
    if isinstance(receipt, str):
        st.warning(md(receipt), icon=":material/warning:")
    elif receipt:
        removed = _list_rows(receipt.removed)
        left = sum(receipt.left.values())
        st.success(
            f"Removed {md(removed)}. Looked for again: {format_plural(left, 'row')} left.",
            icon=":material/receipt_long:",
        )
        st.download_button(
            "Download the receipt",
            json.dumps(receipt.write(), indent=2),
            "receipt.json",
            "application/json",
            icon=":material/download:",
        )


@st.fragment
def show_retention(viewer: Viewer) -> None:
    """How long session detail stays, and what a run would remove."""
    with explain_trouble("retention"):
        database, settings = get_database(), get_settings()
        st.subheader("Retention", anchor=False)
        retention = get_retention(database, viewer)
        due = count_prunable(database, viewer)
        since = format_time(retention.kept_since, get_timezone()) if retention.kept_since else None
        st.markdown(
            f"Session detail is kept for **{settings.retention_days} days**"
            + (f", at present since {md(since)}" if since else "")
            + f". {format_plural(retention.total_pruned, 'session')} removed so far, "
            f"{format_plural(due.sessions, 'session')} due now. Counts of all time stay.",
            help=define("retention"),
        )
        if st.button("Remove them now", icon=":material/auto_delete:", disabled=not due.sessions):
            bar = st.progress(0.0, "Removing …")
            done = 0

            def report(batch: int) -> None:
                nonlocal done
                done += batch
                bar.progress(min(1.0, done / due.sessions), f"{format_count(done)} of {format_count(due.sessions)}")

            pruned = prune_sessions(database, viewer, report=report)
            bar.empty()
            st.success(f"{format_plural(pruned.sessions, 'session')} removed.", icon=":material/check:")


@st.fragment
def show_reset_of_all(viewer: Viewer) -> None:
    """Every visit forgotten, behind a typed sentence."""
    section = st.expander("Forget every visit of everybody", on_change="rerun", key="reset-all")
    if section.open:
        with section, explain_trouble("reset-all"):
            st.markdown(
                "All sessions go, and every count of them, what retention kept too. Customers, orders, bookings and "
                "reviews stay. Meant for the day between trying out and opening."
            )
            typed = st.text_input(f"To go on, type {ALL_SESSIONS}", key="typed-all")
            sure = typed.strip() == ALL_SESSIONS
            if st.button("Forget all visits", icon=":material/delete_forever:", type="primary", disabled=not sure):
                with st.spinner("Removing every session …"):
                    receipt = reset_all_sessions(get_database(), viewer)
                st.success(
                    f"{format_plural(receipt.removed['user_sessions'], 'session')} removed.", icon=":material/check:"
                )


@st.fragment
def show_log(viewer: Viewer) -> None:
    """Who did what, latest first."""
    with explain_trouble("log"):
        st.subheader("Audit log", anchor=False, help=define("audit"))
        database = get_database()
        deeds = count_audit(database, viewer)
        if not deeds:
            st.caption("Nothing yet: exports, reveals, erasures, resets and retention are written here.")
            return
        table, foot = st.container(), st.container(horizontal=True, vertical_alignment="center")
        with foot:
            pages = count_pages(deeds)
            page = st.pagination(pages, key="log-page") if pages > 1 else 1
            st.caption(describe_rows(page, deeds), width="content")
        timezone = get_timezone()
        rows = [
            {
                "When": md_cell(format_time(deed.happened_at, timezone)),
                "Who": md(deed.actor),
                "What": md_cell(deed.action),
                "Of": md(deed.subject),
                "Rows": deed.total_rows,
            }
            for deed in list_audit(database, viewer, limit=PAGE_SIZE, page=page)
        ]
        with table:
            show_rows(rows, {"Rows": format_count}, "The audit log, the latest first")


@st.fragment
def show_keys(viewer: Viewer) -> None:
    """Keys of the JSON API by name; they are made and revoked by command."""
    section = st.expander("Keys of the JSON API", on_change="rerun", key="keys")
    if section.open:
        with section, explain_trouble("keys"):
            timezone = get_timezone()
            rows = [
                {
                    "Name": md(key.name),
                    "Role": md_cell(key.role),
                    "Made": md_cell(format_time(key.created_at, timezone)),
                    "State": ":gray-badge[Revoked]" if key.revoked_at else ":green-badge[In use]",
                }
                for key in list_keys(get_database())
            ]
            if rows:
                st.table(rows, border="horizontal", hide_index=True, alt="Keys of the JSON API")
            st.caption("`python -m metrics keys add NAME` makes one, `keys revoke NAME` ends it.")


def _list_rows(tables: Mapping[str, int]) -> str:
    return ", ".join(f"{format_count(rows)} {TABLES.get(table, table)}" for table, rows in tables.items() if rows) or (
        "nothing"
    )


def _name(customer: Customer) -> str:
    # Without a name, the e-mail stands in its place.
    parts = dict.fromkeys((customer.full_name, customer.email or "", customer.phone or ""))
    return " · ".join(md(part) for part in parts if part)


st.title("Privacy", anchor=False)
show_person(viewer)
show_retention(viewer)
show_log(viewer)
show_keys(viewer)
show_reset_of_all(viewer)
