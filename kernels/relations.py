"""What a customer said of us, brought us and was asked: folded so that the order of arrival does not matter.

Of two words about the same thing the later one in event time stands (docs/model.md section 2).
"""

from typing import Final

from kernels import cases
from kernels._jit import kernel
from kernels.cost import PURCHASE, REFERRAL_CREDIT
from kernels.shapes import Event, Row, Rules
from schemas.codes import Answer, Author, Decision, Kind, Purpose
from schemas.events import ABSENT
from schemas.state import LINES, NEVER

CANCEL_REQUEST: Final = int(Kind.CANCEL_REQUEST)
ETF_QUERY: Final = int(Kind.ETF_QUERY)
CSAT: Final = int(Kind.CSAT)
REVIEW: Final = int(Kind.REVIEW)
CONTACT_SENT: Final = int(Kind.CONTACT_SENT)
COMPETITOR_OFFER: Final = int(Kind.COMPETITOR_OFFER)
DEAL_LOST: Final = int(Kind.DEAL_LOST)
PRAISE: Final = int(Kind.PRAISE)
EXPANSION: Final = int(Kind.EXPANSION)
REFERRAL_GIVEN: Final = int(Kind.REFERRAL_GIVEN)
KEEP: Final = int(Decision.KEEP)
REFUSE: Final = int(Decision.REFUSE)
REFERRAL_ASK: Final = int(Purpose.REFERRAL_ASK)
BY_AGENT: Final = int(Author.AGENT)
NO: Final = int(Answer.NO)
YES: Final = int(Answer.YES)
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
PPM: Final = 1_000_000
U4_MAX: Final = 2**32 - 1


@kernel
def is_good_news(kind: int) -> bool:
    """Whether the event is good news in itself."""
    return kind in (PRAISE, EXPANSION, REFERRAL_GIVEN)


@kernel
def remember(row: Row, event: Event, slot: int, was_open: bool, rules: Rules) -> None:
    """Fold the event into what is known of the relationship; ``was_open`` is its case's state before it."""
    kind = int(event["kind"])
    ts_ms = int(event["ts_ms"])
    if cases.is_contact(kind):
        row["contact_ms"] = max(int(row["contact_ms"]), ts_ms)
        if event["decision"] == KEEP:
            row["kept"] = min(int(row["kept"]) + 1, cases.COUNT_MAX)
        elif event["decision"] == REFUSE:
            row["refused"] = min(int(row["refused"]) + 1, cases.COUNT_MAX)
    if was_open and cases.settles(event):
        row["solved"] = min(int(row["solved"]) + 1, cases.COUNT_MAX)
    if kind == cases.WORKAROUND:
        minutes = int(row["effort_minutes"]) + int(event["effort_ms"]) // MINUTE_MS
        row["effort_minutes"] = min(minutes, U4_MAX)
    if event["warranty_end_ms"] != ABSENT:
        row["warranty_end_ms"] = max(int(row["warranty_end_ms"]), int(event["warranty_end_ms"]))
    if event["floor"] != 0:
        row["floor"] = event["floor"]
    if event["skill"] != 0:
        row["skill"] = event["skill"]
    _remember_opinion(row, event, rules)
    _remember_leaving(row, event)
    _remember_favours(row, event)


@kernel
def _remember_opinion(row: Row, event: Event, rules: Rules) -> None:
    kind = int(event["kind"])
    ts_ms = int(event["ts_ms"])
    if kind == REVIEW:
        row["reviews"] = min(int(row["reviews"]) + 1, cases.COUNT_MAX)
        if event["stars"] <= rules["fault_negative_stars"]:
            row["negative_review_ms"] = max(int(row["negative_review_ms"]), ts_ms)
    if kind == CSAT:
        share = int(event["score"]) * PPM // int(event["scale"])
        if ts_ms > row["csat_ms"]:
            row["csat_ms"] = ts_ms
            row["csat_share_ppm"] = share
        elif ts_ms == row["csat_ms"]:
            row["csat_share_ppm"] = min(int(row["csat_share_ppm"]), share)


