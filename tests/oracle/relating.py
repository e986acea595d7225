"""The oracle's relationship half of section 2, and the machines of section 5 that look at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas import state
from schemas.codes import (
    FORBIDS,
    Answer,
    Author,
    Cause,
    Change,
    Decision,
    Evidence,
    Fault,
    HoldReason,
    Kind,
    Machine,
    Purpose,
)
from schemas.events import DAY_MS
from tests.oracle import booking
from tests.oracle.rows import HOUR_MS, MILLION, Heard, Row, Rules, day_of, hour_of, period_of

GOOD_NEWS = {Kind.PRAISE, Kind.EXPANSION, Kind.REFERRAL_GIVEN}
LATEST = {
    "leaving_asked_ms": {Kind.CANCEL_REQUEST, Kind.ETF_QUERY},
    "appeal_ms": {Kind.EXECUTIVE_APPEAL},
    "referral_ms": {Kind.REFERRAL_GIVEN},
    "thanked_ms": {Kind.REFERRAL_CREDIT},
    "news_ms": {Kind.PRAISE, Kind.EXPANSION},
    "contact_ms": {Kind.CALL_CLOSED, Kind.CHAT, Kind.EMAIL},
}
U2, U4 = 65_535, 2**32 - 1


def settles(event: Heard) -> bool:
    """Whether the event settles its case."""
    return event.kind in {Kind.TICKET_RESOLVED, Kind.FAULT_CLOSED} or (event.is_contact and event.resolved)


def is_short(event: Heard) -> bool:
    """Whether the event is a short contact."""
    return event.is_contact and event.or_else("handle_ms", 90_001) <= 90_000


def relate(row: Row, event: Heard, rules: Rules, was_open: bool) -> None:
    """Fold what the event says about the relationship."""
    kind, ts = event.kind, event.ts
    for name, kinds in LATEST.items():
        if kind in kinds:
            setattr(row, name, max(getattr(row, name), ts))
    if kind is Kind.COMPETITOR_OFFER and ts >= row.offer_ms:
        row.offer_ms, row.offer_rival = ts, event.digest("competitor")
    if kind is Kind.DEAL_LOST and ts >= row.deal_ms:
        row.deal_ms, row.deal_cents = ts, event.or_else("deal_cents", 0)
    row.floor = event.digest("floor") or row.floor
    row.skill = event.digest("skill") or row.skill
    counted = {
        "kept": event.is_contact and event.get("decision") == Decision.KEEP,
        "refused": event.is_contact and event.get("decision") == Decision.REFUSE,
        "solved": was_open and settles(event),
        "reviews": kind is Kind.REVIEW,
        "referrals": kind is Kind.REFERRAL_GIVEN,
    }
    for name, so in counted.items():
        setattr(row, name, min(U2, getattr(row, name) + so))
    if kind is Kind.REVIEW and event.or_else("stars", 5) <= rules.fault_negative_stars:
        row.negative_review_ms = max(row.negative_review_ms, ts)
    if kind is Kind.CSAT:
        share = event.or_else("score", 0) * MILLION // event.or_else("scale", 1)
        if ts >= row.csat_ms:
            row.csat_share_ppm = min(share, row.csat_share_ppm) if ts == row.csat_ms else share
            row.csat_ms = ts
    if kind is Kind.WORKAROUND_EFFORT:
        row.effort_minutes = min(U4, row.effort_minutes + event.or_else("effort_ms", 0) // 60_000)
    row.warranty_end_ms = max(row.warranty_end_ms, event.or_else("warranty_end_ms", state.NEVER))
    if kind is Kind.CONTACT_SENT and event.get("purpose") == Purpose.REFERRAL_ASK:
        row.referral_asked_ms = max(row.referral_asked_ms, ts)
    spoken = kind is Kind.CALL_CLOSED and event.get("resolved") != Answer.NO
    spoken |= kind is Kind.TICKET_REPLY and event.get("author") == Author.AGENT
    if spoken or kind in {Kind.ESCALATION_GRANTED, Kind.CALLBACK_MADE}:
        row.appeal_answered_ms = max(row.appeal_answered_ms, ts)


def spend(row: Row, event: Heard) -> None:
    """A purchase, before its day becomes the last: what was spent, and on which line."""
    day, spent = day_of(event.ts), event.or_else("amount_cents", 0)
    if day >= row.last_purchase_day:
        row.last_spend_cents = max(spent, row.last_spend_cents) if day == row.last_purchase_day else spent
    line = event.digest("product_line")
    if not line:
        return
    if line not in row.line:
        place = min(range(state.LINES), key=lambda at: row.line_last_day[at])
        if row.line_last_day[place] >= day:
            return
        row.line[place], row.line_last_day[place], row.line_days[place] = line, state.NEVER, 0
    place = row.line.index(line)
    if day > row.line_last_day[place]:
        row.line_last_day[place] = day
        row.line_days[place] = min(U2, row.line_days[place] + 1)


def mood_sank(row: Row, event: Heard, rules: Rules) -> bool:
    """Fold a noticed mood; whether with it the mood of late came to lie well below the usual one."""
    if event.kind is not Kind.SENTIMENT:
        return False

    def low() -> bool:
        gap = round((row.mood_usual - row.mood_lately) * MILLION)
        return bool(row.moods >= rules.mood_words and gap >= rules.ppm("mood_drop"))

    before, said = low(), event.or_else("sentiment", 0) / MILLION
    row.moods = min(U2, row.moods + 1)
    row.mood_usual += (said - row.mood_usual) / min(row.moods, rules.mood_memory)
    row.mood_lately = said if row.moods == 1 else row.mood_lately + (said - row.mood_lately) / 2
    return low() and not before


def put_aside(row: Row, event: Heard, rules: Rules, fault: Fault, cost: int) -> None:
    """What a short contact takes from the adjusted net, set aside or remembered by its hour."""
    if not is_short(event):
        return
    counted = {Fault.COMPANY: 0, Fault.UNKNOWN: round(cost * rules.value_unknown_share)}.get(fault, cost)
    if not row.state[Machine.GAMING]:
        row.add("hour_aside_cents", hour_of(event.ts), counted)
    elif counted:
        row.add("period_aside_cents", period_of(day_of(event.ts)), counted)


# Section 5.


def _days_ago(then: int, now: int, days: int) -> bool:
    return then != state.NEVER and now - then <= days * DAY_MS


def in_24_hours(row: Row, name: str, now: int) -> int:
    """A column of the hourly ring, added up over the last 24 hours."""
    return sum(row.read(name, one) for one in range(hour_of(now) - 23, hour_of(now) + 1))


def ours_is_open(row: Row) -> bool:
    """Whether an open slot is the company's doing."""
    return any(
        row.is_open(slot)
        and (row.case_flags[slot] & booking.COMPANY_FLAGS or row.case_cause[slot] == Cause.COMPANY)
        for slot in range(state.CASES)
    )


