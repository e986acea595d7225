"""Take one event into its customer's row, and name the moment it is, if it is one (docs/model.md section 2)."""

from typing import Final

import numpy as np

from kernels import cases, evidence, gaming, holds, mood, relations, rings
from kernels._jit import kernel
from kernels.attribution import COMPANY, UNKNOWN, fault_of, settle_cause, tells_of_a_defect, waited_too_long
from kernels.contract import remember_contract, remember_loss, try_remedy
from kernels.cost import (
    CHARGEBACK,
    CONCESSION,
    CREDIT,
    FEE,
    FREE_REPLACEMENT,
    PURCHASE,
    REFUND,
    REPAIR_OUT,
    RETURN,
    cost_cents,
    margin_cents,
    revenue_cents,
    sent_or,
)
from kernels.shapes import Event, Row, Rules
from schemas.codes import FIRST_PURCHASE_KIND, Answer, Evidence, Kind, Machine, Moment
from schemas.events import ABSENT
from schemas.state import NEVER, PERIOD_DAYS

ABUSE_FLAG: Final = int(Kind.ABUSE_FLAG)
CANCEL_REQUEST: Final = int(Kind.CANCEL_REQUEST)
CSAT: Final = int(Kind.CSAT)
SENTIMENT: Final = int(Kind.SENTIMENT)
REVIEW: Final = int(Kind.REVIEW)
CONTACT_SENT: Final = int(Kind.CONTACT_SENT)
COMPETITOR_OFFER: Final = int(Kind.COMPETITOR_OFFER)
DEAL_LOST: Final = int(Kind.DEAL_LOST)
NO: Final = int(Answer.NO)
YES: Final = int(Answer.YES)

SHORT_MS: Final = 90_000
SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
PPM: Final = 1_000_000
NOTHING: Final = -1
PURCHASES_MOST: Final = 2**32 - 1
CHURN: Final = int(Machine.CHURN)
SERVICE: Final = int(Machine.SERVICE)
GAMING: Final = int(Machine.GAMING)

E_UNRESOLVED: Final = int(Evidence.UNRESOLVED_REPEAT)
E_DENIED: Final = int(Evidence.ESCALATION_DENIED)
E_RUDE: Final = int(Evidence.RUDE_CALL)
E_WRONG_PART: Final = int(Evidence.WRONG_PART)
E_MISSED: Final = int(Evidence.CALLBACK_MISSED)
E_REVIEW: Final = int(Evidence.NEGATIVE_REVIEW)
E_RECOVERY: Final = int(Evidence.RECOVERY)
E_CSAT: Final = int(Evidence.LOW_CSAT)
E_CANCEL: Final = int(Evidence.CANCEL_REQUEST)
E_PROMISE: Final = int(Evidence.BROKEN_PROMISE)
E_LEAVING: Final = int(Evidence.LEAVING_SIGNAL)
E_REPAIR: Final = int(Evidence.REPAIR_TROUBLE)

M_RUDE: Final = int(Moment.RUDE_CALL)
M_DENIED: Final = int(Moment.ESCALATION_DENIED)
M_WRONG_PART: Final = int(Moment.WRONG_PART_TWICE)
M_MISSED: Final = int(Moment.CALLBACK_MISSED)
M_REPEAT: Final = int(Moment.REPEAT_FAULT)
M_PROMISE: Final = int(Moment.PROMISE_REVERSED)
M_UPSELL: Final = int(Moment.UPSELL_AS_REMEDY)
M_APPEAL: Final = int(Moment.EXECUTIVE_APPEAL)
M_SPECIFICATION: Final = int(Moment.SPECIFICATION_GAP)
M_REVIEW: Final = int(Moment.DEFECT_REVIEW)
M_BURST: Final = int(Moment.CONTACT_BURST)
M_SENT: Final = int(Moment.CONTACT_DURING_FAILURE)
M_THIRD: Final = int(Moment.THIRD_CONTACT)
M_LOCKED_OUT: Final = int(Moment.LOCKED_OUT)
M_CANCEL: Final = int(Moment.CANCEL_REQUESTED)
M_IDENTITY: Final = int(Moment.IDENTITY_REFUSED)
M_MOOD: Final = int(Moment.MOOD_SINKING)


