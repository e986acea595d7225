"""Reading the insights of all partitions: their whale curves added up, and their problems ranked.

Who brings the profit, from the best customer to the worst: what the top fifth makes, what the last quarter
destroys, and what would be won if nothing that we caused ourselves had cost anything (docs/model.md section 9).
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import whale as kernel
from kernels.digest import xxh64
from kernels.settle import to_ppm
from schemas.codes import CaseFlag
from schemas.insights import BINS, ZERO, CurvePart, Problem

DAY_MS = 86_400_000
LEAST_CUSTOMERS = 200
TOPS = (1, 5, 10, 20)
BOTTOM = 25
STEPS = 20
"""Points of the drawn curve, beside its beginning."""

FAILURES = tuple((flag.name or "").lower() for flag in CaseFlag)

TOO_FEW = "fewer than 200 customers have money in the year"
NO_PROFIT = "the customers together bring no profit"


@dataclass(frozen=True, slots=True)
class Curve:
    """A whale curve. Shares are of the whole profit, in parts per million; None where ``undefined`` says why.

    ``top_ppm`` is what the best 1, 5, 10 and 20 per cent bring, ``bottom_ppm`` what the last quarter does; the
    peak is where customers below zero begin. ``points_ppm``: what the best 0, 5, ... 100 per cent bring.
    """

    customers: int
    net_cents: int
    above_zero: int
    below_zero: int
    gain_cents: int
    loss_cents: int
    undefined: str | None
    top_ppm: dict[str, int] | None
    bottom_ppm: int | None
    peak_customers_ppm: int | None
    peak_ppm: int | None
    below_zero_ppm: int | None
    points_ppm: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Whale:
    """The curve of everyone, the same without the cost that the company caused, and the prize between them."""

    as_of_ms: int
    oldest_ms: int
    partitions: int
    missing: int
    curve: Curve
    faultless: Curve

    @property
    def prize_cents(self) -> int:
        """What would have been won in the year if nothing that we caused had cost anything."""
        return self.faultless.net_cents - self.curve.net_cents

    def without_destroyers_cents(self) -> int:
        """A what-if, not a forecast: the profit, had the customers below zero not been there."""
        return self.curve.net_cents + self.curve.loss_cents

    def as_map(self) -> dict[str, Any]:
        """Everything, as it is printed."""
        what_if = {"net_cents": self.without_destroyers_cents(), "gained_cents": self.curve.loss_cents}
        return {**asdict(self), "prize_cents": self.prize_cents, "what_if_without_destroyers": what_if}


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One customer on the curve: how many bring less, and the profit without them, as if nothing else changed."""

    net_cents: int
    company_cents: int
    below_ppm: int
    profit_without_cents: int


def merge(sketches: Iterable[kernel.Sketch]) -> kernel.Sketch:
    """Sketches of different customers, added: the sketch of all of them."""
    return sum(sketches, np.zeros((2, BINS), np.int64))


def sketch_of(bins: Iterable[tuple[int, int, int]]) -> kernel.Sketch:
    """The sketch whose filled bins were published."""
    sketch = np.zeros((2, BINS), np.int64)
    for at, customers, cents in bins:
        sketch[:, at] = customers, cents
    return sketch


def curve(sketch: kernel.Sketch) -> Curve:
    """What a sketch says; exact but for where a percentile cuts a bin."""
    counts, cents = sketch
    customers, net = int(counts.sum()), int(cents.sum())
    above, below = int(counts[ZERO + 1 :].sum()), int(counts[:ZERO].sum())
    gain, loss = int(cents[ZERO + 1 :].sum()), -int(cents[:ZERO].sum())
    undefined = TOO_FEW if customers < LEAST_CUSTOMERS else NO_PROFIT if net <= 0 else None

    def top(share: float) -> int:
        return to_ppm(kernel.brought_by_top(sketch, share) / net)

    clear = undefined is None
    return Curve(
        customers=customers,
        net_cents=net,
        above_zero=above,
        below_zero=below,
        gain_cents=gain,
        loss_cents=loss,
        undefined=undefined,
        top_ppm={f"top_{percent}": top(percent / 100) for percent in TOPS} if clear else None,
        bottom_ppm=1_000_000 - top(1 - BOTTOM / 100) if clear else None,
        peak_customers_ppm=to_ppm(above / customers) if clear else None,
        peak_ppm=to_ppm(gain / net) if clear else None,
        below_zero_ppm=to_ppm(below / customers) if customers else None,
        points_ppm=tuple(top(step / STEPS) for step in range(STEPS + 1)) if clear else None,
    )


