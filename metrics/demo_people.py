"""The demo shop's customers: who they are, since when, until when, and how often they come and buy."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from random import Random
from uuid import UUID

MONTHS_18 = 548 * 86_400.0

FIRST_NAMES = (
    "Amina Juma Neema Baraka Zawadi Salim Rehema Hamisi Upendo Daudi Mwanaidi Rashid Asha Emmanuel Fatuma Godfrey "
    "Grace Ibrahim Halima Joseph Happiness Khalid Jamila Musa Joyce Omari Khadija Peter Leila Said Mariam Selemani "
    "Mwajuma Shabani Rahma Yusuf Saida Abdallah Subira Bakari Tatu Elia Frank Veronica Hassan Winfrida Idd "
    "Zainabu Kassim Zuhura Lameck Anna Mohamed Beatrice Nuru Catherine Paulo Doreen Ramadhani Elizabeth Simba"
).split()
LAST_NAMES = (
    "Mushi Kimaro Temu Massawe Mwakyusa Lyimo Mollel Shayo Swai Mbwana Nyerere Kessy Mrema Minja Urio Moshi Tarimo "
    "Mwinyi Mkapa Kikwete Msuya Chuwa Macha Komba Ngowi Mtui Lema Kweka Sanga Haule Mbilinyi Ngonyani Kapinga Mapunda "
    "Nchimbi Luoga Magesa Masanja Mayunga Bundala Mabula Maganga Kulwa Shija Malale Nyanda Mhando Semboja Kaniki Said"
).split()
CITIES = (
    ("Dar es Salaam", "Tanzania", 46),
    ("Arusha", "Tanzania", 11),
    ("Mwanza", "Tanzania", 10),
    ("Dodoma", "Tanzania", 7),
    ("Mbeya", "Tanzania", 6),
    ("Zanzibar", "Tanzania", 5),
    ("Moshi", "Tanzania", 4),
    ("Tanga", "Tanzania", 4),
    ("Morogoro", "Tanzania", 3),
    ("Nairobi", "Kenya", 2),
    ("Kampala", "Uganda", 1),
    ("Kigali", "Rwanda", 1),
)
# "59:07" and ".250+00": the end of a moment as COPY reads it.
SECONDS = tuple(f"{second // 60:02d}:{second % 60:02d}" for second in range(3_600))
MILLISECONDS = tuple(f".{millisecond:03d}+00" for millisecond in range(1_000))


@dataclass(slots=True)
class Crowd:
    """Customers by number: parallel lists, because a million objects would not fit in the memory we allow.

    The one who joined first comes first. `joined` is seconds after now, so below zero and rising; `left` is seconds
    before now. `visits` and `purchases` are running sums of how likely each one is to come and to buy.
    """

    ids: list[str]
    joined: list[float]
    left: list[float]
    places: bytearray
    visits: list[float]
    purchases: list[float]

    def choose(self, rng: Random, weights: list[float], age: float) -> int | None:
        """Somebody who was a customer `age` seconds ago; None when nobody suitable came up."""
        known = bisect_left(self.joined, -age)
        if not known or not weights[known - 1]:
            return None
        for _ in range(8):
            # Never the last place's own sum, which would be the next one's.
            number = min(bisect_right(weights, rng.random() * weights[known - 1], 0, known), known - 1)
            if self.left[number] < age:
                return number
        return None


def make_crowd(rng: Random, count: int) -> Crowd:
    """Customers over 18 months of growth: a third never come, a few come all the time, some stopped coming."""
    # One in five comes with the launch, or the first weeks' sessions would all be those of a handful of customers.
    joined = sorted(
        -MONTHS_18 * (1 - (rng.random() ** 2 * 0.1 if rng.random() < 0.2 else rng.random() ** 0.7))
        for _ in range(count)
    )
    for number in range(39, count, 40):
        # Taken over from a list at the same moment: ties, as real shops have them.
        joined[number] = joined[number - 1]
    left: list[float] = []
    visits: list[float] = []
    purchases: list[float] = []
    ranks = list(range(1, count + 1))
    rng.shuffle(ranks)
    for moment, rank in zip(joined, ranks, strict=True):
        # Long-tailed: the busiest come hundreds of times, the median a handful, a third never.
        comes = 0.0 if rank % 3 == 0 else (rank + 3) ** -0.62
        visits.append(comes)
        purchases.append(0.0 if rank % 5 in (0, 3) else (comes or 0.02 * (rank + 3) ** -0.62))
        left.append(rng.random() * -moment if rng.random() < 0.3 else 0.0)
    return Crowd(
        ids=[str(UUID(int=rng.getrandbits(128), version=4)) for _ in range(count)],
        joined=joined,
        left=left,
        places=bytearray(rng.choices(range(len(CITIES)), weights=[weight for *_, weight in CITIES], k=count)),
        visits=list(accumulate(visits)),
        purchases=list(accumulate(purchases)),
    )


def list_users(rng: Random, crowd: Crowd, format_age: "FormatAge") -> Iterator[str]:
    """One line of COPY text a customer; some gave no name, no phone or no city."""
    for number, user_id in enumerate(crowd.ids):
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        city, country, _ = CITIES[crowd.places[number]]
        email = f"{first}.{last}{number + 1}@example.co.tz".lower()
        phone = f"+255 {rng.choice((62, 65, 67, 68, 71, 74, 75, 76, 78))}{rng.randrange(10)} {rng.randrange(10**6):06d}"
        chance = rng.randrange(300)
        if chance < 6:
            first = last = r"\N"
        elif chance < 14:
            last = r"\N"
        yield (
            f"{user_id}\t{email}\t{first}\t{last}\t{phone if chance % 13 else chr(92) + 'N'}\t"
            f"{city if chance % 29 else chr(92) + 'N'}\t{country}\t{format_age(-crowd.joined[number])}\n"
        )


class FormatAge:
    """Writes a moment, given as seconds before now, as COPY reads it."""

    def __init__(self, now: datetime) -> None:
        self._now = now.timestamp()
        self._hours: dict[int, str] = {}

    def __call__(self, age: float) -> str:
        # A third of what datetime takes, which counts over sixty million moments.
        hour, rest = divmod(self.get_milliseconds(age), 3_600_000)
        begin = self._hours.get(hour)
        if begin is None:
            begin = self._hours[hour] = f"{datetime.fromtimestamp(hour * 3_600, tz=UTC):%Y-%m-%dT%H:}"
        return begin + SECONDS[rest // 1_000] + MILLISECONDS[rest % 1_000]

    def get_milliseconds(self, age: float) -> int:
        """The moment as milliseconds since 1970."""
        return int((self._now - age) * 1_000)
