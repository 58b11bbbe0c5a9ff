"""Late beacons of whom was erased: the tracker's own words, through the recorder, bring nothing back."""

from __future__ import annotations

from typing import Any

import anyio.to_thread

from metrics.database import Database
from metrics.privacy import count_traces, erase_customer
from metrics.viewer import Viewer
from tests.conftest import add_customer
from tests.day import Day, live


def test_a_tracker_that_still_says_who_it_is_goes_on_as_a_guest(any_database: Database, ada: Viewer) -> None:
    """Of a session that was erased, the next words of its tracker lead to one guest session, not to many."""
    alice = add_customer(any_database, "Alice", "Mushi")
    who: dict[str, Any] = {"user_id": str(alice), "states_identity": True, "is_verified": True}

    async def story(day: Day) -> None:
        assert (await day.start(0, "before", t=1, **who)).is_new
        await anyio.to_thread.run_sync(erase_customer, any_database, ada, alice)
        assert (await day.beat(1, "before", t=2, **who)).next_step == "start"
        await day.end(2, "before", t=3)
        assert (await day.start(2, "after", t=1, **who)).is_new
        assert (await day.beat(3, "after", t=2, **who)).next_step is None
        assert not (await day.start(3, "after", t=3, **who)).is_new
        # The legacy tracker orders nothing and starts on every page.
        assert (await day.start(3, "legacy", **who)).is_new
        assert not (await day.start(4, "legacy", **who)).is_new
        await day.end(4, "legacy")

    assert [row["user_id"] for row in live(any_database, story)] == [None, None]
    assert set(count_traces(any_database, ada, alice).values()) == {0}
