"""What an alert asks for: the first condition that holds gives the primary action, the next ones up to two more.

In the order of SCORING's table. No action refuses service, and none sells the dearer product as the remedy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernels import grounds
from schemas import codes
from schemas.alerts import Gesture
from schemas.policy import Policy
from schemas.state import CASES
from streams import relations
from streams.gestures import FELT, has_defect, is_silent_defect
from streams.realign import value_actions
from streams.relations import RELATIONS

MOST_ACTIONS = 3

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
    codes.Moment.THIRD_CONTACT: ("settle_for_good", "single_owner"),
    codes.Moment.APPEAL_UNANSWERED: ("answer_from_an_executive", "single_owner"),
    codes.Moment.LOCKED_OUT: ("unlock", "fix_glaring_problem"),
    codes.Moment.IDENTITY_REFUSED: ("apologise_in_person", "single_owner"),
    codes.Moment.MOOD_SINKING: ("reconnect_without_selling",),
}
"""What each moment asks for by itself."""

WAYS_OUT: dict[int, str] = {
    codes.Alternative.TRADE_IN: "offer_trade_in",
    codes.Alternative.THIRD_PARTY: "offer_third_party_parts",
}
"""What to offer in place of a product whose parts ended, by what is there; anything but the dearer product."""
ANY_WAY_OUT = "offer_trade_in_or_third_party_parts"
PROACTIVE = "send_replacement_without_asking"


@dataclass(frozen=True, slots=True)
class Situation:
    """What the conditions look at: the row, the crossing, the rules, and the gesture that was weighed."""

    row: Any
    crossing: Any
    policy: Policy
    gesture: Gesture | None

    def felt(self, which: codes.Evidence) -> bool:
        """Whether evidence of this kind has not faded yet."""
        return bool(self.row["evidence"][which] > FELT)

    def waits(self) -> bool:
        """Whether a ticket waits for an answer."""
        return grounds.waits(self.row.reshape(1))

    def replacement_pays(self) -> bool:
        """Whether a defect is known or silent, and a replacement earns its cost."""
        pays = self.gesture is not None and self.gesture.name == "replacement" and self.gesture.recommended
        return pays and (has_defect(self.row) or self.silent())

    def silent(self) -> bool:
        """Whether silence may hide a defect that nobody claims."""
        return is_silent_defect(self.row, int(self.crossing["gone_ppm"]), self.policy)

    def refused(self) -> bool:
        """Whether the wrong part came twice, or a supervisor was refused."""
        return bool(self.row["evidence"][codes.Evidence.WRONG_PART] > 1) or self.felt(
            codes.Evidence.ESCALATION_DENIED
        )

    def ended(self) -> bool:
        """Whether an open case is about a product that is no longer made."""
        return way_out(self.row) is not None


RISK: tuple[tuple[Callable[[Situation], bool], tuple[str, ...]], ...] = (
    (Situation.replacement_pays, (PROACTIVE,)),
    (Situation.refused, ("escalate_to_supervisor", "single_owner")),
    (Situation.waits, ("answer_now", "single_owner")),
    (Situation.ended, (ANY_WAY_OUT,)),
    (lambda one: one.felt(codes.Evidence.REPAIR_TROUBLE), ("repair_or_replace_goodwill",)),
    (lambda one: one.felt(codes.Evidence.CALLBACK_MISSED), ("call_back_now",)),
    (lambda one: one.felt(codes.Evidence.RUDE_CALL), ("apologise_in_person",)),
    (lambda one: one.felt(codes.Evidence.BROKEN_PROMISE), ("keep_the_promise",)),
    (lambda one: one.felt(codes.Evidence.UNRESOLVED_REPEAT), ("single_owner",)),
    (lambda _: True, ("reconnect_without_selling",)),
)
"""Of a customer who may leave: condition and actions, in order; the last one for whoever was not failed."""


def way_out(row: Any) -> str | None:
    """What to offer for an open case about a product that is no longer made; None without one."""
    opened = grounds.open_slots(row.reshape(1))
    for slot in range(CASES):
        if opened >> slot & 1 and int(row["case_flags"][slot]) & codes.CaseFlag.PRODUCT_EOL:
            return WAYS_OUT.get(int(row["case_alternative"][slot]), ANY_WAY_OUT)
    return None


def of(
    machine: codes.Machine,
    crossing: Any,
    row: Any,
    policy: Policy,
    moment: codes.Moment | None,
    gesture: Gesture | None,
) -> tuple[str, ...]:
    """What to do, best first, at most three; nothing once it is left."""
    if crossing["change"] == codes.Change.CLEARED:
        return ()
    if machine in RELATIONS:
        return relations.actions_of(machine, crossing, policy)
    if machine is codes.Machine.VALUE:
        return value_actions(crossing, row, policy)
    if machine is codes.Machine.CAUSE:
        return ("fix_glaring_problem", "single_owner")
    if machine is codes.Machine.SERVICE and moment is not None:
        asked = MOMENT_ACTIONS[moment]
        if asked[0] == PROACTIVE and (gesture is None or not gesture.recommended):
            return ("reconnect_without_selling",)
        return _offered(asked, row)
    situation = Situation(row, crossing, policy, gesture)
    chosen: dict[str, None] = {}
    for holds, asked in RISK:
        if holds(situation) and not (chosen and asked == RISK[-1][1]):
            chosen |= dict.fromkeys(asked)
    return _offered(tuple(chosen)[:MOST_ACTIONS], row)


def _offered(asked: tuple[str, ...], row: Any) -> tuple[str, ...]:
    """The actions, a way out named by what there is where it is known."""
    known = way_out(row) or ANY_WAY_OUT
    return tuple(known if action == ANY_WAY_OUT else action for action in asked)


def cents(asked: tuple[str, ...], row: Any, policy: Policy, moment: codes.Moment | None) -> tuple[int | None, ...]:
    """What each action costs, in their order; None where it is not known."""
    replacement, part, acting = grounds.costs(row.reshape(1), int(moment or 0), policy.record)
    known: dict[str, int] = {PROACTIVE: replacement, "repair_or_replace_goodwill": part}
    if moment is not None and asked:
        known.setdefault(asked[0], acting)
    return tuple(known.get(action) for action in asked)
