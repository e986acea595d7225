"""When nothing may be sold to, or asked of, a customer: set at once, lifted only after quiet days."""

from typing import Final

from kernels import cases
from kernels._jit import kernel
from kernels.attribution import DAY_MS
from kernels.evidence import RECOVERY
from kernels.machine import CLEARED, ENTERED, cross
from kernels.shapes import Records, Row, Rules
from schemas.codes import DECAYED, HoldReason, Machine
from schemas.state import NEVER

CHURN: Final = int(Machine.CHURN)
SERVICE: Final = int(Machine.SERVICE)
HOLD: Final = int(Machine.HOLD)
OPEN_CASE: Final = int(HoldReason.OPEN_CASE)
WAITING: Final = int(HoldReason.UNANSWERED)
FAILURE: Final = int(HoldReason.FAILURE)
FAILED: Final = int(HoldReason.SERVICE)
LEAVING: Final = int(HoldReason.CHURN)


@kernel
def failure_evidence(row: Row) -> float:
    """Everything that went wrong and has not faded, less what was put right since."""
    total = 0.0
    for which in range(DECAYED):
        found = float(row["evidence"][which])
        total += -found if which == RECOVERY else found
    return total


@kernel
def hold_reasons(row: Row, rules: Rules) -> int:
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
    return reasons


@kernel
def conclude_hold(row: Row, now_ms: int, rules: Rules, out: Records, at: int) -> int:
    """Set the hold on its first reason; lift it when there has been none for ``hold_quiet_days``."""
    reasons = hold_reasons(row, rules)
    if row["state"][HOLD] == 0:
        return cross(row, HOLD, ENTERED, 1, now_ms, reasons, out, at) if reasons != 0 else at
    if reasons != 0:
        row["hold_calm_since_ms"] = NEVER
        return at
    if row["hold_calm_since_ms"] == NEVER:
        row["hold_calm_since_ms"] = now_ms
    if now_ms - int(row["hold_calm_since_ms"]) < int(rules["hold_quiet_days"]) * DAY_MS:
        return at
    row["hold_calm_since_ms"] = NEVER
    return cross(row, HOLD, CLEARED, 0, now_ms, 0, out, at)
