"""The demo shop's sessions: phones first, evenings busier, guests, bots, some active now and some never ended."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from math import exp
from random import Random
from statistics import NormalDist
from zoneinfo import ZoneInfo

from metrics.demo_people import CITIES, MONTHS_18, Crowd, FormatAge

LOCAL = ZoneInfo("Africa/Dar_es_Salaam")
HOUR = 3_600.0
# How busy each hour of the local day is, and each day from Monday on.
HOURS = (3, 2, 1, 1, 1, 2, 5, 8, 10, 11, 11, 12, 14, 13, 11, 11, 12, 14, 17, 21, 23, 20, 13, 7)
DAYS = (10, 10, 10, 11, 13, 15, 12)

ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
ANDROID_OLD = "Mozilla/5.0 (Linux; U; Android 10; en-US; TECNO KC8) AppleWebKit/537.36 (KHTML, like Gecko) "
ANDROID_APP = "Mozilla/5.0 (Linux; Android 13; SM-A155F; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
MAC_SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS {ios} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
IPAD = "Mozilla/5.0 (iPad; CPU OS {ios} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
NONE = r"\N"

# weight, device, browser, its version, system, its version, user agent. Chromium tells the system's version by hints;
# Firefox and Safari do not, so that Windows stays 10/11 and macOS has no version.
PROFILES = (
    (17, "mobile", "Chrome", "{new}", "Android", "14", ANDROID + "Chrome/{new}.0.0.0 Mobile Safari/537.36"),
    (10, "mobile", "Chrome", "{last}", "Android", "13", ANDROID + "Chrome/{last}.0.0.0 Mobile Safari/537.36"),
    (6, "mobile", "Chrome", "{old}", "Android", "12", ANDROID + "Chrome/{old}.0.0.0 Mobile Safari/537.36"),
    (5, "mobile", "Chrome", "120", "Android", "11", ANDROID + "Chrome/120.0.0.0 Mobile Safari/537.36"),
    (
        8,
        "mobile",
        "Samsung Internet",
        "28",
        "Android",
        "14",
        ANDROID + "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    ),
    (
        7,
        "mobile",
        "Opera Mini",
        "88",
        "Android",
        NONE,
        "Opera/9.80 (Android; Opera Mini/88.0.2254/191.361; U; en) Presto/2.12.423 Version/12.16",
    ),
    (
        4,
        "mobile",
        "UC Browser",
        "13",
        "Android",
        "10",
        ANDROID_OLD + "Version/4.0 Chrome/100.0.4896.58 UCBrowser/13.4.0.1306 Mobile Safari/537.36",
    ),
    (
        3,
        "mobile",
        "Facebook",
        "520",
        "Android",
        "13",
        ANDROID_APP + "Version/4.0 Chrome/{last}.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/520.0.0.41.99;]",
    ),
    (7, "mobile", "Safari", "{safari}", "iOS", "{safari}", IPHONE + "Version/{safari}.0 Mobile/15E148 Safari/604.1"),
    (2, "mobile", "Chrome", "{new}", "iOS", "{safari}", IPHONE + "CriOS/{new}.0.0.0 Mobile/15E148 Safari/604.1"),
    (
        1,
        "mobile",
        "KaiOS Browser",
        "48",
        "KaiOS",
        "2.5",
        "Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
    ),
    (2, "tablet", "Safari", "{safari}", "iPadOS", "{safari}", IPAD + "Version/{safari}.0 Mobile/15E148 Safari/604.1"),
    (2, "tablet", "Chrome", "{last}", "Android", "13", ANDROID + "Chrome/{last}.0.0.0 Safari/537.36"),
    (9, "desktop", "Chrome", "{new}", "Windows", "11", WINDOWS + "Chrome/{new}.0.0.0 Safari/537.36"),
    (6, "desktop", "Chrome", "{last}", "Windows", "10", WINDOWS + "Chrome/{last}.0.0.0 Safari/537.36"),
    (4, "desktop", "Edge", "{new}", "Windows", "11", WINDOWS + "Chrome/{new}.0.0.0 Safari/537.36 Edg/{new}.0.0.0"),
    (
        3,
        "desktop",
        "Firefox",
        "{firefox}",
        "Windows",
        "10/11",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{firefox}.0) Gecko/20100101 Firefox/{firefox}.0",
    ),
    (1, "desktop", "Chrome", "{new}", "macOS", "15", MAC + "Chrome/{new}.0.0.0 Safari/537.36"),
    (1, "desktop", "Safari", "{safari}", "macOS", NONE, MAC_SAFARI + "Version/{safari}.0 Safari/605.1.15"),
    (
        1,
        "desktop",
        "Firefox",
        "{firefox}",
        "Linux",
        NONE,
        "Mozilla/5.0 (X11; Linux x86_64; rv:{firefox}.0) Gecko/20100101 Firefox/{firefox}.0",
    ),
)
BOTS = (
    ("Googlebot", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    ("bingbot", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
    ("AhrefsBot", "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"),
    ("facebookexternalhit", "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"),
    ("UptimeRobot", "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)"),
)


def spread(*weighted: tuple[int, str]) -> tuple[str, ...]:
    """Each text as often as its weight: a random place in the result chooses by weight, and fast."""
    return tuple(text for weight, text in weighted for _ in range(weight))


# Only who signed in signs out; a guest who signs in ends the guest's session by `user_switch`.
CUSTOMER_REASONS = spread(
    (590, "page_hide"), (160, "timeout"), (150, "sign_out"), (59, "gone"), (25, "reported"), (15, "lost"), (1, "cap")
)
GUEST_REASONS = spread(
    (640, "page_hide"), (180, "timeout"), (70, "user_switch"), (69, "gone"), (25, "reported"), (15, "lost"), (1, "cap")
)
PAGES = spread(
    (24, "/"),
    (9, "/phones"),
    (8, "/phones/samsung-a15"),
    (4, "/laptops"),
    (5, "/accessories"),
    (5, "/services"),
    (4, "/services/repair"),
    (5, "/offers"),
)
REFERRERS = spread(
    (25, NONE),
    (17, "https://www.google.com/"),
    (9, "https://www.facebook.com/"),
    (7, "https://l.instagram.com/"),
    (6, "https://wa.me/"),
)
PLACES = tuple(place for place, (*_, weight) in enumerate(CITIES) for _ in range(weight))
NETWORKS = ("196.249", "41.59", "41.222", "102.213", "197.250", "154.74", "196.249", "41.75")
# Long-tailed: six minutes in the middle, eleven on average, a few of no length at all.
DURATIONS = (
    *(0.0,) * 31,
    *(min(exp(NormalDist(5.9, 1.1).inv_cdf((step + 0.5) / 993)), 5 * HOUR) for step in range(993)),
)
SPREAD = tuple(index for index, profile in enumerate(PROFILES) for _ in range(profile[0]))

GUESTS, ROBOTS, STALE = 0.22, 0.04, 4
CHROME_142 = datetime(2025, 10, 28, tzinfo=UTC).timestamp() * 1_000
FOUR_WEEKS = 28 * 86_400 * 1_000.0


def list_hours(now: datetime, count: int) -> Iterator[tuple[float, int]]:
    """Every hour of the 18 months as (seconds before now at its begin, how many things happen in it), oldest first.

    The counts add up to `count`; the shop grows, evenings and Saturdays are busier.
    """
    hours = int(MONTHS_18 // HOUR)
    first = now.timestamp() - hours * HOUR
    weights: list[float] = []
    for hour in range(hours):
        local = datetime.fromtimestamp(first + hour * HOUR, tz=LOCAL)
        weights.append(HOURS[local.hour] * DAYS[local.weekday()] * (0.25 + hour / hours))
    total = sum(weights)
    reached, given = 0.0, 0
    for hour, weight in enumerate(weights):
        reached += weight
        upto = round(count * reached / total)
        yield (hours - hour) * HOUR, upto - given
        given = upto


def list_ages(rng: Random, now: datetime, count: int) -> Iterator[float]:
    """`count` moments as seconds before now, oldest first."""
    for begin, within in list_hours(now, count):
        yield from sorted((begin - rng.random() * HOUR for _ in range(within)), reverse=True)


@lru_cache
def list_profiles(release: int) -> list[str]:
    """The columns of every profile as COPY reads them, in the time of that release of Chrome, one every four weeks."""
    safari, ios = ("18", "18_5") if release < 141 else ("26", "18_6")
    versions = {"new": release, "last": release - 1, "old": release - 4, "firefox": release + 3}
    return ["\t".join(columns).format(safari=safari, ios=ios, **versions) for _, *columns in PROFILES]


def list_sessions(rng: Random, crowd: Crowd, now: datetime, count: int) -> Iterator[str]:
    """One line of COPY text a session, oldest start first, but for the last few, which are active at `now`."""
    format_age = FormatAge(now)
    active = min(count, max(8, count // 4_000))
    for age in list_ages(rng, now, count - active):
        chance = rng.random()
        if chance < ROBOTS:
            yield write_bot(rng, format_age, age)
        else:
            number = None if chance < ROBOTS + GUESTS else crowd.choose(rng, crowd.visits, age)
            yield write_session(rng, crowd, format_age, age, number)
    for _ in range(active):
        age = 60 + rng.random() * 1_500
        number = None if rng.random() < GUESTS else crowd.choose(rng, crowd.visits, age)
        yield write_session(rng, crowd, format_age, age, number, is_active=True)


def write_session(
    rng: Random, crowd: Crowd, format_age: FormatAge, age: float, number: int | None, *, is_active: bool = False
) -> str:
    """A person's session; `number` None is a guest."""
    # One draw, a few bits of it for each choice: this runs twenty million times.
    bits = rng.getrandbits(64)
    user_id = NONE if number is None else crowd.ids[number]
    # Most people have one device and live in one place; one session in six is on another one, one in 16 elsewhere.
    device = number * 7_919 if number is not None and bits % 6 else bits >> 4
    place = crowd.places[number] if number is not None and bits >> 16 & 15 else PLACES[(bits >> 20) % len(PLACES)]
    city, country, _ = CITIES[place]
    if not bits >> 8 & 15:
        city = NONE
        country = country if bits & 4 else NONE
    reasons = GUEST_REASONS if number is None else CUSTOMER_REASONS
    reason = reasons[(bits >> 28) % len(reasons)]
    seconds = DURATIONS[bits >> 38 & 1_023] * (0.95 + 0.1 * rng.random())
    if reason == "cap":
        seconds = 24 * HOUR
    if is_active or seconds >= age:
        # Still here.
        alive, reason, ended = rng.random() * min(age, 240), NONE, NONE
    elif (bits >> 48) % 1_000 < STALE:
        # Lost sight of, and never ended.
        alive, reason, ended = age - seconds, NONE, NONE
    else:
        alive = age - seconds
        ended = format_age(alive)
    raw = rng.randbytes(32)
    noise = raw.hex()
    address = f"{NETWORKS[bits >> 56 & 7]}.{raw[26]}.0" if bits & 31 << 59 else f"2c0f:fe38:{noise[52:56]}::"
    milliseconds = format_age.get_milliseconds(age)
    release = 142 + int((milliseconds - CHROME_142) // FOUR_WEEKS)
    return (
        f"{milliseconds:012x}7{noise[32:35]}{'89ab'[bits >> 54 & 3]}{noise[35:50]}\t{user_id}\t{noise[:32]}\t"
        f"{format_age(age)}\t{format_age(alive)}\t{ended}\t{reason}\t"
        f"{list_profiles(release)[SPREAD[device % len(SPREAD)]]}\t{address}\t{country}\t{city}\t"
        f"{PAGES[raw[28] & 63]}\t{REFERRERS[raw[29] & 63]}\tf\n"
    )


def write_bot(rng: Random, format_age: FormatAge, age: float) -> str:
    """A bot's session: a few seconds, from abroad."""
    name, agent = rng.choice(BOTS)
    alive = max(0.0, age - rng.random() * 5)
    raw = rng.randbytes(32)
    noise = raw.hex()
    return (
        f"{format_age.get_milliseconds(age):012x}7{noise[32:35]}a{noise[35:50]}\t{NONE}\t{noise[:32]}\t"
        f"{format_age(age)}\t{format_age(alive)}\t{format_age(alive)}\ttimeout\t"
        f"bot\t{name}\t{NONE}\t{NONE}\t{NONE}\t{agent}\t66.249.{raw[26]}.0\tUnited States\t{NONE}\t"
        f"{PAGES[raw[28] & 63]}\t{NONE}\tt\n"
    )
