"""Links that download every row as CSV: streamed by a route of ours, never held in this process."""

from urllib.parse import urlencode
from uuid import UUID

import streamlit as st

from metrics.customers import CustomerQuery


def link_customers_csv(query: CustomerQuery) -> None:
    """Every customer that the filters leave, in the order shown."""
    asked = {
        "interval": query.interval,
        "sortBy": query.sort,
        "sortOrder": query.order,
        "search": query.search,
        "activity": query.activity,
        "device": query.device,
        "country": query.country,
    }
    st.link_button(
        "Export CSV",
        "/export/customers.csv?" + urlencode({name: value for name, value in asked.items() if value}),
        icon=":material/download:",
        help="Every customer that the filters leave, not only this page, in this order.",
    )


def link_audience_csv(audience: str) -> None:
    """Everybody in an audience, ready for a campaign."""
    st.link_button(
        "Export CSV",
        "/export/audience.csv?" + urlencode({"audience": audience}),
        icon=":material/download:",
        help="Everybody in this list, not only this page, with what a campaign needs.",
    )


def link_sessions_csv(user_id: UUID) -> None:
    """Every session of one customer that is kept."""
    st.link_button(
        "Sessions CSV",
        "/export/sessions.csv?" + urlencode({"user_id": user_id}),
        icon=":material/download:",
        help="Every session of this customer that is kept, not only this page.",
    )
