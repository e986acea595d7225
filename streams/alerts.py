"""Crossings become alerts: slots turn into names again, scores into evidence, and each alert gets its id."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from kernels import evidence
from kernels.cases import COMPANY_FLAGS, is_open, is_waiting
from schemas import codes
from schemas.alerts import PURPOSES, Alert, Evidence, Hold
from schemas.policy import Policy
from schemas.state import CASES, NEVER, REFERENCES
from streams.realign import value_actions, value_evidence, year_of

MOST_EVIDENCE = 5
MOST_REFERENCES = 3

KINDS_BEHIND: dict[codes.Evidence, tuple[codes.Kind, ...]] = {
    codes.Evidence.UNRESOLVED_REPEAT: (codes.Kind.CALL_CLOSED, codes.Kind.CHAT, codes.Kind.EMAIL),
    codes.Evidence.ESCALATION_DENIED: (codes.Kind.ESCALATION_DENIED,),
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
    codes.Evidence.LOW_CSAT: (codes.Kind.CSAT,),
    codes.Evidence.CANCEL_REQUEST: (codes.Kind.CANCEL_REQUEST,),
    codes.Evidence.BROKEN_PROMISE: (
        codes.Kind.PROMISE_REVERSED,
        codes.Kind.UPSELL_AS_REMEDY,
        codes.Kind.SPECIFICATION_GAP,
    ),
    codes.Evidence.LEAVING_SIGNAL: (
        codes.Kind.COMPETITOR_OFFER,
        codes.Kind.EXECUTIVE_APPEAL,
        codes.Kind.DEAL_LOST,
    ),
    codes.Evidence.REPAIR_TROUBLE: (codes.Kind.REPAIR_IN, codes.Kind.TICKET_OPENED),
}

MOMENT_ACTIONS: dict[codes.Moment, tuple[str, ...]] = {
    codes.Moment.RUDE_CALL: ("apologise_in_person", "single_owner"),
    codes.Moment.ESCALATION_DENIED: ("escalate_to_supervisor", "single_owner"),
    codes.Moment.WRONG_PART_TWICE: ("escalate_to_supervisor", "verify_part_before_shipping"),
    codes.Moment.TICKET_UNANSWERED: ("answer_now",),
    codes.Moment.CALLBACK_MISSED: ("call_back_now", "single_owner"),
    codes.Moment.REPEAT_FAULT: ("repair_or_replace_goodwill",),
    codes.Moment.REPAIR_OVERDUE: ("lend_a_replacement", "name_a_date"),
    codes.Moment.PROMISE_REVERSED: ("keep_the_promise", "escalate_to_supervisor"),
    codes.Moment.UPSELL_AS_REMEDY: ("offer_trade_in_or_third_party_parts",),
    codes.Moment.EXECUTIVE_APPEAL: ("answer_from_an_executive",),
    codes.Moment.SPECIFICATION_GAP: ("fix_glaring_problem", "offer_return"),
    codes.Moment.DEFECT_REVIEW: ("send_replacement_without_asking",),
    codes.Moment.CONTACT_BURST: ("fix_glaring_problem", "single_owner"),
    codes.Moment.CONTACT_DURING_FAILURE: ("stop_marketing",),
    codes.Moment.CANCEL_REQUESTED: ("ask_why_and_settle", "stop_marketing"),
}


@dataclass(frozen=True, slots=True)
class Crossed:
    """One border crossed: whose, the crossing record (shape ()), and the row as it stood right after."""

    customer: str
    crossing: Any
    row: Any


def alert_id(app_id: str, customer: str, kind: str, episode: int, number: int) -> str:
    """blake2b-128 of who, what, which episode and which change in it: the same on every replay."""
    text = "\x1f".join((app_id, customer, kind, str(episode), str(number)))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def kind_of(crossing: Any) -> str:
    """The alert's kind, as in ``schemas.alerts.KINDS``."""
    machine = codes.ALERT_NAMES[codes.Machine(int(crossing["machine"]))]
    return f"{machine}_{codes.Change(int(crossing['change'])).name.lower()}"


