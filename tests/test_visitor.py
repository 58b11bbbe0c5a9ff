"""Devices, browsers and systems: the words that people expect, from hints first and the user agent then."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.messages import Message
from metrics.visitor import DEVICES, LONGEST_USER_AGENT, LONGEST_WORD, Visitor, read_visitor

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/"
FROZEN = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
WEBVIEW = "Mozilla/5.0 (Linux; Android 13; SM-A135F; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
IPAD = "Mozilla/5.0 (iPad; CPU OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "

TABLE = [
    (WINDOWS + "Chrome/120.0.0.0 Safari/537.36", "desktop", "Chrome 120", "Windows 10/11"),
    (WINDOWS + "Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0", "desktop", "Edge 120", "Windows 10/11"),
    (WINDOWS + "Chrome/120.0.0.0 Safari/537.36 OPR/106.0.0.0", "desktop", "Opera 106", "Windows 10/11"),
    (WINDOWS + "Chrome/118.0.0.0 YaBrowser/23.11.0 Safari/537.36", "desktop", "Yandex Browser 23", "Windows 10/11"),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
        "desktop",
        "Firefox 133",
        "Windows 10/11",
    ),
    ("Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", "desktop", "Internet Explorer 11", "Windows 7"),
    ("Mozilla/5.0 (Windows NT 6.3; rv:52.0) Gecko/20100101 Firefox/52.0", "desktop", "Firefox 52", "Windows 8.1"),
    (MAC + "605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15", "desktop", "Safari 17", "macOS"),
    (MAC + "537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36", "desktop", "Chrome 120", "macOS"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "desktop", "Firefox 133", "Linux"),
    (
        "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
        "desktop",
        "Firefox 133",
        "Linux",
    ),
    (
        "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
        "Safari/537.36",
        "desktop",
        "Chrome 120",
        "Chrome OS",
    ),
    (FROZEN + "Chrome/120.0.0.0 Mobile Safari/537.36", "mobile", "Chrome 120", "Android"),
    (FROZEN + "Chrome/120.0.0.0 Safari/537.36", "tablet", "Chrome 120", "Android"),
    (
        "Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile "
        "Safari/537.36",
        "mobile",
        "Chrome 120",
        "Android 14",
    ),
    (FROZEN + "SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36", "mobile", "Samsung Internet 23", "Android"),
    (FROZEN + "Chrome/119.0.0.0 Mobile Safari/537.36 OPR/79.0", "mobile", "Opera 79", "Android"),
    (
        "Opera/9.80 (Android; Opera Mini/88.0.2254/191.361; U; en) Presto/2.12.423 Version/12.16",
        "mobile",
        "Opera Mini 88",
        "Android",
    ),
    (
        "Mozilla/5.0 (Linux; U; Android 10; en-US; RMX2030) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
        "Chrome/100.0.4896.58 UCBrowser/13.4.0.1306 Mobile Safari/537.36",
        "mobile",
        "UC Browser 13",
        "Android 10",
    ),
    (
        "Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
        "mobile",
        "KaiOS Browser 48",
        "KaiOS 2.5",
    ),
    ("Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0", "mobile", "Firefox 133", "Android 14"),
    ("Mozilla/5.0 (Android 14; Tablet; rv:133.0) Gecko/133.0 Firefox/133.0", "tablet", "Firefox 133", "Android 14"),
    (WEBVIEW + "Chrome/120.0.0.0 Mobile Safari/537.36", "mobile", "Android WebView 120", "Android 13"),
    (
        WEBVIEW + "Chrome/120.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/520.0.0.4;]",
        "mobile",
        "Facebook 520",
        "Android 13",
    ),
    (
        WEBVIEW + "Chrome/108.0 Mobile Safari/537.36 musical_ly_2022803040 BytedanceWebview/d8",
        "mobile",
        "TikTok",
        "Android 13",
    ),
    (IPHONE + "Mobile/15E148 Instagram 312.0.0.20.113 (iPhone14,5; iOS 17_2)", "mobile", "Instagram 312", "iOS 17"),
    (IPHONE + "Mobile/15E148 WhatsApp/2.24.1", "mobile", "WhatsApp 2", "iOS 17"),
    (IPHONE + "Mobile/15E148 [FBAN/FBIOS;FBAV/443.0.0.23;]", "mobile", "Facebook 443", "iOS 17"),
    (IPHONE + "Version/17.2 Mobile/15E148 Safari/604.1", "mobile", "Safari 17", "iOS 17"),
    (IPHONE + "CriOS/120.0.6099.119 Mobile/15E148 Safari/604.1", "mobile", "Chrome 120", "iOS 17"),
    (IPHONE + "FxiOS/120.0 Mobile/15E148 Safari/605.1.15", "mobile", "Firefox 120", "iOS 17"),
    (IPAD + "Version/17.1 Mobile/15E148 Safari/604.1", "tablet", "Safari 17", "iPadOS 17"),
    (
        "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV "
        "Safari/537.36",
        "unknown",
        "Safari",
        "Tizen 6",
    ),
    ("curl/8.4.0", "bot", "curl 8", ""),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot", "Googlebot 2", ""),
    (WINDOWS + "HeadlessChrome/120.0.0.0 Safari/537.36", "bot", "HeadlessChrome 120", "Windows 10/11"),
    ("WhatsApp/2.23.20.0 A", "bot", "WhatsApp 2", ""),
    ("", "unknown", "", ""),
]


def join(*words: str | None) -> str:
    return " ".join(word for word in words if word)


def look(user_agent: str = "", headers: dict[str, str] | None = None, **facts: Any) -> Visitor:
    return read_visitor({"user-agent": user_agent} | (headers or {}), Message(**facts))


@pytest.mark.parametrize(("user_agent", "device", "browser", "system"), TABLE)
def test_it_works(user_agent: str, device: str, browser: str, system: str) -> None:
    visitor = look(user_agent)
    assert visitor.device_type == device
    assert join(visitor.browser_name, visitor.browser_version) == browser
    assert join(visitor.os_name, visitor.os_version) == system
    assert visitor.is_bot == (device == "bot")


CHROME = WINDOWS + "Chrome/120.0.0.0 Safari/537.36"
BRANDS = [
    {"brand": "Not.A/Brand", "version": "99.0.0.0"},
    {"brand": "Chromium", "version": "121.0.6167.85"},
    {"brand": "Google Chrome", "version": "121.0.6167.85"},
]


@pytest.mark.parametrize(
    ("platform", "version", "system"),
    [
        ("Windows", "15.0.0", "Windows 11"),
        ("Windows", "13.0.0", "Windows 11"),
        ("Windows", "10.0.0", "Windows 10"),
        ("Windows", "1.0.0", "Windows 10"),
        ("Windows", "0.3.0", "Windows 8.1"),
        ("Windows", "", "Windows 10/11"),
        ("macOS", "14.2.1", "macOS 14"),
        ("macOS", "10.15.7", "macOS 10.15"),
        ("Android", "14.0.0", "Android 14"),
        ("Chrome OS", "16093.0.0", "Chrome OS"),
        ("Linux", "6.5.0", "Linux"),
        ("Nonsense", "1", "Windows 10/11"),
        ("Windows", "²", "Windows 10/11"),
    ],
)
def test_hints_tell_the_system_by_script_and_by_header(platform: str, version: str, system: str) -> None:
    by_script = look(CHROME, hints={"platform": platform, "platformVersion": version})
    by_header = look(
        CHROME, {"sec-ch-ua-platform": f'"{platform}"', "sec-ch-ua-platform-version": f'"{version}"', "sec-ch-ua": ""}
    )
    for visitor in (by_script, by_header):
        assert join(visitor.os_name, visitor.os_version) == system


def test_hints_tell_the_browser_without_the_brand_that_is_made_up() -> None:
    by_script = look(CHROME, hints={"fullVersionList": BRANDS})
    listed = ", ".join(f'"{one["brand"]}";v="{one["version"]}"' for one in BRANDS)
    by_header = look(CHROME, {"sec-ch-ua-full-version-list": listed})
    assert by_script.browser_version == by_header.browser_version == "121"
    assert by_script.browser_name == by_header.browser_name == "Chrome"


def test_what_the_page_says_comes_before_what_the_headers_say() -> None:
    headers = {"sec-ch-ua-platform": '"Windows"', "sec-ch-ua-platform-version": '"10.0.0"'}
    assert look(CHROME, headers, hints={"platform": "Windows", "platformVersion": "15.0.0"}).os_version == "11"


def test_a_mac_that_is_touched_is_an_ipad() -> None:
    mac = MAC + "605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15"
    assert (look(mac, touch=5).device_type, look(mac, touch=5).os_name) == ("tablet", "iPadOS")
    assert (look(mac, touch=0).device_type, look(mac, touch=0).os_name) == ("desktop", "macOS")


def test_a_phones_app_keeps_its_name_whatever_the_brands_say() -> None:
    visitor = look(WEBVIEW + "Chrome/120.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/520.0;]", hints={"brands": BRANDS})
    assert visitor.browser_name == "Facebook"


def test_a_tablet_is_known_by_its_hint() -> None:
    tablet = look(FROZEN + "Chrome/120.0.0.0 Mobile Safari/537.36", hints={"platform": "Android", "mobile": False})
    assert tablet.device_type == "tablet"


def test_a_trackers_words_count_only_where_the_headers_say_nothing() -> None:
    words = {
        "device_type": "Mobile",
        "browser_name": "Safari",
        "browser_version": "9",
        "os_name": "iOS",
        "os_version": "9",
    }
    assert look("", **words) == Visitor("mobile", "Safari", "9", "iOS", "9", False, None)
    assert look(CHROME, **words).browser_name == "Chrome"
    assert look(CHROME, **words).device_type == "desktop"
    assert read_visitor({}, Message(user_agent=CHROME)).browser_name == "Chrome"
    assert look("", device_type="bot").device_type == "unknown"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
NAMES = st.sampled_from(["platform", "platformVersion", "mobile", "brands", "fullVersionList", "model"])
HEADERS = st.sampled_from(
    ["user-agent", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-ch-ua-platform-version"]
)


@given(
    headers=st.dictionaries(HEADERS, st.text(max_size=800)),
    hints=st.none() | st.dictionaries(NAMES, JSON),
    word=st.none() | st.text(max_size=300),
    touch=st.none() | st.integers(),
)
def test_nothing_raises_and_everything_is_bounded(
    headers: dict[str, str], hints: dict[str, Any] | None, word: str | None, touch: int | None
) -> None:
    visitor = read_visitor(
        headers, Message(hints=hints, touch=touch, browser_name=word, os_name=word, os_version=word, device_type=word)
    )
    assert visitor.device_type in DEVICES
    words = (visitor.browser_name, visitor.browser_version, visitor.os_name, visitor.os_version)
    assert all(text is None or (0 < len(text) <= LONGEST_WORD and "\0" not in text) for text in words)
    assert len(visitor.user_agent or "") <= LONGEST_USER_AGENT
    assert "\0" not in (visitor.user_agent or "")
