"""axe-core from npm, run in a page: what somebody who cannot see or point would stumble over."""

import subprocess
import sys
import tarfile
from pathlib import Path

from playwright.sync_api import Page

VERSION = "4.14.1"
# Streamlit's own, in every app of it, and out of our hands: each rule with the elements, by their test id.
NOT_OURS = {
    # Tables and grids scroll sideways inside a box of their own, which takes no focus.
    "scrollable-region-focusable": {"stTable", "stDataFrame", "stDataFrameResizable"},
    # The sections of the side bar are lists in lists without an item between them.
    "list": {"stSidebarNavItems", "stSidebarNav"},
    "listitem": {"stSidebarNavItems", "stSidebarNav", "stSidebarNavLinkContainer"},
    # Points of a metric's line that appear under the pointer alone.
    "svg-img-alt": {"stMetricChart"},
}
# A label of what is switched off: WCAG 1.4.3 asks no contrast of an inactive component.
SWITCHED_OFF = "<p>Sort by</p>"
RUN = """async () => {
    const answer = await axe.run(document, {resultTypes: ['violations']});
    const wanted = answer.violations.filter(rule => ['serious', 'critical'].includes(rule.impact));
    return wanted.flatMap(rule => rule.nodes.map(node => ({
        rule: rule.id,
        html: node.html.slice(0, 300),
        inside: document.querySelector(node.target[0])?.closest('[data-testid]')?.dataset.testid ?? '',
    })));
}"""


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
    found: list[dict[str, str]] = page.evaluate(RUN)
    return [
        f"{one['rule']} inside {one['inside']}: {one['html']}"
        for one in found
        if one["inside"] not in NOT_OURS.get(one["rule"], ()) and one["html"] != SWITCHED_OFF
    ]
