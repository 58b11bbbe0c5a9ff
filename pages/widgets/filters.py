"""The choices of a person: sort, interval and order in the side bar, search and filters on the page."""

import streamlit as st

from metrics.choices import ACTIVITIES, INTERVALS, ORDERS, SORTS
from metrics.customers import CustomerQuery, list_countries, list_primary_devices
from metrics.display import format_device
from metrics.viewer import Viewer
from pages.widgets.database import get_database, get_settings
from pages.widgets.definitions import define
from pages.widgets.state import begin_again, read_choice, read_option, read_switch, read_text, write_url
from pages.widgets.text import plain

LONGEST_SEARCH = 100
VIEWS = {"list": ":material/view_agenda: List", "table": ":material/table_rows: Table"}


def show_sidebar(sorts: bool) -> None:
    """Sort by, order and time interval, on every page; where nothing is sorted, the first two rest."""
    read_choice("sortBy", SORTS, "sessions")
    read_choice("sortOrder", ORDERS, "desc")
    read_choice("interval", INTERVALS, "all")
    with st.sidebar:
        st.selectbox(
            "Sort by",
            list(SORTS),
            format_func=lambda key: SORTS[key].label,
            key="sortBy",
            on_change=begin_again,
            disabled=not sorts,
            filter_mode=None,
        )
        st.segmented_control(
            "Order",
            list(ORDERS),
            format_func=lambda key: ORDERS[key].label,
            key="sortOrder",
            on_change=begin_again,
            required=True,
            disabled=not sorts,
            label_visibility="collapsed",
            width="stretch",
        )
        st.selectbox(
            "Time interval",
            list(INTERVALS),
            format_func=lambda key: INTERVALS[key].label,
            key="interval",
            on_change=begin_again,
            help="A rolling window that ends now. It changes the counts and hides nobody.",
            filter_mode=None,
        )
        show_timezone()
    write_url(sortBy="sessions", sortOrder="desc", interval="all")


@st.fragment(run_every=60)
def show_timezone() -> None:
    """The zone of every time on screen; asking again wakes a page whose server was restarted meanwhile."""
    st.caption(f":material/schedule: Times in {get_settings().timezone}")


def get_interval() -> str:
    """The interval in the side bar."""
    return str(st.session_state["interval"])


# They are the same for everybody, change once in a while, and take reading every customer: nobody waits for them twice.
@st.cache_data(ttl=300, refresh_mode="background", show_spinner=False)
def _list_options(_viewer: Viewer) -> tuple[list[str], list[str]]:
    database = get_database()
    return list_primary_devices(database, _viewer), list_countries(database, _viewer)


def show_customer_filters(viewer: Viewer) -> CustomerQuery:
    """Search, activity, device and country, in a row that wraps on a phone."""
    devices, countries = _list_options(viewer)
    read_text("search", LONGEST_SEARCH)
    read_choice("activity", ACTIVITIES, "all")
    read_option("device", devices, sentence="no customer has that. Showing all devices.")
    read_option("country", countries, sentence="no customer has that. Showing all countries.")
    search, activity, device, country = st.columns([5, 3, 3, 3], vertical_alignment="bottom")
    search.text_input(
        "Search",
        key="search",
        type="search",
        live="300ms",
        max_chars=LONGEST_SEARCH,
        placeholder="Name, e-mail or phone",
        on_change=begin_again,
        label_visibility="collapsed",
    )
    activity.selectbox(
        "Activity",
        list(ACTIVITIES),
        format_func=lambda key: ACTIVITIES[key].label,
        key="activity",
        on_change=begin_again,
        label_visibility="collapsed",
        filter_mode=None,
    )
    device.selectbox(
        "Device",
        ["", *devices],
        format_func=lambda key: plain(format_device(key)) if key else "All devices",
        key="device",
        on_change=begin_again,
        label_visibility="collapsed",
    )
    country.selectbox(
        "Country",
        ["", *countries],
        format_func=lambda key: plain(key) if key else "All countries",
        key="country",
        on_change=begin_again,
        label_visibility="collapsed",
    )
    write_url(search="", activity="all", device="", country="")
    state = st.session_state
    return CustomerQuery(
        interval=state["interval"],
        sort=state["sortBy"],
        order=state["sortOrder"],
        search=state["search"].strip(),
        activity=state["activity"],
        device=state["device"] or None,
        country=state["country"] or None,
    )


def read_view() -> None:
    """Reads the view from the URL, before the notes are shown."""
    read_option("view", list(VIEWS), default="list", sentence="use list or table. Showing the list.")


def choose_view() -> str:
    """The list, or the same rows as a table."""
    st.segmented_control(
        "View",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        key="view",
        required=True,
        label_visibility="collapsed",
    )
    write_url(view="list")
    return str(st.session_state["view"])


def show_bots_toggle() -> bool:
    """Whether sessions of bots count too; their number stands on the page beside it."""
    read_switch("bots")
    include_bots: bool = st.toggle("Include bots", key="bots", help=define("bots"))
    write_url(bots=False)
    return include_bots
