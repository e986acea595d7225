"""A made-up company's year: ordinary customers, the seed stories among them, and time itself as events.

The same arguments give the same bytes, on every machine: everything random comes from ``random.Random``
seeded with text. Records are in event-time order: whoever sends them one by one sends a true history.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from schemas.codec import encode
from schemas.codes import Kind
from schemas.events import DAY_MS
from streams.stories import STORIES, Story, Teller, Told, Topic

END_MS = 730 * 28 * DAY_MS
"""2025-12-18T00:00Z, the first midnight of a 28-day period: history lies in the past of any clock."""

DAYS = 308
HOUR_MS = DAY_MS // 24
HOURLY_DAYS = 3
"""In its last days history moves by the hour, as it does when it is watched live."""

FIRST_DAY = {
    "silent_replacement": 0,
    "thirty_seconds": 4,
    "thirty_five_calls": 12,
    "printer": 30,
    "wrong_part_twice": 70,
    "value_destroyer": 0,
    "month_of_ads": 50,
}
"""The day of history on which a story begins, so that its alerts do not all come at once."""

TOPICS: tuple[Topic, Topic] = ("support", "purchases")


class Fed(NamedTuple):
    """One record to send. ``everywhere`` means to every partition of its topic, as progress is."""

    ts_ms: int
    topic: Topic
    key: bytes | None
    value: bytes
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Simulation:
    """A history of ``days`` days up to ``end_ms`` (a UTC midnight): its stories, and ``customers`` others.

    ``broken`` adds three records that no one can read, which a pipeline must set aside and survive.
    """

    seed: int = 1
    customers: int = 400
    days: int = DAYS
    end_ms: int = END_MS
    stories: Mapping[str, Story] = field(default_factory=lambda: STORIES)
    broken: bool = False

    def __post_init__(self) -> None:
        assert self.end_ms % DAY_MS == 0
        assert self.customers >= 0
        for key, story in self.stories.items():
            assert FIRST_DAY.get(key, 0) + story.days <= self.days, f"{key} is longer than {self.days} days"

    @property
    def start_ms(self) -> int:
        """The first midnight."""
        return self.end_ms - self.days * DAY_MS

    def story_start_ms(self, key: str) -> int:
        """When the story with this key begins."""
        return self.start_ms + FIRST_DAY.get(key, 0) * DAY_MS

    def told(self) -> list[Told]:
        """Every event in event-time order; equal times go by the order of the customers."""
        events: list[Told] = []
        for key, story in self.stories.items():
            events += story.tell(self.story_start_ms(key))
        for number in range(self.customers):
            events += _ordinary(self.seed, number, self.start_ms, self.days)
        events = [told for told in events if told[1]["ts_ms"] < self.end_ms]
        return sorted(events, key=lambda told: told[1]["ts_ms"])

    def feed(self) -> Iterator[Fed]:
        """Every record to send, in order: events, and progress at each midnight (at last, each hour)."""
        marks = iter(self._marks())
        mark = next(marks)
        broken = dict(zip(self._broken_at(), _broken(), strict=True)) if self.broken else {}
        for number, (topic, fields) in enumerate(self.told()):
            while mark <= fields["ts_ms"]:
                yield from _progress(mark)
                mark = next(marks)
            if number in broken:
                yield broken[number]._replace(ts_ms=fields["ts_ms"])
            yield Fed(fields["ts_ms"], topic, fields["customer_id"].encode(), encode(fields))
        yield from _progress(mark)
        for mark in marks:
            yield from _progress(mark)

    def _marks(self) -> Iterator[int]:
        """The times at which progress is told; the last is the end, and every event is before it."""
        hourly = self.end_ms - min(HOURLY_DAYS, self.days) * DAY_MS
        yield from range(self.start_ms, hourly, DAY_MS)
        yield from range(hourly, self.end_ms + 1, HOUR_MS)

    def _broken_at(self) -> tuple[int, int, int]:
        """Early, so that a short look at the demo already shows them."""
        return 40, 80, 120


def _progress(ts_ms: int) -> Iterator[Fed]:
    value = encode({"kind": "progress", "ts_ms": ts_ms})
    for topic in TOPICS:
        yield Fed(ts_ms, topic, None, value, everywhere=True)


def _broken() -> tuple[Fed, Fed, Fed]:
    """A kind nobody knows, a number that is none, and a record cut in half."""
    fields: dict[str, Any] = {"ts_ms": END_MS - DAY_MS, "customer_id": "c-broken", "event_id": "broken"}
    whole = encode({**fields, "kind": "purchase", "amount_cents": 1_000})
    return (
        Fed(0, "support", b"c-broken", encode({**fields, "kind": "telepathy"})),
        Fed(0, "support", b"c-broken", encode({**fields, "kind": "chat", "handle_ms": float("nan")})),
        Fed(0, "purchases", b"c-broken", whole[: len(whole) // 2]),
    )


def _ordinary(seed: int, number: int, start_ms: int, days: int) -> list[Told]:
    """One customer whom nobody tells stories about: buys, asks, is answered, and now and then is let down."""
    dice = Random(f"whaleline-{seed}-{number}")
    one = Teller(f"c-{number:05d}", start_ms)
    product = dice.choice(("blender", "router", "printer", "lamp", "studio-set"))
    leaves = dice.randrange(days) if dice.random() < 0.05 else days
    _purchases(one, dice, product, min(leaves, days))
    for day in _days(dice, dice.uniform(14, 40), min(leaves + 5, days)):
        roll = dice.random()
        if roll < 0.72:
            _contact(one, dice, day)
        elif roll < 0.97:
            _ticket(one, dice, day, product)
        elif roll < 0.985:
            one.at(day, _clock(dice), Kind.CSAT, score=dice.choice((3, 4, 4, 5)), scale=5)
        else:
            one.at(day, _clock(dice), Kind.REVIEW, stars=dice.choice((3, 4, 5, 5)), sku=product)
    return one.events


def _days(dice: Random, mean: float, days: int) -> Iterator[int]:
    """Days of a Poisson process with ``mean`` days between, each below ``days``."""
    day = dice.expovariate(1 / mean)
    while day < days:
        yield int(day)
        day += dice.expovariate(1 / mean)


def _clock(dice: Random, first: int = 7, last: int = 21) -> str:
    return f"{dice.randrange(first, last):02d}:{dice.randrange(60):02d}:{dice.randrange(60):02d}"


def _purchases(one: Teller, dice: Random, product: str, days: int) -> None:
    usual = dice.uniform(18, 45)
    price = dice.randrange(1_500, 14_000)
    for day in _days(dice, usual, days):
        amount = max(300, round(dice.gauss(price, price / 5)))
        margin = {"margin_cents": round(amount * dice.uniform(0.2, 0.4))} if dice.random() < 0.7 else {}
        order = f"{one.customer_id}-o-{len(one.events)}"
        one.at(day, _clock(dice), Kind.PURCHASE, amount_cents=amount, order_id=order, sku=product, **margin)


def _contact(one: Teller, dice: Random, day: int) -> None:
    reason = dice.choice(("how_to_use", "delivery", "invoice", "address_change"))
    roll = dice.random()
    if roll < 0.45:
        handle = dice.randrange(120_000, 540_000)
        one.at(day, _clock(dice), Kind.CALL_CLOSED, handle_ms=handle, resolved=True, reason=reason)
        if dice.random() < 0.004:
            one.at(day, "21:30", Kind.RUDE_CALL, observer="qa", confidence=0.9)
    elif roll < 0.65:
        handle = dice.randrange(90_000, 420_000)
        one.at(day, _clock(dice), Kind.CHAT, handle_ms=handle, resolved=True, reason=reason)
    else:
        one.at(day, _clock(dice), Kind.SELF_SERVICE, reason=reason)


def _ticket(one: Teller, dice: Random, day: int, product: str) -> None:
    """A case that is answered in a day or two; of a hundred, two are forgotten for a week."""
    case = f"{one.customer_id}-t-{day}"
    one.at(day, _clock(dice, 7, 12), Kind.TICKET_OPENED, case_id=case, reason="broken_part", sku=product)
    forgotten = dice.random() < 0.02
    answered = day + (dice.randrange(6, 9) if forgotten else dice.randrange(2))
    one.at(answered, _clock(dice, 13, 18), Kind.TICKET_REPLY, case_id=case, author="agent")
    if dice.random() < 0.4:
        one.at(answered + 1, _clock(dice), Kind.PART_SHIPPED, case_id=case, sku=product)
        if dice.random() < 0.02:
            one.at(answered + 4, "12:00:00", Kind.PART_WRONG, case_id=case, sku=product)
            one.at(answered + 5, "12:00:00", Kind.TICKET_REPLY, case_id=case, author="agent")
    one.at(answered + dice.randrange(6, 9), _clock(dice), Kind.TICKET_RESOLVED, case_id=case)
