"""Health: the monitoring questions, the work in the background, and what the server knows of our tables."""

from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from metrics.check import SWEEP_LATE, check
from metrics.choices import INTERVALS
from metrics.display import format_ago, format_count, format_duration, format_percent, format_plural, format_time
from metrics.folder import EVERY_SECONDS as FOLD_SECONDS
from metrics.health import (
    get_average_duration,
    get_beacon_rate,
    get_chore_state,
    get_end_rate,
    list_indexes,
    list_most_active,
    list_tables,
)
from metrics.retention import EVERY_SECONDS as PRUNE_SECONDS
from metrics.retention import count_prunable, get_retention
from metrics.session_list import REASONS, list_end_reasons
from metrics.statements import get_statement
from metrics.statistics import get_statistics
from metrics.viewer import Viewer
from pages.widgets.cards import describe_lengths
from pages.widgets.database import explain_trouble, get_database, get_settings, get_timezone
from pages.widgets.definitions import define
from pages.widgets.filters import get_interval
from pages.widgets.state import show_notes
from pages.widgets.tables import show_rows
from pages.widgets.text import md, md_cell
from pages.widgets.viewer import gate

viewer = gate("admin")

QUESTIONS = {"get_end_rate": "End rate", "get_average_duration": "Average duration", "list_most_active": "Most active"}
FINE, LATE = ":green-badge[:material/check: On time]", ":orange-badge[:material/warning: Late]"


@st.cache_data(ttl=60, max_entries=16, scope="session", show_spinner=False)
def read_moment(viewer: Viewer, interval: str) -> datetime:
    """The moment that the whole screen stands at."""
    return get_database().now()


@st.fragment(parallel=True)
def show_answers(viewer: Viewer, interval: str, as_of: datetime) -> None:
    """The first two monitoring questions, bots, and how many beacons come."""
    with explain_trouble("answers"), st.skeleton(height=130):
        database = get_database()
        ends = get_end_rate(database, viewer, interval, as_of=as_of)
        lengths = get_average_duration(database, viewer, interval, as_of=as_of)
        numbers = get_statistics(database, viewer, interval, as_of=as_of)
        rate = get_beacon_rate(database, viewer, as_of=as_of)
        percent = None if ends.end_rate_percent is None else ends.end_rate_percent / 100
        everything = numbers.total_sessions + numbers.bot_sessions
        share = numbers.bot_sessions / everything if everything else None
        with st.grid(4, min_column_width=170):
            _show_card(
                "End rate", format_percent(percent, 2), f"of {format_plural(ends.sessions, 'session')}", "end_rate"
            )
            _show_card(
                "Average duration",
                format_duration(lengths.avg_duration_seconds),
                describe_lengths(numbers, lengths.sessions),
                "duration",
            )
            _show_card("Bots", format_percent(share, 1), format_plural(numbers.bot_sessions, "session"), "bots")
            _show_card(
                "Sessions begun",
                f"{format_count(rate.started_in_hour)}/h",
                f"{format_count(rate.seen_in_minute)} seen in the last minute",
                "beacon_rate",
            )


def _show_card(label: str, value: str, detail: str, word: str) -> None:
    with st.container(border=True, height="stretch", gap="xxsmall"):
        st.metric(label, value, help=define(word))
        st.caption(detail)


@st.fragment(parallel=True)
def show_tables_of_answers(viewer: Viewer, interval: str, as_of: datetime) -> None:
    """How sessions ended, and the third monitoring question."""
    with explain_trouble("reasons"), st.skeleton(height=260), st.grid(2, min_column_width=320):
        database = get_database()
        with st.container(border=True, height="stretch"):
            st.markdown("**How sessions ended**", help=define("end_reasons"))
            reasons = list_end_reasons(database, viewer, interval, as_of=as_of)
            rows = [
                {
                    "Reason": md_cell(REASONS[row.reason].label if row.reason in REASONS else row.reason),
                    "Sessions": row.sessions,
                    "Share": row.share,
                }
                for row in reasons
            ]
            if rows:
                formats = {"Sessions": format_count, "Share": lambda share: format_percent(share, 1)}
                show_rows(rows, formats, "How sessions ended, the most common first")
            else:
                st.caption("No session of this interval has ended.")
        with st.container(border=True, height="stretch"):
            st.markdown("**Most active this week** :gray[by sessions]", help=define("counts"))
            active = list_most_active(database, viewer, as_of=as_of, limit=8)
            rows = [{"Customer": f"**{md(row.full_name)}**", "Sessions": row.sessions} for row in active]
            if rows:
                show_rows(rows, {"Sessions": format_count}, "The most active customers of the last 7 days")
            else:
                st.caption("Nobody came in the last 7 days.")


