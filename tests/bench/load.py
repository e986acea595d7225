"""The load that engines are compared under: calls in episodes and purchases, of many customers, over 90 days.

Customers are drawn by rank (weight (rank + 20)^-0.9), so that a few are heard of often and most seldom. Every
engine gets the same events in its own words, keyed by customer and in order of time: ``events`` has ours,
``peer_events`` those of the smaller job that other engines do (``tests/bench/peers/job.py``).
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import numpy as np
from numpy.typing import NDArray

from schemas.codec import encode

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
START_MS = 1_787_443_200_000
"""2026-08-23 00:00 UTC."""
SPAN_MS = 90 * DAY_MS
REASONS = ("billing", "technical", "returns", "delivery", "account", "cancel")
PURCHASES = 0.3
MOST_CALLS = 12
ESCALATES = -0.25
"""Below this sentiment a call that settled nothing counts as escalated, which only the peers' job asks."""


class Load(NamedTuple):
    """Events as columns, in order of time; what a kind does not have is 0."""

    purchase: NDArray[np.bool_]
    customer: NDArray[np.int64]
    ts_ms: NDArray[np.int64]
    handle_s: NDArray[np.int64]
    reason: NDArray[np.int64]
    resolved: NDArray[np.bool_]
    sentiment: NDArray[np.float64]
    revenue_cents: NDArray[np.int64]
    cost_cents: NDArray[np.int64]


def load(events: int, customers: int, seed: int = 7, *, everyone: bool = False) -> Load:
    """So many events; with ``everyone``, each customer is heard of at least once (``events`` must suffice)."""
    rng = np.random.default_rng(seed)
    bought = int(events * PURCHASES)
    called = events - bought
    weights = np.cumsum((np.arange(customers) + 20.0) ** -0.9)
    of_rank = rng.permutation(customers)

    def drawn(n: int) -> NDArray[np.int64]:
        at = np.searchsorted(weights / weights[-1], rng.random(n))
        return of_rank[np.minimum(at, customers - 1)]

    lengths = np.minimum(rng.geometric(0.6, called), MOST_CALLS)
    episodes = int(np.searchsorted(np.cumsum(lengths), called)) + 1
    lengths = lengths[:episodes]
    episode = np.repeat(np.arange(episodes), lengths)[:called]
    nth = np.arange(called) - (np.cumsum(lengths) - lengths)[episode]
    last = nth == lengths[episode] - 1
    caller, buyer = drawn(episodes), drawn(bought)
    if everyone:
        some = min(customers, episodes)
        caller[:some] = rng.permutation(customers)[:some]
        rest = np.setdiff1d(np.arange(customers), caller)
        buyer[: rest.size] = rest
    gaps = np.where(nth == 0, 0.0, rng.uniform(0.3, 10.0, called)) * HOUR_MS
    passed = np.cumsum(gaps)
    since = passed - passed[np.arange(called) - nth]
    call_ms = np.minimum(rng.integers(0, SPAN_MS, episodes)[episode] + since.astype(np.int64), SPAN_MS - 1)
    revenue = np.clip(rng.lognormal(4.0, 0.7, bought), 2, 2000) * 100
    zeros, none = np.zeros(bought, np.int64), np.zeros(called, np.int64)
    found = Load(
        np.concatenate([none.astype(bool), np.ones(bought, bool)]),
        np.concatenate([caller[episode], buyer]),
        START_MS + np.concatenate([call_ms, rng.integers(0, SPAN_MS, bought)]),
        np.concatenate([np.clip(rng.lognormal(5.5, 0.6, called), 20, 3600).astype(np.int64), zeros]),
        np.concatenate([rng.integers(0, len(REASONS), called), zeros]),
        np.concatenate([last & (rng.random(called) < 0.8), zeros.astype(bool)]),
        np.concatenate([np.round(np.clip(rng.normal(0.2, 0.4, called) - 0.2 * nth, -1, 1), 2), zeros * 0.0]),
        np.concatenate([none, revenue.astype(np.int64)]),
        np.concatenate([none, (revenue * rng.uniform(0.45, 0.8, bought)).astype(np.int64)]),
    )
    order = np.argsort(found.ts_ms, kind="stable")
    return Load(*(column[order] for column in found))


def events(of: Load) -> Iterator[tuple[bool, bytes, bytes]]:
    """(whether a purchase, key, msgpack) of each."""
    columns = zip(*(column.tolist() for column in of), strict=True)
    for number, (bought, customer, ts_ms, handle_s, reason, resolved, sentiment, revenue, cost) in enumerate(
        columns
    ):
        name = f"c{customer:07d}"
        fields: dict[str, Any] = {"ts_ms": ts_ms, "customer_id": name, "event_id": f"e{number}"}
        if bought:
            fields |= {"kind": "purchase", "amount_cents": revenue, "margin_cents": revenue - cost}
        else:
            fields |= {"kind": "call_closed", "handle_ms": handle_s * 1_000, "reason": REASONS[reason]}
            fields |= {"resolved": resolved, "sentiment": sentiment}
        yield bought, name.encode(), encode(fields)


def escalated(of: Load) -> NDArray[np.bool_]:
    """Which calls were escalated, by the peers' words."""
    return ~of.purchase & ~of.resolved & (of.sentiment < ESCALATES)


def peer_events(of: Load) -> Iterator[tuple[bool, bytes, bytes, int]]:
    """(whether a purchase, key, msgpack, time) of each in the peers' words; its id is its place in the load."""
    columns = zip(*(column.tolist() for column in (*of, escalated(of))), strict=True)
    for number, (bought, customer, ts_ms, handle_s, reason, resolved, sentiment, revenue, cost, up) in enumerate(
        columns
    ):
        name = f"c{customer:07d}"
        fields: dict[str, Any] = {"id": number, "customer_id": name, "ts_ms": ts_ms}
        if bought:
            fields |= {"revenue_cents": revenue, "cost_cents": cost}
        else:
            fields |= {"handle_s": handle_s, "kind": REASONS[reason], "resolved": resolved}
            fields |= {"escalated": up, "sentiment": sentiment}
        yield bought, name.encode(), msgpack.packb(fields), ts_ms


def main() -> None:
    """Write a load as a file of events: ``python -m tests.bench.load 10000000 1000000 events.msgpack``."""
    count, customers, place = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    with place.open("xb") as out:
        for _, _, value in events(load(count, customers)):
            out.write(value)


if __name__ == "__main__":
    main()
