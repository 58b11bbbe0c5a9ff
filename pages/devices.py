"""Devices & browsers: what the sessions of the interval came on and from where, family by family, and over time."""

from datetime import datetime

import streamlit as st

from metrics.choices import DIMENSIONS, INTERVALS
from metrics.devices import Place, Share, SharePoint, list_places, list_share_series, list_shares, list_versions
from metrics.display import format_count, format_device, format_percent, format_time
from metrics.viewer import Viewer
from pages.widgets.charts import show_share_table, show_shares
from pages.widgets.database import explain_trouble, get_database, get_timezone
from pages.widgets.definitions import define
from pages.widgets.filters import get_interval, show_bots_toggle
from pages.widgets.kept import describe_detail
from pages.widgets.share_charts import name_points, show_places, show_share_lines, show_share_series_table
from pages.widgets.state import read_choice, show_notes, write_url
from pages.widgets.text import md, plain
from pages.widgets.viewer import gate

viewer = gate()

ON = {"mobile": "phones", "tablet": "tablets", "desktop": "computers", "bot": "bots"}
WITHIN = {"device": "Operating systems on", "browser": "Versions of", "os": "Versions of"}


@st.cache_data(ttl=15, max_entries=16, scope="session", show_spinner=False)
def read_shares(viewer: Viewer, interval: str, include_bots: bool) -> tuple[datetime, dict[str, list[Share]]]:
    """The shares of every dimension, all at one moment."""
    database = get_database()
    as_of = database.now()
    return as_of, {
        dimension: list_shares(database, viewer, dimension, interval, as_of=as_of, include_bots=include_bots)
        for dimension in DIMENSIONS
    }


# These two read the rows of the interval, which takes a while over all time of a large shop.
@st.cache_data(ttl=60, max_entries=16, scope="session", show_spinner=False)
def read_series(viewer: Viewer, dimension: str, interval: str, include_bots: bool, as_of: datetime) -> list[SharePoint]:
    """The shares of a dimension over time."""
    return list_share_series(get_database(), viewer, dimension, interval, as_of=as_of, include_bots=include_bots)


@st.cache_data(ttl=60, max_entries=16, scope="session", show_spinner=False)
def read_places(viewer: Viewer, interval: str, include_bots: bool, as_of: datetime) -> tuple[list[Place], list[Place]]:
    """Countries and cities."""
    database = get_database()
    countries = list_places(database, viewer, interval, "country", as_of=as_of, include_bots=include_bots)
    return countries, list_places(database, viewer, interval, "city", as_of=as_of, include_bots=include_bots)


def name_family(dimension: str, value: str) -> str:
    """A family as it stands on the screen."""
    return format_device(value) if dimension == "device" else value


def describe_finding(shares: dict[str, list[Share]]) -> str:
    """The finding in one sentence, as Markdown."""
    device, browser, system = (shares[dimension][0] for dimension in ("device", "browser", "os"))
    place = ON.get(device.value, f"{format_device(device.value)} devices")
    return (
        f"**{format_percent(device.share)} of sessions are on {md(place)}.** "
        f"{md(browser.value)} is the most used browser ({format_percent(browser.share)}), "
        f"{md(system.value)} the most used operating system ({format_percent(system.share)})."
    )


@st.fragment
def show_dimensions(
    viewer: Viewer, shares: dict[str, list[Share]], interval: str, include_bots: bool, as_of: datetime
) -> None:
    """Every dimension side by side; a click runs only this part again."""
    with st.grid(3, min_column_width=280):
        for dimension in DIMENSIONS:
            show_dimension(viewer, dimension, shares[dimension], interval, include_bots, as_of)


