"""However a page goes away, its session ends once and at the right moment."""

import signal

import pytest

from tests.browser.devtools import Page
from tests.browser.visits import HEARTBEAT, TIMEOUT, Outcome, Visitor, list_scenarios, scenario
from tests.server import wait_until

pytestmark = pytest.mark.browser

LINK = '<a href="{url}">on</a>'
SEEN_FROM_CACHE = "addEventListener('pageshow', (event) => { window.persisted = event.persisted; })"


@scenario
def a_tab_that_is_closed(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(2.5 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_glance(here: Visitor) -> None:
    page = here.open()
    here.begin(None, page)
    with here.ending():
        page.close()


@scenario
def a_browser_that_quits(here: Visitor) -> None:
    with here.own_browser():
        page = here.open(user=here.alice)
        here.begin(here.alice, page)
        here.stay(1.5 * HEARTBEAT)
        with here.ending("page_hide", "gone", "timeout"):
            here.chromium.quit()


@scenario
def a_browser_that_is_asked_to_end(here: Visitor) -> None:
    leave_by(here, signal.SIGTERM, "page_hide", "gone", "timeout")


@scenario
def a_browser_that_is_killed(here: Visitor) -> None:
    leave_by(here, signal.SIGKILL, "timeout")


def leave_by(here: Visitor, number: signal.Signals, *reasons: str) -> None:
    with here.own_browser():
        page = here.open(user=here.alice)
        here.begin(here.alice, page)
        here.stay(2.5 * HEARTBEAT)
        with here.ending(*reasons, was_cut=True):
            here.chromium.stop(number)


@scenario
def a_page_that_crashes(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(1.6 * HEARTBEAT)
    # On a busy machine the browser's last word may be lost; then the session ended at its last sign of life.
    with here.ending("gone", "timeout", was_cut=True):
        page.crash()


@scenario
def a_page_that_crashes_and_is_opened_again(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    page.crash()
    again = here.open(user=here.alice)
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        again.close()


@scenario
def five_reloads(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    for _ in range(5):
        here.stay(0.3)
        page.reload()
    here.stay(0.3)
    with here.ending():
        page.close()


@scenario
def a_walk_over_four_pages(here: Visitor) -> None:
    address = here.get_url("shoes")
    for name in ("hats", "bags", "home"):
        address = here.get_url(name, body=LINK.format(url=address.replace("&", "&amp;")))
    page = here.open_tab(address)
    here.begin(None, page)
    for name in ("bags", "hats", "shoes"):
        here.stay(0.6)
        page.evaluate("document.querySelector('a').click()")
        wait_for_path(page, name)
    here.stay(0.6)
    with here.ending():
        page.close()


def wait_for_path(page: Page, name: str) -> None:
    wait_until(lambda: page.ask("location.pathname + document.readyState").endswith(f"/{name}complete"), name)


@scenario
def back_to_a_page_that_the_browser_kept(here: Visitor) -> None:
    page = here.open_tab()
    page.call("Page.addScriptToEvaluateOnNewDocument", source=SEEN_FROM_CACHE)
    page.open(here.get_url("home"))
    here.begin(None, page)
    here.stay(0.5)
    page.open(here.get_url("bags"))
    here.stay(0.5)
    page.go_back()
    wait_for_path(page, "home")
    wait_until(lambda: page.ask("String(window.persisted)") == "true", "the page from the back/forward cache")
    here.stay(1.5 * HEARTBEAT)
    # A page that is kept has no last word.
    assert {one.message.get("reason") for one in here.list_requests()} == {None, "page_hide"}
    with here.ending():
        page.close()


@scenario
def the_background_and_back(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(0.5)
    cover = here.cover()
    here.stay(0.4 * TIMEOUT)
    here.uncover(page, cover)
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def three_looks_elsewhere(here: Visitor) -> None:
    page = here.open()
    other = here.open_tab()
    page.bring_to_front()
    here.begin(None, page)
    for _ in range(3):
        here.stay(0.4)
        other.bring_to_front()
        here.stay(0.4)
        page.bring_to_front()
    with here.ending():
        page.close()


@scenario
def a_tab_that_is_closed_in_the_background(here: Visitor) -> None:
    page = open_and_leave(here)
    here.stay(0.3 * TIMEOUT)
    page.close()


@scenario
def the_background_for_ever(here: Visitor) -> None:
    open_and_leave(here, "timeout")


@scenario
def a_frozen_page_that_is_closed(here: Visitor) -> None:
    page = open_and_leave(here, "page_hide", "timeout")
    page.freeze()
    here.stay(0.3 * TIMEOUT)
    page.close()


@scenario
def a_frozen_page_that_thaws(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    page.freeze()
    here.stay(0.4 * TIMEOUT)
    page.freeze("active")
    # A page that was frozen stays hidden until its tab is chosen again.
    here.uncover(page, here.cover())
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_browser_that_is_killed_in_the_background(here: Visitor) -> None:
    with here.own_browser():
        open_and_leave(here, "timeout")
        here.stay(HEARTBEAT)
        here.chromium.stop(signal.SIGKILL)


def open_and_leave(here: Visitor, *reasons: str) -> Page:
    """A page that was looked at and then covered by another tab."""
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(1.2 * HEARTBEAT)
    with here.ending(*reasons):
        here.cover()
    wait_until(lambda: page.evaluate("document.visibilityState") == "hidden", "the tab to be covered")
    return page


@pytest.mark.parametrize("visit", list_scenarios(__name__))
def test_the_rows_are_true(outcomes: dict[str, Outcome], visit: str) -> None:
    outcomes[visit].check()
