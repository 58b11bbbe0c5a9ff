"""Sessions: every session of the interval, latest first, with filters; why they ended; and their CSV."""

from datetime import datetime
from urllib.parse import urlencode

import streamlit as st

from metrics.choices import INTERVALS
from metrics.display import (
    NONE,
    format_browser,
    format_device,
    format_duration,
    format_location,
    format_os,
    format_plural,
    format_time,
)
from metrics.session_list import (
    MOST_COUNTED,
    REASONS,
    STATES,
    WHO,
    EndReason,
    ListedSession,
    SessionOptions,
    SessionQuery,
    count_all_sessions,
    list_all_sessions,
    list_end_reasons,
    list_session_options,
)
from metrics.viewer import Viewer
from pages.widgets.database import explain_trouble, get_database, get_timezone
from pages.widgets.definitions import define
from pages.widgets.filters import get_interval, show_bots_toggle
from pages.widgets.kept import describe_detail
from pages.widgets.pager import PAGE_SIZE, count_pages, describe_rows, show_pager
from pages.widgets.share_charts import name_reason, show_end_reasons, show_reason_table
from pages.widgets.state import (
    begin_again,
    keep_page_within,
    read_choice,
    read_option,
    read_page,
    read_switch,
    show_notes,
    write_url,
)
from pages.widgets.tables import ACTIVE
from pages.widgets.text import md, md_cell, plain
from pages.widgets.viewer import gate

viewer = gate()

TABLES = {"state": STATES, "reason": REASONS, "who": WHO}
OPTIONS = {"device": "All devices", "browser": "All browsers", "country": "All countries"}


# They change once in a while: nobody waits for them twice.
@st.cache_data(ttl=300, max_entries=8, refresh_mode="background", show_spinner=False)
def read_options(viewer: Viewer) -> SessionOptions:
    """What the filters offer."""
    return list_session_options(get_database(), viewer)


@st.cache_data(ttl=15, max_entries=16, scope="session", show_spinner=False)
def read_moment(viewer: Viewer, query: SessionQuery) -> datetime:
    """The moment that the whole screen stands at; the same one for a few seconds, so that pages do not shift."""
    return get_database().now()


@st.cache_data(ttl=60, max_entries=64, scope="session", show_spinner=False)
def count_rows(viewer: Viewer, query: SessionQuery, as_of: datetime) -> int:
    """How many sessions the filters leave, up to a limit."""
    return count_all_sessions(get_database(), viewer, query, as_of=as_of)


@st.cache_data(ttl=60, max_entries=64, scope="session", show_spinner=False)
def list_rows(viewer: Viewer, query: SessionQuery, as_of: datetime, page: int) -> list[ListedSession]:
    """One page of sessions."""
    return list_all_sessions(get_database(), viewer, query, as_of=as_of, limit=PAGE_SIZE, page=page)


@st.cache_data(ttl=60, max_entries=16, scope="session", show_spinner=False)
def read_reasons(viewer: Viewer, interval: str, include_bots: bool, as_of: datetime) -> list[EndReason]:
    """Why the sessions of the interval ended."""
    return list_end_reasons(get_database(), viewer, interval, as_of=as_of, include_bots=include_bots)


def forget_other_pages() -> None:
    """On arrival, takes away what the list of customers left under the same words: the URL alone says what is shown."""
    if "state" not in st.session_state:
        for name in ("page", *OPTIONS):
            st.session_state.pop(name, None)


def show_filters(viewer: Viewer) -> SessionQuery:
    """State, reason, who, device, browser and country, in rows that wrap on a phone."""
    found = read_options(viewer)
    options = {"device": found.devices, "browser": found.browsers, "country": found.countries}
    for name, table in TABLES.items():
        read_choice(name, table, "all")
    for name, label in OPTIONS.items():
        sentence = f"no recent session has that. Showing {label.lower()}."
        read_option(name, list(options[name]), sentence=sentence)
    with st.grid(6, min_column_width=150):
        for name, label in (("state", "State"), ("reason", "Reason of end"), ("who", "Who")):
            st.selectbox(
                label,
                list(TABLES[name]),
                format_func=lambda key, name=name: TABLES[name][key].label,
                key=name,
                on_change=begin_again,
                label_visibility="collapsed",
                filter_mode=None,
            )
        for name, everything in OPTIONS.items():
            st.selectbox(
                name.capitalize(),
                ["", *options[name]],
                format_func=lambda key, name=name, everything=everything: name_option(name, key) or everything,
                key=name,
                on_change=begin_again,
                label_visibility="collapsed",
            )
    write_url(state="all", reason="all", who="all", device="", browser="", country="")
    state = st.session_state
    return SessionQuery(
        interval=get_interval(),
        state=state["state"],
        reason=state["reason"],
        device=state["device"] or None,
        browser=state["browser"] or None,
        country=state["country"] or None,
        who=state["who"],
        include_bots=bool(state["bots"]),
    )


def name_option(name: str, key: str) -> str:
    """A device, browser or country as it stands on the screen."""
    return plain(format_device(key) if name == "device" and key else key)


