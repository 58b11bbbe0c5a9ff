"""Devices & browsers: what the sessions of the interval came on, family by family, and the versions of one."""

from datetime import datetime

import streamlit as st

from metrics.choices import DIMENSIONS, INTERVALS
from metrics.devices import Share, list_shares, list_versions
from metrics.display import format_count, format_device, format_percent, format_time
from metrics.viewer import Viewer
from pages.widgets.charts import show_share_table, show_shares
from pages.widgets.database import explain_trouble, get_database, get_timezone
from pages.widgets.definitions import define
from pages.widgets.filters import get_interval, show_bots_toggle
from pages.widgets.state import show_notes
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


st.title("Devices & browsers", anchor=False)
with explain_trouble("devices"), st.skeleton(height=320):
    interval = get_interval()
    head = st.container(horizontal=True, vertical_alignment="center")
    with head:
        note = st.empty()
        st.space("stretch")
        include_bots = show_bots_toggle()
    show_notes()
    as_of, shares = read_shares(viewer, interval, include_bots)
    if shares["device"]:
        sessions = format_count(sum(share.sessions for share in shares["device"]))
        moment = format_time(as_of, get_timezone())
        note.caption(f"{sessions} sessions · {INTERVALS[interval].label} · as of {moment}", width="content")
        st.markdown(describe_finding(shares))
        show_dimensions(viewer, shares, interval, include_bots, as_of)
    else:
        st.info(
            "No sessions yet. They appear as soon as the shop's tracker sends its first beacon."
            if interval == "all"
            else "No sessions in this interval: choose a longer one in the side bar.",
            icon=":material/devices:",
        )
