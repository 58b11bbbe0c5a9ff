"""axe-core from npm, run in a page: what somebody who cannot see or point would stumble over."""

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

VERSION = "4.14.1"
# Streamlit's own, in every app of it, and out of our hands: each rule with the selector that it names.
NOT_OURS = {
    # The canvas grid keeps its rows in a table that only a pointer scrolls; arrow keys move inside.
    "scrollable-region-focusable": ("stDataFrame", "stTable", "dvn-scroller"),
    # The sections of the side bar are lists in lists without an item between them.
    "list": ("stSidebarNavItems",),
    "listitem": ('<li class="st-emotion',),
    # Points of a metric's line that appear under the pointer alone.
    "svg-img-alt": ("metric_chart",),
    # A label of what is switched off: WCAG 1.4.3 asks no contrast of an inactive component.
    "color-contrast": ("<p>Sort by</p>",),
}


def get_axe() -> str:
    """The source of axe-core, fetched once and kept beside the packages."""
    folder = Path(sys.prefix) / "axe-core"
    script = folder / "package" / "axe.min.js"
    if not script.exists():
        folder.mkdir(exist_ok=True)
        command = ["npm", "pack", "--silent", f"axe-core@{VERSION}", "--pack-destination", str(folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as archive:
            archive.extractall(folder, filter="data")
    return script.read_text(encoding="utf-8")


def find_barriers(page: Page) -> list[str]:
    """Serious and critical findings on the page as it stands, one line each; none of Streamlit's own."""
    page.evaluate(get_axe())
    answer: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['impact']} {rule['id']}: {node['html'][:300]} {node['any'][:1]}"
        for rule in answer["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not any(part in node["html"] for part in NOT_OURS.get(rule["id"], ()))
    ]
