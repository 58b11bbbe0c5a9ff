"""Services: how often each was booked and for how much, over time, and who books it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from metrics.choices import INTERVALS
from metrics.display import (
    NONE,
    format_count,
    format_money,
    format_money_short,
    format_percent,
    format_plural,
    format_time,
)
from metrics.services import (
    OTHER,
    Service,
    ServiceCustomer,
    ServicePoint,
    Services,
    list_service_customers,
    list_service_series,
    list_services,
)
from metrics.viewer import Viewer
from pages.widgets.account import note_reveal
from pages.widgets.charts import AMBER, FORMATS, GRAY, SLATE, TEAL
from pages.widgets.database import explain_trouble, get_database, get_settings, get_timezone
from pages.widgets.definitions import define
from pages.widgets.filters import get_interval
from pages.widgets.pager import PAGE_SIZE, count_pages, describe_rows, show_pager
from pages.widgets.state import begin_again, keep_page_within, read_option, read_page, show_notes, write_url
from pages.widgets.text import md, md_cell, plain
from pages.widgets.viewer import gate

viewer = gate()

# The last one is the rest's.
COLORS = (TEAL, AMBER, SLATE, "#a855f7", "#db2777", GRAY)
DASHES = ([1, 0], [6, 3], [2, 2], [9, 3, 2, 3], [12, 4], [4, 6])


# One moment for the whole screen: pages do not shift, and every number is of the same bookings.
@st.cache_data(ttl=60, max_entries=16, scope="session", show_spinner=False)
def read_services(viewer: Viewer, interval: str) -> tuple[datetime, Services]:
    """The moment that the whole screen stands at, and the services."""
    database = get_database()
    as_of = database.now()
    return as_of, list_services(database, viewer, interval, as_of=as_of)


@st.cache_data(ttl=60, max_entries=16, scope="session", show_spinner=False)
def read_series(viewer: Viewer, interval: str, as_of: datetime) -> list[ServicePoint]:
    """The points of the lines."""
    return list_service_series(get_database(), viewer, interval, as_of=as_of)


@st.cache_data(ttl=60, max_entries=64, scope="session", show_spinner=False)
def read_customers(viewer: Viewer, interval: str, service: str, as_of: datetime, page: int) -> list[ServiceCustomer]:
    """One page of who books; contacts that an admin asked to see are in the audit log."""
    customers = list_service_customers(
        get_database(), viewer, interval, service=service or None, as_of=as_of, limit=PAGE_SIZE, page=page
    )
    note_reveal(viewer, "customers of services on screen", len(customers))
    return customers


def format_amount(amount: float) -> str:
    """Money without its currency, which stands in the heading."""
    return format_money(Decimal(str(amount)), "").strip()


def show_cards(total: Service) -> None:
    """Everything together, in four numbers."""
    guests = f"{format_count(total.guest_bookings)} by guests" if total.guest_bookings else "none by guests"
    value = format_money_short(total.booked_value, "").strip()
    cancelled = f"{format_plural(total.cancelled, 'booking')}, in no other number"
    cards = (
        ("Bookings", format_count(total.bookings), define("booking"), guests),
        ("Customers", format_count(total.customers), define("bookers"), "each counted once"),
        (f"Booked value ({get_settings().currency})", value, define("booked_value"), "paid or not"),
        ("Cancelled", format_percent(total.cancelled_share), define("cancelled_share"), cancelled),
    )
    with st.grid(4, min_column_width=160):
        for label, number, definition, detail in cards:
            with st.container(border=True, height="stretch", gap="xxsmall"):
                st.metric(label, number, help=definition)
                st.caption(detail)


def show_services(services: Sequence[Service]) -> None:
    """The services as a table, the most booked first."""
    value = f"Booked value ({get_settings().currency})"
    frame = pd.DataFrame(
        {
            "Service": [md(one.service) for one in services],
            "Bookings": [one.bookings for one in services],
            "Share": [one.share for one in services],
            "Customers": [one.customers for one in services],
            value: [float(one.booked_value) for one in services],
            "Cancelled": [one.cancelled_share for one in services],
        }
    ).astype({"Share": float, "Cancelled": float})
    # Numbers stay numbers, so that the table sets them right; the words come by their formats.
    words = frame.style.format(
        {
            "Bookings": format_count,
            "Share": format_percent,
            "Customers": format_count,
            value: format_amount,
            "Cancelled": format_percent,
        },
        na_rep="n/a",
    )
    st.table(words, border="horizontal", hide_index=True, alt="Services, the most booked first")


@st.fragment(parallel=True)
def show_over_time(viewer: Viewer, interval: str, as_of: datetime) -> None:
    """Bookings by service over time, as lines and as a table."""
    with explain_trouble("service-series"), st.skeleton(height=320):
        points = read_series(viewer, interval, as_of)
        if not points:
            return
        with st.container(border=True):
            bucket = INTERVALS[interval].bucket
            st.markdown(f"**Bookings over time** :gray[per {bucket}]", help=define("service_series"))
            show_lines(points, interval)
            table = st.expander("As a table", key="table-services", on_change="rerun", type="compact")
            if table.open:
                with table:
                    show_series_table(points, interval)


def show_lines(points: Sequence[ServicePoint], interval: str) -> None:
    """One line a service, each with its own colour and dash; the ends hold a part of their time, and are pale."""
    names = list(dict.fromkeys(plain(point.service) for point in points))
    moments = {moment: n for n, moment in enumerate(dict.fromkeys(point.bucket_at for point in points))}
    lines = [-1 if name == OTHER else n % len(COLORS) for n, name in enumerate(names)]
    frame = pd.DataFrame(
        {
            "n": [moments[point.bucket_at] for point in points],
            # Local wall-clock time without its zone: Vega would move it to the zone of the browser.
            "at": [point.bucket_at.replace(tzinfo=None) for point in points],
            "service": [plain(point.service) for point in points],
            "bookings": [point.bookings for point in points],
            "value": [format_money(point.booked_value, get_settings().currency) for point in points],
        }
    )
    axis = alt.Axis(format=FORMATS[INTERVALS[interval].bucket], grid=False, labelOverlap=True, tickCount=7)
    colors = alt.Scale(domain=names, range=[COLORS[n] for n in lines])
    dashes = alt.Scale(domain=names, range=[DASHES[n] for n in lines])
    legend = alt.Legend(
        orient="top", columns=2, symbolType="stroke", symbolSize=300, labelLimit=130, labelColor=GRAY, symbolOpacity=1
    )
    chart = alt.Chart(frame).encode(
        x=alt.X("at:T", title=None, axis=axis),
        y=alt.Y("bookings:Q", title=None, axis=alt.Axis(tickMinStep=1, tickCount=5, format=",d")),
        color=alt.Color("service:N", title=None, scale=colors, sort=names, legend=legend),
        strokeDash=alt.StrokeDash("service:N", scale=dashes, sort=names, legend=legend),
    )
    line = chart.mark_line(strokeWidth=2, interpolate="monotone")
    pale = chart.mark_line(strokeWidth=2, opacity=0.3)
    last = len(moments) - 1
    layers = [line.transform_filter(f"datum.n > 0 && datum.n < {last}")] if last > 2 else [line]
    if last > 2:
        layers += [pale.transform_filter("datum.n < 2"), pale.transform_filter(f"datum.n > {last - 2}")]
    dots = chart.mark_circle(size=36).encode(
        strokeDash=alt.Undefined,
        # Only where there is something: a row of dots on the ground would hide what is there.
        opacity=alt.condition("datum.bookings > 0", alt.value(0.9), alt.value(0)),
        tooltip=[
            alt.Tooltip("at:T", title="From", format="%-d %b %Y, %H:%M"),
            alt.Tooltip("service:N", title="Service"),
            alt.Tooltip("bookings:Q", title="Bookings", format=",d"),
            alt.Tooltip("value:N", title="Booked value"),
        ],
    )
    totals = frame.groupby("service", sort=False)["bookings"].sum()
    spoken = ", ".join(f"{name} {format_count(int(count))}" for name, count in totals.items())
    alternative = f"Bookings per {INTERVALS[interval].bucket} by service: {spoken}"
    st.altair_chart(alt.layer(*layers, dots).properties(height=280), alt=alternative)


def show_series_table(points: Sequence[ServicePoint], interval: str) -> None:
    """The same bookings as numbers: a row a moment, a column a service."""
    rows: dict[datetime, dict[str, int]] = {}
    for point in points:
        rows.setdefault(point.bucket_at.replace(tzinfo=None), {})[plain(point.service)] = point.bookings
    frame = pd.DataFrame([{"From": moment, "All": sum(row.values()), **row} for moment, row in rows.items()])
    moment = "D MMM YYYY, HH:mm" if INTERVALS[interval].bucket == "hour" else "D MMM YYYY"
    columns: dict[str, Any] = dict.fromkeys(frame.columns, st.column_config.NumberColumn(format="localized"))
    columns["From"] = st.column_config.DatetimeColumn(format=moment)
    st.dataframe(frame, hide_index=True, column_config=columns, alt="Bookings over time by service")


def show_people(viewer: Viewer, interval: str, found: Services, as_of: datetime) -> None:
    """Who books: everybody, or those of the service that is selected."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Who books**", help=define("who_books"), width="content")
            st.space("stretch")
            st.selectbox(
                "Service",
                ["", *(one.service for one in found.services)],
                format_func=lambda name: plain(name) if name else "All services",
                key="service",
                on_change=begin_again,
                label_visibility="collapsed",
                width=260,
            )
        write_url(service="")
        service = str(st.session_state["service"])
        rows = next((one for one in found.services if one.service == service), found.total)
        page = keep_page_within(count_pages(rows.customers))
        with st.skeleton(height=320):
            customers = read_customers(viewer, interval, service, as_of, page)
        if not customers:
            st.caption("No customer has a counted booking here: they were guests, or cancelled.")
            # The page of a longer list would stay in the URL.
            write_url(page=1)
            return
        guests = f" · and {format_plural(rows.guest_bookings, 'booking')} by guests" if rows.guest_bookings else ""
        st.caption(f"{describe_rows(page, rows.customers)} · {INTERVALS[interval].label}{guests}")
        show_customers(customers)
        show_pager(count_pages(rows.customers))


