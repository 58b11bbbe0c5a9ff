"""The words of numbers and moments."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from metrics import display

NOON = datetime(2026, 11, 16, 4, 47, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("150000.00", "TZS 150,000"),
        ("0", "TZS 0"),
        ("99.5", "TZS 99.50"),
        ("99.995", "TZS 100"),
        ("-1200", "TZS -1,200"),
        ("123456789.01", "TZS 123,456,789.01"),
    ],
)
def test_it_shows_money_with_its_currency(amount, words):
    assert display.format_money(Decimal(amount), "TZS") == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("999999.49", "TZS 999,999"),
        ("1000000", "TZS 1.0M"),
        ("86450000", "TZS 86.5M"),
        ("2940000000", "TZS 2.9B"),
    ],
)
def test_it_shortens_money_for_a_card(amount, words):
    assert display.format_money_short(Decimal(amount), "TZS") == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "<1 min"),
        (59.9, "<1 min"),
        (60, "1 min"),
        (89.9, "1 min"),
        (90, "2 min"),
        (150, "3 min"),
        (900, "15 min"),
        (4500, "75 min"),
        (86400, "1,440 min"),
        (None, "-"),
    ],
)
def test_it_shows_durations_in_whole_minutes_rounded_half_up(seconds, words):
    assert display.format_duration(seconds) == words


def test_it_shows_a_dash_while_a_session_is_active():
    assert display.format_duration(900.0, is_active=True) == "-"


def test_it_shows_times_in_the_zone_of_the_shop():
    assert display.format_time(NOON, ZoneInfo("Africa/Dar_es_Salaam")) == "16 Nov 2026, 07:47"
    assert display.format_date(NOON, UTC) == "16 Nov 2026"


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=-3), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=3), "3 d ago"),
        (timedelta(days=29, hours=23), "29 d ago"),
        (timedelta(days=30), "1 mo ago"),
        (timedelta(days=364), "12 mo ago"),
        (timedelta(days=365), "1 y ago"),
    ],
)
def test_it_says_how_long_ago(age, words):
    assert display.format_ago(NOON - age, NOON) == words


def test_it_says_never_without_a_moment():
    assert display.format_ago(None, NOON) == "never"


@pytest.mark.parametrize(
    ("part", "digits", "words"),
    [
        (0.624, 0, "62%"),
        (0.625, 0, "63%"),
        (0.004, 0, "<1%"),
        (0.0, 0, "0%"),
        (1, 0, "100%"),
        (Decimal("0.9127"), 2, "91.27%"),
        (None, 0, "n/a"),
    ],
)
def test_it_shows_shares_in_percent(part, digits, words):
    assert display.format_percent(part, digits) == words


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [(1124, 1000, "12.4%"), (968, 1000, "-3.2%"), (5, 5, "0"), (5, 0, None), (0, 4, "-100.0%")],
)
def test_it_shows_a_change_against_the_period_before(now, before, words):
    assert display.format_change(now, before) == words


def test_it_counts_in_words():
    assert display.format_count(1237) == "1,237"
    assert display.format_plural(1, "order") == "1 order"
    assert display.format_plural(1237, "order") == "1,237 orders"


def test_it_names_browsers_systems_devices_and_places():
    assert display.format_browser("Chrome", "120.0.6099.43") == "Chrome 120"
    assert display.format_browser("Chrome", None) == "Chrome"
    assert display.format_browser(None, "120") == "Unknown"
    assert display.format_os("Windows", "10/11") == "Windows 10/11"
    assert display.format_os("Unknown", "4") == "Unknown"
    assert display.format_device("mobile") == "Mobile"
    assert display.format_device(None) == "Unknown"
    assert display.format_location("Arusha", "Tanzania") == "Arusha, Tanzania"
    assert display.format_location(None, "Tanzania") == "Tanzania"
    assert display.format_location("Unknown", None) == "Unknown"
