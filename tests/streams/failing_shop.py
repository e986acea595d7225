"""A made-up shop that is rude to some customers, who then leave more often; only its events tell of it."""

from __future__ import annotations

from random import Random
from typing import Any

from schemas.events import DAY_MS

START_DAY = 20_000
DAYS = 500
Sent = dict[str, Any]


def sold(
    customers: int = 600, seed: str = "failing shop", harm: float = 3.0, base: float = 6e-4, days: int = DAYS
) -> list[Sent]:
    """Purchases and rude calls in the order of time.

    Every customer has a gamma rate, a hazard ``base`` a day, and a rude call a year; each multiplies the hazard by
    ``exp(harm)``, which fades with a half-life of 45 days.
    """
    random, sent = Random(seed), []
    for one in range(customers):
        customer, number, felt = f"c{one:04}", 0, 0.0
        a_day = random.gammavariate(1.4, 1.0 / 35.0)
        typical = random.gammavariate(4.0, 1.0 / 2000.0)
        for day in range(random.randrange(200), DAYS):
            start_ms = (START_DAY + day) * DAY_MS + one
            if number == 0 or random.random() < a_day:
                cents = max(1, round(random.gammavariate(5.0, 1.0 / typical)))
                sent.append(_event("purchase", customer, number, start_ms, amount_cents=cents))
                number += 1
            if random.random() < 1.0 / 365.0:
                sent.append(_event("rude_call", customer, number, start_ms + DAY_MS // 2, observer="qa"))
                number, felt = number + 1, felt + 1.0
            if random.random() < base * 2.718281828459045 ** (harm * min(1.5, felt)):
                break
            felt *= 0.5 ** (1.0 / 45.0)
    return [
        *(one for one in sorted(sent, key=lambda one: one["ts_ms"]) if one["ts_ms"] < _end_ms(days)),
        end(days),
    ]


def end(days: int) -> Sent:
    """The word that a history goes up to the end of a day."""
    return {"kind": "progress", "ts_ms": _end_ms(days) - 1, "version": 1}


def _end_ms(days: int) -> int:
    return (START_DAY + days) * DAY_MS


def _event(kind: str, customer: str, number: int, ts_ms: int, **more: Any) -> Sent:
    return {
        "version": 1,
        "kind": kind,
        "ts_ms": ts_ms,
        "customer_id": customer,
        "event_id": f"{customer}-{number}",
        **more,
    }
