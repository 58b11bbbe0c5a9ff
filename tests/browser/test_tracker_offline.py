"""A network that goes, an endpoint that fails, a row that is lost: the session is still one, and true."""

import json

import psycopg
import pytest

from tests.browser.shop import Answer, Request, fail, hang_up
from tests.browser.visits import HEARTBEAT, TIMEOUT, Outcome, Visitor, list_scenarios, scenario
from tests.server import wait_until

pytestmark = pytest.mark.browser


@scenario
def offline_at_the_end_and_never_back(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(2.5 * HEARTBEAT)
    here.shop.faults[here.case] = hang_up
    with here.ending("timeout", was_cut=True):
        page.close()


@scenario
def offline_at_the_end_and_back_after_the_timeout(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(1.5 * HEARTBEAT)
    here.shop.faults[here.case] = hang_up
    here.stay(1.5 * HEARTBEAT)
    with here.ending("timeout", "lost", was_cut=True):
        page.close()
    here.stay(1.2 * TIMEOUT)
    del here.shop.faults[here.case]
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(0.5)
    with here.ending():
        page.close()


@scenario
def offline_at_the_end_and_back_as_somebody_else(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(1.5 * HEARTBEAT)
    here.shop.faults[here.case] = hang_up
    here.stay(HEARTBEAT)
    with here.ending("lost", "sign_out", "user_switch"):
        page.close()
    here.stay(HEARTBEAT)
    del here.shop.faults[here.case]
    page = here.open("bags", user=here.bob)
    here.begin(here.bob, page)
    here.stay(0.5)
    with here.ending():
        page.close()


@scenario
def offline_for_a_moment(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    page.call("Network.enable")
    nothing = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.call("Network.emulateNetworkConditions", offline=True, **nothing)
    here.shop.faults[here.case] = hang_up
    here.stay(2 * HEARTBEAT)
    del here.shop.faults[here.case]
    page.call("Network.emulateNetworkConditions", offline=False, **nothing)
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_start_that_the_endpoint_cannot_take(here: Visitor) -> None:
    here.shop.faults[here.case] = fail
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.stay(1.5 * HEARTBEAT)
    page.open(here.get_url("bags", user=here.alice))
    here.stay(0.5 * HEARTBEAT)
    assert here.list_rows() == []
    del here.shop.faults[here.case]
    here.wait_for_rows(1)
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()
    assert here.list_rows()[0]["landing_page"] == f"/{here.case}/home"


@scenario
def a_start_that_is_lost_on_the_way(here: Visitor) -> None:
    here.shop.faults[here.case] = hang_up
    page = here.open()
    here.begin(None, page)
    here.stay(0.5 * HEARTBEAT)
    del here.shop.faults[here.case]
    here.stay(0.3 * HEARTBEAT)
    # The end is the first that arrives.
    with here.ending():
        page.close()


@scenario
def a_row_that_is_deleted_meanwhile(here: Visitor) -> None:
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.wait_for_rows(1)
    here.stay(HEARTBEAT)
    with psycopg.connect(here.stage.endpoint.url) as connection:
        connection.execute("DELETE FROM user_sessions WHERE user_id = %s", (here.alice,))
    here.wait_for_rows(1)
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def an_endpoint_that_is_confused(here: Visitor) -> None:
    """It says `new` to everything: the browser must not run in circles."""
    page = here.open(guests="off")

    def refuse(request: Request) -> Answer:
        return 200, {"content-type": "application/json"}, b'{"success": true, "next": "new"}'

    here.shop.faults[here.case] = refuse
    page.open(here.get_url(user=here.alice))
    here.stay(6)
    ids = {one.message["session_id"] for one in here.list_requests()}
    assert 2 <= len(ids) <= 4
    assert len(here.list_requests()) <= 6 / HEARTBEAT + 5
    page.close()


@scenario
def an_endpoint_that_answers_nonsense(here: Visitor) -> None:
    answers = [b"", b"null", b"[]", b"<html>", b'{"next": {}}', b'{"next": "start"}', b"7"]

    def babble(request: Request) -> Answer:
        return 200, {"content-type": "application/json"}, answers[len(here.list_requests()) % len(answers)]

    here.shop.faults[here.case] = babble
    page = here.open(user=here.alice)
    here.stay(5 * HEARTBEAT)
    assert len(here.list_requests()) <= 5 + 5
    page.close()


@scenario
def a_script_that_does_not_find_its_own_tag(here: Visitor) -> None:
    page = here.open("plain", guests="off")
    source = (
        "fetch('/tracker.js').then((answer) => answer.text()).then((text) => { document.body.innerHTML = ''; "
        "document.querySelectorAll('script').forEach((one) => one.remove()); delete window.customerMetrics; "
        "const tag = document.createElement('script'); tag.type = 'module'; tag.textContent = text; "
        "document.head.append(tag); })"
    )
    page.evaluate(source)
    wait_until(lambda: page.ask("Boolean(window.customerMetrics)") == "True", "the script")
    page.evaluate("customerMetrics.identify('x')")
    here.stay(0.5)
    page.open(here.get_url("plain", guests="off"))
    page.close()
    assert here.list_requests() == []


@scenario
def an_endpoint_that_has_enough(here: Visitor) -> None:
    """429: heartbeats are left out, more of them each time, and the end still comes true."""
    page = here.open(user=here.alice)
    here.begin(here.alice, page)
    here.wait_for_rows(1)

    def refuse(request: Request) -> Answer:
        return 429, {"content-type": "application/json", "retry-after": "1"}, b"{}"

    here.shop.faults[here.case] = refuse
    with here.saying_little(0.5):
        here.stay(4 * HEARTBEAT)
    del here.shop.faults[here.case]
    with here.ending():
        page.close()


@scenario
def a_record_that_somebody_else_wrote(here: Visitor) -> None:
    page = here.open_tab()
    for record in ('"text"', "7", "[]", "{", '{"id": 5, "a": "x"}', '{"id": "x", "t": "y", "p": 3}', "null"):
        source = f"if (!localStorage.done) localStorage['customer-metrics'] = {json.dumps(record)}"
        script = page.call("Page.addScriptToEvaluateOnNewDocument", source=source)["identifier"]
        page.open(here.get_url(guests="off"))
        page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    assert here.list_requests() == []
    page.open(here.get_url(user=here.alice))
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_clock_that_is_set_meanwhile(here: Visitor) -> None:
    page = here.open_tab()
    source = "{ const now = Date.now; window.ahead = 0; Date.now = () => now() + window.ahead; }"
    page.call("Page.addScriptToEvaluateOnNewDocument", source=source)
    page.open(here.get_url(user=here.alice))
    here.begin(here.alice, page)
    for hours in (24, -1, 0):
        here.stay(HEARTBEAT)
        page.evaluate(f"window.ahead = {hours} * 3600e3")
    wait_until(lambda: len(here.list_requests()) >= 3, "heartbeats")
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()


@pytest.mark.parametrize("visit", list_scenarios(__name__))
def test_the_rows_are_true(outcomes: dict[str, Outcome], visit: str) -> None:
    outcomes[visit].check()
