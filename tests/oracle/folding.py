"""Section 2 of docs/model.md in plain numbers: what one event changes in a row, and the moment it makes."""

from __future__ import annotations

from schemas import state
from schemas.codes import (
    Answer,
    Author,
    CaseFlag,
    Cause,
    Evidence,
    Fault,
    HoldReason,
    Kind,
    Machine,
    Moment,
    ReturnReason,
)
from schemas.events import DAY_MS
from tests.oracle import booking, forward, relating
from tests.oracle.prices import cost_cents, margin_cents, revenue_cents
from tests.oracle.rows import (
    HOUR_MS,
    MILLION,
    MOST,
    Heard,
    Row,
    Rules,
    day_of,
    hour_of,
    period_of,
    stopped,
)

COMPANY_KINDS = {Kind.FREE_REPLACEMENT, Kind.CREDIT, Kind.CONCESSION, Kind.PART_WRONG}
SHARED_KINDS = {
    *(Kind.PURCHASE, Kind.MAINTENANCE_FEE, Kind.RETURN, Kind.REFUND, Kind.REFERRAL_CREDIT),
    *(Kind.SELF_SERVICE, Kind.DISPATCH, Kind.REPAIR_OUT, Kind.PART_SHIPPED, Kind.CHARGEBACK),
}
ESCALATIONS = {Kind.ESCALATION_REQUESTED, Kind.ESCALATION_GRANTED, Kind.ESCALATION_DENIED}
TICKETS = {Kind.TICKET_OPENED, Kind.TICKET_REPLY, Kind.TICKET_RESOLVED, Kind.TICKET_REOPENED}
OPENS_A_CASE = {
    *(Kind.CALL_CLOSED, Kind.CHAT, Kind.EMAIL, Kind.CALL_OPENED, Kind.REPAIR_IN, Kind.PART_SHIPPED),
    *(Kind.PART_WRONG, Kind.CALLBACK_PROMISED, Kind.CALLBACK_MISSED, Kind.PRODUCT_EOL, Kind.PROMISE_REVERSED),
    *(Kind.UPSELL_AS_REMEDY, Kind.EXECUTIVE_APPEAL, Kind.WORKAROUND_EFFORT, Kind.SPECIFICATION_GAP),
    *(Kind.FAULT_OPENED, Kind.RUDE_CALL, Kind.LOCK_OUT, Kind.IDENTITY_REFUSED, *TICKETS, *ESCALATIONS),
}
SETS_FLAG = {
    Kind.TICKET_REOPENED: CaseFlag.REOPENED,
    Kind.FAULT_OPENED: CaseFlag.KNOWN_FAULT,
    Kind.PART_WRONG: CaseFlag.WRONG_PART,
    Kind.PRODUCT_EOL: CaseFlag.PRODUCT_EOL,
    Kind.CALLBACK_MISSED: CaseFlag.CALLBACK_MISSED,
    Kind.SPECIFICATION_GAP: CaseFlag.DEFECT,
    Kind.LOCK_OUT: CaseFlag.LOCKED_OUT,
    Kind.PROMISE_REVERSED: CaseFlag.PROMISE_BROKEN,
    Kind.UPSELL_AS_REMEDY: CaseFlag.PROMISE_BROKEN,
    Kind.EXECUTIVE_APPEAL: CaseFlag.APPEALED,
    Kind.REPAIR_IN: CaseFlag.REPAIR,
    Kind.TICKET_OPENED: CaseFlag.TICKET,
    Kind.TICKET_REPLY: CaseFlag.TICKET,
}
MOMENT_OF = {
    Kind.ESCALATION_DENIED: Moment.ESCALATION_DENIED,
    Kind.CALLBACK_MISSED: Moment.CALLBACK_MISSED,
    Kind.PROMISE_REVERSED: Moment.PROMISE_REVERSED,
    Kind.UPSELL_AS_REMEDY: Moment.UPSELL_AS_REMEDY,
    Kind.EXECUTIVE_APPEAL: Moment.EXECUTIVE_APPEAL,
    Kind.SPECIFICATION_GAP: Moment.SPECIFICATION_GAP,
    Kind.LOCK_OUT: Moment.LOCKED_OUT,
    Kind.CANCEL_REQUEST: Moment.CANCEL_REQUESTED,
    Kind.IDENTITY_REFUSED: Moment.IDENTITY_REFUSED,
}
EVIDENCE_OF = {
    Kind.ESCALATION_DENIED: Evidence.ESCALATION_DENIED,
    Kind.IDENTITY_REFUSED: Evidence.ESCALATION_DENIED,
    Kind.PART_WRONG: Evidence.WRONG_PART,
    Kind.CALLBACK_MISSED: Evidence.CALLBACK_MISSED,
    Kind.FREE_REPLACEMENT: Evidence.RECOVERY,
    Kind.ESCALATION_GRANTED: Evidence.RECOVERY,
    Kind.CREDIT: Evidence.RECOVERY,
    Kind.CONCESSION: Evidence.RECOVERY,
    Kind.CANCEL_REQUEST: Evidence.CANCEL_REQUEST,
    Kind.PROMISE_REVERSED: Evidence.BROKEN_PROMISE,
    Kind.UPSELL_AS_REMEDY: Evidence.BROKEN_PROMISE,
    Kind.SPECIFICATION_GAP: Evidence.BROKEN_PROMISE,
    Kind.LOCK_OUT: Evidence.BROKEN_PROMISE,
    Kind.COMPETITOR_OFFER: Evidence.LEAVING_SIGNAL,
    Kind.EXECUTIVE_APPEAL: Evidence.LEAVING_SIGNAL,
    Kind.DEAL_LOST: Evidence.LEAVING_SIGNAL,
}


