"""What a person chose, kept in the URL in the words of the JSON API, so that a view can be shared."""

from collections.abc import Mapping

import streamlit as st

from metrics.choices import ChoiceError, Row, choose
from pages.widgets.text import md

_NOTES = "url_notes"


def read_choice(name: str, table: Mapping[str, Row], default: str) -> None:
    """Fills the state of a widget from the URL, once; a word that is no choice falls back, with a note."""
    if name in st.session_state:
        return
    seen = st.query_params.get(name)
    try:
        st.session_state[name] = default if seen is None else choose(table, name, seen).key
    except ChoiceError as error:
        st.session_state[name] = default
        _note(name, f"{error}. Showing {table[default].label}.")


def read_option(name: str, options: list[str], *, default: str = "", sentence: str) -> None:
    """The same for a list that is no table of choices; the sentence says what is accepted and shown instead."""
    if name in st.session_state:
        return
    seen = st.query_params.get(name, default)
    st.session_state[name] = seen if seen in options else default
    if seen not in (*options, default):
        _note(name, f"{name} is {seen!r}: {sentence}")


def read_text(name: str, longest: int) -> None:
    """The same for a text, cut at its longest."""
    if name not in st.session_state:
        st.session_state[name] = st.query_params.get(name, "")[:longest]


def read_switch(name: str) -> None:
    """The same for a toggle: true or nothing."""
    if name in st.session_state:
        return
    seen = st.query_params.get(name, "false")
    st.session_state[name] = seen == "true"
    if seen not in ("true", "false"):
        _note(name, f"{name} is {seen!r}: use true or false. Showing false.")


def read_page() -> None:
    """The same for the number of a page, from 1."""
    if "page" in st.session_state:
        return
    seen = st.query_params.get("page", "1")
    is_number = seen.isascii() and seen.isdigit() and int(seen[:9]) > 0
    st.session_state["page"] = int(seen[:9]) if is_number else 1
    if not is_number:
        _note("page", f"page is {seen!r}: use a whole number, 1 or more. Showing page 1.")


def keep_page_within(pages: int) -> int:
    """The page chosen, or the last one where there are fewer by now."""
    page: int = st.session_state["page"]
    if page > pages:
        _note("page", f"page is {page:,}: there are {pages:,}. Showing the last.")
        page = st.session_state["page"] = pages
    return page


def begin_again() -> None:
    """Another filter, sort or interval starts at page 1."""
    st.session_state["page"] = 1
    forget_notes()


def forget_notes() -> None:
    """Notes are about the link that led here, so the first click after it takes them away."""
    st.session_state.pop(_NOTES, None)


def write_url(**defaults: object) -> None:
    """Writes what differs from the defaults to the URL; the rest of the query stays as it is."""
    wanted = dict(st.query_params)
    for name, default in defaults.items():
        value = st.session_state.get(name, default)
        wanted.pop(name, None)
        if value not in (default, None, ""):
            wanted[name] = str(value).lower() if isinstance(value, bool) else str(value)
    if wanted != dict(st.query_params):
        st.query_params.from_dict(wanted)


def show_notes() -> None:
    """What of the link that led here could not be used."""
    notes: dict[str, str] = st.session_state.get(_NOTES, {})
    if notes:
        st.info("  \n".join(notes.values()), icon=":material/info:")


def _note(name: str, sentence: str) -> None:
    st.session_state.setdefault(_NOTES, {})[name] = md(sentence)
