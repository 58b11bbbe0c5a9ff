"""Who is looking, asked by the first line of every page, and again by every part of it that runs by itself."""

from datetime import UTC, datetime

import streamlit as st

from metrics.address import is_loopback
from metrics.admission import LOCAL, Admission, read_admission
from metrics.viewer import Role, Viewer
from pages.widgets.signin import is_signed_out, wants_sign_in


def gate(role: Role = "analyst") -> Viewer:
    """The person in front of the screen; stops the page for anybody who may not see it.

    Without sign-in the dashboard serves this machine alone, and whoever sits at it is its admin. A connection stays
    open for days: who it is was said when it was made, and whether that still counts is asked each time.
    """
    admission = _get_admission()
    if admission is None or not admission.is_good(datetime.now(UTC)) or _is_signed_out(admission):
        st.error("You are not signed in, or not any more: load the page again.", icon=":material/lock:")
        st.stop()
    if role == "admin" and admission.role != "admin":
        st.error("This page is for admins: ask the shop's admin for the role.", icon=":material/lock:")
        st.stop()
    reveals = admission.signed_in_at is None or bool(st.session_state.get("reveals"))
    return Viewer(admission.email, admission.role, reveals)


def is_signed_in() -> bool:
    """Whether there is anybody who could sign out; nobody on a machine without sign-in."""
    admission = _get_admission()
    return admission is not None and admission.signed_in_at is not None


def _is_signed_out(admission: Admission) -> bool:
    return admission.signed_in_at is not None and is_signed_out(admission.email, admission.signed_in_at)


def _get_admission() -> Admission | None:
    admission = read_admission(st.context.headers)
    if admission is None and not wants_sign_in() and is_loopback(st.get_option("server.address") or ""):
        # No gate stands before a test of a page.
        return LOCAL
    return admission
