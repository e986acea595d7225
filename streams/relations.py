"""What alerts about a relationship say: their evidence, what to do, what ends them, and how loyal someone is."""

from typing import Any

import numpy as np

from kernels import evidence, grounds, rings
from schemas import codes
from schemas.alerts import Evidence
from schemas.policy import Policy

RELATIONS = (
    codes.Machine.GAMING,
    codes.Machine.BEST,
    codes.Machine.REFERRAL,
    codes.Machine.GEM,
    codes.Machine.NEWS,
)
"""Machines whose alerts are put together here."""

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
PPM = 1_000_000
LONG_DAYS = 180
LOYAL_DAYS = 3
FEE_DAYS = 90
MOST_GONE = 0.2

_M, _D, _E = codes.Moment, codes.Driver, codes.Evidence

MOMENT_DRIVERS: dict[codes.Moment, codes.Driver] = {
    **dict.fromkeys((_M.RUDE_CALL, _M.ESCALATION_DENIED, _M.EXECUTIVE_APPEAL, _M.MOOD_SINKING), _D.EMOTION),
    **dict.fromkeys((_M.APPEAL_UNANSWERED, _M.CONTACT_DURING_FAILURE, _M.IDENTITY_REFUSED), _D.EMOTION),
    **dict.fromkeys((_M.WRONG_PART_TWICE, _M.REPEAT_FAULT, _M.PROMISE_REVERSED), _D.RISK),
    **dict.fromkeys((_M.SPECIFICATION_GAP, _M.DEFECT_REVIEW, _M.LOCKED_OUT), _D.RISK),
    **dict.fromkeys((_M.TICKET_UNANSWERED, _M.CALLBACK_MISSED, _M.REPAIR_OVERDUE), _D.COST),
    **dict.fromkeys((_M.UPSELL_AS_REMEDY, _M.CONTACT_BURST, _M.THIRD_CONTACT), _D.COST),
    _M.CANCEL_REQUESTED: _D.REVENUE,
}
"""What each moment hurts: a feeling, the trust that things work, the customer's own time and money."""

MACHINE_DRIVERS: dict[codes.Machine, codes.Driver] = {
    **dict.fromkeys((codes.Machine.VALUE, codes.Machine.CAUSE, codes.Machine.GAMING), _D.COST),
    **dict.fromkeys((codes.Machine.REFERRAL, codes.Machine.NEWS), _D.EMOTION),
    codes.Machine.GEM: _D.REVENUE,
}
"""Machines whose alerts are always about one thing; the others go by their strongest evidence."""

EVIDENCE_DRIVERS: dict[codes.Evidence, codes.Driver] = {
    **dict.fromkeys((_E.RUDE_CALL, _E.ESCALATION_DENIED, _E.NEGATIVE_REVIEW, _E.LOW_CSAT), _D.EMOTION),
    **dict.fromkeys((_E.WRONG_PART, _E.BROKEN_PROMISE, _E.REPAIR_TROUBLE), _D.RISK),
    **dict.fromkeys((_E.UNRESOLVED_REPEAT, _E.CALLBACK_MISSED, _E.UNANSWERED_TICKET), _D.COST),
}
"""Evidence that is listed nowhere here is about the money that may leave."""


def driver(machine: codes.Machine, crossing: Any, row: Any, policy: Policy, moment: codes.Moment | None) -> str:
    """What the alert is about, as the name of a ``schemas.codes.Driver`` (docs/model.md section 7)."""
    if moment is not None:
        found = MOMENT_DRIVERS[moment]
    elif machine in MACHINE_DRIVERS:
        found = MACHINE_DRIVERS[machine]
    else:
        values = np.empty(evidence.TERMS)
        grounds.weigh(row.reshape(1), int(crossing["now_ms"]), values)
        added = np.round(values * policy.record["weight"][0], 6)
        strongest = codes.Evidence(int(added.argmax())) if added.max() > 0 else None
        found = _D.REVENUE if strongest is None else EVIDENCE_DRIVERS.get(strongest, _D.REVENUE)
    return found.name.lower()


