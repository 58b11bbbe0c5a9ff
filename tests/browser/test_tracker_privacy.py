"""What visitors and shops forbid is not done, what a page's policy allows is enough, and all visits meet the bars."""

import pytest

from tests.browser.shop import STRICT
from tests.browser.visits import (
    ENDED_BY_PAGE,
    HEARTBEAT,
    Outcome,
    Visitor,
    describe_errors,
    get_p95,
    list_scenarios,
    scenario,
)
from tests.endpoint_server import sign

pytestmark = pytest.mark.browser

REFUSALS = {
    "gpc": "Object.defineProperty(navigator, 'globalPrivacyControl', { get: () => true })",
    "dnt": "Object.defineProperty(Navigator.prototype, 'doNotTrack', { get: () => '1' })",
}
NO_STORAGE = (
    "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
)
FULL_STORAGE = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }"
OLD_BROWSER = "delete window.fetchLater; delete Navigator.prototype.userAgentData; delete window.AbortController"
HEAR_VIOLATIONS = (
    "window.violations = []; addEventListener('securitypolicyviolation', (e) => violations.push(e.blockedURI))"
)


def refuse(here: Visitor, signal: str) -> None:
    page = here.open_tab()
    page.call("Page.addScriptToEvaluateOnNewDocument", source=REFUSALS[signal])
    page.open(here.get_url(user=here.alice))
    page.evaluate(f"customerMetrics.identify({sign(here.bob)!r})")
    here.stay(1.5 * HEARTBEAT)
    page.evaluate("customerMetrics.signOut()")
    page.close()
    here.stay(0.5)
    assert here.list_requests() == []


@scenario
def global_privacy_control(here: Visitor) -> None:
    refuse(here, "gpc")


@scenario
def do_not_track(here: Visitor) -> None:
    refuse(here, "dnt")


@scenario
def a_shop_that_counts_them_nevertheless(here: Visitor) -> None:
    page = here.open_tab()
    page.call("Page.addScriptToEvaluateOnNewDocument", source=REFUSALS["gpc"])
    page.open(here.get_url(user=here.alice, privacy="ignore"))
    here.begin(here.alice, page)
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_strict_policy(here: Visitor) -> None:
    page = here.open_tab()
    page.call("Page.addScriptToEvaluateOnNewDocument", source=HEAR_VIOLATIONS)
    page.open(here.get_url(user=here.alice, policy=STRICT))
    here.begin(here.alice, page)
    here.stay(2.5 * HEARTBEAT)
    assert page.evaluate("JSON.stringify(violations)") == "[]"
    with here.ending():
        page.close()


@scenario
def a_policy_that_forbids_the_endpoint(here: Visitor) -> None:
    page = here.open(user=here.alice, policy="default-src 'none'; script-src 'self'")
    here.stay(1.5 * HEARTBEAT)
    page.close()
    here.stay(0.5)
    assert here.list_requests() == []


@scenario
def a_storage_that_is_blocked(here: Visitor) -> None:
    visit_with(here, NO_STORAGE)


@scenario
def a_storage_that_is_full(here: Visitor) -> None:
    visit_with(here, FULL_STORAGE)


@scenario
def a_browser_without_the_newer_functions(here: Visitor) -> None:
    visit_with(here, OLD_BROWSER)


def visit_with(here: Visitor, source: str) -> None:
    page = here.open_tab()
    page.call("Page.addScriptToEvaluateOnNewDocument", source=source)
    page.open(here.get_url(user=here.alice))
    here.begin(here.alice, page)
    here.stay(2.5 * HEARTBEAT)
    with here.ending("sign_out"), here.beginning(None):
        page.evaluate("customerMetrics.signOut()")
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def an_endpoint_on_another_origin(here: Visitor) -> None:
    page = here.open(user=here.alice, endpoint=f"{here.shop.other_address}/{here.case}/")
    page.evaluate("document.cookie = 'shop=1; path=/'")
    here.begin(here.alice, page)
    here.stay(2.5 * HEARTBEAT)
    # Each last word goes twice, as a beacon and as a fetch, and counts once.
    with here.ending("sign_out"), here.beginning(None):
        page.evaluate("customerMetrics.signOut()")
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()
    here.stay(0.5)
    assert here.list_requests("OPTIONS") == []
    ends = [one for one in here.list_requests() if one.route.endswith("/end") and one.message["reason"] == "sign_out"]
    assert len(ends) == 2
    assert all(one.headers["content-type"].startswith("text/plain") for one in here.list_requests())
    assert [one.route for one in here.list_requests() if "cookie" in one.headers and "/end" not in one.route] == []


@scenario
def a_shop_within_a_frame(here: Visitor) -> None:
    inner = here.get_url("inner").replace("&", "&amp;")
    page = here.open("outer", user=here.alice, body=f'<iframe src="{inner}"></iframe>')
    here.begin(here.alice, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()
    here.stay(0.5)
    assert len({one.message["session_id"] for one in here.list_requests()}) == 1


@scenario
def a_tag_that_stands_twice(here: Visitor) -> None:
    tag = f'<script src=/tracker.js data-token="TOKEN" data-endpoint="{here.shop.address}/{here.case}"></script>'
    page = here.open(user=here.alice, body=tag.replace("TOKEN", sign(here.alice)))
    here.begin(here.alice, page)
    here.stay(1.5 * HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_tag_without_any_attribute_that_makes_sense(here: Visitor) -> None:
    page = here.open(user=here.alice, heartbeat="x", idle="-1", timeout="")
    here.begin(here.alice, page)
    here.stay(2 * HEARTBEAT)
    assert len(here.list_requests()) == 1
    with here.ending():
        page.close()


@scenario
def only_the_path_is_told_of_a_page(here: Visitor) -> None:
    page = here.open("first", user="", guests="off")
    with here.beginning(None):
        page.evaluate(f"setTimeout(() => location.assign('{here.get_url('second', secret='x')}#private'))")
        here.wait_for_rows(1)
    row = here.list_rows()[0]
    assert row["landing_page"] == f"/{here.case}/second"
    assert row["referrer"] == f"{here.shop.address}/{here.case}/first"
    with here.ending():
        page.close()


@pytest.mark.parametrize("visit", list_scenarios(__name__))
def test_the_rows_are_true(outcomes: dict[str, Outcome], visit: str) -> None:
    outcomes[visit].check()


def test_no_visit_leaves_a_row_that_is_open(outcomes: dict[str, Outcome]) -> None:
    assert [name for name, outcome in outcomes.items() for row in outcome.rows if not row["ended_at"]] == []


def test_pages_speak_for_themselves_when_they_close(outcomes: dict[str, Outcome]) -> None:
    pairs = [pair for outcome in outcomes.values() for pair in zip(outcome.truths, outcome.rows, strict=False)]
    reasons = [row["end_reason"] for truth, row in pairs if truth.reasons == ENDED_BY_PAGE]
    assert reasons.count("page_hide") >= 0.9 * len(reasons)


def test_durations_are_right(outcomes: dict[str, Outcome]) -> None:
    print("\n" + describe_errors(outcomes))
    durations = [pair for outcome in outcomes.values() for pair in outcome.list_durations()]
    spoken = [truth.get_error(duration) for truth, duration in durations if not truth.was_cut]
    cut = [truth.get_error(duration) for truth, duration in durations if truth.was_cut]
    assert get_p95(spoken) <= 1
    assert get_p95(cut) <= HEARTBEAT + 1
