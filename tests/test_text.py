"""Text from outside never becomes markup."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.widgets.text import md, md_cell, md_gray, plain, plotly_text


def read_back(markdown: str) -> str:
    """What a Markdown reader shows of escaped text."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace("\u2060", "")


@given(st.text())
def test_it_escapes_every_mark_and_loses_no_word(text: str) -> None:
    shown = md(text)
    assert not re.search(r"(?<!\\)[!-/:-@\[\]^-`{-~]", shown.replace("\\\\", ""))
    assert read_back(shown) == plain(text).replace("\u2060", "")


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("Asha Mushi", "Asha Mushi"),
        ("**bold**", r"\*\*bold\*\*"),
        ("![x](//evil/p.png)", r"\!\[x\]\(\/\/evil\/p\.png\)"),
        ("a\n\n# b", r"a \# b"),
        ("-", r"\-"),
        ("a@b.tz", "a\u2060\\@\u2060b\\.tz"),
        ("http://x", "http\u2060\\:\u2060\\/\\/x"),
        ("www.x.tz", "\u2060www\u2060\\.x\\.tz"),
    ],
)
def test_it_shows_marks_as_they_are(text: str, markdown: str) -> None:
    assert md(text) == markdown


def test_it_drops_what_turns_the_reading_order() -> None:
    assert md("abc\u202edef\u0000") == "abcdef"


def test_it_keeps_an_address_whole_for_copying() -> None:
    assert md_gray("a@b.tz") == r":gray[a]:gray[\@]:gray[b\.tz]"


def test_it_keeps_a_cell_on_one_line() -> None:
    assert md_cell("16 Nov") == "16\u00a0Nov"


def test_it_gives_plotly_no_tag() -> None:
    assert plotly_text("<b>R&D</b>") == "&lt;b&gt;R&amp;D&lt;/b&gt;"
