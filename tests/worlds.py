"""Made-up worlds: seeded streams of well-formed events in which everything that can happen does happen."""

import random
from typing import Any

from schemas.codes import FIRST_PURCHASE_KIND, Kind, Observer
from schemas.events import ABSENT, EVERYWHERE, FIELD, SHAPES, Type

HOUR, DAY = 3_600_000, 86_400_000
START_MS = 1_700_006_400_000
"""2023-11-15 00:00 UTC."""

_KINDS = [kind for kind in SHAPES if kind is not Kind.PROGRESS]
_CONTENT = [
    *(Kind.PURCHASE, Kind.PURCHASE, Kind.PURCHASE, Kind.MAINTENANCE_FEE, Kind.PRAISE, Kind.EXPANSION, Kind.CSAT),
    *(Kind.REFERRAL_GIVEN, Kind.REFERRAL_CREDIT, Kind.SELF_SERVICE, Kind.COMPETITOR_OFFER),
]
_OFTEN = [Kind.CALL_CLOSED, Kind.PURCHASE, Kind.TICKET_OPENED, Kind.TICKET_REPLY, Kind.TICKET_RESOLVED, Kind.CHAT]


def _value(name: str, rng: random.Random, ts_ms: int) -> Any:
    one = FIELD[name]
    if name == "product_line":
        return f"line-{rng.randrange(6)}"
    if one.type is Type.TEXT:
        return f"{name[:4]}-{rng.randrange(3)}"
    if one.type is Type.BOOLEAN:
        return rng.random() < 0.5
    if one.type is Type.CODE and one.codes is not None:
        return rng.choice(list(one.codes)).name.lower()
    if name.endswith("_ms") and one.low > DAY:
        return ts_ms + rng.randrange(-10, 60) * DAY
    if one.type is Type.RATIO:
        return round(rng.uniform(one.low, one.high), 3)
    if name.endswith("_cents"):
        return rng.randrange(max(one.low, -5_000), 20_000)
    assert one.absent == ABSENT
    return rng.randrange(one.low, min(one.high, one.low + 3_600_000) + 1)


def event(kind: Kind, customer: str, ts_ms: int, number: int, rng: random.Random) -> tuple[str, dict[str, Any]]:
    """One event with random fields that the codec accepts: (topic, fields)."""
    shape = SHAPES[kind]
    may = (*shape.may, *EVERYWHERE[:3], *(("product_line",) if kind is Kind.PURCHASE else ()))
    optional = [name for name in may if name not in shape.needs and rng.random() < 0.6]
    fields: dict[str, Any] = {"kind": kind.name.lower(), "ts_ms": ts_ms, "customer_id": customer}
    fields["event_id"] = f"e{number}"
    for name in (*shape.needs, *optional):
        fields[name] = _value(name, rng, ts_ms)
    if "cause" in fields and rng.random() < 0.9:
        del fields["cause"]
    if kind is Kind.ABUSE_FLAG:
        fields["observer"] = Observer.HUMAN.name.lower()
    if kind is Kind.CSAT:
        fields["scale"], fields["score"] = 10, rng.choice((*range(11), 9, 10, 10))
    return ("purchases" if kind >= FIRST_PURCHASE_KIND else "support"), fields


def world(
    seed: int, events: int = 300, customers: int = 6, span_days: float = 120, disorder_ms: int = 0
) -> list[tuple[str, dict[str, Any]]]:
    """A stream of events over ``span_days`` in order of arrival; times may lag by up to ``disorder_ms``.

    The last customer is mostly content; now and then somebody asks about leaving and calls often and briefly,
    or sounds less happy each time.
    """
    rng = random.Random(seed)
    plan: list[tuple[int, Kind, int, dict[str, Any]]] = []
    for _ in range(events):
        ts_ms, who = START_MS + rng.randrange(round(span_days * DAY)), rng.randrange(customers)
        if rng.random() < 0.01:
            plan += rng.choice((_burst, _souring))(ts_ms, who, rng)
        elif who == customers - 1 and rng.random() < 0.9:
            plan.append((ts_ms, rng.choice(_CONTENT), who, {}))
        else:
            plan.append((ts_ms, rng.choice(_OFTEN if rng.random() < 0.6 else _KINDS), who, {}))
    plan.sort(key=lambda one: one[0])
    del plan[events:]
    out = []
    for number, (ts_ms, kind, who, stated) in enumerate(plan):
        late = rng.randrange(disorder_ms) if disorder_ms and rng.random() < 0.2 else 0
        topic, fields = event(kind, f"C{who}", ts_ms - late, number, rng)
        out.append((topic, {**fields, **stated}))
    return out


def _burst(ts_ms: int, who: int, rng: random.Random) -> list[tuple[int, Kind, int, dict[str, Any]]]:
    """A question about leaving, and some twenty calls within hours, most of them short."""
    calls = [(ts_ms, Kind.ETF_QUERY, who, {"termination_fee_cents": rng.randrange(2) * 20_000})]
    for _ in range(rng.randrange(12, 26)):
        handle_ms = rng.choice((20_000, 45_000, 90_000, 600_000))
        calls.append((ts_ms + rng.randrange(6 * HOUR), Kind.CALL_CLOSED, who, {"handle_ms": handle_ms}))
    return calls


def _souring(ts_ms: int, who: int, rng: random.Random) -> list[tuple[int, Kind, int, dict[str, Any]]]:
    """Some good moods, then worse and worse ones, a few hours apart."""
    moods = [round(rng.uniform(0.3, 0.9), 2) for _ in range(6)] + [0.1, -0.1, -0.3, -0.45]
    return [(ts_ms + 3 * HOUR * at, Kind.SENTIMENT, who, {"sentiment": mood}) for at, mood in enumerate(moods)]