def looks_like_gaming(row: Row, rules: Rules, now: int) -> bool:
    """Short contacts of one who wants to leave, and nothing of ours behind them."""
    contacts, short = in_24_hours(row, "hour_contacts", now), in_24_hours(row, "hour_short", now)
    leaves = _days_ago(row.leaving_asked_ms, now, rules.gaming_leaving_days) or (
        row.contract_end_ms > now and row.termination_fee_cents > 0
    )
    honest = row.evidence[Evidence.UNRESOLVED_REPEAT] >= rules.gaming_unresolved or ours_is_open(row)
    return bool(
        contacts and short * MILLION >= rules.ppm("gaming_short_share") * contacts and leaves and not honest
    )


def no_burst_of_ours(row: Row, rules: Rules, now: int) -> bool:
    """Whether many contacts are no failure of ours."""
    suspected = row.state[Machine.GAMING] == 1 and not ours_is_open(row)
    return suspected or looks_like_gaming(row, rules, now)


def hold_reasons(row: Row, rules: Rules, now: int) -> HoldReason:
    """The reasons of a hold, from the row as it stands."""
    slots = range(state.CASES)
    failures = sum(-one if which == Evidence.RECOVERY else one for which, one in enumerate(row.evidence))
    found = {
        HoldReason.OPEN_CASE: any(row.is_open(slot) for slot in slots),
        HoldReason.UNANSWERED: any(row.waits_since(slot) is not None for slot in slots),
        HoldReason.FAILURE: failures >= rules.hold_failure_evidence,
        HoldReason.SERVICE: row.state[Machine.SERVICE] != 0,
        HoldReason.CHURN: row.state[Machine.CHURN] != 0,
        HoldReason.NEGATIVE_REVIEW: _days_ago(row.negative_review_ms, now, rules.hold_review_days),
    }
    return HoldReason(sum(reason for reason, so in found.items() if so))


