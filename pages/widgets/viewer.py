"""Who is looking, asked by the first line of every page."""

import streamlit as st

from metrics.address import is_loopback
from metrics.viewer import Viewer


def gate() -> Viewer:
    """The person in front of the screen; stops the page for anybody who may not see it.

    Without sign-in the dashboard serves this machine alone, and whoever sits at it is its admin.
    """
    if not is_loopback(st.get_option("server.address") or ""):
        st.error(
            "Without sign-in the dashboard answers on this machine only: set server.address to 127.0.0.1.",
            icon=":material/lock:",
        )
        st.stop()
    return Viewer("local", "admin")
