"""The load that engines are compared under: calls in episodes and purchases, of many customers, over 90 days.

Customers are drawn by rank (weight (rank + 20)^-0.9), so that a few are heard of often and most seldom. Every
engine gets the same events in its own words, keyed by customer and in order of time: ``events`` has ours,
``peer_events`` those of the smaller job that other engines do (``tests/bench/peers/job.py``).
"""

import argparse
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
SLICE_DAYS = 5
AT_ONCE = 1_000_000
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


def load(
    events: int, customers: int, seed: int = 7, *, everyone: bool = False, begin_ms: int = START_MS,
    span_ms: int = SPAN_MS, ranks: NDArray[np.int64] | None = None,
) -> Load:  # fmt: skip
    """So many events; with ``everyone``, each customer is heard of at least once (``events`` must suffice).

    ``ranks`` are the customers by rank; None draws an order.
    """
    rng = np.random.default_rng(seed)
    bought = int(events * PURCHASES)
    called = events - bought
    weights = np.cumsum((np.arange(customers) + 20.0) ** -0.9)
    of_rank = rng.permutation(customers) if ranks is None else ranks

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
    call_ms = np.minimum(rng.integers(0, span_ms, episodes)[episode] + since.astype(np.int64), span_ms - 1)
    revenue = np.clip(rng.lognormal(4.0, 0.7, bought), 2, 2000) * 100
    zeros, none = np.zeros(bought, np.int64), np.zeros(called, np.int64)
    found = Load(
        np.concatenate([none.astype(bool), np.ones(bought, bool)]),
        np.concatenate([caller[episode], buyer]),
        begin_ms + np.concatenate([call_ms, rng.integers(0, span_ms, bought)]),
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


def slices(events: int, customers: int, days: int) -> Iterator[Load]:
    """The same over so many days, a few days at a time: so a long one needs no more memory than a short one."""
    ranks = np.random.default_rng(7).permutation(customers)
    parts = -(-days // SLICE_DAYS)
    for part in range(parts):
        first, behind = (events * at // parts for at in (part, part + 1))
        begin, end = (DAY_MS * days * at // parts for at in (part, part + 1))
        yield load(
            behind - first, customers, 8 + part, begin_ms=START_MS + begin, span_ms=end - begin, ranks=ranks
        )


def rendered(of: Load, first: int) -> NDArray[np.uint8]:
    """The payloads of ``events``, written by column: their whole numbers all have eight bytes.

    ``first`` is the number of the first event. One whose fields are not of the sizes foreseen here is refused.
    """
    assert of.customer.max(initial=0) < 10**7
    assert first + of.customer.size < 10**9
    which = np.where(of.purchase, 0, 1 + of.reason)
    forms = [_form({"kind": "purchase", "amount_cents": _WHOLE, "margin_cents": _WHOLE})]
    for reason in REASONS:
        told = {"kind": "call_closed", "handle_ms": _WHOLE, "reason": reason, "resolved": False, "sentiment": 0.1}
        forms.append(_form(told))
    sizes = np.array([form.size for form, _ in forms])[which]
    ends = np.cumsum(sizes)
    out = np.empty(int(ends[-1]) if ends.size else 0, np.uint8)
    numbers = np.arange(first, first + which.size)
    for number, (form, places) in enumerate(forms):
        mine = np.flatnonzero(which == number)
        rows = np.tile(form, (mine.size, 1))
        columns = {
            "ts_ms": of.ts_ms, "customer_id": of.customer, "event_id": numbers, "amount_cents": of.revenue_cents,
            "margin_cents": of.revenue_cents - of.cost_cents, "handle_ms": of.handle_s * 1_000,
            "resolved": of.resolved, "sentiment": of.sentiment,
        }  # fmt: skip
        for name, (place, size) in places.items():
            rows[:, place : place + size] = _bytes(columns[name][mine], size, name.endswith("_id"))
        out[(ends[mine] - sizes[mine])[:, None] + np.arange(form.size)] = rows
    return out


_WHOLE = 1 << 40
"""A number that msgpack writes in eight bytes."""


def _form(fields: dict[str, Any]) -> tuple[NDArray[np.uint8], dict[str, tuple[int, int]]]:
    """A payload with these fields, and where in it a value goes, by name: (place, bytes)."""
    told = {"ts_ms": _WHOLE, "customer_id": "c0000000", "event_id": "e000000000", **fields}
    data, places = encode(told), {}
    for name, value in told.items():
        size = {int: 8, float: 8, bool: 1, str: 0}[type(value)]
        behind = data.index(name.encode()) + len(name)
        if name in ("customer_id", "event_id"):
            places[name] = behind + 2, len(str(value)) - 1  # behind the length and the letter
        elif size:
            places[name] = behind + (size > 1), size
    return np.frombuffer(data, np.uint8), places


def _bytes(values: NDArray[Any], size: int, digits: bool) -> NDArray[np.uint8]:
    """Each value as so many bytes of msgpack, or as decimal digits."""
    if digits:
        return (values[:, None] // 10 ** np.arange(size - 1, -1, -1) % 10 + ord("0")).astype(np.uint8)
    if size == 1:
        return (0xC2 + values.astype(np.uint8))[:, None]
    kind = ">f8" if values.dtype.kind == "f" else ">i8"
    return values.astype(kind).view(np.uint8).reshape(-1, size)


def main() -> None:
    """Write a load as a file of events."""
    asked = argparse.ArgumentParser(prog="python -m tests.bench.load", description=main.__doc__)
    asked.add_argument("events", type=int)
    asked.add_argument("customers", type=int)
    asked.add_argument("file", type=Path)
    asked.add_argument("--days", type=int, default=SPAN_MS // DAY_MS)
    given = asked.parse_args()
    number = 0
    with given.file.open("xb") as out:
        for part in slices(given.events, given.customers, given.days):
            for begin in range(0, part.customer.size, AT_ONCE):
                some = Load(*(column[begin : begin + AT_ONCE] for column in part))
                rendered(some, number).tofile(out)
                number += some.customer.size


if __name__ == "__main__":
    main()
