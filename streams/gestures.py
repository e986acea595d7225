"""What a gesture of recovery would cost and save, and who is left without one so that its effect can be learnt."""

from hashlib import blake2b
from typing import Any

from kernels import economics, grounds
from kernels.settle import to_ppm
from schemas import codes
from schemas.alerts import Gesture
from schemas.policy import Policy

ON_FAILURE = (codes.Machine.CHURN, codes.Machine.SERVICE, codes.Machine.BEST)
"""Machines whose alerts weigh a gesture."""

GIVEN: dict[codes.Moment, str] = {
    codes.Moment.DEFECT_REVIEW: "replacement",
    codes.Moment.REPEAT_FAULT: "repair",
    codes.Moment.WRONG_PART_TWICE: "part",
}
"""Moments whose own remedy is a gesture that costs something; after others it is a credit beside the remedy."""
FELT = 0.5
"""Decayed evidence above which one failure still counts as felt."""


def is_owed(row: Any, moment: codes.Moment | None) -> bool:
    """Whether the company owes this customer something: then nothing is held out."""
    if moment is not None and economics.OWED >> moment & 1:
        return True
    return grounds.owes(row.reshape(1))


def held_out(customer: str, policy: Policy) -> bool:
    """Whether the customer gets no proactive gestures: by a hash, drawn anew with each policy version."""
    digest = blake2b(f"{customer}\x1f{policy.version}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64 < float(policy.record["economics_hold_out_share"][0])


def has_defect(row: Any) -> bool:
    """Whether a bad review or a wrong part is still felt, so that a replacement would be the gesture."""
    evidence = row["evidence"]
    return bool(evidence[codes.Evidence.NEGATIVE_REVIEW] > FELT or evidence[codes.Evidence.WRONG_PART] > FELT)


def is_silent_defect(row: Any, gone_ppm: int, policy: Policy) -> bool:
    """Whether a claim would take more than the last thing bought is worth, and the customer is unusually silent.

    With no ticket open, silence is then the only trace that a defect would leave.
    """
    rule = policy.record[0]
    price = int(row["last_spend_cents"])
    cheap = 0 < price < int(rule["economics_claim_effort_cents"])
    silent = gone_ppm >= to_ppm(float(rule["economics_silence_probability"]))
    return cheap and silent and not grounds.open_slots(row.reshape(1))


def of(
    customer: str,
    machine: codes.Machine,
    crossing: Any,
    row: Any,
    policy: Policy,
    moment: codes.Moment | None,
) -> Gesture | None:
    """The gesture that fits, and its arithmetic; None where no failure is the matter, or none any more."""
    if machine not in ON_FAILURE or crossing["change"] == codes.Change.CLEARED:
        return None
    rule = policy.record[0]
    before = float(crossing["risk"])
    after, replacement_cents = grounds.gesture(row.reshape(1), int(crossing["now_ms"]), policy.record)
    chance = max(0.0, before - after)
    name = GIVEN.get(moment) if moment is not None else None
    if moment is not None and name is not None:
        cost = int(rule["moment_gesture_cents"][moment])
        chance = max(chance, float(rule["saves"][moment]))
    elif has_defect(row) or is_silent_defect(row, int(crossing["gone_ppm"]), policy):
        name = "replacement"
    if name == "replacement":
        cost = replacement_cents
    elif name is None:
        name, cost = "credit", int(rule["economics_gesture_cents"])
    stake = grounds.stake_cents(int(crossing["worth_cents"]), policy.record)
    return priced(customer, name, cost, stake, (before, after, chance), is_owed(row, moment), policy)


def priced(
    customer: str,
    name: str,
    cost_cents: int,
    stake_cents: int,
    risks: tuple[float, float, float],
    owed: bool,
    policy: Policy,
) -> Gesture:
    """A gesture with its arithmetic; ``risks`` are before, after, and the chance to save that is counted with."""
    before, after, chance = risks
    saved = economics.saved_cents(stake_cents, chance)
    out = not owed and held_out(customer, policy)
    return Gesture(
        name=name,
        cost_cents=cost_cents,
        risk_before_ppm=to_ppm(before),
        risk_after_ppm=to_ppm(after),
        chance_ppm=to_ppm(chance),
        saved_cents=saved,
        net_cents=saved - cost_cents,
        break_even_ppm=economics.break_even_ppm(cost_cents, stake_cents),
        recommended=grounds.pays(saved, cost_cents, policy.record) and not out,
        hold_out=out,
    )