def forbidden(reasons: int, purpose: int | None) -> bool:
    """Whether a purpose is forbidden by one of the reasons."""
    return any(reasons & reason and purpose in purposes for reason, purposes in FORBIDS.items())


@dataclass
class Seen:
    """What the machines look at beside the row: the scores at ``now`` as the model's section 4 has them."""

    now: int
    risk_ppm: int
    gone_ppm: int
    periods: int
    year_cents: int
    year_contacts: int
    worth: Callable[[], int]


Move = Callable[[Row, Machine, int, int], Change]


def gaming(row: Row, rules: Rules, seen: Seen, move: Move) -> Change | None:
    """Suspect it, set its cost aside; end it by time or by a fault of ours."""
    now, machine = seen.now, Machine.GAMING
    if row.state[machine] == 0:
        many = in_24_hours(row, "hour_contacts", now) >= rules.gaming_contacts
        if not many or now < row.cooldown_until_ms[machine] or not looks_like_gaming(row, rules, now):
            return None
        for hour in range(hour_of(now) - 23, hour_of(now) + 1):
            cents = row.read("hour_aside_cents", hour)
            if cents:
                row.add("period_aside_cents", period_of(day_of(hour * HOUR_MS)), cents)
                row.hour_aside_cents[hour % state.HOURS] = 0
        return move(row, machine, 1, now)
    if now - row.since_ms[machine] >= rules.gaming_days * DAY_MS or ours_is_open(row):
        row.cooldown_until_ms[machine] = now + rules.gaming_cooldown_days * DAY_MS
        return move(row, machine, 0, now)
    return None


def best(row: Row, rules: Rules, seen: Seen, move: Move) -> Change | None:
    """A best customer in danger."""
    now, machine = seen.now, Machine.BEST

    def in_danger(border: str, ratio: str) -> bool:
        by_own = round(rules.settings[ratio] * row.usual_risk * MILLION)
        unusual = row.usual_risk > 0 and seen.risk_ppm >= by_own
        return (
            seen.risk_ppm >= rules.ppm(border)
            or row.state[Machine.SERVICE] != 0
            or (unusual and seen.risk_ppm >= rules.ppm("best_usual_floor"))
            or _days_ago(row.offer_ms, now, rules.best_offer_days)
        )

    if row.state[machine] == 0:
        if now < row.cooldown_until_ms[machine] or not in_danger("best_risk", "best_usual_ratio"):
            return None
        much = sum(line != 0 for line in row.line) >= rules.best_lines or row.referrals > 0
        enough = seen.worth() * (2 if much else 1) >= rules.best_worth_cents
        enough = enough or seen.worth() >= rules.best_worth_cents
        return move(row, machine, 1, now) if enough else None
    dwelt = now - row.since_ms[machine] >= rules.best_dwell_days * DAY_MS
    if dwelt and not in_danger("best_clear_risk", "best_usual_clear_ratio"):
        row.cooldown_until_ms[machine] = now + rules.best_cooldown_days * DAY_MS
        return move(row, machine, 0, now)
    return None


def referral(row: Row, rules: Rules, seen: Seen, move: Move) -> Change | None:
    """Ready to be asked, or no more."""
    now, machine, today = seen.now, Machine.REFERRAL, day_of(seen.now)
    results = row.failure_day == state.NEVER or today - row.failure_day >= rules.referral_quiet_days
    if row.csat_ms != state.NEVER:
        results = results and row.csat_share_ppm >= rules.ppm("referral_csat_share")
    words = (row.csat_ms, row.news_ms, row.referral_ms)
    results = results and any(_days_ago(word, now, rules.referral_word_days) for word in words)
    asked = row.referral_asked_ms
    free = asked == state.NEVER or now - asked >= rules.referral_ask_days * DAY_MS
    free = free and row.state[Machine.HOLD] == 0 and not hold_reasons(row, rules, now)

    def related(gone: str, days: int) -> bool:
        bought = row.last_purchase_day != state.NEVER and today - row.last_purchase_day <= days
        return (
            today - row.first_day >= rules.referral_tenure_days
            and row.repeat_days >= rules.referral_repeat_days
            and seen.gone_ppm <= rules.ppm(gone)
            and (bought or _days_ago(row.contact_ms, now, days))
        )

    if row.state[machine] == 0:
        enters = (
            results
            and free
            and now >= row.cooldown_until_ms[machine]
            and related("referral_most_gone", rules.referral_recent_days)
            and seen.worth() >= rules.referral_min_worth_cents
        )
        return move(row, machine, 1, now) if enters else None
    if results and free and related("referral_clear_gone", rules.referral_stay_days):
        return None
    row.cooldown_until_ms[machine] = now + rules.referral_cooldown_days * DAY_MS
    return move(row, machine, 0, now)