def fold(row: Row, event: Heard, rules: Rules, now: int) -> Moment | None:
    """Fold one event into a row settled to ``now``'s day; the moment it makes, if any."""
    doubtful = forward.tells_of_a_defect(row, event, rules)
    if event.is_contact:
        _count_contact(row, event, rules)
    known = row.slot_of(event.case)
    was_open = known is not None and row.is_open(known)
    waited_since = row.waits_since(known) if known is not None else None
    slot = _slot(row, event, known)
    same_fault = _same_fault(row, event, rules)
    if slot is not None:
        flags = row.case_flags[slot]
        _update_case(row, event, slot, same_fault)
        booking.settle_cause(row, slot, event.get("cause"), flags)
    appealed = row.appeal_ms > row.appeal_answered_ms
    relating.relate(row, event, rules, was_open)
    if (was_open and relating.settles(event)) or (appealed and row.appeal_ms <= row.appeal_answered_ms):
        row.recovered_ms = max(row.recovered_ms, event.ts)
    fault = _fault(row, event, rules, slot, waited_since)
    cost, margin = cost_cents(event, rules), margin_cents(event, rules)
    if fault == Fault.COMPANY and event.kind in {Kind.REFUND, Kind.RETURN, Kind.CHARGEBACK}:
        cost, margin = cost + max(0, -margin), max(0, margin)
    _book(row, event, fault, cost, margin)
    doubtful = doubtful and fault == Fault.UNKNOWN
    if doubtful and cost:
        row.add("period_doubt_cents", period_of(day_of(event.ts)), cost)
    if slot is not None:
        booking.remember(row, slot, period_of(day_of(event.ts)), fault, cost)
    relating.put_aside(row, event, rules, fault, 0 if doubtful else cost)
    _buy(row, event, rules)
    forward.learn(row, event, rules, margin_cents(event, rules))
    _callback(row, event)
    _repair(row, event, same_fault)
    if event.kind is Kind.ABUSE_FLAG:
        row.abuse_until_ms = max(row.abuse_until_ms, event.ts + rules.fault_abuse_days * DAY_MS)
    if event.kind is Kind.CONTACT_SENT and relating.forbidden(row.hold_reasons, event.get("purpose")):
        row.hold_violations = min(65_535, row.hold_violations + 1)
    sank = relating.mood_sank(row, event, rules)
    felt = _evidence(row, event, rules, slot, was_open, same_fault)
    _learn(row, event, rules, [(Evidence.LOW_CSAT, 1.0)] if sank and not felt else felt)
    moment = Moment.MOOD_SINKING if sank else _moment(row, event, rules, slot, same_fault, now)
    if moment is not None:
        row.failure_day = max(row.failure_day, day_of(event.ts))
    return moment


