"""Who had left by a day, judged from what came after it: the soft label that a fit of the risk learns from.

Nobody tells when they leave. But whoever buys or pays again had not left, and whoever stays silent to the end of a
history has left with the filter's own probability, which can be shared out over the days of the silence.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels import churn, evidence
from kernels._jit import kernel
from kernels.elementary import exp, log
from kernels.settle import hazard, settle
from kernels.shapes import Records, Row, Rules
from schemas.state import NEVER

DAY_MS: Final = 86_400_000
DAYS_PER_WEEK: Final = 7.0
FEE_TOLERANCE: Final = 2


@kernel
def describe(
    rows: Records, n: int, now_ms: int, rules: Records, terms: NDArray[np.float64], found: NDArray[np.float64],
    leaving: NDArray[np.float64], odds: NDArray[np.float64], risks: NDArray[np.float64],
) -> None:  # fmt: skip
    """Settle the first ``n`` rows to the day of ``now_ms`` and write down what they say to the risk, by row.

    terms    (n, ``churn.TERMS``) the terms; ``found`` (n, ``evidence.TERMS``) evidence as it enters the hazard
    leaving  (n,) the hazard a day, ``odds`` (n,) of being gone, ``risks`` (n,) the 90-day risk
    """
    rule = rules[0]
    for i in range(n):
        row = rows[i]
        settle(row, now_ms // DAY_MS, rule)
        leaving[i] = hazard(row, now_ms, rule)
        odds[i] = row["odds"]
        churn.terms_beside_filter(row, now_ms, rule, terms[i])
        terms[i, churn.FILTER] = churn.log_odds(churn.filter_risk(row, leaving[i], rule))
        evidence.terms(row, now_ms, found[i])
        risks[i] = churn.risk(row, leaving[i], now_ms, rule)


@kernel
def pays_fees(row: Row, rules: Rules) -> bool:
    """Whether the fees tell of this customer: the last sign of life was one, or hardly earlier."""
    last = int(row["last_fee_day"])
    late = FEE_TOLERANCE * churn.fee_days(row, rules)
    return last != NEVER and int(row["last_purchase_day"]) <= last + late


@kernel
def silence(row: Row, day: int, then: int, rules: Rules) -> tuple[float, float]:
    """How much likelier the silence up to ``then`` is of one gone since ``day``, and of one who left in it.

    The second is the mean over the days on which they may have left; both are 1 where there is no day.
    """
    since = int(row["first_purchase_day"])
    if since == NEVER:
        since = int(row["first_day"])
    scale = float(rules["churn_rate_scale_weeks"])
    power = float(rules["churn_rate_shape"]) + churn.cadence(row)
    end = log(scale + max(0, then - since) / DAYS_PER_WEEK)
    whole, total = 1.0, 0.0
    for at in range(day, then):
        likelier = exp(power * (end - log(scale + max(0, at - since) / DAYS_PER_WEEK)))
        if at == day:
            whole = likelier
        total += likelier
    return whole, total / (then - day) if then > day else 1.0


@kernel
def left_by(
    row: Row, end_day: int, day: int, odds: float, then: int, odds_then: float, left_then: float, rules: Rules
) -> float:
    """P(the customer had left by ``day`` | everything up to ``end_day``), given the same of a later day ``then``.

    Who asked to leave and neither bought nor paid after that left then. A payer who still pays has not left; one
    who stopped left at any time, evenly, before the next fee fell due.
    A buyer who bought on or after ``day`` had not left. Of one who stayed silent, the odds O of ``day`` grew to
    those of ``then`` by the silence and by leaving in between, O_then = g (K O + M) - M, with K and M of
    ``silence`` and g = exp of the hazard, taken as even: that gives g, and the share that left before is
    g K O / O_then of ``left_then``.

    row        as it was at ``end_day``; ``left_then`` of the end itself is the filter's P(gone)
    odds       the filter's on ``day``; ``odds_then`` on ``then``, ``day`` <= ``then`` <= ``end_day``
    """
    asked_day = int(row["cancel_ms"]) // DAY_MS
    if row["cancel_ms"] != NEVER and max(int(row["last_purchase_day"]), int(row["last_fee_day"])) <= asked_day:
        return 1.0 if day > asked_day else 0.0
    if pays_fees(row, rules):
        last = int(row["last_fee_day"])
        due = churn.fee_days(row, rules)
        if end_day - last <= due:
            return 0.0
        return min(1.0, max(0.0, (day - last) / due))
    if row["last_purchase_day"] >= day or odds_then <= 0.0:
        return 0.0
    whole, mean = silence(row, day, then, rules)
    carried = whole * odds
    share = carried / (carried + mean) * ((odds_then + mean) / odds_then)
    return left_then * min(1.0, share)


@kernel
def all_left_by(
    rows: Records, end_day: int, day: int, odds: NDArray[np.float64], then: int, odds_then: NDArray[np.float64],
    left_then: NDArray[np.float64], rules: Records, out: NDArray[np.float64],
) -> None:  # fmt: skip
    """``left_by`` of the first ``odds.size`` rows, into ``out``."""
    for i in range(odds.size):
        later = float(left_then[i])
        out[i] = left_by(rows[i], end_day, day, float(odds[i]), then, float(odds_then[i]), later, rules[0])


@kernel
def are_active(rows: Records, n: int, day: int, silent_days: int, rules: Records, out: NDArray[np.uint8]) -> None:
    """Who is a customer on ``day``, as far as events tell: known for four weeks; pays, or was heard of lately."""
    rule = rules[0]
    for i in range(n):
        row = rows[i]
        known = day - int(row["first_day"]) >= 28
        if row["last_fee_day"] != NEVER:
            here = day - int(row["last_fee_day"]) <= churn.fee_days(row, rule)
        else:
            here = day - int(row["last_event_ms"]) // DAY_MS <= silent_days
        out[i] = 1 if known and here else 0
