"""Evidence of failure and recovery: decayed sums, their terms in the hazard, and what they point at."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels import cases
from kernels._jit import kernel
from kernels.elementary import exp, log1p
from kernels.rings import count_failure
from kernels.shapes import Row, Rules
from schemas.codes import DECAYED, Evidence
from schemas.state import REFERENCES

UNRESOLVED: Final = int(Evidence.UNRESOLVED_REPEAT)
WRONG_PART: Final = int(Evidence.WRONG_PART)
RECOVERY: Final = int(Evidence.RECOVERY)
CANCEL: Final = int(Evidence.CANCEL_REQUEST)
UNANSWERED: Final = int(Evidence.UNANSWERED_TICKET)
TERMS: Final = DECAYED + 1
FACTORS: Final = DECAYED + 1
LN_2: Final = 0.6931471805599453
WEEK_MS: Final = 604_800_000.0
MOST_WRONG_PARTS: Final = 2.0
MOST_CANCEL_REQUESTS: Final = 1.0


@kernel
def daily_factor(half_life_days: float) -> float:
    """What is left of a decayed sum after one day: exp(-ln 2 / half-life)."""
    return exp(-LN_2 / half_life_days)


@kernel
def add(row: Row, which: int, weight: float, event_day: int, rules: Rules) -> None:
    """Add evidence of ``event_day``, already decayed by the days the row is ahead; count the failure."""
    factor = daily_factor(rules["half_life_days"][which])
    for _ in range(int(row["day"]) - event_day):
        weight *= factor
    row["evidence"][which] += weight
    if which != RECOVERY:
        count_failure(row, event_day)


@kernel
def daily_factors(rules: Rules, out: NDArray[np.float64]) -> None:
    """The factor of every decayed sum, and last that of the usual risk, into ``out`` (``FACTORS``,)."""
    for which in range(DECAYED):
        out[which] = daily_factor(rules["half_life_days"][which])
    out[DECAYED] = daily_factor(float(rules["best_usual_half_life_days"]))


@kernel
def decay_a_day(row: Row, factors: NDArray[np.float64]) -> None:
    """Let every decayed sum fade by one day."""
    for which in range(DECAYED):
        if row["evidence"][which] != 0.0:
            row["evidence"][which] *= factors[which]


@kernel
def term(row: Row, which: int, at_ms: int) -> float:
    """The evidence as it enters the hazard, before its weight (docs/model.md section 4)."""
    if which == UNANSWERED:
        waited_ms = cases.longest_wait_ms(row, at_ms)
        return log1p(float(waited_ms) / WEEK_MS) if waited_ms > 0 else 0.0
    found = float(row["evidence"][which])
    if found == 0.0:
        return 0.0
    if which == UNRESOLVED:
        return log1p(found)
    if which == WRONG_PART:
        return min(found, MOST_WRONG_PARTS)
    if which == CANCEL:
        return min(found, MOST_CANCEL_REQUESTS)
    return found


@kernel
def terms(row: Row, at_ms: int, out: NDArray[np.float64]) -> None:
    """Every term in the order of the codes, into ``out`` (``TERMS``,)."""
    for which in range(TERMS):
        out[which] = term(row, which, at_ms)


@kernel
def log_ratio(row: Row, at_ms: int, rules: Rules) -> float:
    """The sum of weight x term, in the order of the codes: the hazard's logarithm over its base."""
    total = 0.0
    for which in range(TERMS):
        total += float(rules["weight"][which]) * term(row, which, at_ms)
    return total


@kernel
def refer(row: Row, kind: int, ts_ms: int, digest: int) -> None:
    """Remember an event by kind, time and digest, in place of the oldest reference."""
    at = int(row["reference_next"])
    row["reference_kind"][at] = kind
    row["reference_ms"][at] = ts_ms
    row["reference_digest"][at] = digest
    row["reference_next"] = (at + 1) % REFERENCES
