"""The quiet customers who bring much and ask for little (docs/model.md section 5)."""

from typing import Final

from kernels._jit import kernel
from kernels.attribution import DAY_MS
from kernels.machine import CLEARED, ENTERED, cross
from kernels.realign import CAUSE, VALUE
from kernels.shapes import Records, Row, Rules, Scores
from schemas.codes import Machine
from schemas.state import PERIOD_DAYS

GEM: Final = int(Machine.GEM)
YEAR_DAYS: Final = 364


@kernel
def may_be_a_gem(rules: Rules, scores: Scores) -> bool:
    """Whether the year as it stands is good enough, by few contacts."""
    return bool(
        scores["periods"] >= rules["gem_min_periods"]
        and scores["year_cents"] >= rules["gem_annual_cents"]
        and scores["year_contacts"] <= rules["gem_contacts"]
    )


@kernel
def _is_overlooked(row: Row, day: int, rules: Rules) -> bool:
    """A revenue of a year that nobody looks at."""
    days = max(PERIOD_DAYS, day - int(row["first_day"]))
    return bool(float(row["spent_cents"]) * YEAR_DAYS / days <= rules["gem_revenue_cents"])


@kernel
def conclude_gem(row: Row, now_ms: int, rules: Rules, scores: Scores, out: Records, at: int) -> int:
    """Point out a customer whose net is high for the attention they get; rarely, and with a long memory."""
    neutral = row["state"][VALUE] == 0 and row["state"][CAUSE] == 0
    year = int(scores["year_cents"])
    if row["state"][GEM] == 0:
        if (
            neutral
            and now_ms >= row["cooldown_until_ms"][GEM]
            and may_be_a_gem(rules, scores)
            and _is_overlooked(row, now_ms // DAY_MS, rules)
        ):
            return cross(row, GEM, ENTERED, 1, now_ms, 0, out, at)
        return at
    dwelt = now_ms - int(row["since_ms"][GEM]) >= int(rules["gem_dwell_days"]) * DAY_MS
    loud = scores["year_contacts"] > 2 * int(rules["gem_contacts"])
    if dwelt and (not neutral or loud or year < rules["gem_clear_annual_cents"]):
        row["cooldown_until_ms"][GEM] = now_ms + int(rules["gem_cooldown_days"]) * DAY_MS
        return cross(row, GEM, CLEARED, 0, now_ms, 0, out, at)
    return at
