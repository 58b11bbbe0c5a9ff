"""Who is no person: a maintained list of crawlers, and the marks of browsers that nobody looks at."""

import re
from functools import cache

# What drives a browser without a person before it; the crawler list knows crawlers only.
AUTOMATED = re.compile(
    r"HeadlessChrome|PhantomJS|SlimerJS|Puppeteer|Playwright|Selenium|WebDriver|Cypress|Lighthouse|jsdom|HtmlUnit",
    re.IGNORECASE,
)
# People's browsers inside an app whose bare name is also its link preview's.
IN_APP = re.compile(
    r"\b(?:WhatsApp|Instagram|FBA[NV]|FB_IAB|FBIOS|musical_ly|BytedanceWebview|TikTok|trill|Snapchat|Pinterest|Twitter"
    r"|Telegram-Android|Line|KAKAOTALK|GSA)\b\S*",
)


# No browser says where its home page is, or that it is compatible, since Internet Explorer.
SELF_INTRODUCED = re.compile(r"https?:|www\.|\(compatible;(?! ?(?:MSIE|Konqueror))", re.IGNORECASE)
# Every browser begins with one of these words; phones from before them name what they run.
BROWSER = re.compile(r"Mozilla/\d|Opera/\d|UCWEB|JUC|.*(?:MIDP|UP\.Browser|UCBrowser|Profile/)", re.IGNORECASE)


def is_bot(user_agent: str) -> bool:
    """Whether a program sent this user agent; False for an empty one, which says nothing."""
    if not user_agent.strip():
        return False
    if AUTOMATED.search(user_agent) or SELF_INTRODUCED.search(user_agent) or not BROWSER.match(user_agent):
        return True
    known, usual = _compile()
    if "AppleWebKit" in user_agent:
        user_agent = IN_APP.sub("", user_agent)
    return known.search(usual.sub("", user_agent)) is not None


@cache
def _compile() -> tuple[re.Pattern[str], re.Pattern[str]]:
    # The library's lists without its class, which remembers the last request in itself.
    from crawlerdetect.providers.crawlers import data as crawlers
    from crawlerdetect.providers.exclusions import data as exclusions

    return re.compile("|".join(crawlers), re.IGNORECASE), re.compile("|".join(exclusions), re.IGNORECASE)
