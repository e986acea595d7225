"""When acting pays: what is at stake with a customer, what a gesture saves, which moments reach the floor.

Docs/model.md section 5, Economics; SCORING section 5. The chances are a model's, not proof of what a gesture does.
"""

from typing import Final

import numpy as np

from kernels import cases
from kernels._jit import allocating, kernel
from kernels.churn import risk
from kernels.elementary import round_half_even
from kernels.evidence import RECOVERY, UNANSWERED
from kernels.settle import hazard, to_ppm
from kernels.shapes import Row, Rules, Scores
from schemas.codes import Moment
from schemas.state import CASES

OWED: Final = (
    1 << int(Moment.TICKET_UNANSWERED)
    | 1 << int(Moment.CALLBACK_MISSED)
    | 1 << int(Moment.REPAIR_OVERDUE)
    | 1 << int(Moment.WRONG_PART_TWICE)
    | 1 << int(Moment.APPEAL_UNANSWERED)
)
"""Moments after which the company owes something: told at any price."""
MOMENTS: Final = len(Moment) + 1


@kernel
def stake_cents(worth_cents: int, rules: Rules) -> int:
    """What is lost with the customer: their worth, and what winning another in their place would take."""
    return max(0, worth_cents) + int(rules["economics_acquisition_cents"])


@kernel
def saved_cents(stake: int, chance: float) -> int:
    """What is saved by making the loss of ``stake`` cents less likely by ``chance``; rounded half to even."""
    return round_half_even(float(stake) * chance)


@kernel
def break_even_ppm(cost_cents: int, stake: int) -> int:
    """By how much the risk must fall for a gesture to earn its cost; at most 1, also where nothing is at stake."""
    return to_ppm(min(1.0, cost_cents / stake)) if stake > 0 else to_ppm(1.0)


@kernel
def pays(saved: int, cost_cents: int, rules: Rules) -> bool:
    """Whether a gesture saves enough times its cost to be recommended."""
    return float(saved) >= float(rules["economics_least_return"]) * float(cost_cents)


@kernel
def moment_cents(moment: int, rules: Rules) -> int:
    """What acting on a moment takes: what is given, and the floor's minutes at the rate of a call."""
    minutes = float(rules["moment_floor_minutes"][moment]) * float(rules["cost_voice_cents_per_minute"])
    return int(rules["moment_gesture_cents"][moment]) + round_half_even(minutes)


@kernel
def reaching_out_cents(worth_cents: int, chance: float, gone: float, rules: Rules) -> int:
    """What reaching out to somebody at risk is expected to save, cents, half to even.

    ``chance`` of leaving within 90 days, of which ``gone`` has left already: those are hardly won back.
    """
    kept = float(rules["churn_saved_share"]) * max(0.0, chance - gone)
    return saved_cents(stake_cents(worth_cents, rules), kept + float(rules["churn_won_back_share"]) * gone)


@kernel
def replacement_cents(row: Row, rules: Rules) -> int:
    """What a replacement costs: a share of the last price, at most the usual; that where no price is known."""
    usual = int(rules["cost_replacement_cents"])
    price = int(row["last_spend_cents"])
    if price <= 0:
        return usual
    return min(usual, round_half_even(float(price) * float(rules["economics_replacement_share"])))


@allocating
def risk_made_good(row: Row, now_ms: int, rules: Rules) -> float:
    """The 90-day risk with every open case settled and one gesture of recovery made; the row stays as it is."""
    recovery = row["evidence"][RECOVERY]
    resolved = np.empty(CASES, np.int64)
    for slot in range(CASES):
        resolved[slot] = row["case_resolved_ms"][slot]
        if cases.is_open(row, slot):
            row["case_resolved_ms"][slot] = max(row["case_opened_ms"][slot], row["case_asked_ms"][slot])
    row["evidence"][RECOVERY] = recovery + 1.0
    chance = risk(row, hazard(row, now_ms, rules), now_ms, rules)
    row["evidence"][RECOVERY] = recovery
    for slot in range(CASES):
        row["case_resolved_ms"][slot] = resolved[slot]
    return chance


@allocating
def risk_without(row: Row, which: int, now_ms: int, rules: Rules) -> float:
    """The 90-day risk if this one kind of evidence were not there; the row stays as it is."""
    found = 0.0
    answered = np.empty(CASES, np.int64)
    for slot in range(CASES):
        answered[slot] = row["case_answered_ms"][slot]
    if which == UNANSWERED:
        for slot in range(CASES):
            if cases.is_waiting(row, slot):
                row["case_answered_ms"][slot] = row["case_asked_ms"][slot]
    else:
        found = row["evidence"][which]
        row["evidence"][which] = 0.0
    chance = risk(row, hazard(row, now_ms, rules), now_ms, rules)
    if which != UNANSWERED:
        row["evidence"][which] = found
    for slot in range(CASES):
        row["case_answered_ms"][slot] = answered[slot]
    return chance


@kernel
def worth_telling(row: Row, now_ms: int, due: int, rules: Rules, scores: Scores) -> int:
    """The moments in ``due`` (a bit each) that reach the floor: those that are owed or worth their cost.

    The chance to save is the greater of the model's and the policy's for the moment; ``scores`` holds risk, worth.
    """
    if due == 0:
        return 0
    told = due & OWED
    stake = stake_cents(int(scores["worth_cents"]), rules)
    model = -1.0
    for moment in range(1, MOMENTS):
        if due & ~OWED & (1 << moment) == 0:
            continue
        cost = moment_cents(moment, rules)
        chance = float(rules["saves"][moment])
        if saved_cents(stake, chance) < cost:
            if model < 0.0:
                model = max(0.0, float(scores["risk"]) - risk_made_good(row, now_ms, rules))
            chance = model
        if saved_cents(stake, chance) >= cost:
            told |= 1 << moment
    return told
