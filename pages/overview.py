"""Overview: the interval in eight numbers, who is online, lines over time, busy hours, and who is most active."""

from datetime import datetime

import streamlit as st

from metrics.choices import INTERVALS
from metrics.customers import CustomerQuery, list_customers
from metrics.display import format_plural, format_time
from metrics.rhythm import Hour, list_hours
from metrics.series import Point, list_series
from metrics.sessions import count_online
from metrics.statistics import Statistics, get_previous_statistics, get_statistics
from metrics.viewer import Viewer
from pages.widgets.cards import show_cards
from pages.widgets.charts import show_lines
from pages.widgets.database import explain_trouble, get_database, get_timezone
from pages.widgets.definitions import define
from pages.widgets.filters import get_interval, show_bots_toggle
from pages.widgets.heatmap import show_rhythm
from pages.widgets.kept import describe_detail
from pages.widgets.state import show_notes
from pages.widgets.tables import show_most_active
from pages.widgets.viewer import gate

viewer = gate()


@st.cache_data(ttl=15, max_entries=16, scope="session", show_spinner=False)
def read_moment(viewer: Viewer, interval: str, include_bots: bool) -> datetime:
    """The moment that the whole screen stands at; the same one for a few seconds, so that clicks find what is read."""
    return get_database().now()


@st.cache_data(ttl=60, max_entries=16, scope="session", show_spinner=False)
def read_statistics(
    viewer: Viewer, interval: str, include_bots: bool, as_of: datetime
) -> tuple[Statistics, Statistics | None]:
    """The numbers of the interval and of the one before."""
    database = get_database()
    now = get_statistics(database, viewer, interval, as_of=as_of, include_bots=include_bots)
    before = get_previous_statistics(database, viewer, interval, as_of=as_of, include_bots=include_bots)
    return now, before


@st.cache_data(ttl=60, max_entries=16, scope="session", show_spinner=False)
def read_series(viewer: Viewer, interval: str, include_bots: bool, as_of: datetime) -> list[Point]:
    """The points of the lines."""
    return list_series(get_database(), viewer, interval, as_of=as_of, include_bots=include_bots)


@st.cache_data(ttl=60, max_entries=16, scope="session", show_spinner=False)
def read_hours(viewer: Viewer, interval: str, include_bots: bool, as_of: datetime) -> list[Hour]:
    """The hours of the week."""
    return list_hours(get_database(), viewer, interval, as_of=as_of, include_bots=include_bots)


@st.fragment(run_every=30)
def show_online(viewer: Viewer) -> None:
    """Who is here now; refreshes by itself, which also wakes a page whose server was restarted."""
    with explain_trouble("online"):
        database = get_database()
        as_of = database.now()
        online = count_online(database, viewer, as_of=as_of)
        people = f"{format_plural(online.customers, 'customer')} and {format_plural(online.guests, 'guest')}"
        st.markdown(
            f":green[:material/radio_button_checked:] **{people}** online now"
            f" :gray[· updated {as_of.astimezone(get_timezone()):%H:%M:%S}]",
            help=define("online"),
        )


@st.fragment(parallel=True)
def show_numbers(viewer: Viewer, interval: str, include_bots: bool, as_of: datetime) -> None:
    """The cards, with a skeleton where the numbers take long."""
    with explain_trouble("numbers"), st.skeleton(height=420):
        now, before = read_statistics(viewer, interval, include_bots, as_of)
        show_cards(now, before, read_series(viewer, interval, include_bots, as_of), include_bots)


@st.fragment(parallel=True)
def show_series(viewer: Viewer, interval: str, include_bots: bool, as_of: datetime) -> None:
    """Sessions and customers, orders and bookings over time."""
    with explain_trouble("series"), st.skeleton(height=300):
        points = read_series(viewer, interval, include_bots, as_of)
        if not points:
            return
        bucket = INTERVALS[interval].bucket
        with st.grid(2, min_column_width=320):
            with st.container(border=True):
                st.markdown(f"**Sessions and customers** :gray[per {bucket}]", help=define("series"))
                show_lines(points, interval, ("Sessions", "Customers"), f"Sessions and unique customers per {bucket}")
            with st.container(border=True):
                st.markdown(f"**Orders and bookings** :gray[per {bucket}]", help=define("series"))
                show_lines(points, interval, ("Orders", "Bookings"), f"Orders and bookings per {bucket}")


@st.fragment(parallel=True)
def show_hours(viewer: Viewer, interval: str, include_bots: bool, as_of: datetime) -> None:
    """At which hours of which weekdays sessions begin."""
    with explain_trouble("hours"), st.skeleton(height=300):
        hours = read_hours(viewer, interval, include_bots, as_of)
        if not any(one.sessions for one in hours):
            return
        with st.container(border=True):
            st.markdown("**When sessions begin** :gray[by hour and weekday]", help=define("rhythm"))
            show_rhythm(hours, INTERVALS[interval].label)


@st.fragment(parallel=True)
def show_week(viewer: Viewer, as_of: datetime) -> None:
    """The five customers with the most sessions of the last seven days, whatever the interval."""
    with explain_trouble("week"), st.skeleton(height=220):
        page = list_customers(get_database(), viewer, CustomerQuery(interval="weekly"), as_of=as_of, limit=5)
        active = [customer for customer in page.customers if customer.sessions_in_period]
        with st.container(border=True):
            st.markdown("**Most active this week** :gray[by sessions, last 7 days]", help=define("counts"))
            if active:
                show_most_active(active, as_of)
            else:
                st.caption("Nobody came in the last 7 days.")


st.title("Overview", anchor=False)
with explain_trouble("overview"):
    interval = get_interval()
    with st.container(horizontal=True, vertical_alignment="center"):
        show_online(viewer)
        st.space("stretch")
        include_bots = show_bots_toggle()
    show_notes()
    as_of = read_moment(viewer, interval, include_bots)
    detail = f" · {describe_detail(viewer)}" if interval == "all" else ""
    st.caption(f"{INTERVALS[interval].label} · as of {format_time(as_of, get_timezone())}{detail}")
    show_numbers(viewer, interval, include_bots, as_of)
    show_series(viewer, interval, include_bots, as_of)
    show_hours(viewer, interval, include_bots, as_of)
    show_week(viewer, as_of)