def loyalty_stage(row: Any, now_ms: int, gone_ppm: int) -> str:
    """How far loyalty has grown, as the name of a ``schemas.codes.Stage`` (docs/model.md section 7)."""
    day = now_ms // DAY_MS
    pays = bool(row["first_fee_day"] >= 0)
    paid_long = pays and day - int(row["first_fee_day"]) >= FEE_DAYS
    stage = codes.Stage.STRANGER
    if row["purchases"] > 0 or pays:
        stage = codes.Stage.BUYER
    if row["repeat_days"] > 0 or paid_long:
        stage = codes.Stage.REPEAT
    known_long = day - int(row["first_day"]) >= LONG_DAYS and gone_ppm <= MOST_GONE * PPM
    if (row["repeat_days"] >= LOYAL_DAYS or paid_long) and known_long:
        stage = codes.Stage.LOYAL
    brings = stage >= codes.Stage.BUYER and row["referrals"] > 0
    if brings or (stage is codes.Stage.LOYAL and row["news_ms"] >= 0):
        stage = codes.Stage.ADVOCATE
    return stage.name.lower()


def evidence_of(machine: codes.Machine, crossing: Any, row: Any, policy: Policy) -> list[Evidence]:
    """The facts an alert of a relationship's machine stands on; contributions are 0, for nothing is added up."""
    tell = {
        codes.Machine.GAMING: _gaming,
        codes.Machine.BEST: _best,
        codes.Machine.REFERRAL: _referral,
        codes.Machine.GEM: _gem,
        codes.Machine.NEWS: _news,
    }
    return tell[machine](crossing, row, policy)


def _fact(name: str, value: float, unit: str, window: str, digests: tuple[str, ...] = ()) -> Evidence:
    return Evidence(name, float(value), unit, window, 0.0, digests)


def _days_since(then_ms: int, now_ms: int) -> int:
    return (now_ms - then_ms) // DAY_MS


def digests_of(row: Any, *kinds: codes.Kind) -> tuple[str, ...]:
    """Digests of the newest remembered events of these kinds, newest first, three at most."""
    newest = sorted(
        (int(row["reference_ms"][at]), int(row["reference_digest"][at]))
        for at in range(len(row["reference_kind"]))
        if int(row["reference_kind"][at]) in kinds
    )
    return tuple(f"{digest:016x}" for _, digest in newest[::-1][:3])


def _gaming(crossing: Any, row: Any, policy: Policy) -> list[Evidence]:
    now_ms = int(crossing["now_ms"])
    hour = now_ms // HOUR_MS
    contacts, short = rings.contacts_in_day(row, hour), rings.short_in_day(row, hour)
    calls = digests_of(row, codes.Kind.CALL_CLOSED, codes.Kind.CHAT, codes.Kind.EMAIL)
    out = [
        _fact("contacts", contacts, "contacts", "24 h", calls),
        _fact("short_contacts", short, "contacts", "24 h"),
    ]
    asked_ms = int(row["leaving_asked_ms"])
    if asked_ms >= 0 and now_ms - asked_ms <= int(policy.record["gaming_leaving_days"][0]) * DAY_MS:
        out.append(_fact("asked_to_leave", _days_since(asked_ms, now_ms), "days", "since then"))
    if row["contract_end_ms"] > now_ms and row["termination_fee_cents"] > 0:
        out.append(_fact("termination_fee", int(row["termination_fee_cents"]), "cents", "now"))
    aside = int(row["period_aside_cents"].sum())
    out.append(_fact("set_aside", aside, "cents", "364 d"))
    return out


def _best(crossing: Any, row: Any, policy: Policy) -> list[Evidence]:
    now_ms = int(crossing["now_ms"])
    out = [_fact("worth", int(crossing["worth_cents"]), "cents", "horizon")]
    offer_ms = int(row["offer_ms"])
    if offer_ms >= 0 and now_ms - offer_ms <= int(policy.record["best_offer_days"][0]) * DAY_MS:
        offer = digests_of(row, codes.Kind.COMPETITOR_OFFER)
        out.append(_fact("rival_offer", _days_since(offer_ms, now_ms), "days", "since then", offer))
        if row["offer_rival"] != 0:
            out.append(_fact("rival", 1, "name", "newest offer", (f"{int(row['offer_rival']):016x}",)))
    if row["state"][codes.Machine.SERVICE] != 0:
        out.append(_fact("open_failure", 1, "failure", "now"))
    if float(row["usual_risk"]) > 0:
        ratio = int(crossing["risk_ppm"]) / (float(row["usual_risk"]) * PPM)
        out.append(_fact("above_own_usual_risk", round(ratio, 3), "ratio", "own base line"))
    lines = int(np.count_nonzero(row["line"]))
    if lines > 1:
        out.append(_fact("product_lines", lines, "lines", "newest purchases"))
    if row["referrals"] > 0:
        given = digests_of(row, codes.Kind.REFERRAL_GIVEN)
        out.append(_fact("referrals", int(row["referrals"]), "referrals", "ever", given))
    return out


