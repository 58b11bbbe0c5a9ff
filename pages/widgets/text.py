"""Text from outside made harmless: names, referrers and user agents are data and never become markup."""

import re

# Every ASCII mark can start Markdown, a directive, math or an emoji code, and each may be escaped.
_MARK = re.compile(r"[!-/:-@\[-`{-~]")
# Marks that reverse the reading order would let a name rearrange the words around it.
_INVISIBLE = re.compile("[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]")
# Addresses are linked even when escaped; an invisible joiner takes them apart.
_JOINER = "\u2060"
_LINKS = re.compile(r"(\\@|\\:(?=\\/\\/)|(?i:www)(?=\\\.))")


def md(text: object) -> str:
    """The text as Markdown that shows exactly that text on one line, in labels, tables and paragraphs alike."""
    line = " ".join(_INVISIBLE.sub("", str(text)).split())
    return _LINKS.sub(rf"{_JOINER}\1{_JOINER}", _MARK.sub(r"\\\g<0>", line))


def md_gray(text: object) -> str:
    """The text in gray; an e-mail address stays whole for copying, because its parts are separate and never linked."""
    return "".join(f":gray[{part}]" for part in re.split(r"(\\@)", _escape(text)) if part)


def _escape(text: object) -> str:
    return md(text).replace(f"{_JOINER}\\@{_JOINER}", "\\@")


def md_cell(text: object) -> str:
    """A table cell that does not break inside."""
    return md(text).replace(" ", "\u00a0")


def plotly_text(text: object) -> str:
    """Plotly reads a few HTML tags in labels: escaped, they show as they are."""
    line = " ".join(_INVISIBLE.sub("", str(text)).split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: object) -> str:
    """One line for places that read no markup at all, such as data frames and Altair."""
    return " ".join(_INVISIBLE.sub("", str(text)).split())
