"""The heat map of a week: hours across, weekdays down, deeper where more sessions begin; the same as a table."""

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from metrics.display import format_count, format_plural
from metrics.rhythm import Hour
from pages.widgets.charts import GRAY, TEAL

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHORT = tuple(day[:3] for day in DAYS)
# Not nothing: a cell without a session still shows where it is, on white and on black.
PALEST = 0.07


def show_rhythm(hours: Sequence[Hour], label: str) -> None:
    """The 168 hours of a week; `label` names the interval. Nothing where no session began."""
    most = max((one.sessions for one in hours), default=0)
    if not most:
        return
    st.altair_chart(_draw(hours, most), alt=describe_rhythm(hours, label))
    table = st.expander("As a table", key="table-rhythm", on_change="rerun", type="compact")
    if table.open:
        with table:
            _show_table(hours)


def describe_rhythm(hours: Sequence[Hour], label: str) -> str:
    """The finding in words: the busiest hour of the week and its sessions; of several, the first."""
    busiest = max(hours, key=lambda one: one.sessions)
    total = sum(one.sessions for one in hours)
    return (
        f"Sessions by hour and weekday, {label}. Most begin on {DAYS[busiest.weekday - 1]} "
        f"{_name_hour(busiest.hour)}: {format_plural(busiest.sessions, 'session')} of {format_count(total)}."
    )


def _name_hour(hour: int) -> str:
    return f"{hour:02}:00–{hour:02}:59"


def _draw(hours: Sequence[Hour], most: int) -> alt.Chart:
    frame = pd.DataFrame(
        {
            "day": [SHORT[one.weekday - 1] for one in hours],
            "weekday": [DAYS[one.weekday - 1] for one in hours],
            "hour": [one.hour for one in hours],
            "time": [_name_hour(one.hour) for one in hours],
            "sessions": [one.sessions for one in hours],
        }
    )
    plain = {"domain": False, "ticks": False, "grid": False, "labelColor": GRAY}
    scale = alt.Scale(domain=[0, most], range=[PALEST, 1])
    legend = alt.Legend(
        title="Sessions", titleColor=GRAY, labelColor=GRAY, format=",d", tickCount=min(most, 4), symbolType="square",
        orient="bottom", symbolFillColor=TEAL, symbolStrokeWidth=0, direction="horizontal",
    )  # fmt: skip
    return (
        alt.Chart(frame)
        # One colour that deepens: a scale of many would be read differently on white and on black.
        .mark_rect(color=TEAL, cornerRadius=2)
        .encode(
            x=alt.X(
                "hour:O",
                title=None,
                axis=alt.Axis(labelAngle=0, labelExpr="datum.value % 3 ? '' : datum.value + ':00'", **plain),
                scale=alt.Scale(paddingInner=0.08),
            ),
            y=alt.Y("day:N", title=None, sort=list(SHORT), axis=alt.Axis(**plain), scale=alt.Scale(paddingInner=0.1)),
            opacity=alt.Opacity("sessions:Q", scale=scale, legend=legend),
            tooltip=[
                alt.Tooltip("weekday:N", title="Day"),
                alt.Tooltip("time:N", title="Hour"),
                alt.Tooltip("sessions:Q", title="Sessions", format=",d"),
            ],
        )
        .properties(height=260)
    )


def _show_table(hours: Sequence[Hour]) -> None:
    counts = {(one.weekday, one.hour): one.sessions for one in hours}
    frame = pd.DataFrame(
        {
            "Hour": [_name_hour(hour) for hour in range(24)],
            **{day: [counts[number, hour] for hour in range(24)] for number, day in enumerate(SHORT, start=1)},
        }
    )
    number = st.column_config.NumberColumn(format="localized")
    st.dataframe(
        frame,
        hide_index=True,
        height="content",
        column_config=dict.fromkeys(SHORT, number),
        alt="Sessions by hour and weekday",
    )
