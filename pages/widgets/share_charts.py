"""Shares on screen: how they move over time (Plotly), places as a table, and why sessions ended as bars (Altair)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import altair as alt
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from metrics.choices import INTERVALS
from metrics.devices import OTHER, Place, SharePoint
from metrics.display import UNKNOWN, format_count, format_location, format_percent
from metrics.session_list import REASONS, EndReason
from pages.widgets.charts import AMBER, GRAY, SLATE, TEAL
from pages.widgets.text import plain, plotly_text

# Each line differs from the others in its mark too; both are readable on white and on black.
LINES = ((TEAL, "circle"), (AMBER, "square"), (SLATE, "diamond"), ("#a855f7", "triangle-up"), ("#db2777", "cross"))
OTHER_LINE = (GRAY, "x")
FORMATS = {"hour": "%H:%M", "day": "%a %-d %b", "month": "%b %Y"}
MOST_PLACES = 100


def name_points(points: Sequence[SharePoint], names: Mapping[str, str]) -> list[SharePoint]:
    """The points by the names that families have on the screen; two families of one name are one."""
    named: dict[tuple[datetime, str], SharePoint] = {}
    for point in points:
        name = names.get(point.value, point.value)
        same = named.get((point.bucket_at, name))
        sessions = point.sessions + (same.sessions if same else 0)
        share = None if point.share is None else point.share + ((same.share or 0) if same else 0)
        named[point.bucket_at, name] = SharePoint(point.bucket_at, name, sessions, share)
    return list(named.values())


def show_share_lines(points: Sequence[SharePoint], interval: str, label: str) -> None:
    """One line a family, from 0 to 100 %, with a gap where there was no session."""
    figure = go.Figure()
    for number, (value, line) in enumerate(group_by_family(points).items()):
        color, symbol = OTHER_LINE if value == OTHER else LINES[number % len(LINES)]
        name = plotly_text(value)
        figure.add_scatter(
            # Local wall-clock time without its zone: Plotly would otherwise show Greenwich.
            x=[point.bucket_at.replace(tzinfo=None) for point in line],
            y=[point.share for point in line],
            name=name,
            mode="lines+markers",
            connectgaps=False,
            line={"color": color, "width": 2, "dash": "dot" if value == OTHER else "solid"},
            marker={"symbol": symbol, "size": 7},
            customdata=[
                f"{name}: {format_percent(point.share)} · {format_count(point.sessions)} sessions" for point in line
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    axis = {"fixedrange": True, "title": None, "tickfont": {"color": GRAY, "size": 12}}
    figure.update_layout(
        height=320,
        margin={"l": 0, "r": 0, "t": 4, "b": 4},
        dragmode=False,
        hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"color": GRAY, "size": 13}},
        xaxis={**axis, "showgrid": False, "tickformat": FORMATS[INTERVALS[interval].bucket], "nticks": 8},
        yaxis={**axis, "tickformat": ".0%", "rangemode": "tozero", "gridcolor": "rgba(128,132,149,.25)", "nticks": 5},
    )
    st.plotly_chart(
        figure,
        key=f"share lines {label} {interval}",
        config={"displayModeBar": False},
        alt=describe_share_lines(points, label),
    )


def group_by_family(points: Sequence[SharePoint]) -> dict[str, list[SharePoint]]:
    """The points of each family, in the order that the families come in."""
    lines: dict[str, list[SharePoint]] = {}
    for point in points:
        lines.setdefault(point.value, []).append(point)
    return lines


def describe_share_lines(points: Sequence[SharePoint], label: str) -> str:
    """Where each line begins and ends, in words."""
    parts = []
    for value, line in group_by_family(points).items():
        shares = [point.share for point in line if point.share is not None]
        ends = f"from {format_percent(shares[0])} to {format_percent(shares[-1])}"
        parts.append(f"{plain(value)} {ends}")
    return f"{label} by share of sessions over time: {', '.join(parts)}"


def show_share_series_table(points: Sequence[SharePoint], interval: str) -> None:
    """The same shares as numbers: a row a moment, a column a family."""
    lines = group_by_family(points)
    moments = [point.bucket_at.replace(tzinfo=None) for point in next(iter(lines.values()), [])]
    columns = {plain(value): line for value, line in lines.items()}
    frame = pd.DataFrame(
        {
            "From": pd.to_datetime(pd.Series(moments)),
            "Sessions": [sum(line[n].sessions for line in lines.values()) for n in range(len(moments))],
            **{
                name: [None if point.share is None else point.share * 100 for point in line]
                for name, line in columns.items()
            },
        }
    )
    moment = "D MMM YYYY, HH:mm" if INTERVALS[interval].bucket == "hour" else "D MMM YYYY"
    percent = st.column_config.NumberColumn(format="%.1f%%")
    st.dataframe(
        frame,
        hide_index=True,
        column_config={
            "From": st.column_config.DatetimeColumn(format=moment),
            "Sessions": st.column_config.NumberColumn(format="localized"),
            **dict.fromkeys(columns, percent),
        },
        placeholder="-",
        alt="Shares over time",
    )


def show_places(places: Sequence[Place], label: str) -> None:
    """Places with their sessions and share, the most common first; the long tail is one row."""
    shown, rest = places[:MOST_PLACES], places[MOST_PLACES:]
    names = [name_place(place) for place in shown]
    sessions = [place.sessions for place in shown]
    shares = [place.share * 100 for place in shown]
    if rest:
        names.append(f"{len(rest):,} others")
        sessions.append(sum(place.sessions for place in rest))
        shares.append(sum(place.share for place in rest) * 100)
    frame = pd.DataFrame({label: names, "Sessions": sessions, "Share": shares})
    st.dataframe(
        frame,
        hide_index=True,
        column_config={
            # In pixels, so that the share is not cut off on a phone.
            "Sessions": st.column_config.NumberColumn(format="localized", width=75),
            "Share": st.column_config.ProgressColumn(format="%.1f%%", min_value=0, max_value=100, width=100),
        },
        alt=f"{label}, sessions and share",
    )


def name_place(place: Place) -> str:
    """Arusha, Tanzania; where the city is not known, the country that is."""
    if place.city == UNKNOWN and place.country != UNKNOWN:
        return plain(f"{place.country}, city unknown")
    return plain(format_location(place.city, place.country))


def show_end_reasons(reasons: Sequence[EndReason]) -> None:
    """Bars with their numbers at the end, the most common on top."""
    frame = pd.DataFrame(
        {
            "reason": [name_reason(one.reason) for one in reasons],
            "sessions": [one.sessions for one in reasons],
            "words": [f"{format_count(one.sessions)} · {format_percent(one.share)}" for one in reasons],
        }
    )
    longest = max((one.sessions for one in reasons), default=1)
    plain_axis = alt.Axis(labelColor=GRAY, labelLimit=190, domain=False, ticks=False, grid=False)
    base = alt.Chart(frame).encode(
        x=alt.X("sessions:Q", axis=None, scale=alt.Scale(domain=[0, longest * 1.35])),
        y=alt.Y("reason:N", title=None, sort=None, axis=plain_axis),
        tooltip=[alt.Tooltip("reason:N", title="Reason"), alt.Tooltip("words:N", title="Sessions")],
    )
    bars = base.mark_bar(color=TEAL, cornerRadiusEnd=3, height={"band": 0.65})
    words = base.mark_text(align="left", dx=6, color=GRAY).encode(text="words:N")
    spoken = ", ".join(f"{name_reason(one.reason)} {format_percent(one.share)}" for one in reasons)
    st.altair_chart((bars + words).properties(height=30 * len(reasons) + 10), alt=f"Reasons of end: {spoken}")


def show_reason_table(reasons: Sequence[EndReason]) -> None:
    """The same reasons with their numbers."""
    frame = pd.DataFrame(
        {
            "Reason": [name_reason(one.reason) for one in reasons],
            "Sessions": [one.sessions for one in reasons],
            "Share": [one.share * 100 for one in reasons],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        column_config={
            "Sessions": st.column_config.NumberColumn(format="localized"),
            "Share": st.column_config.NumberColumn(format="%.1f%%"),
        },
        alt="Reasons of end, sessions and share",
    )


def name_reason(reason: str) -> str:
    """A reason as it stands on the screen; a word of an old tracker stands for itself."""
    row = REASONS.get(reason)
    return row.label if row and reason != "all" else plain(reason)
