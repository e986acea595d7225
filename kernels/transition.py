"""Borders with hysteresis, dwell and cooldown: when one enters, escalates and leaves (docs/model.md section 5)."""

from typing import Final

from kernels import cases
from kernels._jit import kernel
from kernels.alive import gone_probability
from kernels.attribution import repair_running
from kernels.economics import reaching_out_cents
from kernels.machine import CLEARED, ENTERED, ESCALATED, cross
from kernels.relations import appeal_open
from kernels.settle import to_ppm
from kernels.shapes import Records, Row, Rules, Scores
from schemas.codes import Machine, Moment
from schemas.state import NEVER

CHURN: Final = int(Machine.CHURN)
SERVICE: Final = int(Machine.SERVICE)
CANCEL_BIT: Final = 1 << int(Moment.CANCEL_REQUESTED)
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000


@kernel
def _floor_knows(row: Row, told: int) -> bool:
    """Whether the floor has the wish to leave before it already, as the moment it is: one card says it."""
    bits = told
    if row["state"][SERVICE] != 0:
        bits |= int(row["failed_moments"])
    return bits & CANCEL_BIT != 0


@kernel
def wants_worth(row: Row, now_ms: int, told: int, rules: Rules, scores: Scores) -> bool:
    """Whether the next churn conclusion depends on what the customer is worth (which is dear to compute)."""
    enters = scores["risk_ppm"] >= to_ppm(rules["churn_enter_probability"])
    rested = now_ms >= row["cooldown_until_ms"][CHURN]
    return bool(row["state"][CHURN] == 0 and enters and rested) and not _floor_knows(row, told)


@kernel
def conclude_churn(row: Row, now_ms: int, told: int, rules: Rules, scores: Scores, out: Records, at: int) -> int:
    """Churn risk: enter where reaching out pays, escalate on high or jumping risk, leave when calm for days."""
    state = int(row["state"][CHURN])
    risk_ppm = int(scores["risk_ppm"])
    if state == 0:
        if not wants_worth(row, now_ms, told, rules, scores):
            return at
        gone = gone_probability(float(row["odds"]))
        saves = reaching_out_cents(int(scores["worth_cents"]), float(scores["risk"]), gone, rules)
        if saves < rules["churn_action_cents"]:
            return at
        row["risk_calm_since_ms"] = NEVER
        return cross(row, CHURN, ENTERED, 1, now_ms, 0, out, at)
    if risk_ppm <= to_ppm(rules["churn_clear_probability"]):
        if row["risk_calm_since_ms"] == NEVER:
            row["risk_calm_since_ms"] = now_ms
        calm = now_ms - int(row["risk_calm_since_ms"]) >= int(rules["churn_clear_days"]) * DAY_MS
        bought = row["last_purchase_day"] > int(row["since_ms"][CHURN]) // DAY_MS
        if calm or (bought and not cases.any_open(row)):
            row["risk_calm_since_ms"] = NEVER
            row["cooldown_until_ms"][CHURN] = now_ms + int(rules["churn_cooldown_days"]) * DAY_MS
            return cross(row, CHURN, CLEARED, 0, now_ms, 0, out, at)
    else:
        row["risk_calm_since_ms"] = NEVER
    if state == 1 and _rises(row, now_ms, risk_ppm, rules):
        return cross(row, CHURN, ESCALATED, 2, now_ms, 0, out, at)
    return at


@kernel
def _rises(row: Row, now_ms: int, risk_ppm: int, rules: Rules) -> bool:
    """Whether the risk is high, or has jumped since the day began (not on the day it was entered)."""
    if risk_ppm >= to_ppm(rules["churn_high_probability"]):
        return True
    later_day = now_ms // DAY_MS > int(row["since_ms"][CHURN]) // DAY_MS
    jumped = risk_ppm - int(row["risk_day_start_ppm"]) >= to_ppm(rules["churn_jump_probability"])
    return later_day and jumped and risk_ppm >= to_ppm(rules["churn_jump_floor_probability"])


@kernel
def conclude_service(row: Row, now_ms: int, told: int, rules: Rules, out: Records, at: int) -> int:
    """Service failure: tell the moments in ``told``, a bit each (listed, owed or worth it); leave if made good."""
    state = int(row["state"][SERVICE])
    if told == 0:
        if state != 0 and _made_good(row, now_ms, rules):
            row["failed_moments"] = 0
            return cross(row, SERVICE, CLEARED, 0, now_ms, 0, out, at)
        return at
    moment = 0
    while told & (1 << moment) == 0:
        moment += 1
    known = int(row["failed_moments"])
    rested = now_ms - int(row["failed_last_ms"]) >= int(rules["service_cooldown_hours"]) * HOUR_MS
    row["failed_moments"] = known | told
    if state == 0:
        row["failed_last_ms"] = now_ms
        return cross(row, SERVICE, ENTERED, 1, now_ms, moment, out, at)
    if told & ~known or rested:
        row["failed_last_ms"] = now_ms
        return cross(row, SERVICE, ESCALATED, 2, now_ms, moment, out, at)
    return at


@kernel
def _made_good(row: Row, now_ms: int, rules: Rules) -> bool:
    if cases.any_waiting(row) or cases.any_callback(row) or repair_running(row) or appeal_open(row):
        return False
    quiet_ms = int(rules["service_quiet_days"]) * DAY_MS
    if now_ms - int(row["failed_last_ms"]) >= quiet_ms:
        return True
    return bool(row["recovered_ms"] > row["failed_last_ms"]) and not cases.any_open(row)
