"""When nothing may be sold to, or asked of, a customer: set at once, lifted only after quiet days."""

from typing import Final

from kernels import cases
from kernels._jit import kernel
from kernels.attribution import DAY_MS
from kernels.evidence import RECOVERY
from kernels.machine import CLEARED, ENTERED, ESCALATED, cross
from kernels.relations import within
from kernels.shapes import Records, Row, Rules
from schemas.codes import DECAYED, FORBIDS, HoldReason, Machine, Purpose
from schemas.state import NEVER

CHURN: Final = int(Machine.CHURN)
SERVICE: Final = int(Machine.SERVICE)
HOLD: Final = int(Machine.HOLD)
OPEN_CASE: Final = int(HoldReason.OPEN_CASE)
WAITING: Final = int(HoldReason.UNANSWERED)
FAILURE: Final = int(HoldReason.FAILURE)
FAILED: Final = int(HoldReason.SERVICE)
LEAVING: Final = int(HoldReason.CHURN)
REVIEWED: Final = int(HoldReason.NEGATIVE_REVIEW)
MARKETING: Final = int(Purpose.MARKETING)
REVIEW_ASK: Final = int(Purpose.REVIEW_ASK)
REFERRAL_ASK: Final = int(Purpose.REFERRAL_ASK)
AGAINST_MARKETING: Final = sum(int(one) for one, what in FORBIDS.items() if Purpose.MARKETING in what)
AGAINST_REVIEW_ASK: Final = sum(int(one) for one, what in FORBIDS.items() if Purpose.REVIEW_ASK in what)
AGAINST_REFERRAL_ASK: Final = sum(int(one) for one, what in FORBIDS.items() if Purpose.REFERRAL_ASK in what)


@kernel
def failure_evidence(row: Row) -> float:
    """Everything that went wrong and has not faded, less what was put right since."""
    total = 0.0
    for which in range(DECAYED):
        found = float(row["evidence"][which])
        total += -found if which == RECOVERY else found
    return total


@kernel
def forbids(reasons: int, purpose: int) -> bool:
    """Whether one of the reasons forbids to write for this purpose."""
    if purpose == MARKETING:
        return reasons & AGAINST_MARKETING != 0
    if purpose == REVIEW_ASK:
        return reasons & AGAINST_REVIEW_ASK != 0
    return reasons & AGAINST_REFERRAL_ASK != 0


@kernel
def hold_reasons(row: Row, now_ms: int, rules: Rules) -> int:
    """Why the customer must be left in peace now, one bit of ``schemas.codes.HoldReason`` each; 0 for none."""
    reasons = OPEN_CASE if cases.any_open(row) else 0
    if cases.any_waiting(row):
        reasons |= WAITING
    if failure_evidence(row) >= rules["hold_failure_evidence"]:
        reasons |= FAILURE
    if row["state"][SERVICE] != 0:
        reasons |= FAILED
    if row["state"][CHURN] != 0:
        reasons |= LEAVING
    if within(int(row["negative_review_ms"]), now_ms, int(rules["hold_review_days"])):
        reasons |= REVIEWED
    return reasons


@kernel
def purposes_of(reasons: int) -> int:
    """The purposes that the reasons forbid, one bit (``1 << Purpose``) each."""
    found = 0
    for purpose in (MARKETING, REVIEW_ASK, REFERRAL_ASK):
        if forbids(reasons, purpose):
            found |= 1 << purpose
    return found


@kernel
def conclude_hold(row: Row, now_ms: int, rules: Rules, out: Records, at: int) -> int:
    """Set the hold on its first reason, tell each new one; allow a purpose again only after quiet days."""
    reasons = hold_reasons(row, now_ms, rules)
    held = int(row["hold_reasons"])
    if row["state"][HOLD] == 0:
        if reasons == 0:
            return at
        row["hold_reasons"] = reasons
        return cross(row, HOLD, ENTERED, 1, now_ms, reasons, out, at)
    if purposes_of(held) & ~purposes_of(reasons) == 0:
        row["hold_calm_since_ms"] = NEVER
    elif row["hold_calm_since_ms"] == NEVER:
        row["hold_calm_since_ms"] = now_ms
    calm_ms = int(row["hold_calm_since_ms"])
    if calm_ms != NEVER and now_ms - calm_ms >= int(rules["hold_quiet_days"]) * DAY_MS:
        row["hold_calm_since_ms"] = NEVER
        row["hold_reasons"] = reasons
        if reasons == 0:
            return cross(row, HOLD, CLEARED, 0, now_ms, 0, out, at)
        return cross(row, HOLD, ESCALATED, 1, now_ms, reasons, out, at)
    if reasons & ~held == 0:
        return at
    row["hold_reasons"] = held | reasons
    return cross(row, HOLD, ESCALATED, 1, now_ms, held | reasons, out, at)