@kernel
def fold(row: Row, event: Event, now_ms: int, rules: Rules) -> int:
    """Fold the event into the settled row; return the moment it makes, 0 for none.

    Order matters within one event: its case first, then whose fault its cost is, then the rest.
    """
    kind = int(event["kind"])
    ts_ms = int(event["ts_ms"])
    day = ts_ms // DAY_MS
    case_id = event["fault_id"] if kind in (cases.FAULT_OPENED, cases.FAULT_CLOSED) else event["case_id"]
    slot = -1
    waited = False
    was_open = False
    repeat = _is_repeat(row, event, rules)
    if case_id != 0:
        slot = cases.find_or_take(row, case_id, kind)
        if slot >= 0:
            waited = waited_too_long(row, slot, rules, ts_ms)
            was_open = cases.is_open(row, slot)
            was_companys = cases.is_companys(row, slot)
            cases.update(row, slot, event, repeat)
            settle_cause(row, slot, int(event["cause"]), was_companys)
    fault = fault_of(row, event, rules, slot, case_id != 0, waited)
    cost, margin = _book(row, event, day, fault, rules)
    if slot >= 0:
        cases.remember_cost(row, slot, day // PERIOD_DAYS, fault, cost)
    doubtful = fault == UNKNOWN and tells_of_a_defect(row, kind, day, rules)
    if doubtful:
        rings.doubt(row, day // PERIOD_DAYS, cost)
    if cases.is_contact(kind):
        short = event["handle_ms"] != ABSENT and event["handle_ms"] <= SHORT_MS
        handle_ms = sent_or(event["handle_ms"], int(rules["cost_imputed_handle_minutes"]) * MINUTE_MS)
        rings.count_contact(row, ts_ms // HOUR_MS, day, day // PERIOD_DAYS, short, handle_ms // SECOND_MS)
        if short:
            gaming.take_short_contact(row, ts_ms, 0 if doubtful else cost, fault, rules)
    if kind in (PURCHASE, FEE):
        _buy(row, event, day, rules)
    remember_loss(row, kind, margin, day)
    remember_contract(row, event, rules)
    try_remedy(row, kind, ts_ms)
    if kind == ABUSE_FLAG:
        until = ts_ms + int(rules["fault_abuse_days"]) * DAY_MS
        row["abuse_until_ms"] = max(int(row["abuse_until_ms"]), until)
    _keep_callbacks(row, event, case_id)
    _repair(row, event, repeat)
    appealed = relations.appeal_open(row)
    relations.remember(row, event, slot, was_open, rules)
    answered = appealed and not relations.appeal_open(row)
    sank = kind == SENTIMENT and mood.hear(row, event, rules)
    found = _evidence_of(row, event, slot, was_open, repeat, rules)
    found = E_CSAT if sank and found == NOTHING else found
    if found != NOTHING:
        weight = 1.0
        if kind == cases.RUDE_CALL:
            weight = float(sent_or(event["confidence"], PPM)) / PPM
        evidence.add(row, found, weight, day, rules)
    if kind == CONTACT_SENT and holds.forbids(int(row["hold_reasons"]), int(event["purpose"])):
        row["hold_violations"] = min(int(row["hold_violations"]) + 1, cases.COUNT_MAX)
    if found == E_RECOVERY or kind == REPAIR_OUT or answered or (was_open and cases.settles(event)):
        row["recovered_ms"] = max(int(row["recovered_ms"]), ts_ms)
    if found != NOTHING or cases.is_contact(kind) or kind >= FIRST_PURCHASE_KIND or relations.is_good_news(kind):
        evidence.refer(row, kind, ts_ms, event["event_id"])
    moment = M_MOOD if sank else _moment_of(row, event, slot, repeat, now_ms, rules)
    if moment != 0:
        row["failure_day"] = max(int(row["failure_day"]), day)
    return moment


@kernel
def _book(row: Row, event: Event, day: int, fault: int, rules: Rules) -> tuple[int, int]:
    """Book what the event cost, earned and brought in; its cost and its margin, cents.

    What is given back by our own fault is a cost of ours, and takes nothing from what the customer brought.
    """
    kind = int(event["kind"])
    cost, margin = cost_cents(event, rules), margin_cents(event, rules)
    if fault == COMPANY and margin < 0 and kind in (REFUND, RETURN, CHARGEBACK):
        cost, margin = cost - margin, 0
    period = day // PERIOD_DAYS
    rings.book(row, day, period, cost, fault)
    rings.earn(row, period, margin, margin if kind == FEE else 0, revenue_cents(event))
    return cost, margin


@kernel
def _buy(row: Row, event: Event, day: int, rules: Rules) -> None:
    """Book a purchase or a paid fee as a sign of life and as buying history."""
    if day >= row["day"]:
        row["odds"] = 0.0
    if event["kind"] == FEE:
        first = int(row["first_fee_day"])
        row["first_fee_day"] = day if first == NEVER else min(first, day)
        row["last_fee_day"] = max(int(row["last_fee_day"]), day)
        return
    relations.remember_purchase(row, event, day)
    row["purchases"] = min(int(row["purchases"]) + 1, PURCHASES_MOST)
    row["spent_cents"] = rings.bounded(int(row["spent_cents"]) + int(event["amount_cents"]))
    first = int(row["first_purchase_day"])
    if rings.count_purchase(row, day) and first != NEVER:
        row["repeat_days"] = min(int(row["repeat_days"]) + 1, PURCHASES_MOST)
        _count_gap(row, day - int(row["last_purchase_day"]), int(rules["churn_season_gap_days"]))
    row["first_purchase_day"] = day if first == NEVER else min(first, day)
    row["last_purchase_day"] = max(int(row["last_purchase_day"]), day)


@kernel
def _count_gap(row: Row, days: int, season_days: int) -> None:
    """A gap between two days with a purchase has ended; a purchase told late ends none."""
    if days <= 0:
        return
    row["gap_squares"] += np.uint64(days * days)
    if days >= season_days:
        row["long_gaps"] = min(int(row["long_gaps"]) + 1, cases.COUNT_MAX)
        row["long_gap_days"] += np.uint32(days)


@kernel
def _keep_callbacks(row: Row, event: Event, case_id: int) -> None:
    kind = int(event["kind"])
    if kind == cases.CALLBACK_PROMISED:
        cases.promise_callback(row, int(event["due_ms"]), case_id, int(event["ts_ms"]))
    elif kind in (cases.CALLBACK_MADE, cases.CALLBACK_MISSED):
        if kind == cases.CALLBACK_MADE:
            row["callback_made_ms"] = max(row["callback_made_ms"], event["ts_ms"])
        cases.close_callback(row, case_id)


@kernel
def _is_repeat(row: Row, event: Event, rules: Rules) -> bool:
    """Whether the fault is back that was just repaired, or that the warranty has just ceased to cover."""
    kind = int(event["kind"])
    if kind == cases.TICKET_OPENED:
        return bool(event["repeat_of_case_id"] != 0)
    since_ms = int(event["ts_ms"]) - int(row["repair_out_ms"])
    if kind != cases.REPAIR_IN or row["repair_out_ms"] == NEVER or since_ms <= 0:
        return False
    if not (event["sku"] == 0 or row["repair_sku"] == 0 or event["sku"] == row["repair_sku"]):
        return False
    covered_ms = sent_or(event["warranty_end_ms"], int(row["warranty_end_ms"]))
    beyond_ms = int(event["ts_ms"]) - covered_ms
    just_out = covered_ms != NEVER and 0 < beyond_ms <= int(rules["fault_warranty_grace_days"]) * DAY_MS
    return just_out or since_ms <= int(rules["fault_repeat_fault_days"]) * DAY_MS


@kernel
def _repair(row: Row, event: Event, repeat: bool) -> None:
    """Follow repairs; the greatest time of each side wins."""
    kind = int(event["kind"])
    ts_ms = int(event["ts_ms"])
    if kind == REPAIR_OUT:
        row["repair_out_ms"] = max(int(row["repair_out_ms"]), ts_ms)
    if kind == cases.REPAIR_IN:
        if ts_ms >= row["repair_in_ms"]:
            row["repair_repeat"] = 1 if repeat else 0
        row["repair_in_ms"] = max(int(row["repair_in_ms"]), ts_ms)
        if event["sku"] != 0:
            row["repair_sku"] = event["sku"]


@kernel
def _evidence_of(row: Row, event: Event, slot: int, was_open: bool, repeat: bool, rules: Rules) -> int:
    """Which evidence the event adds, or ``NOTHING``."""
    kind = int(event["kind"])
    if repeat:
        return E_REPAIR
    if cases.is_contact(kind):
        again = slot >= 0 and row["case_contacts"][slot] >= 2 and event["resolved"] != YES
        return E_UNRESOLVED if again and not _is_of_a_burst(row, event) else NOTHING
    if kind in (cases.ESCALATION_DENIED, cases.IDENTITY_REFUSED):
        return E_DENIED
    if kind == cases.RUDE_CALL:
        return E_RUDE
    if kind == SENTIMENT:
        return E_RUDE if event["sentiment"] <= rules["fault_rude_sentiment"] * PPM else NOTHING
    if kind == cases.PART_WRONG:
        return E_WRONG_PART
    if kind == cases.CALLBACK_MISSED:
        return E_MISSED
    if kind == REVIEW:
        return E_REVIEW if event["stars"] <= rules["fault_negative_stars"] else NOTHING
    if kind in (FREE_REPLACEMENT, CREDIT, CONCESSION, cases.ESCALATION_GRANTED):
        return E_RECOVERY
    if kind == cases.TICKET_RESOLVED:
        return E_RECOVERY if was_open else NOTHING
    if kind == CSAT:
        return E_CSAT if event["score"] <= rules["fault_low_csat_share"] * event["scale"] else NOTHING
    if kind == CANCEL_REQUEST:
        return E_CANCEL
    if kind in (cases.PROMISE_REVERSED, cases.UPSELL, cases.SPECIFICATION_GAP, cases.LOCK_OUT):
        return E_PROMISE
    return E_LEAVING if kind in (COMPETITOR_OFFER, cases.APPEAL, DEAL_LOST) else NOTHING


@kernel
def _moment_of(row: Row, event: Event, slot: int, repeat: bool, now_ms: int, rules: Rules) -> int:
    """The wrong done to the customer that the event is, 0 for none (docs/model.md section 5)."""
    kind = int(event["kind"])
    if repeat:
        return M_REPEAT
    if cases.is_contact(kind):
        return _moment_of_contact(row, event, slot, now_ms, rules)
    if kind == cases.RUDE_CALL:
        sure = sent_or(event["confidence"], PPM) >= rules["service_rude_confidence"] * PPM
        return M_RUDE if sure else 0
    if kind == cases.ESCALATION_DENIED:
        return M_DENIED
    if kind == cases.PART_WRONG:
        twice = slot >= 0 and row["case_wrong_parts"][slot] >= rules["service_wrong_parts"]
        return M_WRONG_PART if twice else 0
    if kind == cases.CALLBACK_MISSED:
        return M_MISSED
    if kind == cases.PROMISE_REVERSED:
        return M_PROMISE
    if kind == cases.UPSELL:
        return M_UPSELL
    if kind == cases.APPEAL:
        return M_APPEAL
    if kind == cases.SPECIFICATION_GAP:
        return M_SPECIFICATION
    if kind == REVIEW:
        negative = event["stars"] <= rules["fault_negative_stars"]
        return M_REVIEW if negative and event["defect"] == YES else 0
    if kind == CONTACT_SENT:
        leaving = row["state"][CHURN] != 0 and holds.forbids(holds.LEAVING, int(event["purpose"]))
        return M_SENT if row["state"][SERVICE] != 0 or leaving else 0
    if kind == cases.LOCK_OUT:
        return M_LOCKED_OUT
    if kind == cases.IDENTITY_REFUSED:
        return M_IDENTITY
    return M_CANCEL if kind == CANCEL_REQUEST else 0


@kernel
def _is_of_a_burst(row: Row, event: Event) -> bool:
    """Whether a contact is one of the short ones that a standing suspicion of gaming is about."""
    short = event["handle_ms"] != ABSENT and event["handle_ms"] <= SHORT_MS
    return bool(row["state"][GAMING] != 0 and short)


@kernel
def _moment_of_contact(row: Row, event: Event, slot: int, now_ms: int, rules: Rules) -> int:
    """A burst in one day, or the third contact for one unsolved case; nothing where gaming is suspected."""
    if rings.contacts_in_day(row, now_ms // HOUR_MS) >= rules["service_burst_contacts"]:
        if not gaming.no_burst(row, now_ms, rules):
            return M_BURST
    third = slot >= 0 and row["case_contacts"][slot] >= rules["service_third_contacts"]
    if third and cases.is_open(row, slot) and event["resolved"] != YES and not _is_of_a_burst(row, event):
        return M_THIRD
    return 0