def gem(row: Row, rules: Rules, seen: Seen, move: Move) -> Change | None:
    """Much net for little attention."""
    now, machine = seen.now, Machine.GEM
    neutral = row.state[Machine.VALUE] == 0 and row.state[Machine.CAUSE] == 0
    if row.state[machine] == 0:
        revenue = row.spent_cents * 364 / max(28, day_of(now) - row.first_day)
        enters = (
            neutral
            and now >= row.cooldown_until_ms[machine]
            and seen.periods >= rules.gem_min_periods
            and seen.year_cents >= rules.gem_annual_cents
            and seen.year_contacts <= rules.gem_contacts
            and revenue <= rules.gem_revenue_cents
        )
        return move(row, machine, 1, now) if enters else None
    ordinary = not neutral or seen.year_contacts > 2 * rules.gem_contacts
    if now - row.since_ms[machine] >= rules.gem_dwell_days * DAY_MS and (
        ordinary or seen.year_cents < rules.gem_clear_annual_cents
    ):
        row.cooldown_until_ms[machine] = now + rules.gem_cooldown_days * DAY_MS
        return move(row, machine, 0, now)
    return None


def thanks_owed(row: Row, rules: Rules, now: int) -> bool:
    """Whether a referral went without thanks for too long."""
    given = row.referral_ms
    return given != state.NEVER and row.thanked_ms < given and now - given > rules.referral_thank_days * DAY_MS


def news(row: Row, rules: Rules, seen: Seen, move: Move) -> Change | None:
    """Thanks owed come before praise and growth."""
    now, machine = seen.now, Machine.NEWS
    if row.state[machine] == 0:
        if thanks_owed(row, rules, now) and row.thanks_told_ms != row.referral_ms:
            row.thanks_told_ms = row.referral_ms
            return move(row, machine, 1, now)
        if row.news_ms > row.news_told_ms and _days_ago(row.news_ms, now, rules.news_days):
            row.news_told_ms = row.news_ms
            return move(row, machine, 1, now)
        return None
    row.news_told_ms = max(row.news_told_ms, row.news_ms)
    since = row.since_ms[machine]
    if row.thanked_ms > since or now - since >= rules.news_days * DAY_MS:
        return move(row, machine, 0, now)
    return None


def hold(row: Row, rules: Rules, seen: Seen, move: Move) -> Change | None:
    """Set, told anew, or lifted."""
    now, machine, reasons = seen.now, Machine.HOLD, int(hold_reasons(row, rules, seen.now))
    if row.state[machine] == 0:
        if not reasons:
            return None
        row.hold_reasons = reasons
        return move(row, machine, 1, now)
    if all(forbidden(reasons, purpose) or not forbidden(row.hold_reasons, purpose) for purpose in Purpose):
        row.hold_calm_since_ms = state.NEVER
    elif row.hold_calm_since_ms == state.NEVER:
        row.hold_calm_since_ms = now
    calm = row.hold_calm_since_ms
    if calm != state.NEVER and now - calm >= rules.hold_quiet_days * DAY_MS:
        row.hold_calm_since_ms, row.hold_reasons = state.NEVER, reasons
        return move(row, machine, 1 if reasons else 0, now)
    if reasons & ~row.hold_reasons:
        row.hold_reasons |= reasons
        return move(row, machine, 1, now)
    return None


def appeal_due(row: Row, rules: Rules, tick: int) -> bool:
    """Whether an unanswered appeal has to be told at a tick."""
    unanswered = row.appeal_ms > row.appeal_answered_ms and row.appeal_told_ms != row.appeal_ms
    return bool(unanswered and tick - row.appeal_ms > rules.fault_appeal_hours * HOUR_MS)


def third_contact(row: Row, event: Heard, rules: Rules, slot: int | None) -> bool:
    """Whether the contact is the third, or a further one, for a case that is still unsolved."""
    if slot is None or not event.is_contact or event.resolved or not row.is_open(slot):
        return False
    burst = is_short(event) and row.state[Machine.GAMING] == 1
    return bool(row.case_contacts[slot] >= rules.service_third_contacts and not burst)
