"""Visits whose truth is known: who came when and left how, held against the rows that the endpoint wrote."""

import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg

from tests.browser.devtools import Chromium, Page, ProtocolError
from tests.browser.shop import Shop, serve_shop
from tests.endpoint_server import EndpointServer, serve_endpoint, sign
from tests.server import wait_until

HEARTBEAT = 1.5
TIMEOUT = 8.0
SIDE_BY_SIDE = 6
# What a page says while it closes may be lost (sendBeacon gets out of 95 to 100 % of closing tabs): then the word that
# the browser kept for it stands.
ENDED_BY_PAGE = frozenset({"page_hide", "gone"})


@dataclass
class Truth:
    """One session as it was."""

    user: UUID | None
    # Each moment is known as between two: what was done to the browser, and when it had done it.
    began: tuple[float, float]
    ended: tuple[float, float] = (0.0, 0.0)
    reasons: frozenset[str] = ENDED_BY_PAGE
    was_cut: bool = False  # killed or offline at the end: only the last heartbeat is known

    def get_error(self, duration: float) -> float:
        """By how many seconds it is shorter than the shortest or longer than the longest that it can have been."""
        shortest, longest = self.ended[0] - self.began[1], self.ended[1] - self.began[0]
        return max(shortest - duration, duration - longest, 0.0)

    def get_distance(self, duration: float) -> float:
        """By how many seconds it differs from the middle of the two."""
        return abs(duration - (sum(self.ended) - sum(self.began)) / 2)


@dataclass
class Outcome:
    """What a visit should have left, and what it did leave."""

    truths: list[Truth]
    rows: list[dict[str, Any]] = field(default_factory=list)
    error: BaseException | None = None

    def check(self) -> None:
        """The true sessions and no other, each with its user and its way to end."""
        if self.error:
            raise self.error
        seen = [(row["user_id"], row["ended_at"] is not None, row["end_reason"]) for row in self.rows]
        assert len(seen) == len(self.truths), seen
        for (user, is_ended, reason), truth in zip(seen, self.truths, strict=True):
            assert user == truth.user, seen
            assert is_ended, seen
            assert reason in truth.reasons, seen

    def list_durations(self) -> list[tuple[Truth, float]]:
        """What was true, and the seconds that were recorded."""
        pairs = zip(self.truths, self.rows, strict=False)
        return [
            (truth, (row["ended_at"] - row["started_at"]).total_seconds()) for truth, row in pairs if row["ended_at"]
        ]


@dataclass
class Stage:
    """The endpoint, the shop in front of it, and a browser for all who do not need their own."""

    endpoint: EndpointServer
    shop: Shop
    chromium: Chromium

    def add_customer(self) -> UUID:
        user = uuid4()
        with psycopg.connect(self.endpoint.url) as connection:
            connection.execute("INSERT INTO users (id, email) VALUES (%s, %s)", (user, f"{user}@example.co.tz"))
        return user


class Visitor:
    """Somebody in a browser of their own, who notes when each of their sessions truly begins and ends."""

    def __init__(self, stage: Stage, case: str, chromium: Chromium | None = None) -> None:
        self.shop = stage.shop
        self.stage = stage
        self.case = case
        self.chromium = chromium or stage.chromium
        self.context = None if chromium else self.chromium.open_context()
        self.alice = stage.add_customer()
        self.bob = stage.add_customer()
        self.truths: list[Truth] = []
        self.pages: list[Page] = []

    def get_url(self, page: str = "home", user: UUID | str | None = "", **data: object) -> str:
        """A page for that customer; "" says that nobody is signed in, None says nothing."""
        token = sign(user) if isinstance(user, UUID) else user
        return self.shop.get_url(
            self.case, page, **({"heartbeat": HEARTBEAT, "timeout": TIMEOUT, "token": token} | data)
        )

    def open(self, page: str = "home", user: UUID | str | None = "", **data: object) -> Page:
        """A new tab with that page in front."""
        return self.open_tab(self.get_url(page, user, **data))

    def open_tab(self, address: str = "about:blank", **how: Any) -> Page:
        page = self.chromium.open_page(context=self.context, **how)
        self.pages.append(page)
        if address != "about:blank":
            page.open(address)
        return page

    def cover(self) -> str:
        """The id of another tab, which is in front from now on."""
        return self.chromium.create_target(self.context)

    def uncover(self, page: Page, cover: str) -> None:
        self.chromium.close_target(cover)
        page.bring_to_front()

    def check_pages(self) -> None:
        """Whatever happened, the shop's own page saw no exception of the tracker's."""
        thrown = [event for page in self.pages for event in page.events if event[0] == "Runtime.exceptionThrown"]
        assert thrown == []

    def begin(self, user: UUID | None, page: Page) -> None:
        """A session truly began when that page was opened."""
        self.truths.append(Truth(user, page.opened))

    @contextmanager
    def beginning(self, user: UUID | None) -> Iterator[None]:
        """A session truly begins with what is done in this block."""
        before = time.time()
        yield
        self.truths.append(Truth(user, (before, time.time())))

    @contextmanager
    def ending(self, *reasons: str, was_cut: bool = False) -> Iterator[None]:
        """The latest session truly ends with what is done in this block, for one of these reasons."""
        truth, before = self.truths[-1], time.time()
        yield
        truth.ended = before, time.time()
        truth.reasons = frozenset(reasons) or ENDED_BY_PAGE
        truth.was_cut = was_cut

    @contextmanager
    def saying_little(self, times: float = 1) -> Iterator[None]:
        """Not more than this many requests a heartbeat in this block."""
        before, since = len(self.list_requests()), time.time()
        yield
        assert len(self.list_requests()) - before <= times * (time.time() - since) / HEARTBEAT + 1

    def list_rows(self) -> list[dict[str, Any]]:
        return [row for row in self.stage.endpoint.list_sessions() if get_case(row) == self.case]

    def wait_for_rows(self, count: int) -> None:
        wait_until(lambda: len(self.list_rows()) >= count, f"{count} rows of {self.case}")

    def list_requests(self, method: str = "POST") -> list[Any]:
        return self.shop.list_requests(self.case, method)

    @staticmethod
    def stay(seconds: float) -> None:
        """Time passes on the page: that is what is measured, not waited for."""
        time.sleep(seconds)

    @contextmanager
    def own_browser(self) -> Iterator["Visitor"]:
        """The same visitor in a process that may be killed."""
        with Chromium() as chromium:
            before = self.chromium, self.context
            self.chromium, self.context = chromium, None
            try:
                yield self
            finally:
                self.chromium, self.context = before