def show_customers(customers: Sequence[ServiceCustomer]) -> None:
    """One page as a table."""
    value = f"Booked value ({get_settings().currency})"
    frame = pd.DataFrame(
        {
            "Customer": [f"**{md(one.full_name)}**" for one in customers],
            "E-mail": [md_cell(one.email or NONE) for one in customers],
            "Phone": [md_cell(one.phone or NONE) for one in customers],
            "Bookings": [one.bookings for one in customers],
            value: [float(one.booked_value) for one in customers],
            "Last booked": [md_cell(format_time(one.last_booked_at, get_timezone())) for one in customers],
        }
    )
    words = frame.style.format({"Bookings": format_count, value: format_amount})
    st.table(words, border="horizontal", hide_index=True, alt="Who books, the most bookings first")


def show_nothing(interval: str) -> None:
    """What to do where nothing was booked."""
    st.info(
        "No bookings yet. They appear as soon as the shop's service_bookings table has rows."
        if interval == "all"
        else "No bookings in this interval: choose a longer one in the side bar.",
        icon=":material/event_busy:",
    )


st.title("Services", anchor=False)
with explain_trouble("services"):
    interval = get_interval()
    with st.skeleton(height=640):
        as_of, found = read_services(viewer, interval)
    names = [one.service for one in found.services]
    if st.session_state.get("service", "") not in ("", *names):
        # Another interval may not have the service that was selected before.
        st.session_state.pop("service", None)
    read_option("service", names, sentence="nobody booked that in the interval. Showing all services.")
    read_page()
    show_notes()
    st.caption(f"{INTERVALS[interval].label} · as of {format_time(as_of, get_timezone())}")
    if names:
        show_cards(found.total)
        show_over_time(viewer, interval, as_of)
        with st.container(border=True):
            st.markdown("**Bookings by service**", help=define("service"))
            show_services(found.services)
        show_people(viewer, interval, found, as_of)
    else:
        show_nothing(interval)
