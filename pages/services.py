"""Services: what is booked in the interval, when, by whom, and what it is worth."""

from datetime import datetime

import altair as alt
import pandas as pd
import streamlit as st

from metrics.choices import INTERVALS
from metrics.display import format_count, format_money_short, format_percent, format_time
from metrics.services import (
    Bookings,
    Service,
    ServicePoint,
    get_booking_totals,
    list_bookers,
    list_service_series,
    list_services,
)
from metrics.viewer import Viewer
from pages.widgets.charts import AMBER, FORMATS, GRAY, SLATE, TEAL
from pages.widgets.database import explain_trouble, get_database, get_settings, get_timezone
from pages.widgets.definitions import define
from pages.widgets.filters import get_interval
from pages.widgets.state import show_notes
from pages.widgets.text import md, md_cell, plain
from pages.widgets.viewer import gate

viewer = gate()

MOST_LINES = 5
OTHER = "Other"
COLORS = (TEAL, AMBER, SLATE, "#a855f7", "#db2777", GRAY)
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3])


@st.cache_data(ttl=60, max_entries=16, scope="session", show_spinner=False)
def read_services(viewer: Viewer, interval: str) -> tuple[datetime, Bookings, list[Service], list[ServicePoint]]:
    """Totals, services and points, all at one moment."""
    database = get_database()
    as_of = database.now()
    return (
        as_of,
        get_booking_totals(database, viewer, interval, as_of=as_of),
        list_services(database, viewer, interval, as_of=as_of),
        list_service_series(database, viewer, interval, as_of=as_of),
    )


def show_totals(totals: Bookings) -> None:
    """All services together."""
    currency = get_settings().currency
    cards = (
        ("Bookings", format_count(totals.bookings), "booking"),
        ("Customers who booked", format_count(totals.customers), "bookers"),
        (f"Value ({currency})", format_money_short(totals.value, "").strip(), "booked_value"),
        ("Cancelled", format_percent(totals.cancelled_share, 1), "cancelled_share"),
    )
    with st.grid(4, min_column_width=150):
        for label, value, word in cards:
            with st.container(border=True):
                st.metric(label, value, help=define(word))


def show_services(services: list[Service], totals: Bookings) -> None:
    """One row a service, the most booked first."""
    currency = get_settings().currency
    frame = pd.DataFrame(
        {
            "Service": [plain(service.service) for service in services],
            "Bookings": [service.bookings for service in services],
            "Share": [100 * service.bookings / totals.bookings if totals.bookings else 0.0 for service in services],
            "Customers": [service.customers for service in services],
            "Value": [float(service.value) for service in services],
            "Cancelled": [100 * (service.cancelled_share or 0.0) for service in services],
        }
    )
    columns = {
        "Bookings": st.column_config.NumberColumn(format="localized"),
        "Share": st.column_config.ProgressColumn(format="%.1f%%", min_value=0, max_value=100),
        "Customers": st.column_config.NumberColumn(format="localized"),
        "Value": st.column_config.NumberColumn(f"Value ({currency})", format="%,d"),
        "Cancelled": st.column_config.NumberColumn(format="%.1f%%"),
    }
    st.dataframe(frame, hide_index=True, column_config=columns, alt="Services, the most booked first")


def show_lines(points: list[ServicePoint], services: list[Service], interval: str) -> None:
    """The most booked services over time, each with its own colour and dash; the rest in one line."""
    names = [service.service for service in services if service.bookings]
    shown = names[:MOST_LINES] if len(names) > MOST_LINES + 1 else names
    order = [plain(name) for name in shown] + ([OTHER] if len(names) > len(shown) else [])
    counts: dict[tuple[datetime, str], int] = {}
    moments = sorted({point.bucket_at for point in points})
    for moment in moments:
        for name in order:
            counts[moment, name] = 0
    for point in points:
        counts[point.bucket_at, plain(point.service) if point.service in shown else OTHER] += point.bookings
    frame = pd.DataFrame(
        # Local wall-clock time without its zone: Vega would move it to the zone of the browser.
        [{"at": at.replace(tzinfo=None), "service": name, "bookings": n} for (at, name), n in counts.items()]
    )
    bucket = INTERVALS[interval].bucket
    domain, colors, dashes = order, list(COLORS[: len(order)]), list(DASHES[: len(order)])
    chart = (
        alt.Chart(frame)
        .mark_line(strokeWidth=2, point={"size": 28})
        .encode(
            x=alt.X("at:T", title=None, axis=alt.Axis(format=FORMATS[bucket], grid=False, labelOverlap=True)),
            y=alt.Y("bookings:Q", title=None, axis=alt.Axis(tickMinStep=1, tickCount=5, format=",d")),
            color=alt.Color(
                "service:N",
                title=None,
                scale=alt.Scale(domain=domain, range=colors),
                legend=alt.Legend(orient="top", columns=3, labelLimit=180, symbolType="stroke"),
            ),
            strokeDash=alt.StrokeDash("service:N", scale=alt.Scale(domain=domain, range=dashes), legend=None),
            tooltip=[
                alt.Tooltip("at:T", title="From", format="%-d %b %Y, %H:%M"),
                alt.Tooltip("service:N", title="Service"),
                alt.Tooltip("bookings:Q", title="Bookings", format=",d"),
            ],
        )
        .properties(height=280)
    )
    st.altair_chart(chart, alt=f"Bookings by service per {bucket}: {', '.join(order)}")


@st.fragment
def show_bookers(viewer: Viewer, services: list[Service], interval: str, as_of: datetime) -> None:
    """Who booked most, of one service or of all; a choice runs only this part again."""
    with explain_trouble("bookers"):
        st.markdown("**Who books**", help=define("bookers"))
        service = st.selectbox(
            "Of which service",
            ["", *(service.service for service in services if service.bookings)],
            format_func=lambda name: plain(name) if name else "All services",
            label_visibility="collapsed",
            width=320,
        )
        bookers = list_bookers(get_database(), viewer, interval, service=service or None, as_of=as_of)
        if not bookers:
            st.caption("No customer of the list booked it.")
            return
        currency, timezone = get_settings().currency, get_timezone()
        rows = [
            {
                "Customer": f"**{md(booker.full_name)}**",
                "E-mail": md(booker.email or "-"),
                "Bookings": f"{booker.bookings:>6,}".replace(" ", "\u2007"),
                f"Value ({currency})": md_cell(format_money_short(booker.value, "").strip()),
                "Last booking": md_cell(format_time(booker.last_booking_at, timezone)),
            }
            for booker in bookers
        ]
        st.table(rows, border="horizontal", hide_index=True, alt="Customers with the most bookings")


st.title("Services", anchor=False)
with explain_trouble("services"), st.skeleton(height=600):
    interval = get_interval()
    show_notes()
    as_of, totals, services, points = read_services(viewer, interval)
    st.caption(f"{INTERVALS[interval].label} · as of {format_time(as_of, get_timezone())}")
    if not services:
        st.info(
            "No bookings yet. They appear as soon as the shop's service_bookings table has rows."
            if interval == "all"
            else "No bookings in this interval: choose a longer one in the side bar.",
            icon=":material/event_busy:",
        )
    else:
        show_totals(totals)
        with st.container(border=True):
            st.markdown("**By service**", help=define("service"))
            show_services(services, totals)
        if points:
            with st.container(border=True):
                st.markdown(
                    f"**Bookings over time** :gray[per {INTERVALS[interval].bucket}]", help=define("service_series")
                )
                show_lines(points, services, interval)
        with st.container(border=True):
            show_bookers(viewer, services, interval, as_of)
