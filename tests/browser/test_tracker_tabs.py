"""One session in one browser, however many tabs and windows show the shop."""

import pytest

from tests.browser.visits import HEARTBEAT, TIMEOUT, Outcome, Truth, Visitor, list_scenarios, scenario
from tests.endpoint_server import sign
from tests.server import wait_until

pytestmark = pytest.mark.browser

PRERENDER = """
<script type=speculationrules>{"prerender": [{"urls": ["URL"], "eagerness": "immediate"}]}</script>
<script>setTimeout(() => location.assign("URL"), 3000)</script>
"""
ACTIVATED = "performance.getEntriesByType('navigation')[0].activationStart"


@scenario
def two_tabs_of_which_one_is_closed(here: Visitor) -> None:
    first = here.open(user=here.alice)
    here.begin(here.alice, first)
    here.stay(0.5)
    second = here.open("bags", user=here.alice)
    here.stay(0.5)
    second.close()
    first.bring_to_front()
    here.stay(2.5 * HEARTBEAT)
    with here.ending():
        first.close()


@scenario
def two_tabs_of_which_the_covered_one_is_closed(here: Visitor) -> None:
    first = here.open(user=here.alice)
    here.begin(here.alice, first)
    here.stay(0.5)
    second = here.open("bags", user=here.alice)
    here.stay(1.5 * HEARTBEAT)
    first.close()
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        second.close()


@scenario
def two_windows_of_which_one_is_closed(here: Visitor) -> None:
    first = here.open()
    here.begin(None, first)
    here.stay(0.5)
    second = here.open_tab(here.get_url("bags"), newWindow=True)
    assert [page.evaluate("document.visibilityState") for page in (first, second)] == ["visible", "visible"]
    here.stay(0.5)
    second.close()
    # Without a heartbeat at once, the session would stay ended until the next one is due.
    wait_until(lambda: here.list_rows()[0]["ended_at"] is None, "the other window to go on", HEARTBEAT)
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        first.close()


@scenario
def two_windows_say_no_more_than_one(here: Visitor) -> None:
    first = here.open()
    here.begin(None, first)
    second = here.open_tab(here.get_url("bags"), newWindow=True)
    here.stay(HEARTBEAT)
    # The second may speak up where the first is late.
    with here.saying_little(1.5):
        here.stay(4 * HEARTBEAT)
    second.close()
    with here.ending():
        first.close()


@scenario
def one_page_says_one_thing_a_heartbeat(here: Visitor) -> None:
    page = here.open()
    here.begin(None, page)
    here.stay(HEARTBEAT)
    before = len(here.list_requests())
    with here.saying_little():
        for _ in range(8):
            page.press()
            here.stay(HEARTBEAT / 2)
    assert len(here.list_requests()) - before >= 3
    with here.ending():
        page.close()


@scenario
def two_windows_at_the_same_moment(here: Visitor) -> None:
    """As a browser opens what it had open before."""
    first = here.open_tab()
    second = here.open_tab(newWindow=True)
    with here.beginning(here.alice):
        sent = [
            here.chromium.send("Page.navigate", page.session, url=here.get_url(name, user=here.alice))
            for page, name in ((first, "home"), (second, "bags"))
        ]
        for one in sent:
            one.result(10)
    here.wait_for_rows(1)
    here.stay(1.5 * HEARTBEAT)
    second.close()
    here.stay(0.5)
    with here.ending():
        first.close()


@scenario
def a_duplicated_tab(here: Visitor) -> None:
    first = here.open(user=here.alice)
    here.begin(here.alice, first)
    here.stay(0.5)
    before = {target["targetId"] for target in here.chromium.list_targets()}
    first.call("Runtime.evaluate", expression="window.open(location.href)", userGesture=True)
    copies = wait_until(
        lambda: [
            target
            for target in here.chromium.list_targets()
            if target["targetId"] not in before and f"/{here.case}/" in target["url"]
        ],
        "the copy",
    )
    here.stay(1.5 * HEARTBEAT)
    first.close()
    here.stay(HEARTBEAT)
    copy = here.chromium.attach(copies[0]["targetId"])
    with here.ending():
        copy.close()


@scenario
def a_tab_in_the_background_that_is_never_seen(here: Visitor) -> None:
    here.open_tab()
    page = here.open_tab(here.get_url(), background=True)
    assert page.evaluate("document.visibilityState") == "hidden"
    here.stay(1.5 * HEARTBEAT)
    page.close()
    here.stay(0.5)
    assert here.list_requests() == []


@scenario
def a_tab_in_the_background_that_is_seen_later(here: Visitor) -> None:
    here.open_tab()
    page = here.open_tab(here.get_url(user=here.alice), background=True)
    here.stay(1.5 * HEARTBEAT)
    assert here.list_requests() == []
    with here.beginning(here.alice):
        page.bring_to_front()
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_page_that_is_rendered_before_it_is_wanted(here: Visitor) -> None:
    # Chromium renders nothing ahead for a page that is driven.
    body = PRERENDER.replace("URL", here.get_url("bags"))
    target = here.chromium.create_target(here.context, here.get_url("plain", body=body, guests="off"))
    wait_until(lambda: len(here.list_requests("GET")) == 2, "the page that is rendered ahead")
    wait_until(here.list_requests, "the page to be wanted")
    page = here.chromium.attach(target)
    began_at, ahead = page.evaluate(f"[performance.timeOrigin + {ACTIVATED}, {ACTIVATED}]")
    assert ahead >= 1_000, "it was not rendered ahead"
    here.truths.append(Truth(None, (began_at / 1_000, began_at / 1_000)))
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_new_session_after_the_timeout(here: Visitor) -> None:
    page = here.open(user=None)
    page.evaluate(f"customerMetrics.identify({sign(here.alice)!r})")
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    with here.ending("timeout", "lost"):
        cover = here.cover()
    here.stay(1.2 * TIMEOUT)
    with here.beginning(here.alice):
        here.uncover(page, cover)
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def nobody_at_the_keyboard_and_back(here: Visitor) -> None:
    page = here.open(user=here.alice, idle=1)
    here.begin(here.alice, page)
    here.stay(0.5 * TIMEOUT)
    silent = len(here.list_requests())
    here.stay(HEARTBEAT)
    assert len(here.list_requests()) == silent
    page.press()
    here.stay(0.5)
    with here.ending():
        page.close()


@scenario
def nobody_at_the_keyboard_for_long_and_back(here: Visitor) -> None:
    page = here.open(user=here.alice, idle=2 * HEARTBEAT)
    here.begin(here.alice, page)
    here.stay(1.5 * HEARTBEAT)
    # The last heartbeat before the idle time is over is the last that is known.
    with here.ending("timeout", "lost", was_cut=True):
        here.stay(1.5 * HEARTBEAT)
    here.stay(1.2 * TIMEOUT)
    with here.beginning(here.alice):
        page.press()
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@pytest.mark.parametrize("visit", list_scenarios(__name__))
def test_the_rows_are_true(outcomes: dict[str, Outcome], visit: str) -> None:
    outcomes[visit].check()