@kernel
def _remember_leaving(row: Row, event: Event) -> None:
    """What the customer did that may end in leaving, and whether an appeal was answered."""
    kind = int(event["kind"])
    ts_ms = int(event["ts_ms"])
    if kind in (CANCEL_REQUEST, ETF_QUERY):
        row["leaving_asked_ms"] = max(int(row["leaving_asked_ms"]), ts_ms)
    if kind == COMPETITOR_OFFER and ts_ms >= row["offer_ms"]:
        row["offer_ms"] = ts_ms
        row["offer_rival"] = event["competitor"]
    if kind == DEAL_LOST and ts_ms >= row["deal_ms"]:
        row["deal_ms"] = ts_ms
        row["deal_cents"] = max(0, int(event["deal_cents"]))
    if kind == cases.APPEAL:
        row["appeal_ms"] = max(int(row["appeal_ms"]), ts_ms)
    if _answers_an_appeal(event):
        row["appeal_answered_ms"] = max(int(row["appeal_answered_ms"]), ts_ms)


@kernel
def _answers_an_appeal(event: Event) -> bool:
    """Whether somebody spoke to the customer; a call that settled nothing is no answer."""
    kind = int(event["kind"])
    if kind == cases.TICKET_REPLY:
        return bool(event["author"] == BY_AGENT)
    if kind == cases.CALL:
        return bool(event["resolved"] != NO)
    return kind in (cases.ESCALATION_GRANTED, cases.CALLBACK_MADE)


@kernel
def _remember_favours(row: Row, event: Event) -> None:
    """Referrals, thanks, asks and good news."""
    kind = int(event["kind"])
    ts_ms = int(event["ts_ms"])
    if kind == REFERRAL_GIVEN:
        row["referrals"] = min(int(row["referrals"]) + 1, cases.COUNT_MAX)
        row["referral_ms"] = max(int(row["referral_ms"]), ts_ms)
    if kind == REFERRAL_CREDIT:
        row["thanked_ms"] = max(int(row["thanked_ms"]), ts_ms)
    if kind == CONTACT_SENT and event["purpose"] == REFERRAL_ASK:
        row["referral_asked_ms"] = max(int(row["referral_asked_ms"]), ts_ms)
    if kind in (PRAISE, EXPANSION):
        row["news_ms"] = max(int(row["news_ms"]), ts_ms)


@kernel
def remember_purchase(row: Row, event: Event, day: int) -> None:
    """Keep what was spent on the newest day of buying, and the product line; comes before the day is noted."""
    spent = int(event["amount_cents"])
    if day > row["last_purchase_day"]:
        row["last_spend_cents"] = spent
    elif day == row["last_purchase_day"]:
        row["last_spend_cents"] = max(int(row["last_spend_cents"]), spent)
    if event["kind"] == PURCHASE and event["product_line"] != 0:
        _remember_line(row, event["product_line"], day)


@kernel
def _remember_line(row: Row, line: int, day: int) -> None:
    """Count a day of buying for the line; a new line takes a free place or that of the line bought longest ago."""
    taken = 0
    for at in range(LINES):
        if row["line"][at] == line:
            if day > row["line_last_day"][at]:
                row["line_last_day"][at] = day
                row["line_days"][at] = min(int(row["line_days"][at]) + 1, cases.COUNT_MAX)
            return
        if row["line_last_day"][at] < row["line_last_day"][taken]:
            taken = at
    if day > row["line_last_day"][taken]:
        row["line"][taken] = line
        row["line_last_day"][taken] = day
        row["line_days"][taken] = 1


@kernel
def lines_owned(row: Row) -> int:
    """How many product lines the customer is known to own."""
    count = 0
    for at in range(LINES):
        if row["line"][at] != 0:
            count += 1
    return count


@kernel
def appeal_open(row: Row) -> bool:
    """Whether an appeal to an executive waits for an answer."""
    return bool(row["appeal_ms"] > row["appeal_answered_ms"])


@kernel
def appeal_overdue(row: Row, rules: Rules, at_ms: int) -> bool:
    """Whether it has waited longer than ``fault_appeal_hours`` at ``at_ms``."""
    return appeal_open(row) and at_ms - int(row["appeal_ms"]) > int(rules["fault_appeal_hours"]) * HOUR_MS


@kernel
def within(at_ms: int, now_ms: int, days: int) -> bool:
    """Whether ``at_ms`` is set and at most so many days before ``now_ms``."""
    return at_ms != NEVER and now_ms - at_ms <= days * 24 * HOUR_MS
