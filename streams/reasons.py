"""Why an alert was made: evidence that adds up to what was judged, each piece with its amount and its events."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kernels import churn, evidence, grounds
from kernels.elementary import exp
from kernels.settle import to_ppm
from schemas import codes
from schemas.alerts import Evidence
from schemas.policy import Policy
from schemas.state import CASES
from streams import relations
from streams.facts import facts_of
from streams.realign import value_evidence, year_of
from streams.relations import RELATIONS

MOST_EVIDENCE = 5
MOST_REFERENCES = 3

Grounds = tuple[float, list[float], list[float], list[float], list[float]]
"""The risk's log-odds; what they are made of; terms; evidence; the risk without each evidence."""

# Looking a member of an enumeration up by its class takes longer than most of what is done with it.
OF_TERMS, OF_EVIDENCE = tuple(codes.Term), tuple(codes.Evidence)
FILTER, CANCEL, CANCEL_REQUEST = codes.Term.FILTER, codes.Term.CANCEL, codes.Evidence.CANCEL_REQUEST

TERM_UNITS: dict[codes.Term, str] = {
    codes.Term.REPEATS: "log1p(days)",
    codes.Term.OVERDUE: "ln(own gaps)",
    codes.Term.REGULAR: "own gaps",
    codes.Term.GONE: "log-odds",
    codes.Term.TENURE: "log1p(months)",
    codes.Term.OPEN_CASES: "cases",
    codes.Term.OPEN_AGE: "log1p(weeks)",
    codes.Term.OPEN_CONTACTS: "log1p(contacts)",
    codes.Term.SUBSCRIBED: "yes or no",
    codes.Term.FEE_OVERDUE: "weeks",
}
"""What each term of the risk counts; the filter is told as silence, the wish to leave with its evidence."""

KINDS_BEHIND: dict[codes.Evidence, tuple[codes.Kind, ...]] = {
    codes.Evidence.UNRESOLVED_REPEAT: (codes.Kind.CALL_CLOSED, codes.Kind.CHAT, codes.Kind.EMAIL),
    codes.Evidence.ESCALATION_DENIED: (codes.Kind.ESCALATION_DENIED, codes.Kind.IDENTITY_REFUSED),
    codes.Evidence.RUDE_CALL: (codes.Kind.RUDE_CALL, codes.Kind.SENTIMENT),
    codes.Evidence.WRONG_PART: (codes.Kind.PART_WRONG,),
    codes.Evidence.CALLBACK_MISSED: (codes.Kind.CALLBACK_MISSED,),
    codes.Evidence.NEGATIVE_REVIEW: (codes.Kind.REVIEW,),
    codes.Evidence.RECOVERY: (
        codes.Kind.FREE_REPLACEMENT,
        codes.Kind.ESCALATION_GRANTED,
        codes.Kind.TICKET_RESOLVED,
        codes.Kind.CREDIT,
        codes.Kind.CONCESSION,
    ),
    codes.Evidence.LOW_CSAT: (codes.Kind.CSAT, codes.Kind.SENTIMENT),
    codes.Evidence.CANCEL_REQUEST: (codes.Kind.CANCEL_REQUEST,),
    codes.Evidence.BROKEN_PROMISE: (
        codes.Kind.PROMISE_REVERSED,
        codes.Kind.UPSELL_AS_REMEDY,
        codes.Kind.SPECIFICATION_GAP,
        codes.Kind.LOCK_OUT,
    ),
    codes.Evidence.LEAVING_SIGNAL: (
        codes.Kind.COMPETITOR_OFFER,
        codes.Kind.EXECUTIVE_APPEAL,
        codes.Kind.DEAL_LOST,
    ),
    codes.Evidence.REPAIR_TROUBLE: (codes.Kind.REPAIR_IN, codes.Kind.TICKET_OPENED),
}


def evidence_of(
    machine: codes.Machine, crossing: Any, row: Any, policy: Policy, moment: codes.Moment | None
) -> list[Evidence]:
    """What was found, strongest first: for a failure the moment itself before all else; for money, by fault."""
    beside = facts_of(row, int(crossing["now_ms"]))
    if machine is codes.Machine.VALUE:
        return _money(machine, crossing, row, policy)
    if machine is codes.Machine.CAUSE:
        return [*_money(machine, crossing, row, policy), *beside]
    if machine in RELATIONS:
        facts = relations.evidence_of(machine, crossing, row, policy)
        if machine is codes.Machine.BEST:
            return [*facts, *_failures(crossing, row, policy)[:2], *beside]
        return facts
    if machine is codes.Machine.CHURN:
        return [*_adding_up(crossing, row, policy), *_price_ratio(row), *beside]
    found = _failures(crossing, row, policy)
    if machine is codes.Machine.SERVICE and moment is not None:
        trigger = (f"{int(crossing['trigger_digest']):016x}",) if crossing["trigger_kind"] else ()
        return [
            Evidence(moment.name.lower(), 1.0, "moment", "now", 1.0, trigger),
            *found[: MOST_EVIDENCE - 1],
            *_price_ratio(row),
            *beside,
        ]
    return found[:MOST_EVIDENCE]


def _failures(crossing: Any, row: Any, policy: Policy) -> list[Evidence]:
    """What the risk's log-odds are made of beside what they are for anyone, strongest first."""
    return _told(_grounds(crossing, row, policy), float(crossing["risk"]), row, policy)