def make(app_id: str, crossed: Crossed, policy: Policy, within_budget: bool) -> Alert:
    """The alert of one crossing, with its evidence, what to do, and what would clear it."""
    crossing, row = crossed.crossing, crossed.row
    machine = codes.Machine(int(crossing["machine"]))
    kind = kind_of(crossing)
    states = codes.STATE_NAMES[machine]
    moment = codes.Moment(int(crossing["moment"])) if crossing["moment"] else None
    episode, number = int(crossing["episode"]), int(crossing["number"])
    return Alert(
        alert_id=alert_id(app_id, crossed.customer, kind, episode, number),
        kind=kind,
        customer_id=crossed.customer,
        ts_ms=int(crossing["now_ms"]),
        state_before=states[int(crossing["before"])],
        state_after=states[int(crossing["after"])],
        episode=episode,
        change=number,
        moment=moment.name.lower() if moment else None,
        risk_ppm=int(crossing["risk_ppm"]),
        gone_ppm=int(crossing["gone_ppm"]),
        p_negative_ppm=int(crossing["p_negative_ppm"]),
        expected_year_cents=int(crossing["year_cents"]),
        net_year_cents=int(crossing["net_year_cents"]),
        raw_net_year_cents=int(crossing["raw_net_year_cents"]),
        company_share_ppm=int(crossing["company_ppm"]),
        forward_year_cents=int(crossing["forward_year_cents"]),
        fee_cover_ppm=int(crossing["fee_cover_ppm"]) if crossing["fee_cover_ppm"] != NEVER else None,
        worth_cents=int(crossing["worth_cents"]),
        at_risk_cents=int(crossing["at_risk_cents"]),
        evidence=tuple(_evidence(machine, crossing, row, policy, moment)),
        actions=_actions(machine, crossing, row, policy, moment),
        clears_when=_clears_when(machine, crossing, row, policy),
        policy_version=policy.version,
        policy_digest=policy.digest,
        within_budget=within_budget,
    )


def hold(crossed: Crossed, policy: Policy) -> Hold:
    """The word on the holds topic that a crossing of the hold machine stands for."""
    held = crossed.crossing["change"] == codes.Change.ENTERED
    reasons = codes.HoldReason(int(crossed.crossing["moment"]))
    return Hold(
        customer_id=crossed.customer,
        held=bool(held),
        since_ms=int(crossed.crossing["now_ms"]),
        reasons=tuple((one.name or "").lower() for one in reasons),
        purposes=PURPOSES if held else (),
        policy_version=policy.version,
    )


def _evidence(
    machine: codes.Machine, crossing: Any, row: Any, policy: Policy, moment: codes.Moment | None
) -> list[Evidence]:
    if machine in (codes.Machine.VALUE, codes.Machine.CAUSE):
        return _money(machine, crossing, row, policy)
    found = _failures(crossing, row, policy)
    if machine is codes.Machine.SERVICE and moment is not None:
        trigger = (f"{int(crossing['trigger_digest']):016x}",) if crossing["trigger_kind"] else ()
        return [
            Evidence(moment.name.lower(), 1.0, "moment", "now", 1.0, trigger),
            *found[: MOST_EVIDENCE - 1],
        ]
    return found[:MOST_EVIDENCE]


