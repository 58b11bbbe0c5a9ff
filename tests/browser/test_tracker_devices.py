"""What a browser says of itself when the tracker asks it reaches the row: systems that user agents hide."""

from typing import Any

import pytest

from tests.browser.visits import HEARTBEAT, Outcome, Visitor, list_scenarios, scenario

pytestmark = pytest.mark.browser

CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 {}Safari/537.36"
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Safari/605.1.15"
)
BRANDS = [("Chromium", "156"), ("Google Chrome", "156"), ("Not_A Brand", "24")]


def describe(platform: str, version: str, *, is_mobile: bool = False, model: str = "") -> dict[str, Any]:
    """The client hints of such a Chrome."""
    return {
        "brands": [{"brand": brand, "version": major} for brand, major in BRANDS],
        "fullVersionList": [{"brand": brand, "version": f"{major}.0.1.2"} for brand, major in BRANDS],
        "platform": platform,
        "platformVersion": version,
        "architecture": "",
        "model": model,
        "mobile": is_mobile,
    }


def visit_as(here: Visitor, user_agent: str, expected: tuple[str, ...], **more: Any) -> None:
    page = here.open_tab()
    page.call("Emulation.setUserAgentOverride", userAgent=user_agent, **more)
    # Across origins only the script's answers come, no header of the shop's asking.
    page.open(here.get_url(user=here.alice, endpoint=f"{here.shop.other_address}/{here.case}"))
    here.begin(here.alice, page)
    here.wait_for_rows(1)
    row = here.list_rows()[0]
    names = ("device_type", "os_name", "os_version", "browser_name", "browser_version")
    assert tuple(row[name] for name in names) == expected
    assert not row["is_bot"]
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@scenario
def a_desktop_with_windows_11(here: Visitor) -> None:
    visit_as(
        here,
        CHROME.format("Windows NT 10.0; Win64; x64", ""),
        ("desktop", "Windows", "11", "Chrome", "156"),
        userAgentMetadata=describe("Windows", "15.0.0"),
    )


@scenario
def a_desktop_with_windows_10(here: Visitor) -> None:
    visit_as(
        here,
        CHROME.format("Windows NT 10.0; Win64; x64", ""),
        ("desktop", "Windows", "10", "Chrome", "156"),
        userAgentMetadata=describe("Windows", "10.0.0"),
    )


@scenario
def a_phone_with_android_14(here: Visitor) -> None:
    visit_as(
        here,
        CHROME.format("Linux; Android 10; K", "Mobile "),
        ("mobile", "Android", "14", "Chrome", "156"),
        userAgentMetadata=describe("Android", "14.0.0", is_mobile=True, model="Infinix X6525"),
    )


@scenario
def a_tablet_that_calls_itself_a_mac(here: Visitor) -> None:
    page = here.open_tab()
    page.call("Emulation.setUserAgentOverride", userAgent=SAFARI, platform="MacIntel")
    page.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=5)
    source = "Object.defineProperty(Navigator.prototype, 'userAgentData', { get: () => undefined })"
    page.call("Page.addScriptToEvaluateOnNewDocument", source=source)
    page.open(here.get_url(user=here.alice))
    here.begin(here.alice, page)
    here.wait_for_rows(1)
    row = here.list_rows()[0]
    assert (row["device_type"], row["os_name"], row["browser_name"]) == ("tablet", "iPadOS", "Safari")
    here.stay(HEARTBEAT)
    with here.ending():
        page.close()


@pytest.mark.parametrize("visit", list_scenarios(__name__))
def test_the_rows_are_true(outcomes: dict[str, Outcome], visit: str) -> None:
    outcomes[visit].check()
