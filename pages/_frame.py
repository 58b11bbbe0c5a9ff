"""The frame around every page: gate, navigation, and the choices in the side bar."""

from pathlib import Path

import streamlit as st

from pages.widgets.account import show_account
from pages.widgets.database import explain_trouble
from pages.widgets.filters import show_sidebar
from pages.widgets.state import forget_notes
from pages.widgets.viewer import gate

HERE = Path(__file__).resolve().parent

# A local icon: a material one would be fetched from a font service by every browser.
st.set_page_config(page_icon=str(HERE / "icon.png"), layout="wide", initial_sidebar_state=272)
viewer = gate()

CUSTOMERS = st.Page(HERE / "customers.py", title="Customers", icon=":material/group:", default=True)
OVERVIEW = st.Page(HERE / "overview.py", title="Overview", icon=":material/monitoring:", url_path="overview")
SESSIONS = st.Page(HERE / "sessions.py", title="Sessions", icon=":material/schedule:", url_path="sessions")
DEVICES = st.Page(HERE / "devices.py", title="Devices & browsers", icon=":material/devices:", url_path="devices")
REENGAGE = st.Page(HERE / "reengage.py", title="Re-engagement", icon=":material/campaign:", url_path="reengage")
SERVICES = st.Page(HERE / "services.py", title="Services", icon=":material/event:", url_path="services")
HEALTH = st.Page(HERE / "health.py", title="Health", icon=":material/monitor_heart:", url_path="health")
PRIVACY = st.Page(HERE / "privacy.py", title="Privacy", icon=":material/shield_person:", url_path="privacy")

sections = {"Analytics": [OVERVIEW, CUSTOMERS, SESSIONS, DEVICES, REENGAGE, SERVICES]}
if viewer.role == "admin":
    sections["Operations"] = [HEALTH, PRIVACY]
page = st.navigation(sections, expanded=True)
if st.session_state.get("shown_page") != page.title:
    forget_notes()
    if "shown_page" in st.session_state:
        # Words that several pages know: on arrival the URL alone says what is shown.
        for name in ("page", "device", "browser", "country"):
            st.session_state.pop(name, None)
    st.session_state["shown_page"] = page.title

with explain_trouble("frame"):
    show_sidebar(sorts=page.title == CUSTOMERS.title)
show_account(viewer)
page.run()
