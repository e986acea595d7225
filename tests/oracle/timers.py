"""The oracle's timers of section 5: moments of what did not happen."""

from __future__ import annotations

from schemas import state
from schemas.codes import CaseFlag, Evidence, Moment
from schemas.events import DAY_MS
from tests.oracle import booking, relating
from tests.oracle.folding import count_failure, free_callback
from tests.oracle.rows import HOUR_MS, Row, Rules, day_of


def run(row: Row, rules: Rules, tick: int) -> int:
    """Set the marks and evidence of what is overdue at a tick; the bits of the moments."""
    due = 0
    for slot in range(state.CASES):
        since = row.waits_since(slot)
        told = row.case_flags[slot] & CaseFlag.TOLD_UNANSWERED
        if since is not None and not told and tick - since > rules.fault_unanswered_hours * HOUR_MS:
            before = row.case_flags[slot]
            row.case_flags[slot] |= int(CaseFlag.TOLD_UNANSWERED | CaseFlag.UNANSWERED)
            booking.settle_cause(row, slot, None, before)
            due |= 1 << Moment.TICKET_UNANSWERED
    for one in range(state.CALLBACKS):
        until = row.callback_due_ms[one]
        if until != state.NEVER and until + rules.fault_callback_grace_hours * HOUR_MS < tick:
            slot_of_case = row.slot_of(row.callback_case[one])
            if slot_of_case is not None:
                before = row.case_flags[slot_of_case]
                row.case_flags[slot_of_case] |= int(CaseFlag.CALLBACK_MISSED)
                booking.settle_cause(row, slot_of_case, None, before)
            free_callback(row, one)
            row.evidence[Evidence.CALLBACK_MISSED] += 1.0
            count_failure(row, day_of(tick))
            due |= 1 << Moment.CALLBACK_MISSED
    overdue = tick - row.repair_in_ms > rules.fault_repair_overdue_days * DAY_MS
    if row.in_repair() and overdue and row.repair_told_ms != row.repair_in_ms:
        row.repair_told_ms = row.repair_in_ms
        row.evidence[Evidence.REPAIR_TROUBLE] += 1.0
        count_failure(row, day_of(tick))
        due |= 1 << Moment.REPAIR_OVERDUE
    if relating.appeal_due(row, rules, tick):
        row.appeal_told_ms = row.appeal_ms
        row.evidence[Evidence.LEAVING_SIGNAL] += 1.0
        count_failure(row, day_of(tick))
        due |= 1 << Moment.APPEAL_UNANSWERED
    if due:
        row.failure_day = max(row.failure_day, day_of(tick))
    return due
