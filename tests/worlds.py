"""Made-up worlds: seeded streams of well-formed events in which everything that can happen does happen."""

import random
from typing import Any

from schemas.codes import FIRST_PURCHASE_KIND, Kind, Observer
from schemas.events import ABSENT, EVERYWHERE, FIELD, SHAPES, Type

HOUR, DAY = 3_600_000, 86_400_000
START_MS = 1_700_006_400_000
"""2023-11-15 00:00 UTC."""

_KINDS = [kind for kind in SHAPES if kind is not Kind.PROGRESS]
_OFTEN = [Kind.CALL_CLOSED, Kind.PURCHASE, Kind.TICKET_OPENED, Kind.TICKET_REPLY, Kind.TICKET_RESOLVED, Kind.CHAT]


def _value(name: str, rng: random.Random, ts_ms: int) -> Any:
    one = FIELD[name]
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
    optional = [name for name in (*shape.may, *EVERYWHERE[:1]) if name not in shape.needs and rng.random() < 0.6]
    fields: dict[str, Any] = {"kind": kind.name.lower(), "ts_ms": ts_ms, "customer_id": customer}
    fields["event_id"] = f"e{number}"
    for name in (*shape.needs, *optional):
        fields[name] = _value(name, rng, ts_ms)
    if "cause" in fields and rng.random() < 0.9:
        del fields["cause"]
    if kind is Kind.ABUSE_FLAG:
        fields["observer"] = Observer.HUMAN.name.lower()
    if kind is Kind.CSAT:
        fields["scale"], fields["score"] = 10, rng.randrange(11)
    return ("purchases" if kind >= FIRST_PURCHASE_KIND else "support"), fields


def world(
    seed: int, events: int = 300, customers: int = 6, span_days: float = 120, disorder_ms: int = 0
) -> list[tuple[str, dict[str, Any]]]:
    """A stream of events over ``span_days`` in order of arrival; times may lag by up to ``disorder_ms``."""
    rng = random.Random(seed)
    times = sorted(START_MS + rng.randrange(round(span_days * DAY)) for _ in range(events))
    out = []
    for number, ts_ms in enumerate(times):
        kind = rng.choice(_OFTEN) if rng.random() < 0.6 else rng.choice(_KINDS)
        late = rng.randrange(disorder_ms) if disorder_ms and rng.random() < 0.2 else 0
        out.append(event(kind, f"C{rng.randrange(customers)}", ts_ms - late, number, rng))
    return out
