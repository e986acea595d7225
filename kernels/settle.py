"""Carry a row to a later day, one step a midnight, so that one long settling equals many short ones."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels import churn, evidence
from kernels._jit import allocating, kernel
from kernels.alive import hazard_per_day, silence_step
from kernels.elementary import round_half_even
from kernels.shapes import Memo, Row, Rules
from schemas.codes import DECAYED
from schemas.state import MEMO, NEVER

DAY_MS: Final = 86_400_000
PPM: Final = 1_000_000.0
CALM: Final = 1
BARE: Final = 2
"""What a memo may say of its row: it is calm (``kernels.calm``), and there is no evidence either."""


@kernel
def to_ppm(share: float) -> int:
    """A share or probability in whole parts per million, half to even."""
    return round_half_even(share * PPM)


@kernel
def hazard(row: Row, at_ms: int, rules: Rules) -> float:
    """The chance to leave on the day of ``at_ms``, given what went wrong."""
    return hazard_per_day(float(rules["churn_base_hazard_per_day"]), evidence.log_ratio(row, at_ms, rules))


@kernel
def recall_hazard(row: Row, memo: Memo, at_ms: int, rules: Rules) -> float:
    """``hazard``, which is the base where the memo knows that nothing went wrong and nothing waits."""
    if memo["calm"] == BARE:
        return float(rules["churn_base_hazard_per_day"])
    return hazard(row, at_ms, rules)


@kernel
def usual_risk(usual: float, chance: float, fade: float) -> float:
    """The customer's own usual risk, an exponentially weighted mean; the first midnight's risk begins it."""
    return chance if usual == 0.0 else fade * usual + (1.0 - fade) * chance


@allocating
def settle(row: Row, day: int, rules: Rules) -> None:
    """Take the step of every midnight after the row's day up to ``day`` (docs/model.md section 3)."""
    factors = np.empty(evidence.FACTORS)
    evidence.daily_factors(rules, factors)
    memos = np.zeros(1, MEMO)
    settle_by(row, memos[0], day, rules, factors)


@kernel
def settle_by(row: Row, memo: Memo, day: int, rules: Rules, factors: NDArray[np.float64]) -> None:
    """``settle`` for many rows: with what ``evidence.daily_factors`` gives, computed once, and the row's memo."""
    since = int(row["first_purchase_day"])
    if since == NEVER:
        since = int(row["first_day"])
    repeats = churn.cadence(row)
    for midnight in range(int(row["day"]) + 1, day + 1):
        leaving = recall_hazard(row, memo, midnight * DAY_MS, rules)
        row["risk_day_before_ppm"] = row["risk_day_start_ppm"]
        chance = churn.recall_risk(row, memo, leaving, midnight * DAY_MS, rules)
        row["risk_day_start_ppm"] = to_ppm(chance)
        row["usual_risk"] = usual_risk(float(row["usual_risk"]), chance, factors[DECAYED])
        row["odds"] = silence_step(
            float(row["odds"]),
            leaving,
            max(0, midnight - 1 - since),
            1,
            repeats,
            float(rules["churn_rate_shape"]),
            float(rules["churn_rate_scale_weeks"]),
        )
        if memo["calm"] != BARE:
            evidence.decay_a_day(row, factors)
        row["day"] = midnight