@st.fragment(run_every=30)
def show_background(viewer: Viewer) -> None:
    """Sweeper, fold and retention: when they last did their work, and what waits."""
    with explain_trouble("background"):
        database, settings = get_database(), get_settings()
        as_of = database.now()
        state = get_chore_state(database, viewer, as_of=as_of)
        retention = get_retention(database, viewer)
        old = count_prunable(database, viewer).sessions
        folded = state.folded_until and as_of - state.folded_until < timedelta(minutes=5)
        swept = get_chore_state(database, viewer, as_of=as_of - SWEEP_LATE).unswept == 0
        pruned = old == 0 or (retention.ran_at and as_of - retention.ran_at < timedelta(seconds=2 * PRUNE_SECONDS))
        since = format_time(retention.kept_since, get_timezone()) if retention.kept_since else "the first session"
        rows = [
            {
                "Work": "**Sweeper** stores the end of sessions that fell silent",
                "State": FINE if swept else LATE,
                "What waits": md(f"{format_plural(state.unswept, 'session')} to store"),
            },
            {
                "Work": f"**Fold** keeps counts of periods, every {FOLD_SECONDS:.0f} s",
                "State": FINE if folded else LATE,
                "What waits": md(
                    f"{format_plural(state.waiting_changes, 'change')}, up to {format_ago(state.folded_until, as_of)}"
                ),
            },
            {
                "Work": f"**Retention** keeps session detail {settings.retention_days} days, looked at every hour",
                "State": FINE if pruned else LATE,
                "What waits": md(f"{format_plural(old, 'session')} to remove; detail is kept since {since}"),
            },
        ]
        st.markdown(
            f"**In the background** :gray[· updated {as_of.astimezone(get_timezone()):%H:%M:%S}]",
            help=define("background"),
        )
        st.table(rows, border="horizontal", hide_index=True, alt="Work in the background and whether it is on time")
        if not (swept and folded and pruned):
            st.info(
                "The endpoint does this work: start `python -m metrics endpoint` with the owner's DATABASE_URL, "
                "or run `python -m metrics fold` and `prune` by a timer.",
                icon=":material/info:",
            )


@st.fragment
def show_check(viewer: Viewer) -> None:
    """The findings of `python -m metrics check`, on request."""
    with explain_trouble("check"):
        st.markdown("**Is it sound?**", help=define("check"))
        if st.button("Check now", icon=":material/fact_check:"):
            with st.spinner("Counting 500 customers and the last 24 hours anew …"):
                findings = list(check(get_database()))
            for finding in findings:
                st.warning(md(finding), icon=":material/warning:")
            if not findings:
                st.success("All is well: triggers, summaries, rollups, background and rights.", icon=":material/check:")


@st.fragment
def show_space(viewer: Viewer) -> None:
    """Sizes of tables and use of indexes, asked for when opened."""
    tables = st.expander("Tables and their sizes", on_change="rerun", key="tables")
    if tables.open:
        with tables, explain_trouble("tables"):
            found = list_tables(get_database(), viewer)
            frame = pd.DataFrame(
                {
                    "Table": [table.name for table in found],
                    "Rows, about": [table.estimated_rows for table in found],
                    "MB with indexes": [table.bytes / 1e6 for table in found],
                    "Dead rows": [table.dead_rows for table in found],
                }
            )
            st.dataframe(frame, hide_index=True, column_config=_numbers(), alt="Tables, the largest first")
    indexes = st.expander("Indexes and their use", on_change="rerun", key="indexes")
    if indexes.open:
        with indexes, explain_trouble("indexes"):
            read = list_indexes(get_database(), viewer)
            unread = [index for index in read if not index.scans]
            st.caption(f"{len(unread)} of {len(read)} were not read since the server began to count.")
            frame = pd.DataFrame(
                {
                    "Index": [index.name for index in read],
                    "Table": [index.table_name for index in read],
                    "Times read": [index.scans for index in read],
                    "MB": [index.bytes / 1e6 for index in read],
                }
            )
            st.dataframe(frame, hide_index=True, column_config=_numbers(), alt="Indexes, the largest first")
    queries = st.expander("The monitoring questions as SQL", on_change="rerun", key="queries")
    if queries.open:
        with queries:
            st.caption("They count the rows themselves: run by hand, they say what stands above.")
            for name, label in QUESTIONS.items():
                st.markdown(f"**{label}**")
                st.code(get_statement(name, mask_name=""), language="sql", wrap_lines=True)


def _numbers() -> dict[str, object]:
    whole, tenths = st.column_config.NumberColumn(format="localized"), st.column_config.NumberColumn(format="%.1f")
    return {"Rows, about": whole, "Dead rows": whole, "Times read": whole, "MB with indexes": tenths, "MB": tenths}


st.title("Health", anchor=False)
with explain_trouble("health"):
    interval = get_interval()
    show_notes()
    as_of = read_moment(viewer, interval)
    st.caption(f"{INTERVALS[interval].label} · as of {format_time(as_of, get_timezone())}")
    show_answers(viewer, interval, as_of)
    show_tables_of_answers(viewer, interval, as_of)
    show_background(viewer)
    show_check(viewer)
    show_space(viewer)