Scenario = Callable[[Visitor], None]
SCENARIOS: dict[str, Scenario] = {}


def scenario(act: Scenario) -> Scenario:
    """Registers a visit; all of them happen side by side, once."""
    SCENARIOS[act.__name__] = act
    return act


def list_scenarios(module: str) -> list[str]:
    return [name for name, act in SCENARIOS.items() if act.__module__ == module]


def get_case(row: dict[str, Any]) -> str:
    """Whose row it is, by its landing page; "" for a row that no visit should have left."""
    return "".join((row["landing_page"] or "").split("/")[1:2])


def identify(page: Page, token: str) -> None:
    """The page tells the tracker who is signed in."""
    page.evaluate(f"customerMetrics.identify({json.dumps(token)})")


@contextmanager
def open_stage(url: str) -> Iterator[Stage]:
    with (
        serve_endpoint(url, sweep_every_seconds=1, timeout_minutes=TIMEOUT / 60) as endpoint,
        serve_shop(endpoint.address) as shop,
        Chromium() as chromium,
    ):
        yield Stage(endpoint, shop, chromium)


def run_scenarios(stage: Stage, names: list[str]) -> dict[str, Outcome]:
    """Every visit, and its rows once the sweeper has closed the last of them."""

    def act(name: str) -> Outcome:
        visitor = Visitor(stage, name)
        outcome = Outcome(visitor.truths)
        try:
            SCENARIOS[name](visitor)
            visitor.check_pages()
        except BaseException as error:
            outcome.error = error
            for page in visitor.pages:
                with suppress(ProtocolError):
                    page.close()
        return outcome

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        outcomes = dict(zip(names, pool.map(act, names), strict=True))
    acted_at = time.time()

    def is_settled() -> bool:
        waited = time.time() - acted_at
        rows = stage.endpoint.list_sessions()
        for name, outcome in outcomes.items():
            outcome.rows = [row for row in rows if get_case(row) == name]
        is_all = len(rows) >= sum(len(outcome.truths) for outcome in outcomes.values())
        is_over = all(row["ended_at"] for row in rows)
        # A moment for what should not come; and what should, but does not, is not waited for any longer.
        return (is_all and is_over and waited > 1) or waited > TIMEOUT + 3

    wait_until(is_settled, "the sweeper", TIMEOUT + 10)
    strays = [row for row in stage.endpoint.list_sessions() if get_case(row) not in outcomes]
    assert strays == [], "rows that no visit left"
    return outcomes


def describe_errors(outcomes: dict[str, Outcome]) -> str:
    """A line a visit: its rows, and by how much their durations are wrong."""
    lines = [f"{'visit':<58} rows  mean    p95    max"]
    for name, outcome in outcomes.items():
        errors = [truth.get_distance(duration) for truth, duration in outcome.list_durations()]
        numbers = f"{statistics.mean(errors):5.2f}  {get_p95(errors):5.2f}  {max(errors):5.2f}" if errors else ""
        lines.append(f"{name:<58} {len(outcome.rows):>4}  {numbers}")
    return "\n".join(lines)


def get_p95(errors: list[float]) -> float:
    return sorted(errors)[math.ceil(0.95 * len(errors)) - 1] if errors else 0.0
