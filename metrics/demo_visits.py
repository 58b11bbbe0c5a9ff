"""The demo shop's sessions: phones first, evenings busier, guests, bots, some active now and some never ended."""

from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate
from random import Random
from zoneinfo import ZoneInfo

from metrics.demo_people import CITIES, MONTHS_18, Crowd, FormatAge

LOCAL = ZoneInfo("Africa/Dar_es_Salaam")
HOUR = 3_600.0
# How busy each hour of the local day is, and each day from Monday on.
HOURS = (3, 2, 1, 1, 1, 2, 5, 8, 10, 11, 11, 12, 14, 13, 11, 11, 12, 14, 17, 21, 23, 20, 13, 7)
DAYS = (10, 10, 10, 11, 13, 15, 12)

ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
IPAD = "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "

# weight, device, browser, its version, system, its version, user agent
PROFILES = (
    (17, "mobile", "Chrome", "142", "Android", "14", ANDROID + "Chrome/142.0.0.0 Mobile Safari/537.36"),
    (10, "mobile", "Chrome", "141", "Android", "13", ANDROID + "Chrome/141.0.0.0 Mobile Safari/537.36"),
    (6, "mobile", "Chrome", "138", "Android", "12", ANDROID + "Chrome/138.0.0.0 Mobile Safari/537.36"),
    (5, "mobile", "Chrome", "120", "Android", "11", ANDROID + "Chrome/120.0.0.0 Mobile Safari/537.36"),
    (8, "mobile", "Samsung Internet", "28", "Android", "14", ANDROID + "SamsungBrowser/28.0 Mobile Safari/537.36"),
    (
        7,
        "mobile",
        "Opera Mini",
        "88",
        "Android",
        "11",
        "Opera/9.80 (Android; Opera Mini/88.0/191.0; U; en) Presto/2.12",
    ),
    (4, "mobile", "UC Browser", "13", "Android", "10", ANDROID + "UCBrowser/13.4 Mobile Safari/537.36"),
    (3, "mobile", "Facebook", "520", "Android", "13", ANDROID + "Version/4.0 Chrome/141.0.0.0 Mobile [FBAV/520.0]"),
    (7, "mobile", "Safari", "18", "iOS", "18", IPHONE + "Version/18.5 Mobile/15E148 Safari/604.1"),
    (2, "mobile", "Chrome", "142", "iOS", "18", IPHONE + "CriOS/142.0.0.0 Mobile/15E148 Safari/604.1"),
    (
        1,
        "mobile",
        "KaiOS Browser",
        "48",
        "KaiOS",
        "3",
        "Mozilla/5.0 (Mobile; Nokia 8110; rv:48.0) Gecko/48.0 KAIOS/3.1",
    ),
    (2, "tablet", "Safari", "18", "iPadOS", "18", IPAD + "Version/18.5 Mobile/15E148 Safari/604.1"),
    (2, "tablet", "Chrome", "141", "Android", "13", ANDROID + "Chrome/141.0.0.0 Safari/537.36"),
    (9, "desktop", "Chrome", "142", "Windows", "11", WINDOWS + "Chrome/142.0.0.0 Safari/537.36"),
    (6, "desktop", "Chrome", "141", "Windows", "10", WINDOWS + "Chrome/141.0.0.0 Safari/537.36"),
    (4, "desktop", "Edge", "142", "Windows", "11", WINDOWS + "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"),
    (
        3,
        "desktop",
        "Firefox",
        "145",
        "Windows",
        "10/11",
        "Mozilla/5.0 (Windows NT 10.0; rv:145.0) Gecko/20100101 Firefox/145.0",
    ),
    (2, "desktop", "Safari", "18", "macOS", "15", MAC + "Version/18.5 Safari/605.1.15"),
    (
        1,
        "desktop",
        "Firefox",
        "145",
        "Linux",
        r"\N",
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    ),
)
BOTS = ("Googlebot", "bingbot", "AhrefsBot", "GPTBot", "facebookexternalhit", "UptimeRobot")
REASONS = ("page_hide", "sign_out", "gone", "timeout", "user_switch", "reported", "lost", "cap")
REASON_WEIGHTS = tuple(accumulate((58, 14, 6, 15, 2, 3, 1.5, 0.5)))
PAGES = ("/", "/phones", "/phones/samsung-a15", "/laptops", "/accessories", "/services", "/services/repair", "/offers")
REFERRERS = (
    r"\N",
    "https://www.google.com/",
    "https://www.facebook.com/",
    "https://l.instagram.com/",
    "https://wa.me/",
)
NETWORKS = ("196.249", "41.59", "41.222", "102.213", "197.250", "154.74")

