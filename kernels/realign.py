"""Costs above margin, whose doing they are, and what comes of it: realign the customer, or fix our own cause.

The two exclude each other (docs/model.md section 5): nobody is judged for what the company causes.
"""

from typing import Final

from kernels._jit import kernel
from kernels.machine import CLEARED, ENTERED, ESCALATED, cross
from kernels.scores import known_negative_ppm
from kernels.settle import to_ppm
from kernels.shapes import Records, Row, Rules, Scores
from schemas.codes import Machine, Remedy
from schemas.state import NEVER

VALUE: Final = int(Machine.VALUE)
CAUSE: Final = int(Machine.CAUSE)
DAY_MS: Final = 86_400_000
SEVERE: Final = 2
LASTING: Final = 3
REMEDIES: Final = len(Remedy)


@kernel
def _is_proved(row: Row, now_ms: int, rules: Rules, scores: Scores) -> bool:
    """Whether the periods behind prove a negative mean that is mostly not the company's doing."""
    mostly_theirs = scores["company_ppm"] < to_ppm(rules["value_company_share_enter"])
    if not mostly_theirs:
        return False
    return known_negative_ppm(row, now_ms // DAY_MS, rules, scores) >= to_ppm(rules["value_enter_probability"])


@kernel
def may_be_proved(rules: Rules, scores: Scores) -> bool:
    """Whether the year as it stands is bad enough, and long enough, to be worth a proof."""
    return bool(
        scores["periods"] >= rules["value_min_periods"]
        and scores["year_cents"] <= rules["value_enter_annual_cents"]
        and scores["contacts"] >= rules["value_min_contacts"]
        and scores["contact_periods"] >= rules["value_min_contact_periods"]
        and scores["net_year_cents"] <= rules["value_bottom_net_cents"]
    )


@kernel
def wants_forward(row: Row, now_ms: int, rules: Rules, scores: Scores) -> bool:
    """Whether the value conclusion depends on the year ahead, which is dear to compute."""
    if row["state"][VALUE] != 0:
        return True
    return bool(
        row["state"][CAUSE] == 0
        and now_ms >= row["cooldown_until_ms"][VALUE]
        and now_ms // DAY_MS - int(row["first_day"]) >= rules["value_onboarding_days"]
        and may_be_proved(rules, scores)
        and _is_proved(row, now_ms, rules, scores)
    )


@kernel
def conclude_value(row: Row, now_ms: int, rules: Rules, scores: Scores, out: Records, at: int) -> int:
    """Value-destroyer: enter on proof, behind and ahead, never on the company's own doing; leave without it."""
    state = int(row["state"][VALUE])
    ahead = scores["forward_year_cents"] <= rules["value_forward_cents"]
    if state == 0:
        if not (ahead and wants_forward(row, now_ms, rules, scores)):
            return at
        row["value_entered_ms"] = now_ms
        row["value_good_since_ms"] = NEVER
        row["remedies"] = 0
        return cross(row, VALUE, ENTERED, 1, now_ms, 0, out, at)
    if ahead:
        row["value_good_since_ms"] = NEVER
    elif row["value_good_since_ms"] == NEVER:
        row["value_good_since_ms"] = now_ms
    if _is_mended(row, now_ms, rules, scores) or enters_cause(row, now_ms, rules, scores):
        row["value_good_since_ms"] = NEVER
        row["cooldown_until_ms"][VALUE] = now_ms + int(rules["value_cooldown_days"]) * DAY_MS
        return cross(row, VALUE, CLEARED, 0, now_ms, 0, out, at)
    if not (ahead and _is_proved(row, now_ms, rules, scores)):
        return at
    if state < LASTING and _may_be_reviewed(row, now_ms, rules):
        return cross(row, VALUE, ESCALATED, LASTING, now_ms, 0, out, at)
    if state < SEVERE and scores["year_cents"] <= rules["value_severe_annual_cents"]:
        return cross(row, VALUE, ESCALATED, SEVERE, now_ms, 0, out, at)
    return at


@kernel
def _is_mended(row: Row, now_ms: int, rules: Rules, scores: Scores) -> bool:
    """Whether the proof is gone, or the year ahead has been good for long enough; never before the dwell."""
    if now_ms - int(row["since_ms"][VALUE]) < int(rules["value_dwell_days"]) * DAY_MS:
        return False
    good_ms = int(row["value_good_since_ms"])
    good = good_ms != NEVER and now_ms - good_ms >= int(rules["value_good_days"]) * DAY_MS
    weak = known_negative_ppm(row, now_ms // DAY_MS, rules, scores) < to_ppm(rules["value_clear_probability"])
    return bool(good or weak or scores["company_ppm"] >= to_ppm(rules["value_company_share_clear"]))


@kernel
def _may_be_reviewed(row: Row, now_ms: int, rules: Rules) -> bool:
    """Whether the state has lasted, and enough remedies of different kinds were tried in vain."""
    tried = 0
    for bit in range(REMEDIES):
        tried += (int(row["remedies"]) >> bit) & 1
    lasted = now_ms - int(row["value_entered_ms"]) >= int(rules["value_review_days"]) * DAY_MS
    return bool(lasted and tried >= rules["value_review_remedies"])


@kernel
def enters_cause(row: Row, now_ms: int, rules: Rules, scores: Scores) -> bool:
    """Whether the cause machine may be entered, and is."""
    rested = row["state"][CAUSE] == 0 and now_ms >= row["cooldown_until_ms"][CAUSE]
    return bool(rested) and may_be_our_cause(rules, scores)


@kernel
def may_be_our_cause(rules: Rules, scores: Scores) -> bool:
    """Whether the year loses money by the company's own doing: half of the cost, or all that makes the loss."""
    most = scores["company_ppm"] >= to_ppm(rules["value_company_share_enter"])
    return bool(
        scores["raw_net_year_cents"] <= rules["value_enter_annual_cents"]
        and (most or scores["raw_net_year_cents"] + scores["company_cents"] >= 0)
        and scores["year_contacts"] >= rules["value_min_contacts"]
    )


@kernel
def conclude_cause(row: Row, now_ms: int, rules: Rules, scores: Scores, out: Records, at: int) -> int:
    """Fix the cause: the customer costs more than they bring, and it is the company's own doing."""
    net = int(scores["raw_net_year_cents"])
    if row["state"][CAUSE] == 0:
        if row["state"][VALUE] == 0 and enters_cause(row, now_ms, rules, scores):
            return cross(row, CAUSE, ENTERED, 1, now_ms, 0, out, at)
        return at
    dwelt = now_ms - int(row["since_ms"][CAUSE]) >= int(rules["value_dwell_days"]) * DAY_MS
    theirs = scores["company_ppm"] < to_ppm(rules["value_cause_share_clear"])
    theirs = theirs and net + int(scores["company_cents"]) <= rules["value_enter_annual_cents"]
    # A loss that none of our doing is left in is nothing to fix; of who says and buys nothing, all becomes 0.
    if dwelt and (theirs or net > 0 or scores["company_cents"] == 0):
        row["cooldown_until_ms"][CAUSE] = now_ms + int(rules["value_cooldown_days"]) * DAY_MS
        return cross(row, CAUSE, CLEARED, 0, now_ms, 0, out, at)
    return at
