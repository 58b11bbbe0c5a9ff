"""The person's own corner of the side bar: who is signed in, contacts shown or not, and the ways out."""

import streamlit as st

from metrics.audit import write_audit
from metrics.database import DatabaseError
from metrics.signins import sign_out_everywhere
from metrics.viewer import Viewer
from pages.widgets.database import explain_trouble, get_database
from pages.widgets.text import md, md_gray
from pages.widgets.viewer import is_signed_in

ROLES = {
    "admin": "Admin",
    "analyst": "Analyst: e-mails and phones are masked",
}


def show_account(viewer: Viewer) -> None:
    """At the foot of the side bar; nothing where nobody signs in."""
    if not is_signed_in():
        return
    with st.sidebar, explain_trouble("account"):
        st.divider()
        st.markdown(f"{md_gray(viewer.email)}  \n{md(ROLES[viewer.role])}")
        if viewer.role == "admin":
            st.toggle(
                "Show e-mails and phones",
                key="reveals",
                help="Until you switch it off or close the page. The audit log has it, with every list you open.",
                on_change=_note_reveal,
                args=(viewer,),
            )
        with st.container(horizontal=True):
            if st.button("Sign out", icon=":material/logout:"):
                st.logout()
            if st.button("Everywhere", help="Signs you out of every browser, this one too."):
                sign_out_everywhere(get_database(), viewer.email)
                st.logout()


def note_reveal(viewer: Viewer, subject: str, rows: int) -> None:
    """A list with contacts that an admin asked to see; nothing is noted where nobody signs in."""
    if viewer.sees_contacts and is_signed_in():
        write_audit(get_database(), viewer, "reveal", subject, rows)


def _note_reveal(viewer: Viewer) -> None:
    if st.session_state["reveals"]:
        try:
            write_audit(get_database(), viewer, "reveal", "contacts on screen", 0)
        except DatabaseError:
            # Nothing is shown that cannot be written down; the page says why.
            st.session_state["reveals"] = False