def _told(grounds_of: Grounds, chance: float, row: Any, policy: Policy) -> list[Evidence]:
    """A wish to leave is one reason, whether it counts through the filter or as a term of its own."""
    eta, parts, terms, values, without = grounds_of
    found = []
    for term, added in zip(OF_TERMS, parts[1:], strict=False):
        if added == 0.0 or term is CANCEL:
            continue
        dp_ppm = to_ppm(chance - 1.0 / (1.0 + exp(added - eta)))
        value, counted = terms[term], round(added, 6)
        if term is FILTER:
            found.append(Evidence("silence", value, "days", "since last purchase", counted, (), dp_ppm))
        else:
            name = term.name.lower()
            found.append(Evidence(name, round(value, 6), TERM_UNITS[term], "now", counted, (), dp_ppm))
    for which, through_filter in zip(OF_EVIDENCE, parts[1 + churn.TERMS :], strict=True):
        added = through_filter + parts[1 + CANCEL] if which is CANCEL_REQUEST else through_filter
        if added == 0.0:
            continue
        dp_ppm = to_ppm(chance - without[which])
        found.append(_decayed(row, which, values[which], round(added, 6), dp_ppm, policy))
    found = [one for one in found if one.contribution != 0.0]
    return sorted(found, key=lambda one: (-abs(one.contribution), one.name))


def _grounds(crossing: Any, row: Any, policy: Policy) -> Grounds:
    """The risk's log-odds, and what ``kernels.grounds.reasons`` says of them."""
    parts = np.empty(1 + churn.TERMS + evidence.TERMS)
    terms, values, without = np.empty(churn.TERMS), np.empty(evidence.TERMS), np.empty(evidence.TERMS)
    told = (parts, terms, values, without)
    eta = grounds.reasons(row.reshape(1), int(crossing["now_ms"]), policy.record, *told)
    return eta, parts.tolist(), terms.tolist(), values.tolist(), without.tolist()


def _decayed(row: Any, which: codes.Evidence, term: float, added: float, dp_ppm: int, policy: Policy) -> Evidence:
    """One kind of failure or recovery as it stands, with the events behind it."""
    name = which.name.lower()
    if which is codes.Evidence.UNANSWERED_TICKET:
        return Evidence(name, round(term, 6), "log1p(weeks)", "now", added, (), dp_ppm)
    value = round(float(row["evidence"][which]), 6)
    window = f"half-life {float(policy.record['half_life_days'][0][which]):g} d"
    return Evidence(name, value, "decayed count", window, added, _references(row, KINDS_BEHIND[which]), dp_ppm)


def _price_ratio(row: Any) -> list[Evidence]:
    """How dear is what was offered in place of a product that is no longer made, where an open case knows."""
    opened = grounds.open_slots(row.reshape(1))
    for slot in range(CASES):
        percent = int(row["case_price_percent"][slot])
        if percent > 0 and opened >> slot & 1:
            return [Evidence("price_ratio", float(percent), "percent", "now", 0.0)]
    return []


def _adding_up(crossing: Any, row: Any, policy: Policy) -> list[Evidence]:
    """The strongest reasons between what anyone's log-odds are and what is not shown: together, the risk's own."""
    grounds_of = _grounds(crossing, row, policy)
    eta, parts = grounds_of[:2]
    base = round(parts[0], 6)
    shown = _told(grounds_of, float(crossing["risk"]), row, policy)[:MOST_EVIDENCE]
    rest = round(eta - base - sum(one.contribution for one in shown), 6)
    return [
        *shown,
        Evidence("baseline", base, "log-odds", "anyone", base),
        Evidence("rest", rest, "log-odds", "now", rest),
    ]


def _money(machine: codes.Machine, crossing: Any, row: Any, policy: Policy) -> list[Evidence]:
    """The year's money by fault, and how often the customer came.

    The contributions add up to the net that was judged: the raw one for ``fix_the_cause``, for value the one
    without the company's cost, with the benefit of the doubt and with investments spread over time.
    """
    if machine is codes.Machine.CAUSE:
        year = year_of(row, policy)
        out = [Evidence("margin", float(year.margin), "cents", "364 d", float(year.margin))]
        for fault in codes.Fault:
            cents = float(year.cost[fault])
            out.append(Evidence(f"cost_{fault.name.lower()}", cents, "cents", "364 d", -cents))
        contacts, window = int(crossing["year_contacts"]), "364 d"
    else:
        out = value_evidence(crossing, row, policy)
        contacts, window = int(crossing["contacts"]), f"{int(crossing['periods'])} x 28 d"
    behind = _references(row, (codes.Kind.CALL_CLOSED, codes.Kind.CHAT, codes.Kind.EMAIL))
    out.append(Evidence("contacts", float(contacts), "contacts", window, 0.0, behind))
    return out


def _references(row: Any, kinds: Sequence[codes.Kind]) -> tuple[str, ...]:
    """Digests of the newest remembered events of these kinds, newest first."""
    remembered = (row[f"reference_{name}"].tolist() for name in ("ms", "digest", "kind"))
    newest = sorted((ms, digest) for ms, digest, kind in zip(*remembered, strict=True) if kind in kinds)
    return tuple(f"{digest:016x}" for _, digest in newest[::-1][:MOST_REFERENCES])
