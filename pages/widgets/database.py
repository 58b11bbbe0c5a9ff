"""The one database handle of this process, and what a page says when the database cannot answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from zoneinfo import ZoneInfo

import streamlit as st

from metrics.database import Database, DatabaseError
from metrics.embedded import EmbeddedError
from metrics.install import get_installation
from metrics.settings import SettingError, Settings, load_settings
from metrics.viewer import NotAllowed
from pages.widgets.text import md
from pages.widgets.viewer import gate

RETRY_SECONDS = 4


def get_database() -> Database:
    """The handle that pages, routes and viewers of this process share; it is opened on first use."""
    return get_installation()


def get_settings() -> Settings:
    """The settings of this process; SettingError where one cannot be used."""
    return load_settings()


def get_timezone() -> ZoneInfo:
    """The zone of every day and hour on screen."""
    return ZoneInfo(get_settings().timezone)


@contextmanager
def explain_trouble(place: str) -> Iterator[None]:
    """One sentence and a button where the database cannot answer; the rest of the page or fragment is left out.

    Each part asks the gate: one that runs by itself is none of the page's run that asked before.
    """
    gate()
    try:
        yield
    except NotAllowed as error:
        st.error(md(error), icon=":material/lock:")
        st.stop()
    except (DatabaseError, EmbeddedError, SettingError) as error:
        st.error(md(error), icon=":material/cloud_off:", title="The database cannot answer now")
        if st.button("Try again", icon=":material/refresh:", key=f"retry-{place}"):
            st.rerun()
        come_back(time.monotonic())
        st.stop()


@st.fragment(run_every=RETRY_SECONDS)
def come_back(since: float) -> None:
    """Asks the database now and then, and runs the page anew once it answers: nobody has to watch for that."""
    gate()
    if time.monotonic() - since < RETRY_SECONDS / 2:
        return  # it was asked just now
    with suppress(DatabaseError, EmbeddedError, SettingError):
        get_database().now()
        st.rerun(scope="app")