def add_evidence(row: Row, rules: Rules, kind: Evidence, amount: float, day: int) -> None:
    """Add evidence of an earlier or the row's own day as it would have faded until now."""
    for _ in range(row.day - day):
        amount *= rules.decay[kind]
    row.evidence[kind] += amount


def _count_contact(row: Row, event: Heard, rules: Rules) -> None:
    row.add("hour_contacts", hour_of(event.ts), 1)
    handle = event.get("handle_ms")
    if handle is not None and handle <= 90_000:
        row.add("hour_short", hour_of(event.ts), 1)
    row.add("day_contacts", day_of(event.ts), 1)
    row.add("period_contacts", period_of(day_of(event.ts)), 1)
    took = event.or_else("handle_ms", rules.cost_imputed_handle_minutes * 60_000) // 1_000
    row.add("period_handle_seconds", period_of(day_of(event.ts)), took)


def _fault(row: Row, event: Heard, rules: Rules, slot: int | None, waited_since: int | None) -> Fault:
    kind, reason = event.kind, event.get("return_reason")
    cause = event.get("cause") or (row.case_cause[slot] if slot is not None else 0)
    if cause:
        return booking.BY_HAND[Cause(cause)]
    if kind in COMPANY_KINDS or reason in {ReturnReason.DEFECT, ReturnReason.WRONG}:
        return Fault.COMPANY
    if kind is Kind.REPAIR_OUT and row.repair_repeat:
        return Fault.COMPANY
    if slot is not None:
        if row.case_flags[slot] & booking.COMPANY_FLAGS or (event.is_contact and row.case_contacts[slot] >= 2):
            return Fault.COMPANY
        if waited_since is not None and event.ts - waited_since > rules.fault_unanswered_hours * HOUR_MS:
            return Fault.COMPANY
    # The repair is still as it stood before this event: what ends an overdue repair is part of it.
    if row.in_repair() and event.ts - row.repair_in_ms > rules.fault_repair_overdue_days * DAY_MS:
        return Fault.COMPANY
    flagged = (row.is_open(one) and row.case_flags[one] & booking.COMPANY_FLAGS for one in range(state.CASES))
    if not event.case and any(flagged):
        return Fault.COMPANY
    if event.is_contact and row.abuse_until_ms > event.ts:
        return Fault.CUSTOMER
    if (kind is Kind.CHARGEBACK and event.resolved) or reason == ReturnReason.REMORSE:
        return Fault.CUSTOMER
    if kind in SHARED_KINDS or event.digest("reason") or event.case or event.resolved:
        return Fault.SHARED
    return Fault.UNKNOWN


def _book(row: Row, event: Heard, fault: Fault, cost: int, margin: int) -> None:
    day = day_of(event.ts)
    fee = margin if event.kind is Kind.MAINTENANCE_FEE else 0
    revenue = revenue_cents(event)
    if cost or margin or revenue:
        row.add("period_cost_cents", period_of(day), cost, fault)
        row.add("period_margin_cents", period_of(day), margin)
        row.add("period_fee_cents", period_of(day), fee)
        row.add("period_revenue_cents", period_of(day), revenue)
    if cost:
        row.add("day_cost_cents", day, cost)
    row.life_cost_cents[fault] = stopped(row.life_cost_cents[fault] + cost)
    row.life_margin_cents = stopped(row.life_margin_cents + margin)
    row.life_fee_cents = stopped(row.life_fee_cents + fee)


