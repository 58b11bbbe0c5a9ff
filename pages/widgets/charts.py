"""Charts: lines over time (Altair) and shares (Plotly), readable in light and dark, with words for screen readers."""

from collections.abc import Sequence

import altair as alt
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from metrics.choices import INTERVALS
from metrics.devices import Share
from metrics.display import format_percent
from metrics.series import Point
from pages.widgets.text import plain, plotly_text

# Readable on white and on black: a label inside a theme's own default colour is not.
GRAY = "#808495"
TEAL, AMBER, SLATE = "#0d9488", "#d97706", "#6478a8"
COLORS = {"Sessions": TEAL, "Customers": SLATE, "Orders": TEAL, "Bookings": AMBER}
MOST_BARS = 8
FORMATS = {"hour": "%H:%M", "day": "%a %-d %b", "month": "%b %Y"}


def show_lines(points: Sequence[Point], interval: str, names: tuple[str, str], alternative: str) -> None:
    """Two counts over time, each with its own colour and dash; the values of a moment appear under the pointer.

    The ends are pale: the window is rolling, and a part of a day beside whole days would read as a fall.
    """
    fields = {"Sessions": "sessions", "Customers": "unique_users", "Orders": "orders", "Bookings": "bookings"}
    frame = pd.DataFrame(
        [
            # Local wall-clock time without its zone: Vega would move it to the zone of the browser.
            {"n": n, "at": point.bucket_at.replace(tzinfo=None), "what": name, "count": getattr(point, fields[name])}
            for n, point in enumerate(points)
            for name in names
        ]
    )
    axis = alt.Axis(format=FORMATS[INTERVALS[interval].bucket], grid=False, labelOverlap=True, tickCount=7)
    colors = alt.Scale(domain=list(names), range=[COLORS[name] for name in names])
    dashes = alt.Scale(domain=list(names), range=[[1, 0], [5, 3]])
    chart = alt.Chart(frame).encode(
        x=alt.X("at:T", title=None, axis=axis),
        y=alt.Y("count:Q", title=None, axis=alt.Axis(tickMinStep=1, tickCount=5, format=",d")),
        color=alt.Color(
            "what:N", title=None, scale=colors, legend=alt.Legend(orient="top", symbolType="stroke", symbolOpacity=1)
        ),
        strokeDash=alt.StrokeDash("what:N", scale=dashes, legend=None),
    )
    line = chart.mark_line(strokeWidth=2, interpolate="monotone")
    pale = chart.mark_line(strokeWidth=2, opacity=0.3)
    last = len(points) - 1
    layers = [line.transform_filter(f"datum.n > 0 && datum.n < {last}")] if last > 2 else [line]
    if last > 2:
        layers += [pale.transform_filter("datum.n < 2"), pale.transform_filter(f"datum.n > {last - 2}")]
    pointer = alt.selection_point(fields=["at"], nearest=True, on="pointerover", empty=False, clear="pointerout")
    dots = chart.mark_circle(size=60).encode(
        opacity=alt.condition(pointer, alt.value(1), alt.value(0)),
        strokeDash=alt.Undefined,
        tooltip=[
            alt.Tooltip("at:T", title="From", format="%-d %b %Y, %H:%M"),
            alt.Tooltip("what:N", title="What"),
            alt.Tooltip("count:Q", title="Count", format=",d"),
        ],
    )
    layers.append(dots.add_params(pointer))
    st.altair_chart(alt.layer(*layers).properties(height=240), alt=alternative)


def show_shares(shares: Sequence[Share], key: str, alternative: str) -> str | None:
    """Bars with their share in percent, the largest on top; the value of the bar that was clicked."""
    shown = gather_rest(shares)
    names = [plotly_text(share.value) for share in shown]
    bars = go.Bar(
        x=[share.share for share in shown],
        y=names,
        orientation="h",
        text=[format_percent(share.share) for share in shown],
        textposition="outside",
        textfont={"color": GRAY, "size": 13},
        cliponaxis=False,
        marker={"color": TEAL, "cornerradius": 3},
        customdata=[f"{name}: {share.sessions:,} sessions" for name, share in zip(names, shown, strict=True)],
        hovertemplate="%{customdata}, %{text}<extra></extra>",
        # The bars beside the selected one stay readable. Both are given: with one alone plotly.js fails on the click.
        selected={"textfont": {"color": GRAY}},
        unselected={"marker": {"opacity": 0.45}, "textfont": {"color": GRAY}},
    )
    figure = go.Figure(bars)
    longest = max((share.share for share in shown), default=1)
    figure.update_layout(
        height=36 * len(shown) + 20,
        margin={"l": 0, "r": 0, "t": 4, "b": 4},
        bargap=0.35,
        showlegend=False,
        dragmode=False,
        clickmode="event+select",
        xaxis={"visible": False, "range": [0, longest * 1.25], "fixedrange": True},
        yaxis={
            "autorange": "reversed",
            "title": None,
            "automargin": True,
            "fixedrange": True,
            "type": "category",
            "ticksuffix": "  ",
            "tickfont": {"size": 13, "color": GRAY},
        },
    )
    event = st.plotly_chart(
        figure,
        key=key,
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=alternative,
    )
    points = event.selection.points
    # By position and not by name: a name comes back escaped.
    index = points[0]["point_index"] if points else None
    is_family = index is not None and index < len(shown) and shown[index] in shares
    return shown[index].value if is_family and index is not None else None


def gather_rest(shares: Sequence[Share]) -> list[Share]:
    """The largest few, and all others in one."""
    if len(shares) <= MOST_BARS:
        return list(shares)
    rest = shares[MOST_BARS - 1 :]
    other = Share(f"{len(rest)} others", sum(share.sessions for share in rest), sum(share.share for share in rest))
    return [*shares[: MOST_BARS - 1], other]


def show_share_table(shares: Sequence[Share], label: str) -> None:
    """The same shares in words and numbers, all of them, for who cannot or will not read bars."""
    frame = pd.DataFrame(
        {
            label: [plain(share.value) for share in shares],
            "Sessions": [share.sessions for share in shares],
            "Share": [share.share * 100 for share in shares],
        }
    )
    columns = {
        "Sessions": st.column_config.NumberColumn(format="localized"),
        "Share": st.column_config.NumberColumn(format="%.1f%%"),
    }
    st.dataframe(frame, hide_index=True, column_config=columns, alt=f"{label}, sessions and share")
