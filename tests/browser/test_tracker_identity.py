"""Every session belongs to whom it was: signing in, out and over, in this tab and in another."""

import pytest

from tests.browser.devtools import Page
from tests.browser.visits import HEARTBEAT, TIMEOUT, Outcome, Visitor, identify, list_scenarios, scenario
from tests.endpoint_server import sign
from tests.server import wait_until

pytestmark = pytest.mark.browser


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
def signing_out_and_leaving_at_once(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending("sign_out"), here.beginning(None):
        page.evaluate(f"customerMetrics.signOut(); location.assign({here.get_url('goodbye')!r}); 0")
    here.stay(HEARTBEAT)
    assert page.evaluate("location.pathname").endswith("/goodbye")
    with here.ending():
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
def going_back_to_a_page_from_before_the_sign_out(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    with here.ending("sign_out"):
        page.open(here.get_url("goodbye", user=""))
    here.begin(None, page)
    here.stay(0.5)
    # The page comes out of the browser's cache with Alice's token in its memory: she is gone all the same.
    page.go_back()
    wait_until(lambda: page.ask("location.pathname").endswith("/home"), "the page before")
    here.stay(1.5 * HEARTBEAT)
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
        identify(page, sign(here.bob))
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
        identify(second, sign(here.bob))
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
    token = sign(here.alice)
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
    identify(page, sign(here.alice))
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_page_that_never_says_who_is_here(here: Visitor) -> None:
    page = here.open(user=None)
    here.begin(None, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending("user_switch"), here.beginning(here.alice):
        identify(page, sign(here.alice))
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
    identify(page, sign(here.bob))
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def guests_who_are_not_counted(here: Visitor) -> None:
    page = here.open(guests="off")
    here.stay(1.5 * HEARTBEAT)
    page.reload()
    assert here.list_requests() == []
    with here.beginning(here.alice):
        identify(page, sign(here.alice))
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@pytest.mark.parametrize("visit", list_scenarios(__name__))
def test_the_rows_are_true(outcomes: dict[str, Outcome], visit: str) -> None:
    outcomes[visit].check()
