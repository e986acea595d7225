"""Crossings become alerts: slots turn into names again, scores into evidence, and each alert gets its id."""

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

from kernels import grounds
from schemas import codes
from schemas.alerts import Alert, Hold
from schemas.policy import Policy
from schemas.state import CROSSING, NEVER
from streams import actions, clearpath, freed, gestures, relations, words
from streams.reasons import evidence_of
from streams.survey import Known, Survey

OF_A_CASE = frozenset(
    {
        codes.Moment.WRONG_PART_TWICE,
        codes.Moment.TICKET_UNANSWERED,
        codes.Moment.CALLBACK_MISSED,
        codes.Moment.REPEAT_FAULT,
        codes.Moment.REPAIR_OVERDUE,
        codes.Moment.PROMISE_REVERSED,
        codes.Moment.UPSELL_AS_REMEDY,
        codes.Moment.SPECIFICATION_GAP,
        codes.Moment.CONTACT_BURST,
        codes.Moment.THIRD_CONTACT,
        codes.Moment.LOCKED_OUT,
    }
)
"""Moments that happen in a case, so that the case's problem is theirs; rudeness, say, is nobody's sku."""

OF_A_CROSSING = CROSSING.names or ()


@dataclass(frozen=True, slots=True)
class Crossed:
    """One border crossed: whose, the crossing's fields by name, and the row (shape ()) as it stood right after."""

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


def make(app_id: str, crossed: Crossed, policy: Policy, within_budget: bool, survey: Survey) -> Alert:
    """The alert of one crossing, with its evidence, what to do, and what would clear it."""
    crossing, row = crossed.crossing, crossed.row
    machine = codes.Machine(int(crossing["machine"]))
    kind = kind_of(crossing)
    states = codes.STATE_NAMES[machine]
    told = machine is codes.Machine.SERVICE and crossing["moment"]
    moment = codes.Moment(int(crossing["moment"])) if told else None
    episode, number = int(crossing["episode"]), int(crossing["number"])
    gesture = gestures.of(crossed.customer, machine, crossing, row, policy, moment)
    todo = actions.of(machine, crossing, row, policy, moment, gesture)
    left = crossing["change"] == codes.Change.CLEARED
    path = () if left else clearpath.find(row, machine, int(crossing["now_ms"]), policy)
    known = _problem(machine, crossing, row, moment, survey)
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
        owner=owner_of(machine, row, policy, survey),
        skill=survey.name_of(int(row["skill"])),
        driver=relations.driver(machine, crossing, row, policy, moment),
        loyalty_stage=relations.loyalty_stage(row, int(crossing["now_ms"]), int(crossing["gone_ppm"])),
        savable_cents=int(crossing["savable_cents"]),
        stake_cents=grounds.stake_cents(int(crossing["worth_cents"]), policy.record),
        evidence=tuple(evidence_of(machine, crossing, row, policy, moment)),
        actions=todo,
        action_cents=actions.cents(todo, row, policy, moment),
        action_minutes=freed.minutes(todo, row),
        gesture=gesture,
        clear_path=path,
        clears_when=tuple(words.steps_told(steps) for steps in path),
        policy_version=policy.version,
        policy_digest=policy.digest,
        within_budget=within_budget,
        problem_id=known.problem_id if known else None,
        problem=known.words if known else None,
    )


def owner_of(machine: codes.Machine, row: Any, policy: Policy, survey: Survey) -> str:
    """Who answers for the alert: whom the policy names for its kind, else the customer's floor, else a default."""
    named = policy.owners.get(codes.ALERT_NAMES[machine])
    return named or survey.name_of(int(row["floor"])) or policy.owners["default"]


def _problem(
    machine: codes.Machine, crossing: Any, row: Any, moment: codes.Moment | None, survey: Survey
) -> Known | None:
    """The glaring problem that the alert is one case of, if it is one."""
    if crossing["change"] == codes.Change.CLEARED:
        return None
    if machine is codes.Machine.CAUSE or (machine is codes.Machine.SERVICE and moment in OF_A_CASE):
        return survey.known(row, int(crossing["now_ms"]), machine is codes.Machine.CAUSE)
    return None


def hold(crossed: Crossed, policy: Policy) -> Hold:
    """The word on the holds topic that a crossing of the hold machine stands for."""
    held = crossed.crossing["change"] != codes.Change.CLEARED
    reasons, purposes = _forbidden(int(crossed.crossing["moment"]))
    return Hold(
        customer_id=crossed.customer,
        held=bool(held),
        since_ms=int(crossed.row["since_ms"][codes.Machine.HOLD]),
        reasons=reasons,
        purposes=purposes,
        policy_version=policy.version,
    )


@cache
def _forbidden(bits: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the reasons for a hold, and of what they forbid."""
    reasons = codes.HoldReason(bits)
    purposes = (one for one in codes.Purpose if any(one in codes.FORBIDS[why] for why in reasons))
    return tuple((why.name or "").lower() for why in reasons), tuple(one.name.lower() for one in purposes)