def clear_filters() -> None:
    """Back to every session of the interval."""
    st.session_state.update(dict.fromkeys(TABLES, "all") | dict.fromkeys(OPTIONS, "") | {"page": 1})


def show_rows(sessions: list[ListedSession]) -> None:
    """One page as an HTML table, which a screen reader reads and a phone scrolls inside its own box."""
    timezone = get_timezone()
    rows = [
        {
            "Customer": name_customer(session),
            "Started": md_cell(format_time(session.started_at, timezone)),
            "Ended": ACTIVE if session.ended_at is None else md_cell(name_end(session.started_at, session.ended_at)),
            "Duration": md_cell(format_duration(session.duration_seconds, session.is_active)),
            "Reason": md_cell(name_reason(session.end_reason or "unknown") if session.ended_at else NONE),
            "Device": md_cell(format_device(session.device_type)),
            "Browser": md_cell(format_browser(session.browser_name, session.browser_version)),
            "OS": md_cell(format_os(session.os_name, session.os_version)),
            "Location": md(format_location(session.city, session.country)),
            "IP": md_cell(session.ip_address or NONE),
        }
        for session in sessions
    ]
    st.table(rows, border="horizontal", hide_index=True, alt="Sessions of everybody, the latest first")


def name_end(started_at: datetime, ended_at: datetime) -> str:
    """The end; of a session that began on the same day, its time alone: ten columns have little room."""
    timezone = get_timezone()
    start, end = started_at.astimezone(timezone), ended_at.astimezone(timezone)
    return f"{end:%H:%M}" if start.date() == end.date() else format_time(ended_at, timezone)


def name_customer(session: ListedSession) -> str:
    """The customer as Markdown; whoever did not sign in is a guest."""
    if session.user_id is None:
        return ":gray[Guest]"
    return f"**{md(session.full_name or 'Unnamed customer')}**"


def show_nothing(query: SessionQuery) -> None:
    """What to do where the list is empty."""
    if query.is_filtered:
        st.info("No session matches. Take a filter away, or choose a longer interval.", icon=":material/search_off:")
        st.button("Clear filters", icon=":material/filter_alt_off:", on_click=clear_filters)
    elif query.interval != "all":
        st.info("No sessions in this interval: choose a longer one in the side bar.", icon=":material/schedule:")
    else:
        st.info(
            "No sessions yet. They appear as soon as the shop's tracker sends its first beacon.",
            icon=":material/schedule:",
        )


def describe_list(query: SessionQuery, page: int, rows: int) -> str:
    """Which rows of how many; a number that was not counted to its end is "more than"."""
    words = describe_rows(page, min(rows, MOST_COUNTED))
    if rows > MOST_COUNTED:
        words = words.replace(f" of {MOST_COUNTED:,}", f" of more than {MOST_COUNTED:,}")
    return f"{words} · {INTERVALS[query.interval].label}"


def link_csv(query: SessionQuery) -> None:
    """Every session that the filters leave, in the order shown."""
    asked = {"interval": query.interval} | {name: st.session_state[name] for name in (*TABLES, *OPTIONS)}
    asked["bots"] = "true" if query.include_bots else ""
    st.link_button(
        "Export CSV",
        "/export/sessions.csv?" + urlencode({name: value for name, value in asked.items() if value}),
        icon=":material/download:",
        help="Every session that the filters leave, not only this page, in this order.",
    )


@st.fragment(parallel=True)
def show_reasons(viewer: Viewer, interval: str, include_bots: bool, as_of: datetime) -> None:
    """Why sessions ended, as bars and as a table, side by side."""
    with explain_trouble("reasons"), st.skeleton(height=300):
        reasons = read_reasons(viewer, interval, include_bots, as_of)
        if not reasons:
            return
        with st.container(border=True):
            ended = format_plural(sum(one.sessions for one in reasons), "ended session")
            st.markdown(f"**Reasons of end** :gray[{ended}, {INTERVALS[interval].label}]", help=define("end_reasons"))
            with st.grid(2, min_column_width=300):
                show_end_reasons(reasons)
                show_reason_table(reasons)


st.title("Sessions", anchor=False)
with explain_trouble("sessions"):
    forget_other_pages()
    read_switch("bots")
    read_page()
    query = show_filters(viewer)
    with st.container(horizontal=True, vertical_alignment="center"):
        detail = describe_detail(viewer)
        st.caption(f"{detail[0].upper()}{detail[1:]}.", width="content")
        st.space("stretch")
        show_bots_toggle()
    with st.skeleton(height=640):
        as_of = read_moment(viewer, query)
        rows = count_rows(viewer, query, as_of)
        page = keep_page_within(count_pages(min(rows, MOST_COUNTED)))
        sessions = list_rows(viewer, query, as_of, page) if rows else []
    show_notes()
    if sessions:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(describe_list(query, page, rows), help=define("session_list"), width="content")
            st.space("stretch")
            link_csv(query)
        show_rows(sessions)
    else:
        show_nothing(query)
    # With one page it shows nothing, and takes the page of a longer list out of the URL.
    show_pager(count_pages(min(rows, MOST_COUNTED)))
    show_reasons(viewer, query.interval, query.include_bots, as_of)