def _buy(row: Row, event: Heard, rules: Rules) -> None:
    day = day_of(event.ts)
    if event.kind in {Kind.PURCHASE, Kind.MAINTENANCE_FEE} and day >= row.day:
        row.odds = 0.0
    if event.kind is Kind.PURCHASE:
        relating.spend(row, event)
        row.purchases = min(MOST["u4"], row.purchases + 1)
        row.spent_cents = stopped(row.spent_cents + event.or_else("amount_cents", 0))
        if row.read("day_purchases", day) == 0 and row.first_purchase_day != state.NEVER:
            row.repeat_days = min(MOST["u4"], row.repeat_days + 1)
            gap = day - row.last_purchase_day
            if gap > 0:
                row.gap_squares += gap * gap
                if gap >= rules.churn_season_gap_days:
                    row.long_gaps, row.long_gap_days = min(row.long_gaps + 1, 65_535), row.long_gap_days + gap
        row.add("day_purchases", day, 1)
        row.first_purchase_day = _least(row.first_purchase_day, day)
        row.last_purchase_day = max(row.last_purchase_day, day)
    if event.kind is Kind.MAINTENANCE_FEE:
        row.first_fee_day = _least(row.first_fee_day, day)
        row.last_fee_day = max(row.last_fee_day, day)
    if event.kind is Kind.CANCEL_REQUEST:
        row.cancel_ms = max(row.cancel_ms, event.ts)


def _least(known: int, new: int) -> int:
    return new if known == state.NEVER else min(known, new)


def _slot(row: Row, event: Heard, known: int | None) -> int | None:
    """The event's slot; takes one where the kind may."""
    if known is not None or not event.case or event.kind not in OPENS_A_CASE:
        return known
    slots = range(state.CASES)
    free = [slot for slot in slots if row.case_id[slot] == 0]
    if not free:
        free = sorted(
            (slot for slot in slots if not row.is_open(slot)), key=lambda slot: row.case_resolved_ms[slot]
        )
    if not free:
        row.cases_overflowed += 1
        times = (row.case_opened_ms, row.case_asked_ms, row.case_answered_ms, row.case_resolved_ms)
        free = sorted(slots, key=lambda one: (row.waits_since(one) is not None, max(at[one] for at in times)))
    slot = free[0]
    row.case_id[slot] = event.case
    for name in ("opened", "asked", "answered", "resolved"):
        getattr(row, f"case_{name}_ms")[slot] = state.NEVER
    row.case_contacts[slot] = row.case_wrong_parts[slot] = row.case_flags[slot] = 0
    booking.forget(row, slot)
    return slot


