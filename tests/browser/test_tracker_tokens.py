"""Whatever a page says with its token, the endpoint alone believes it, and nothing of it stays in the browser."""

import pytest

from tests.browser.visits import HEARTBEAT, TIMEOUT, Outcome, Visitor, identify, list_scenarios, scenario
from tests.endpoint_server import sign
from tests.server import wait_until

pytestmark = pytest.mark.browser


@scenario
def a_token_that_is_refreshed(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    for _ in range(4):
        here.stay(0.5)
        identify(page, sign(here.alice))
    page.open(here.get_url("bags", user=here.alice))
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_token_that_is_refreshed_while_nobody_is_here(here: Visitor) -> None:
    page = here.open(user=here.alice, idle=2 * HEARTBEAT)
    here.begin(here.alice, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending("timeout", "lost", was_cut=True):
        here.stay(1.5 * HEARTBEAT)
    for _ in range(3):
        here.stay(0.5 * TIMEOUT)
        identify(page, sign(here.alice))
    with here.beginning(here.alice):
        page.press()
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_forged_token(here: Visitor) -> None:
    page = here.open_tab(here.get_url(user=sign(here.alice, secret="a-secret-that-the-endpoint-does-not-know")))
    here.begin(None, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_token_that_had_expired(here: Visitor) -> None:
    page = here.open_tab(here.get_url(user=sign(here.alice, seconds=-60)))
    here.begin(None, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending("lost"), here.beginning(here.alice):
        identify(page, sign(here.alice))
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_token_that_is_none(here: Visitor) -> None:
    page = here.open_tab(here.get_url(user="%%%.not.a.token"))
    here.begin(None, page)
    page.evaluate("customerMetrics.identify(undefined); customerMetrics.push(); customerMetrics.push(['x'])")
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def calls_before_the_tracker_is_there(here: Visitor) -> None:
    page = here.open_tab()
    call = f"(window.customerMetrics = window.customerMetrics || []).push(['identify', {sign(here.alice)!r}])"
    page.call("Page.addScriptToEvaluateOnNewDocument", source=call)
    page.open(here.get_url(user=None))
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    page.evaluate(call)
    here.stay(0.5)
    with here.ending("sign_out"), here.beginning(None):
        page.evaluate("customerMetrics.push(['signOut'])")
    here.stay(0.5)
    with here.ending():
        page.close()


@scenario
def a_token_leaves_nothing_behind(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    wait_until(lambda: '"k":1' in page.evaluate("localStorage['customer-metrics'] || ''"), "the acknowledgement")
    assert "eyJ" not in page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie")
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()
    here.stay(0.5)
    # Once the row is known, neither the token nor the page's path travels again.
    assert [name for one in here.list_requests()[1:] for name in one.message if name in ("token", "landing_page")] == []


@pytest.mark.parametrize("visit", list_scenarios(__name__))
def test_the_rows_are_true(outcomes: dict[str, Outcome], visit: str) -> None:
    outcomes[visit].check()
