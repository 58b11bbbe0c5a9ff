"""Bots: held against public lists of crawlers and of real browsers that nothing here was tuned on."""

import json
from pathlib import Path

import crawleruseragents
import fake_useragent
import pytest

from metrics.bots import is_bot

CRAWLERS = Path(crawleruseragents.__file__).with_name("crawler-user-agents.json")
BROWSERS = Path(fake_useragent.__file__).parent / "data" / "browsers.jsonl"


def test_it_knows_95_of_100_crawlers() -> None:
    crawlers = [text for crawler in json.loads(CRAWLERS.read_text()) for text in crawler.get("instances", [])]
    assert len(crawlers) > 2_000
    known = sum(map(is_bot, crawlers))
    assert known / len(crawlers) >= 0.95


def test_it_calls_less_than_one_in_200_real_browsers_a_bot() -> None:
    browsers = {json.loads(line)["useragent"] for line in BROWSERS.read_text().splitlines()}
    assert len(browsers) > 800
    called = sum(map(is_bot, browsers))
    assert called / len(browsers) <= 0.005


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
        "python-requests/2.31.0",
        "Mozilla/5.0 (compatible; SomethingNew/1.0)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; +https://example.com/about) Chrome/120.0 Safari/537.36",
    ],
)
def test_programs_are_bots(user_agent: str) -> None:
    assert is_bot(user_agent)


@pytest.mark.parametrize("user_agent", ["", "  "])
def test_nothing_says_nothing(user_agent: str) -> None:
    assert not is_bot(user_agent)