def _failures(crossing: Any, row: Any, policy: Policy) -> list[Evidence]:
    """Evidence of failure by what it adds to the hazard's logarithm, strongest first; silence beside it."""
    rule = policy.record[0]
    now_ms = int(crossing["now_ms"])
    found = []
    values = np.empty(evidence.TERMS)
    evidence.terms(row, now_ms, values)
    for which in codes.Evidence:
        term = float(values[which])
        contribution = round(float(rule["weight"][which]) * term, 6)
        if contribution != 0.0:
            name = which.name.lower()
            window = f"half-life {float(rule['half_life_days'][which]):g} d"
            if which is codes.Evidence.UNANSWERED_TICKET:
                found.append(Evidence(name, round(term, 6), "log1p(weeks)", "now", contribution, ()))
            else:
                value = round(float(row["evidence"][which]), 6)
                references = _references(row, KINDS_BEHIND[which])
                found.append(Evidence(name, value, "decayed count", window, contribution, references))
    found.sort(key=lambda one: (-abs(one.contribution), one.name))
    gone = int(crossing["gone_ppm"]) / 1_000_000
    if gone >= 0.05:
        days = int(row["day"]) - max(int(row["last_purchase_day"]), int(row["first_day"]))
        found.insert(0, Evidence("silence", float(days), "days", "since last purchase", round(gone, 6), ()))
    return found


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
    newest = sorted(
        (int(row["reference_ms"][at]), int(row["reference_digest"][at]))
        for at in range(REFERENCES)
        if int(row["reference_kind"][at]) in kinds
    )
    return tuple(f"{digest:016x}" for _, digest in newest[::-1][:MOST_REFERENCES])


def _actions(
    machine: codes.Machine, crossing: Any, row: Any, policy: Policy, moment: codes.Moment | None
) -> tuple[str, ...]:
    if crossing["change"] == codes.Change.CLEARED:
        return ()
    if machine is codes.Machine.SERVICE and moment is not None:
        return MOMENT_ACTIONS[moment]
    if machine is codes.Machine.VALUE:
        return value_actions(crossing, row, policy)
    if machine is codes.Machine.CAUSE:
        return ("fix_glaring_problem", "single_owner")
    if any(is_waiting(row, slot) for slot in range(CASES)):
        return ("answer_now", "single_owner")
    if row["evidence"][codes.Evidence.WRONG_PART] > 1 or row["evidence"][codes.Evidence.ESCALATION_DENIED] > 0.5:
        return ("escalate_to_supervisor", "single_owner")
    if row["evidence"][codes.Evidence.NEGATIVE_REVIEW] > 0.5:
        return ("send_replacement_without_asking",)
    return ("reconnect_without_selling",)


def _clears_when(machine: codes.Machine, crossing: Any, row: Any, policy: Policy) -> tuple[str, ...]:
    """What has to happen for this state to be left, nearest first; empty once it is left."""
    if crossing["change"] == codes.Change.CLEARED:
        return ()
    rule = policy.record[0]
    open_slots = [slot for slot in range(CASES) if is_open(row, slot)]
    if machine is codes.Machine.VALUE:
        below = float(rule["value_clear_probability"])
        return (
            f"probability of a negative year below {below:g} after {int(rule['value_dwell_days'])} days",
            f"company's share of the cost at least {float(rule['value_company_share_clear']):g}",
            f"a year ahead that pays, for {int(rule['value_good_days'])} days",
        )
    cases = "the open case" if len(open_slots) == 1 else f"{len(open_slots)} open cases"
    if machine is codes.Machine.CAUSE:
        share = float(rule["value_cause_share_clear"])
        return (f"company's share of the cost below {share:g}", "a year that brings more than it costs")
    owed = [f"{cases} settled"] if open_slots else []
    if any(int(row["case_flags"][slot]) & COMPANY_FLAGS for slot in open_slots):
        owed = [f"{cases} settled, the company's own fault among them"]
    if machine is codes.Machine.SERVICE:
        quiet = f"{int(rule['service_quiet_days'])} quiet days with nothing owed"
        return (*owed, "a replacement, a credit or a granted escalation, with nothing open", quiet)
    calm = f"risk at most {float(rule['churn_clear_probability']):g} for {int(rule['churn_clear_days'])} days"
    return (*owed, "a purchase, with nothing open", calm)