GUESTS, ROBOTS, STALE = 0.22, 0.04, 0.004


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


def list_sessions(rng: Random, crowd: Crowd, now: datetime, count: int) -> Iterator[str]:
    """One line of COPY text a session, oldest start first; the last few are active at `now`."""
    format_age = FormatAge(now)
    spread = [index for index, profile in enumerate(PROFILES) for _ in range(profile[0])]
    active = min(count, max(8, count // 4_000))
    ages = list_ages(rng, now, count - active)
    for position in range(count):
        is_active = position >= count - active
        age = rng.random() * 1_500 + 60 if is_active else next(ages)
        chance = rng.random()
        is_bot = chance < ROBOTS and not is_active
        number = None if chance < ROBOTS + GUESTS else crowd.choose(rng, crowd.visits, age)
        yield _write_session(rng, crowd, format_age, spread, age, number, is_bot, is_active)


def _write_session(
    rng: Random,
    crowd: Crowd,
    format_age: FormatAge,
    spread: list[int],
    age: float,
    number: int | None,
    is_bot: bool,
    is_active: bool,
) -> str:
    # Most people have one device; one session in six is on another one.
    usual = number * 7_919 if number is not None else rng.getrandbits(20)
    pick = usual if rng.random() < 0.84 else usual + 1 + rng.getrandbits(3)
    _, device, browser, version, system, system_version, agent = PROFILES[spread[pick % len(spread)]]
    seconds = 0.0 if rng.random() < 0.03 else min(rng.lognormvariate(5.9, 1.1), 5 * HOUR)
    end = age - seconds
    reason = rng.choices(REASONS, cum_weights=REASON_WEIGHTS)[0]
    if is_bot:
        device, browser, version, system, system_version = "bot", rng.choice(BOTS), r"\N", r"\N", r"\N"
        agent, end = f"Mozilla/5.0 (compatible; {browser}/2.1)", age - rng.random() * 5
    if is_active:
        alive, ended, reason = rng.random() * min(age, 240), r"\N", r"\N"
    elif end <= 0 or rng.random() < STALE:
        # Still here, or lost sight of and never ended.
        alive, ended, reason = max(end, rng.random() * min(age, 60)), r"\N", r"\N"
    else:
        alive, ended = end, format_age(end)
    if rng.random() < 0.95:
        address = f"{NETWORKS[pick % len(NETWORKS)]}.{rng.getrandbits(8)}.0"
    else:
        address = f"2c0f:fe38:{rng.getrandbits(16):x}::"
    city, country, _ = CITIES[crowd.places[number] if number is not None else pick % 8]
    if pick % 17 == 0:
        city = r"\N"
        country = country if pick % 2 else r"\N"
    row = format_age.get_milliseconds(age) << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
    return (
        f"{row:032x}\t{crowd.ids[number] if number is not None else chr(92) + 'N'}\t{rng.getrandbits(128):032x}\t"
        f"{format_age(age)}\t{format_age(alive)}\t{ended}\t{reason}\t{device}\t{browser}\t{version}\t"
        f"{system}\t{system_version}\t{agent}\t{address}\t{country}\t{city}\t{PAGES[pick % len(PAGES)]}\t"
        f"{REFERRERS[pick % len(REFERRERS)]}\t{'t' if is_bot else 'f'}\n"
    )
