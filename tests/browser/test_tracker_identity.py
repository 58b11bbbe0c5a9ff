"""Every session belongs to whom it was: signing in, out and over, in this tab and in another."""

import json

import pytest

from tests.browser.devtools import Page, wait_until
from tests.browser.visits import HEARTBEAT, TIMEOUT, Outcome, Visitor, list_scenarios, make_token, scenario

pytestmark = pytest.mark.browser


def identify(page: Page, token: str) -> None:
    page.evaluate(f"customerMetrics.identify({json.dumps(token)})")


def sign_out(page: Page) -> None:
    page.evaluate("customerMetrics.signOut()")


@scenario
def signing_out_within_a_page(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending("sign_out"), here.beginning(None):
        sign_out(page)
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def signing_out_where_guests_are_not_counted(here: Visitor) -> None:
    page = here.open(user=here.alice, guests="off")
    here.begin(here.alice, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending("sign_out"):
        sign_out(page)
    here.stay(0.5)
    before = len(here.list_requests())
    here.stay(2 * HEARTBEAT)
    page.close()
    here.stay(0.5)
    assert len(here.list_requests()) == before


@scenario
def signing_out_where_the_shop_clears_the_storage(here: Visitor) -> None:
    page = here.open(user=here.alice, guests="off")
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    with here.ending("sign_out"):
        page.evaluate("localStorage.clear(); customerMetrics.signOut()")
    here.stay(0.5)
    page.close()


@scenario
def signing_out_by_another_page(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending("sign_out"):
        page.open(here.get_url("goodbye", user=""))
    here.begin(None, page)
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def another_customer_in_the_same_tab(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    with here.ending("user_switch"):
        page.open(here.get_url("account", user=here.bob))
    here.begin(here.bob, page)
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def another_customer_within_a_page(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    with here.ending("user_switch"), here.beginning(here.bob):
        identify(page, make_token(here.bob))
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def another_customer_in_another_tab(here: Visitor) -> None:
    first = here.open(user=here.alice)
    here.begin(here.alice, first)
    here.stay(HEARTBEAT)
    second = here.open("account", user=here.alice)
    here.stay(0.5)
    with here.ending("user_switch"), here.beginning(here.bob):
        identify(second, make_token(here.bob))
    here.stay(0.5)
    # The tab that was opened for Alice, seen again, is Bob's.
    first.bring_to_front()
    here.stay(1.5 * HEARTBEAT)
    second.close()
    with here.ending():
        first.close()


@scenario
def every_tab_hears_of_a_sign_in(here: Visitor) -> None:
    first = here.open()
    here.begin(None, first)
    second = here.open_tab(here.get_url("bags", user=""), newWindow=True)
    here.stay(HEARTBEAT)
    token = make_token(here.alice)
    with here.ending("user_switch"), here.beginning(here.alice):
        # As an auth library tells every tab at once.
        identify(first, token)
        identify(second, token)
    here.stay(1.5 * HEARTBEAT)
    second.close()
    here.stay(0.5)
    with here.ending():
        first.close()


@scenario
def a_guest_who_signs_in(here: Visitor) -> None:
    page = here.open()
    here.begin(None, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending("user_switch"):
        page.open(here.get_url("account", user=here.alice))
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_page_that_learns_late_who_is_here(here: Visitor) -> None:
    page = here.open(user=None)
    here.begin(here.alice, page)
    here.stay(0.3 * HEARTBEAT)
    identify(page, make_token(here.alice))
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_page_that_never_says_who_is_here(here: Visitor) -> None:
    page = here.open(user=None)
    here.begin(None, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending("user_switch"), here.beginning(here.alice):
        identify(page, make_token(here.alice))
    here.stay(HEARTBEAT)
    page.open(here.get_url("bags", user=None))
    here.stay(2 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_page_that_learns_late_that_somebody_else_is_here(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    with here.ending("user_switch"):
        page.close()
    here.stay(0.3 * TIMEOUT)
    page = here.open("bags", user=None)
    here.begin(here.bob, page)
    here.stay(0.3 * HEARTBEAT)
    # Alice's finished session is not made longer by Bob's page.
    identify(page, make_token(here.bob))
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_token_that_is_refreshed(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    for _ in range(4):
        here.stay(0.5)
        identify(page, make_token(here.alice))
    page.open(here.get_url("bags", user=here.alice))
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_forged_token(here: Visitor) -> None:
    page = here.open_tab(here.get_url(user=make_token(here.alice, secret="a-secret-that-the-endpoint-does-not-know")))
    here.begin(None, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_token_that_had_expired(here: Visitor) -> None:
    page = here.open_tab(here.get_url(user=make_token(here.alice, life=-60)))
    here.begin(None, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending("lost"), here.beginning(here.alice):
        identify(page, make_token(here.alice))
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
def guests_who_are_not_counted(here: Visitor) -> None:
    page = here.open(guests="off")
    here.stay(1.5 * HEARTBEAT)
    page.reload()
    assert here.list_requests() == []
    with here.beginning(here.alice):
        identify(page, make_token(here.alice))
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def calls_before_the_tracker_is_there(here: Visitor) -> None:
    page = here.open_tab()
    call = f"(window.customerMetrics = window.customerMetrics || []).push(['identify', {make_token(here.alice)!r}])"
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