def whale_of(parts: Iterable[CurvePart]) -> Whale | None:
    """The whale curve of all partitions that have spoken; None before the first has.

    ``missing`` counts those that have not. Their midnights may differ: the oldest is told beside the newest.
    """
    spoken = {part.partition: part for part in parts}
    if not spoken:
        return None
    partitions = max(part.partitions for part in spoken.values())
    return Whale(
        as_of_ms=max(part.as_of_ms for part in spoken.values()),
        oldest_ms=min(part.as_of_ms for part in spoken.values()),
        partitions=partitions,
        missing=partitions - len(spoken),
        curve=curve(merge(sketch_of(part.bins) for part in spoken.values())),
        faultless=curve(merge(sketch_of(part.faultless_bins) for part in spoken.values())),
    )


def ranked(problems: Iterable[Problem]) -> list[Problem]:
    """Problems of all partitions, those of one id added up, most money first."""
    found: dict[str, Problem] = {}
    for one in problems:
        known = found.get(one.problem_id)
        found[one.problem_id] = one if known is None else _added(known, one)
    return sorted(found.values(), key=lambda one: (-one.money_cents, one.problem_id))


def _added(one: Problem, other: Problem) -> Problem:
    return replace(
        one,
        fault_id=one.fault_id or other.fault_id,
        sku=max(filter(None, (one.sku, other.sku)), key=_digest, default=None),
        reason=one.reason or other.reason,
        failures=tuple(flag for flag in FAILURES if flag in one.failures + other.failures),
        customers=one.customers + other.customers,
        open_customers=one.open_customers + other.open_customers,
        cost_cents=one.cost_cents + other.cost_cents,
        window_days=max(one.window_days, other.window_days),
        at_risk_cents=one.at_risk_cents + other.at_risk_cents,
        first_ms=min(one.first_ms, other.first_ms),
        last_ms=max(one.last_ms, other.last_ms),
        as_of_ms=max(one.as_of_ms, other.as_of_ms),
    )


def _digest(text: str) -> int:
    """A text's digest: of a fault's several skus the greatest is told, whatever the partitions."""
    raw, seed = np.frombuffer(text.encode(), np.uint8), np.zeros(1, np.uint64)
    return int(xxh64(raw, 0, raw.size, seed[0]))


def of_insights(insights: Mapping[bytes, bytes | None]) -> tuple[Whale | None, list[Problem]]:
    """The whale curve and the ranked problems behind the latest records by key; raises ``InsightError``."""
    problems = [Problem.read(value) for key, value in insights.items() if value and key.startswith(b"problem/")]
    return whale_of(_parts(insights)), ranked(problems)


def what_if(insights: Mapping[bytes, bytes | None], row: NDArray[np.void]) -> WhatIf | None:
    """What if this customer (a row, shape ()) were not there; None before the first curve.

    A what-if, not a forecast: shared cost would stay. Customers of the same bin count as bringing no less.
    """
    parts = _parts(insights)
    whale = whale_of(parts)
    if whale is None:
        return None
    _, net, company = kernel.year_of(row, whale.as_of_ms // DAY_MS)
    below = int(merge(sketch_of(part.bins) for part in parts)[0, : kernel.bin_of(net)].sum())
    share = to_ppm(below / max(1, whale.curve.customers))
    return WhatIf(int(net), int(company), share, whale.curve.net_cents - int(net))


def whale_of_insights(insights: Mapping[bytes, bytes | None]) -> Whale | None:
    """The whale curve alone behind the latest records by key; raises ``InsightError``."""
    return whale_of(_parts(insights))


def _parts(insights: Mapping[bytes, bytes | None]) -> list[CurvePart]:
    return [CurvePart.read(value) for key, value in insights.items() if value and key.startswith(b"curve/")]
