"""What the visitor holds in their hands: device, browser and system, from client hints first, then the user agent.

Browsers freeze most of their user agent; what they tell when asked (https://wicg.github.io/ua-client-hints/) is newer.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Protocol

from ua_parser import Domain
from ua_parser.basic import Resolver
from ua_parser.loaders import load_lazy_builtins

from metrics.bots import is_bot

# Asked of browsers that tell more about themselves when asked; the tracker asks the same by script.
CLIENT_HINTS = "Sec-CH-UA-Platform-Version, Sec-CH-UA-Model, Sec-CH-UA-Full-Version-List"
LONGEST_USER_AGENT = 512
LONGEST_WORD = 64
DEVICES = ("desktop", "mobile", "tablet", "bot", "unknown")

# A browser inside an app is the app's: the names that ua-parser does not know, or knows by another word.
APPS = (
    (re.compile(r"(?:musical_ly|trill|TikTok|BytedanceWebview)"), "TikTok"),
    (re.compile(r"WhatsApp(?:/(\d+))?"), "WhatsApp"),
    (re.compile(r"Instagram(?: (\d+))?"), "Instagram"),
    (re.compile(r"FBAV/(\d+)"), "Facebook"),
    (re.compile(r"FBAN|FB_IAB|FBIOS"), "Facebook"),
    (re.compile(r"UC ?Browser/?(\d+)?"), "UC Browser"),
    (re.compile(r"Opera Mini/(\d+)?|OPiOS/(\d+)"), "Opera Mini"),
    (re.compile(r"SamsungBrowser/(\d+)"), "Samsung Internet"),
    (re.compile(r"Firefox/(\d+)\S* KAIOS"), "KaiOS Browser"),
    (re.compile(r"DuckDuckGo/(\d+)|Ddg/(\d+)"), "DuckDuckGo"),
    (re.compile(r"YaBrowser/(\d+)"), "Yandex Browser"),
    (re.compile(r"OPR/(\d+)"), "Opera"),
)
FAMILIES = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Android WebView",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Edge Mobile": "Edge",
    "Edge iOS": "Edge",
    "Opera Mobile": "Opera",
    "Opera Touch": "Opera",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
}
BRANDS = {
    "Google Chrome": "Chrome",
    "Microsoft Edge": "Edge",
    "Opera": "Opera",
    "Opera Mobile": "Opera",
    "Opera GX": "Opera",
    "Brave": "Brave",
    "Vivaldi": "Vivaldi",
    "Samsung Internet": "Samsung Internet",
    "YaBrowser": "Yandex Browser",
    "Yandex": "Yandex Browser",
    "DuckDuckGo": "DuckDuckGo",
    "Android WebView": "Android WebView",
    "HuaweiBrowser": "Huawei Browser",
}
PLATFORMS = {
    "Windows": "Windows",
    "macOS": "macOS",
    "Android": "Android",
    "Chrome OS": "Chrome OS",
    "Chromium OS": "Chrome OS",
    "Linux": "Linux",
    "iOS": "iOS",
}
SYSTEMS = {"Mac OS X": "macOS", "iOS": "iOS", "Android": "Android", "Chrome OS": "Chrome OS", "KaiOS": "KaiOS"}
LINUXES = {"Linux", "Ubuntu", "Fedora", "Debian", "Red Hat", "CentOS", "SUSE", "Linux Mint", "Arch Linux", "Gentoo"}
# ua-parser's words for a system that it does not know.
NOTHING = {"Other", None}
OLD_WINDOWS = {"0.1": "7", "0.2": "8", "0.3": "8.1"}
FROZEN = re.compile(r"Android 10; K\)")
TELEVISION = re.compile(
    r"Smart-?TV|Tizen.+TV|Web0S|webOS\.TV|AppleTV|GoogleTV|HbbTV|BRAVIA|\bAFT[A-Z]|Roku|CrKey|Android TV", re.IGNORECASE
)
PHONE = re.compile(
    r"iPhone|iPod|Windows Phone|KAIOS|J2ME|MIDP|Opera Mini|Opera Mobi|BlackBerry|BB10|Nokia|Symbian|IEMobile|\(Mobile;",
    re.IGNORECASE,
)
TABLET = re.compile(r"iPad|Tablet|Kindle|Silk(?!.*Mobile)|PlayBook", re.IGNORECASE)
DESKTOP = re.compile(r"Windows NT|Macintosh|X11|CrOS|Linux x86_64|Windows 9")
BRAND = re.compile(r'"([^"]{1,64})"\s*;\s*v="([\d.]{1,32})"')


class Facts(Protocol):
    """What the beacon says of the browser; any of it may be missing, and `hints` may hold anything."""

    touch: int | None
    hints: dict[str, Any] | None
    device_type: str | None
    os_name: str | None
    os_version: str | None
    browser_name: str | None
    browser_version: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class Visitor:
    """Words for people: families, the browser's major version, the system's version; None where nobody says."""

    device_type: str
    browser_name: str | None
    browser_version: str | None
    os_name: str | None
    os_version: str | None
    is_bot: bool
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class Hints:
    """Client hints, wherever they came from."""

    platform: str | None = None
    platform_version: str = ""
    is_mobile: bool | None = None
    browser: tuple[str, str] | None = None


def read_visitor(headers: Mapping[str, str], facts: Facts) -> Visitor:
    """The request's own headers decide; a tracker's words count only where the headers say nothing. Never raises."""
    seen = headers.get("user-agent", "")
    user_agent = (seen or facts.user_agent or "").replace("\0", "")[:LONGEST_USER_AGENT]
    browser, version, system, system_version, device, program = read_user_agent(user_agent)
    hints = _read_hints(facts.hints) if facts.hints else _read_hint_headers(headers)
    if hints.browser and browser in (None, "Chrome", "Edge", "Opera", "Android WebView"):
        browser, version = hints.browser
    if hints.platform and system not in ("iOS", "KaiOS"):
        system, system_version = hints.platform, _name_version(hints, system_version)
    if hints.is_mobile is not None and device in ("unknown", "desktop", "mobile", "tablet") and system == "Android":
        device = "mobile" if hints.is_mobile else "tablet"
    if system == "macOS" and (facts.touch or 0) > 1:
        # iPads ask for the desktop's pages by default; no Mac has a touch screen.
        system, system_version, device = "iPadOS", None, "tablet"
    if not seen:
        device, browser, version, system, system_version = _fill_in(
            facts, device, browser, version, system, system_version
        )
    return Visitor(
        device_type="bot" if program else device,
        browser_name=browser,
        browser_version=version,
        os_name=system,
        os_version=system_version,
        is_bot=program,
        user_agent=user_agent or None,
    )


@lru_cache(maxsize=2048)
def read_user_agent(text: str) -> tuple[str | None, str | None, str | None, str | None, str, bool]:
    """Browser and version, system and version, device, and whether it is a program."""
    found = _parser()(text, Domain.USER_AGENT | Domain.OS)
    browser = version = system = system_version = None
    if found.user_agent and found.user_agent.family not in NOTHING:
        browser = FAMILIES.get(found.user_agent.family, found.user_agent.family)[:LONGEST_WORD]
        version = found.user_agent.major
    for mark, name in APPS:
        app = mark.search(text)
        if app:
            browser, version = name, next((group for group in app.groups() if group), None)
            break
    if found.os and found.os.family not in NOTHING:
        system, system_version = _name_system(text, found.os.family, found.os.major, found.os.minor)
    return browser, version, system, system_version, _name_device(text), is_bot(text)


@cache
def _parser() -> Resolver:
    # Without the patterns of device models, which nobody asks for, and in Python: the library's Rust engine answers in
    # 13 instead of 520 us, but holds 11 MB more, and a shop sees the same few thousand user agents again and again.
    browsers, systems, _ = load_lazy_builtins()
    return Resolver((browsers, systems, []))


def _name_system(text: str, family: str, major: str | None, minor: str | None) -> tuple[str, str | None]:
    if family == "Windows":
        # 10 and 11 say the same of themselves.
        return family, "10/11" if major == "10" else f"{major}.{minor}" if major == "8" and minor else major
    if family in LINUXES:
        return "Linux", None
    name = SYSTEMS.get(family, family)[:LONGEST_WORD]
    if name == "iOS" and "iPad" in text:
        return "iPadOS", major
    if name in ("macOS", "Chrome OS") or FROZEN.search(text):
        # Every browser says 10.15.7, and Chrome says Android 10, whatever runs there; Chrome OS counts its builds.
        return name, None
    if name == "KaiOS" and minor:
        return name, f"{major}.{minor}"
    return name, major


def _name_device(text: str) -> str:
    if TELEVISION.search(text):
        return "unknown"
    if TABLET.search(text):
        return "tablet"
    if PHONE.search(text):
        return "mobile"
    if "Android" in text:
        return "mobile" if "Mobile" in text else "tablet"
    return "desktop" if DESKTOP.search(text) else "unknown"


def _name_version(hints: Hints, known: str | None) -> str | None:
    major, _, rest = hints.platform_version.partition(".")
    if not (major.isascii() and major.isdecimal()):
        return None if hints.platform in ("Linux", "Chrome OS") else known
    if hints.platform == "Windows":
        # https://learn.microsoft.com/microsoft-edge/web-platform/how-to-detect-win11
        if int(major) >= 13:
            return "11"
        return "10" if int(major) else OLD_WINDOWS.get(f"0.{rest[:1]}")
    if hints.platform == "macOS" and major == "10":
        return f"10.{rest.partition('.')[0][:4]}"
    return major if hints.platform in ("Android", "macOS", "iOS") else None


def _read_hints(hints: Mapping[str, Any]) -> Hints:
    """From navigator.userAgentData.getHighEntropyValues, as a browser sends it or as somebody made it up."""
    brands = hints.get("fullVersionList") or hints.get("brands")
    pairs: list[tuple[str, str]] = []
    if isinstance(brands, list):
        for brand in brands[:10]:
            if isinstance(brand, dict):
                pairs.append((_word(brand.get("brand")), _word(brand.get("version"))))
    mobile = hints.get("mobile")
    return Hints(
        platform=PLATFORMS.get(_word(hints.get("platform"))),
        platform_version=_word(hints.get("platformVersion")),
        is_mobile=mobile if isinstance(mobile, bool) else None,
        browser=_choose_brand(pairs),
    )


def _read_hint_headers(headers: Mapping[str, str]) -> Hints:
    brands = headers.get("sec-ch-ua-full-version-list") or headers.get("sec-ch-ua")
    if brands is None and "sec-ch-ua-platform" not in headers:
        return Hints()
    return _parse_hint_headers(
        (brands or "")[:512],
        headers.get("sec-ch-ua-platform", "")[:LONGEST_WORD],
        headers.get("sec-ch-ua-platform-version", "")[:LONGEST_WORD],
        headers.get("sec-ch-ua-mobile", ""),
    )


@lru_cache(maxsize=1024)
def _parse_hint_headers(brands: str, platform: str, platform_version: str, mobile: str) -> Hints:
    return Hints(
        platform=PLATFORMS.get(platform.strip('" ')),
        platform_version=platform_version.strip('" '),
        is_mobile={"?1": True, "?0": False}.get(mobile),
        browser=_choose_brand(BRAND.findall(brands)),
    )


def _choose_brand(pairs: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The one that is neither made up to keep servers honest nor the engine's; only brands that are known."""
    for brand, version in pairs:
        major = version.partition(".")[0]
        if brand in BRANDS and major.isascii() and major.isdecimal() and len(major) <= 4:
            return BRANDS[brand], major
    return None


def _fill_in(
    facts: Facts, device: str, *known: str | None
) -> tuple[str, str | None, str | None, str | None, str | None]:
    words = (facts.browser_name, facts.browser_version, facts.os_name, facts.os_version)
    browser, version, system, system_version = (
        value or _word(word) or None for value, word in zip(known, words, strict=True)
    )
    claimed = _word(facts.device_type).lower()
    if device == "unknown" and claimed in DEVICES and claimed != "bot":
        device = claimed
    return device, browser, version, system, system_version


def _word(value: object) -> str:
    return value.replace("\0", "")[:LONGEST_WORD] if isinstance(value, str) else ""
