"""The demo shop's orders, bookings and reviews: paid, pending, failed, refunded and cancelled ones, and guests'."""

from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate
from random import Random
from uuid import UUID

from metrics.demo_people import Crowd, FormatAge
from metrics.demo_visits import list_ages

SERVICES = (
    "Repair Service",
    "AC service",
    "Phone setup",
    "Laptop cleaning",
    "Data recovery",
    "Home delivery and installation",
    "CCTV installation",
    "Screen replacement",
)
# status, payment status, how common
ORDER_STATES = (
    ("completed", "paid", 62),
    ("processing", "paid", 9),
    ("pending", "pending", 11),
    ("cancelled", "pending", 6),
    ("cancelled", "refunded", 3),
    ("completed", "refunded", 3),
    ("pending", "failed", 4),
    ("cancelled", "cancelled", 2),
)
ORDER_WEIGHTS = tuple(accumulate(weight for *_, weight in ORDER_STATES))
BOOKING_STATES = ("completed", "confirmed", "pending", "cancelled")
BOOKING_WEIGHTS = tuple(accumulate((60, 15, 13, 12)))
GUESTS = 0.08


def list_services(rng: Random) -> list[tuple[str, str]]:
    """Services as (id, title)."""
    return [(make_id(rng), title) for title in SERVICES]


def list_orders(rng: Random, crowd: Crowd, now: datetime, count: int) -> Iterator[str]:
    """One line of COPY text an order, oldest first; prices in whole 500 shillings, a few of them zero."""
    format_age = FormatAge(now)
    buyer, moment = r"\N", ""
    for age in list_ages(rng, now, count):
        # One in a hundred is the second half of the order before it: the same customer at the same moment.
        if not moment or rng.random() >= 0.01:
            buyer, moment = choose_buyer(rng, crowd, age), format_age(age)
        status, payment, _ = rng.choices(ORDER_STATES, cum_weights=ORDER_WEIGHTS)[0]
        amount = 0 if rng.random() < 0.005 else max(1, round(rng.lognormvariate(11.4, 1.0) / 500)) * 500
        yield f"{make_id(rng)}\t{buyer}\t{amount}.00\t{status}\t{payment}\t{moment}\n"


def list_bookings(
    rng: Random, crowd: Crowd, now: datetime, count: int, services: list[tuple[str, str]]
) -> Iterator[str]:
    """One line of COPY text a booking, oldest first."""
    format_age = FormatAge(now)
    for age in list_ages(rng, now, count):
        service_id, title = services[min(int(rng.expovariate(0.5)), len(services) - 1)]
        status = rng.choices(BOOKING_STATES, cum_weights=BOOKING_WEIGHTS)[0]
        amount = max(10, round(rng.lognormvariate(10.6, 0.6) / 500)) * 500
        yield (
            f"{make_id(rng)}\t{service_id}\t{choose_buyer(rng, crowd, age)}\t{title}\t{status}\t{amount}.00\t"
            f"{format_age(age)}\n"
        )


def list_reviews(rng: Random, crowd: Crowd, now: datetime, count: int) -> Iterator[str]:
    """One line of COPY text a review, oldest first."""
    format_age = FormatAge(now)
    for age in list_ages(rng, now, count):
        rating = rng.choices((1, 2, 3, 4, 5), cum_weights=(4, 9, 20, 50, 100))[0]
        yield (
            f"{make_id(rng)}\t{choose_buyer(rng, crowd, age, guests=0)}\t{make_id(rng)}\t{rating}\t{format_age(age)}\n"
        )


def choose_buyer(rng: Random, crowd: Crowd, age: float, guests: float = GUESTS) -> str:
    """A customer's id, or NULL as COPY writes it for a guest."""
    number = None if rng.random() < guests else crowd.choose(rng, crowd.purchases, age)
    return r"\N" if number is None else crowd.ids[number]


def make_id(rng: Random) -> str:
    """A random UUID from the seed."""
    return str(UUID(int=rng.getrandbits(128), version=4))
