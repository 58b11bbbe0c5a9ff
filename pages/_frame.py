"""The frame around every page: gate, navigation, and the choices in the side bar."""

from pathlib import Path

import streamlit as st

from pages.widgets.database import explain_trouble
from pages.widgets.filters import show_sidebar
from pages.widgets.state import forget_notes
from pages.widgets.viewer import gate

HERE = Path(__file__).resolve().parent

# A local icon: a material one would be fetched from a font service by every browser.
st.set_page_config(page_icon=str(HERE / "icon.png"), layout="wide", initial_sidebar_state=272)
gate()

CUSTOMERS = st.Page(HERE / "customers.py", title="Customers", icon=":material/group:", default=True)
OVERVIEW = st.Page(HERE / "overview.py", title="Overview", icon=":material/monitoring:", url_path="overview")
DEVICES = st.Page(HERE / "devices.py", title="Devices & browsers", icon=":material/devices:", url_path="devices")

page = st.navigation({"Analytics": [OVERVIEW, CUSTOMERS, DEVICES]}, expanded=True)
if st.session_state.get("shown_page") != page.title:
    forget_notes()
    st.session_state["shown_page"] = page.title

with explain_trouble("frame"):
    show_sidebar(sorts=page.title == CUSTOMERS.title)
page.run()
