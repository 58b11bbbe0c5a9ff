"""Token buckets: who may go on, who waits for how long, in memory that stays bounded."""

from metrics.limits import MOST_SENDERS, RateLimit


class Clock:
    """Stands still until it is told to go on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_works() -> None:
    clock = Clock()
    limit = RateLimit(60, clock)
    assert [limit.take("alice") for _ in range(60)] == [0] * 60
    assert limit.take("alice") == 1
    assert limit.take("bob") == 0
    clock.now = 1
    assert [limit.take("alice"), limit.take("alice")] == [0, 1]
    clock.now = 1_000
    assert [limit.take("alice") for _ in range(61)] == [0] * 60 + [1]


def test_a_small_limit_says_how_long_to_wait() -> None:
    limit = RateLimit(2, Clock())
    assert [limit.take("alice") for _ in range(3)] == [0, 0, 30]


def test_a_large_limit_lets_a_second_of_it_out_at_once() -> None:
    limit = RateLimit(60_000, Clock())
    assert [limit.take("alice") for _ in range(1_001)] == [0] * 1_000 + [1]


def test_a_clock_that_stands_still_or_a_flood_of_senders_keeps_memory_bounded() -> None:
    limit = RateLimit(1, Clock())
    for number in range(MOST_SENDERS + 1_000):
        assert limit.take(str(number)) == 0
    assert len(limit._buckets) == MOST_SENDERS