def _update_case(row: Row, event: Heard, slot: int, same_fault: bool) -> None:
    kind, ts = event.kind, event.ts
    by_customer = kind is Kind.TICKET_REPLY and event.get("author") == Author.CUSTOMER
    by_agent = kind is Kind.TICKET_REPLY and event.get("author") == Author.AGENT
    row.case_opened_ms[slot] = _least(row.case_opened_ms[slot], ts)
    booking.name(row, slot, event.digest("sku"), event.digest("reason"))
    row.case_flags[slot] |= int(SETS_FLAG.get(kind, 0))
    if same_fault or (kind is Kind.TICKET_OPENED and event.digest("repeat_of_case_id")):
        row.case_flags[slot] |= int(CaseFlag.REPEAT)
    clears = by_customer or kind in {Kind.TICKET_OPENED, Kind.TICKET_REOPENED}
    asks = clears or kind in {Kind.EMAIL, Kind.FAULT_OPENED, Kind.PART_WRONG, Kind.REPAIR_IN}
    if asks or (event.is_contact and event.get("resolved") == Answer.NO):
        if clears and ts > row.case_asked_ms[slot]:
            row.case_flags[slot] &= ~int(CaseFlag.TOLD_UNANSWERED)
        row.case_asked_ms[slot] = max(row.case_asked_ms[slot], ts)
    spoke = kind in {Kind.CALL_CLOSED, Kind.CHAT} and event.get("resolved") != Answer.NO
    if by_agent or spoke or kind is Kind.CALLBACK_MADE:
        row.case_answered_ms[slot] = max(row.case_answered_ms[slot], ts)
    if relating.settles(event):
        row.case_resolved_ms[slot] = max(row.case_resolved_ms[slot], ts)
    if kind is Kind.PART_WRONG:
        row.case_wrong_parts[slot] = min(65_535, row.case_wrong_parts[slot] + 1)
    if event.is_contact:
        row.case_contacts[slot] = min(65_535, row.case_contacts[slot] + 1)
    booking.remember_way_out(row, event, slot)


def _callback(row: Row, event: Heard) -> None:
    if event.kind is Kind.CALLBACK_PROMISED and row.callback_made_ms < event.ts:
        # An unset due is -1, so the least due is a free slot where there is one.
        slot = min(range(state.CALLBACKS), key=lambda one: row.callback_due_ms[one])
        row.callback_due_ms[slot], row.callback_case[slot] = event.or_else("due_ms", state.NEVER), event.case
    if event.kind is Kind.CALLBACK_MADE:
        row.callback_made_ms = max(row.callback_made_ms, event.ts)
    if event.kind in {Kind.CALLBACK_MADE, Kind.CALLBACK_MISSED}:
        kept = [one for one in range(state.CALLBACKS) if row.callback_due_ms[one] != state.NEVER]
        if event.case:
            named = [one for one in kept if row.callback_case[one] == event.case]
            kept = named or [one for one in kept if row.callback_case[one] == 0]
        if kept:
            free_callback(row, min(kept, key=lambda one: row.callback_due_ms[one]))


def free_callback(row: Row, slot: int) -> None:
    """Forget one promised callback."""
    row.callback_due_ms[slot] = state.NEVER
    row.callback_case[slot] = 0


def _same_fault(row: Row, event: Heard, rules: Rules) -> bool:
    """Whether a repair is for the same fault again, as the row stands before it."""
    sku, gap = event.digest("sku"), event.ts - row.repair_out_ms
    if event.kind is not Kind.REPAIR_IN or row.repair_out_ms < 0 or gap <= 0:
        return False
    covered = event.or_else("warranty_end_ms", row.warranty_end_ms)
    just_out = covered >= 0 and 0 < event.ts - covered <= rules.fault_warranty_grace_days * DAY_MS
    soon = gap <= rules.fault_repeat_fault_days * DAY_MS
    return (soon or just_out) and (sku == row.repair_sku or not sku or not row.repair_sku)


def _repair(row: Row, event: Heard, same_fault: bool) -> None:
    """Note a repair's begin or end."""
    if event.kind is Kind.REPAIR_IN:
        if event.ts >= row.repair_in_ms:
            row.repair_repeat = int(same_fault)
        row.repair_in_ms = max(row.repair_in_ms, event.ts)
        row.repair_sku = event.digest("sku") or row.repair_sku
    if event.kind is Kind.REPAIR_OUT:
        row.repair_out_ms = max(row.repair_out_ms, event.ts)
        row.recovered_ms = max(row.recovered_ms, event.ts)


def count_failure(row: Row, day: int) -> None:
    """Count a failure of a day."""
    row.add("day_failures", day, 1)
    row.failure_day = max(row.failure_day, day)


