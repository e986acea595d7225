"""The oracle's second half of section 2: what a case cost, remembered and booked anew."""

from schemas import state
from schemas.codes import CaseFlag, Cause, Fault
from tests.oracle.rows import Heard, Row, stopped

COMPANY_FLAGS = (
    CaseFlag.DEFECT
    | CaseFlag.WRONG_PART
    | CaseFlag.PRODUCT_EOL
    | CaseFlag.CALLBACK_MISSED
    | CaseFlag.REOPENED
    | CaseFlag.KNOWN_FAULT
    | CaseFlag.REPEAT
    | CaseFlag.UNANSWERED
    | CaseFlag.LOCKED_OUT
    | CaseFlag.PROMISE_BROKEN
    | CaseFlag.APPEALED
)
BY_HAND = {Cause.COMPANY: Fault.COMPANY, Cause.CUSTOMER: Fault.CUSTOMER, Cause.NEUTRAL: Fault.SHARED}


def forget(row: Row, slot: int) -> None:
    """A taken slot starts without names, without costs and without a cause."""
    row.case_sku[slot] = row.case_reason[slot] = 0
    row.case_cause[slot], row.case_period[slot] = 0, state.NEVER
    row.case_alternative[slot] = row.case_price_percent[slot] = 0
    row.case_cost_cents[slot] = [[0] * state.FAULTS for _ in range(state.CASE_PERIODS)]


def name(row: Row, slot: int, sku: int, reason: int) -> None:
    """The last sku and the last reason that were sent stay."""
    row.case_sku[slot] = sku or row.case_sku[slot]
    row.case_reason[slot] = reason or row.case_reason[slot]


def remember(row: Row, slot: int, period: int, fault: Fault, cents: int) -> None:
    """Remember an event's own cost."""
    if cents:
        if row.case_period[slot] == state.NEVER:
            row.case_period[slot] = period
        at = period - row.case_period[slot]
        if at in range(state.CASE_PERIODS):
            costs = row.case_cost_cents[slot][at]
            costs[fault] = stopped(costs[fault] + cents)


def settle_cause(row: Row, slot: int, cause: int | None, flags_before: int) -> None:
    """A human's word moves everything; a first company's flag moves what was shared or unknown."""
    if cause is not None:
        row.case_cause[slot] = cause
        _move(row, slot, BY_HAND[Cause(cause)], list(Fault))
    elif not row.case_cause[slot] and not flags_before & COMPANY_FLAGS and row.case_flags[slot] & COMPANY_FLAGS:
        _move(row, slot, Fault.COMPANY, [Fault.SHARED, Fault.UNKNOWN])


def _move(row: Row, slot: int, to: Fault, froms: list[Fault]) -> None:
    for at, costs in enumerate(row.case_cost_cents[slot]):
        period = row.case_period[slot] + at
        for fault in froms:
            cents = costs[fault]
            if fault == to or not cents:
                continue
            costs[fault], costs[to] = 0, stopped(costs[to] + cents)
            places = [row.life_cost_cents]
            if row.holds("period", period):
                places.append(row.period_cost_cents[period % state.PERIODS])
            for place in places:
                place[fault], place[to] = stopped(place[fault] - cents), stopped(place[to] + cents)


def remember_way_out(row: Row, event: Heard, slot: int) -> None:
    """What was offered instead of what is no longer made, and how much dearer it is: the last that was told."""
    row.case_alternative[slot] = event.get("alternative") or row.case_alternative[slot]
    row.case_price_percent[slot] = event.or_else("price_ratio_percent", row.case_price_percent[slot])
