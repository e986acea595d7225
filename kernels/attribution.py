"""Whose doing a cost was, before anyone is judged by it (docs/model.md section 2, SCORING section 6)."""

from typing import Final

from kernels import cases
from kernels._jit import kernel
from kernels.cost import (
    CHARGEBACK,
    CONCESSION,
    CREDIT,
    DISPATCH,
    FEE,
    FREE_REPLACEMENT,
    PART_SHIPPED,
    PURCHASE,
    REFERRAL_CREDIT,
    REFUND,
    REPAIR_OUT,
    RETURN,
    SELF_SERVICE,
)
from kernels.rings import contacts_of_days, purchases_of_days
from kernels.shapes import Event, Row, Rules
from schemas.codes import Answer, Cause, Fault, ReturnReason
from schemas.state import NEVER

COMPANY: Final = int(Fault.COMPANY)
CUSTOMER: Final = int(Fault.CUSTOMER)
SHARED: Final = int(Fault.SHARED)
UNKNOWN: Final = int(Fault.UNKNOWN)
BY_COMPANY: Final = int(Cause.COMPANY)
BY_CUSTOMER: Final = int(Cause.CUSTOMER)
BY_NEITHER: Final = int(Cause.NEUTRAL)
REMORSE: Final = int(ReturnReason.REMORSE)
DEFECTIVE: Final = int(ReturnReason.DEFECT)
WRONG_GOODS: Final = int(ReturnReason.WRONG)
YES: Final = int(Answer.YES)
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000


@kernel
def repair_running(row: Row) -> bool:
    """Whether a repair began and has not ended."""
    return bool(row["repair_in_ms"] > row["repair_out_ms"])


@kernel
def repair_overdue(row: Row, rules: Rules, at_ms: int) -> bool:
    """Whether a running repair has taken longer than ``fault_repair_overdue_days`` at ``at_ms``."""
    limit = int(rules["fault_repair_overdue_days"]) * DAY_MS
    return repair_running(row) and row["repair_in_ms"] != NEVER and at_ms - int(row["repair_in_ms"]) > limit


@kernel
def waited_too_long(row: Row, slot: int, rules: Rules, at_ms: int) -> bool:
    """Whether the slot's ticket has waited longer than ``fault_unanswered_hours`` at ``at_ms``."""
    limit = int(rules["fault_unanswered_hours"]) * HOUR_MS
    return cases.is_waiting(row, slot) and at_ms - int(row["case_asked_ms"][slot]) > limit


@kernel
def column_of(cause: int) -> int:
    """The column of a cause that a human has set."""
    return COMPANY if cause == BY_COMPANY else (CUSTOMER if cause == BY_CUSTOMER else SHARED)


@kernel
def settle_cause(row: Row, slot: int, cause: int, was_companys: bool) -> None:
    """Book the case's earlier costs anew when a human names its cause, or it turns out to be the company's.

    A human's word stands until a human says otherwise.
    """
    if cause != 0:
        row["case_cause"][slot] = cause
        cases.book_anew(row, slot, column_of(cause), True)
    elif row["case_cause"][slot] == 0 and not was_companys and cases.is_companys(row, slot):
        cases.book_anew(row, slot, COMPANY, False)


@kernel
def fault_of(row: Row, event: Event, rules: Rules, slot: int, names_case: bool, waited: bool) -> int:
    """The column the event's cost is booked in; the first rule that matches.

    slot        the case's slot after this event, -1 for none
    names_case  whether the event named a case at all
    waited      whether that case had waited too long before this event
    """
    cause = int(event["cause"])
    if cause == 0 and slot >= 0:
        cause = int(row["case_cause"][slot])
    if cause != 0:
        return column_of(cause)
    kind = int(event["kind"])
    returned = int(event["return_reason"])
    if kind in (FREE_REPLACEMENT, CREDIT, CONCESSION, cases.PART_WRONG) or returned in (
        DEFECTIVE,
        WRONG_GOODS,
    ):
        return COMPANY
    if waited or repair_overdue(row, rules, int(event["ts_ms"])):
        return COMPANY
    if kind == REPAIR_OUT and row["repair_repeat"] != 0:
        return COMPANY
    if slot >= 0:
        again = cases.is_contact(kind) and row["case_contacts"][slot] >= 2
        if again or cases.is_companys(row, slot):
            return COMPANY
    if not names_case and cases.any_company_case(row):
        return COMPANY
    if cases.is_contact(kind) and row["abuse_until_ms"] > event["ts_ms"]:
        return CUSTOMER
    if returned == REMORSE or (kind == CHARGEBACK and event["resolved"] == YES):
        return CUSTOMER
    return SHARED if _is_ordinary(kind, event, names_case) else UNKNOWN


@kernel
def tells_of_a_defect(row: Row, kind: int, day: int, rules: Rules) -> bool:
    """Whether a contact of unknown fault looks like a defect's: soon after a purchase, and again so soon.

    The rings are as they stood before this contact.
    """
    if not cases.is_contact(kind):
        return False
    if purchases_of_days(row, day - int(rules["fault_defect_days"]), day) == 0:
        return False
    return contacts_of_days(row, day - int(rules["fault_again_days"]), day) > 0


@kernel
def _is_ordinary(kind: int, event: Event, names_case: bool) -> bool:
    """Whether enough is known of the event to call its cost shared."""
    if kind in (PURCHASE, FEE, RETURN, REFUND, REFERRAL_CREDIT, SELF_SERVICE, DISPATCH, REPAIR_OUT):
        return True
    if kind in (PART_SHIPPED, CHARGEBACK):
        return True
    return bool(names_case or event["reason"] != 0 or event["resolved"] == YES)