def _evidence(
    row: Row, event: Heard, rules: Rules, slot: int | None, was_open: bool, same_fault: bool
) -> list[tuple[Evidence, float]]:
    kind = event.kind
    found: list[tuple[Evidence, float]] = []
    if kind in EVIDENCE_OF:
        found.append((EVIDENCE_OF[kind], 1.0))
    honest = not (relating.is_short(event) and row.state[Machine.GAMING])
    if honest and event.is_contact and not event.resolved and slot is not None and row.case_contacts[slot] >= 2:
        found.append((Evidence.UNRESOLVED_REPEAT, 1.0))
    if kind is Kind.RUDE_CALL:
        found.append((Evidence.RUDE_CALL, event.or_else("confidence", MILLION) / MILLION))
    if kind is Kind.SENTIMENT and event.or_else("sentiment", MILLION) <= rules.ppm("fault_rude_sentiment"):
        found.append((Evidence.RUDE_CALL, 1.0))
    if _is_negative(event, rules):
        found.append((Evidence.NEGATIVE_REVIEW, 1.0))
    if kind is Kind.TICKET_RESOLVED and was_open:
        found.append((Evidence.RECOVERY, 1.0))
    if kind is Kind.CSAT:
        low = rules.ppm("fault_low_csat_share") * event.or_else("scale", 0)
        if event.or_else("score", 0) * MILLION <= low:
            found.append((Evidence.LOW_CSAT, 1.0))
    if same_fault or (kind is Kind.TICKET_OPENED and event.digest("repeat_of_case_id")):
        found.append((Evidence.REPAIR_TROUBLE, 1.0))
    return found


def _is_negative(event: Heard, rules: Rules) -> bool:
    return event.kind is Kind.REVIEW and event.or_else("stars", 5) <= rules.fault_negative_stars


def _learn(row: Row, event: Heard, rules: Rules, found: list[tuple[Evidence, float]]) -> None:
    for kind, amount in found:
        add_evidence(row, rules, kind, amount, day_of(event.ts))
        if kind is Evidence.RECOVERY:
            row.recovered_ms = max(row.recovered_ms, event.ts)
    if any(kind is not Evidence.RECOVERY for kind, _ in found):
        count_failure(row, day_of(event.ts))
    if found or event.is_contact or event.purchases or event.kind in relating.GOOD_NEWS:
        at = row.reference_next
        row.reference_kind[at] = int(event.kind)
        row.reference_ms[at] = event.ts
        row.reference_digest[at] = event.identity()
        row.reference_next = (at + 1) % state.REFERENCES


def _moment(row: Row, event: Heard, rules: Rules, slot: int | None, same_fault: bool, now: int) -> Moment | None:
    kind = event.kind
    made = {
        Moment.RUDE_CALL: kind is Kind.RUDE_CALL
        and event.or_else("confidence", MILLION) >= rules.ppm("service_rude_confidence"),
        Moment.WRONG_PART_TWICE: kind is Kind.PART_WRONG
        and slot is not None
        and row.case_wrong_parts[slot] >= rules.service_wrong_parts,
        Moment.REPEAT_FAULT: same_fault or (kind is Kind.TICKET_OPENED and event.digest("repeat_of_case_id") != 0),
        Moment.DEFECT_REVIEW: _is_negative(event, rules) and event.get("defect") == Answer.YES,
        Moment.CONTACT_BURST: event.is_contact
        and relating.in_24_hours(row, "hour_contacts", now) >= rules.service_burst_contacts
        and not relating.no_burst_of_ours(row, rules, now),
        Moment.THIRD_CONTACT: relating.third_contact(row, event, rules, slot),
        Moment.CONTACT_DURING_FAILURE: kind is Kind.CONTACT_SENT
        and (
            row.state[Machine.SERVICE] != 0
            or (row.state[Machine.CHURN] != 0 and relating.forbidden(HoldReason.CHURN, event.get("purpose")))
        ),
    }
    return MOMENT_OF.get(kind) or next((moment for moment, so in made.items() if so), None)