def show_dimension(
    viewer: Viewer, dimension: str, shares: list[Share], interval: str, include_bots: bool, as_of: datetime
) -> None:
    """One dimension: its bars, the versions of the bar that was clicked, and the same as a table."""
    label = DIMENSIONS[dimension].label
    named = [Share(name_family(dimension, share.value), share.sessions, share.share) for share in shares]
    families = {name_family(dimension, share.value): share.value for share in shares}
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{label}**", help=define("share"))
        words = ", ".join(f"{plain(share.value)} {format_percent(share.share)}" for share in named[:8])
        family = show_shares(named, f"{dimension} {interval} {include_bots}", f"{label} by share of sessions: {words}")
        if family is None:
            st.caption("Select a bar to see what is within.")
        else:
            with explain_trouble(f"versions-{dimension}"):
                versions = list_versions(
                    get_database(),
                    viewer,
                    dimension,
                    families[family],
                    interval,
                    as_of=as_of,
                    include_bots=include_bots,
                )
                st.markdown(f"{WITHIN[dimension]} **{md(family)}**")
                show_share_table(versions, "Version" if dimension != "device" else "Operating system")
        table = st.expander("As a table", key=f"table-{dimension}", on_change="rerun", type="compact")
        if table.open:
            with table:
                show_share_table(named, label)


@st.fragment(parallel=True)
def show_over_time(viewer: Viewer, interval: str, include_bots: bool, as_of: datetime) -> None:
    """How the shares of one dimension move; another dimension runs only this part again."""
    with st.container(border=True):
        bucket = INTERVALS[interval].bucket
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Share over time** :gray[per {bucket}]", help=define("share_series"), width="content")
            st.space("stretch")
            st.segmented_control(
                "Share over time of",
                list(DIMENSIONS),
                format_func=lambda key: DIMENSIONS[key].label,
                key="over",
                required=True,
                label_visibility="collapsed",
            )
        write_url(over="device")
        dimension = str(st.session_state["over"])
        with explain_trouble("over-time"), st.skeleton(height=320):
            found = read_series(viewer, dimension, interval, include_bots, as_of)
            if not found:
                st.caption("No session of this interval is kept in detail.")
                return
            points = name_points(found, {point.value: name_family(dimension, point.value) for point in found})
            show_share_lines(points, interval, DIMENSIONS[dimension].label)
            table = st.expander("As a table", key="table-over-time", on_change="rerun", type="compact")
            if table.open:
                with table:
                    show_share_series_table(points, interval)


@st.fragment(parallel=True)
def show_all_places(viewer: Viewer, interval: str, include_bots: bool, as_of: datetime) -> None:
    """Countries and cities side by side."""
    with explain_trouble("places"), st.skeleton(height=320):
        countries, cities = read_places(viewer, interval, include_bots, as_of)
        with st.grid(2, min_column_width=320):
            with st.container(border=True, height="stretch"):
                st.markdown("**Countries**", help=define("places"))
                show_places(countries, "Country")
            with st.container(border=True, height="stretch"):
                st.markdown("**Cities**", help=define("places"))
                show_places(cities, "City")


st.title("Devices & browsers", anchor=False)
with explain_trouble("devices"), st.skeleton(height=320):
    interval = get_interval()
    head = st.container(horizontal=True, vertical_alignment="center")
    with head:
        note = st.empty()
        st.space("stretch")
        include_bots = show_bots_toggle()
    read_choice("over", DIMENSIONS, "device")
    show_notes()
    as_of, shares = read_shares(viewer, interval, include_bots)
    if shares["device"]:
        sessions = format_count(sum(share.sessions for share in shares["device"]))
        moment = format_time(as_of, get_timezone())
        detail = f" · {describe_detail(viewer)}" if interval == "all" else ""
        note.caption(f"{sessions} sessions · {INTERVALS[interval].label} · as of {moment}{detail}", width="content")
        st.markdown(describe_finding(shares))
        show_dimensions(viewer, shares, interval, include_bots, as_of)
        show_over_time(viewer, interval, include_bots, as_of)
        show_all_places(viewer, interval, include_bots, as_of)
    else:
        st.info(
            "No sessions yet. They appear as soon as the shop's tracker sends its first beacon."
            if interval == "all"
            else "No sessions in this interval: choose a longer one in the side bar.",
            icon=":material/devices:",
        )