def _referral(crossing: Any, row: Any, policy: Policy) -> list[Evidence]:
    now_ms = int(crossing["now_ms"])
    out = [_fact("days_together", now_ms // DAY_MS - int(row["first_day"]), "days", "since the first event")]
    if row["failure_day"] >= 0:
        out.append(_fact("days_without_failure", now_ms // DAY_MS - int(row["failure_day"]), "days", "now"))
    if row["csat_ms"] >= 0:
        out.append(_fact("last_score", int(row["csat_share_ppm"]) / PPM, "share", "last score"))
    if row["solved"] > 0:
        out.append(_fact("solved_cases", int(row["solved"]), "cases", "ever"))
    out.append(_fact("repeat_purchases", int(row["repeat_days"]), "days", "ever"))
    line = top_line(row)
    if line is not None:
        out.append(_fact("top_product_line", line[1], "days", "newest purchases", (f"{line[0]:016x}",)))
    return out


def top_line(row: Any) -> tuple[int, int] | None:
    """(digest, days of buying) of the product line bought most often, the newest of equal ones; None for none."""
    lines = [
        (int(row["line_days"][at]), int(row["line_last_day"][at]), -at)
        for at in range(len(row["line"]))
        if row["line"][at] != 0
    ]
    if not lines:
        return None
    days, _, place = max(lines)
    return int(row["line"][-place]), days


def _gem(crossing: Any, row: Any, policy: Policy) -> list[Evidence]:
    return [
        _fact("expected_year", int(crossing["year_cents"]), "cents", "a year"),
        _fact("contacts", int(crossing["year_contacts"]), "contacts", "364 d"),
        _fact("revenue", int(row["spent_cents"]), "cents", "ever"),
    ]


def _news(crossing: Any, row: Any, policy: Policy) -> list[Evidence]:
    now_ms = int(crossing["now_ms"])
    out = []
    if crossing["moment"] != codes.News.HEARD and row["thanked_ms"] < row["referral_ms"]:
        given = digests_of(row, codes.Kind.REFERRAL_GIVEN)
        out.append(_fact("unthanked_referral", _days_since(int(row["referral_ms"]), now_ms), "days", "now", given))
    if row["news_ms"] >= 0:
        told = digests_of(row, codes.Kind.PRAISE, codes.Kind.EXPANSION)
        out.append(_fact("praise_or_growth", _days_since(int(row["news_ms"]), now_ms), "days", "since then", told))
    return out


def actions_of(machine: codes.Machine, crossing: Any, policy: Policy) -> tuple[str, ...]:
    """What to do about an alert of a relationship's machine, best first."""
    if machine is codes.Machine.GAMING:
        return ("single_owner_callback", "fee_decision_by_a_human")
    if machine is codes.Machine.BEST:
        return ("named_contact",)
    if machine is codes.Machine.REFERRAL:
        return ("ask_for_a_referral",)
    if machine is codes.Machine.GEM:
        return ("get_to_know",)
    if crossing["moment"] == codes.News.THANKS_OWED:
        return ("thank_the_referrer",)
    if crossing["worth_cents"] >= int(policy.record["best_worth_cents"][0]):
        return ("say_thanks", "invite_to_the_board")
    return ("say_thanks",)


def clears_when(machine: codes.Machine, policy: Policy) -> tuple[str, ...]:
    """What ends the state, nearest first."""
    rule = policy.record[0]
    if machine is codes.Machine.GAMING:
        return ("a fault of ours found behind the calls", f"{int(rule['gaming_days'])} days passed")
    if machine is codes.Machine.BEST:
        risk, ratio = float(rule["best_clear_risk"]), float(rule["best_usual_clear_ratio"])
        below = f"risk below {risk:g} and below {ratio:g} times their usual one"
        return ("the failure made good", "no rival's offer open", below)
    if machine is codes.Machine.REFERRAL:
        days = int(rule["referral_stay_days"])
        return ("an ask, a failure or an open case", f"{days} days without a contact or a purchase")
    if machine is codes.Machine.GEM:
        year = int(rule["gem_clear_annual_cents"])
        return (
            f"an expected year below {year} cents, or many contacts, after {int(rule['gem_dwell_days'])} days",
        )
    return ("thanks given for a referral", f"{int(rule['news_days'])} days passed")
