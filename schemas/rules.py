"""How evidence and terms weigh, and what a moment may cost and save: the policy's tables, row by row."""

from dataclasses import dataclass

from schemas.codes import Evidence, Moment, Term


@dataclass(frozen=True, slots=True)
class EvidenceRule:
    """How one kind of evidence weighs and fades."""

    kind: Evidence
    weight: float
    half_life_days: float
    doc: str


@dataclass(frozen=True, slots=True)
class TermRule:
    """How one term weighs in the log-odds of the 90-day risk, and what it is for a customer like any other."""

    term: Term
    weight: float
    mean: float
    doc: str


@dataclass(frozen=True, slots=True)
class MomentRule:
    """The chance that acting on a moment keeps a customer who would leave over it, and what acting takes.

    ``gesture_cents`` is what is given, ``floor_minutes`` the time it takes to give it.
    """

    moment: Moment
    probability: float
    gesture_cents: int
    floor_minutes: float
    doc: str


EVIDENCE: tuple[EvidenceRule, ...] = (
    EvidenceRule(Evidence.UNRESOLVED_REPEAT, 1.3, 30, "repeat contacts for one unsolved problem, as log1p"),
    EvidenceRule(Evidence.ESCALATION_DENIED, 1.6, 45, "a supervisor was refused, or the agent's name"),
    EvidenceRule(Evidence.RUDE_CALL, 1.9, 45, "a rude call or a very low mood"),
    EvidenceRule(Evidence.WRONG_PART, 0.7, 60, "wrong parts, two count at most"),
    EvidenceRule(Evidence.CALLBACK_MISSED, 0.6, 30, "a promised callback did not come"),
    EvidenceRule(Evidence.NEGATIVE_REVIEW, 1.5, 60, "a public negative review"),
    EvidenceRule(Evidence.RECOVERY, -0.6, 60, "a replacement, a credit, a granted escalation, a ticket resolved"),
    EvidenceRule(Evidence.LOW_CSAT, 0.25, 45, "a low satisfaction score, or a mood that sinks"),
    EvidenceRule(Evidence.CANCEL_REQUEST, 1.0, 30, "the customer asked to leave, one counts at most"),
    EvidenceRule(
        Evidence.BROKEN_PROMISE,
        0.8,
        45,
        "a promise reversed, an upsell as remedy, a lock-out, a specification gap",
    ),
    EvidenceRule(
        Evidence.LEAVING_SIGNAL, 0.8, 30, "a rival's offer heard, an appeal to an executive, a lost deal"
    ),
    EvidenceRule(Evidence.REPAIR_TROUBLE, 0.8, 60, "a repair overdue, the same fault again"),
    EvidenceRule(
        Evidence.UNANSWERED_TICKET, 1.2, 1, "log1p of the weeks the oldest ticket waits; live, never decays"
    ),
)

TERMS: tuple[TermRule, ...] = (
    TermRule(Term.FILTER, 1.0, -4.6, "log-odds of the alive filter's own 90-day risk"),
    TermRule(Term.REPEATS, 0.0, 0.0, "log1p of the repeat purchase days"),
    TermRule(Term.OVERDUE, 0.0, 0.0, "logarithm of the silence in the customer's own gaps, 0.05 to 10"),
    TermRule(Term.REGULAR, 1.2, 0.0, "own gaps beyond two, of somebody who buys regularly; four at most"),
    TermRule(Term.GONE, 0.0, 0.0, "log-odds of being gone already, -4.6 to 6.9; 0 while fees are paid"),
    TermRule(Term.TENURE, 0.0, 0.0, "log1p of the months since the first purchase"),
    TermRule(Term.OPEN_CASES, 0.0, 0.0, "open cases"),
    TermRule(Term.OPEN_AGE, 0.0, 0.0, "log1p of the weeks the oldest case has been open"),
    TermRule(Term.OPEN_CONTACTS, 0.0, 0.0, "log1p of the contacts that the open case with the most of them took"),
    TermRule(Term.SUBSCRIBED, 0.0, 0.0, "1 while fees are paid"),
    TermRule(Term.CANCEL, 3.5, 0.0, "the wish to leave, decayed, one at most: half of those who say so go"),
    TermRule(Term.FEE_OVERDUE, 1.0, 0.0, "weeks a fee is missing, two at most"),
)

_M = Moment
_R = MomentRule
MOMENT_RULES: tuple[MomentRule, ...] = (
    _R(_M.RUDE_CALL, 0.15, 0, 10.0, "an apology in person"),
    _R(_M.ESCALATION_DENIED, 0.15, 0, 10.0, "a supervisor's call"),
    _R(_M.WRONG_PART_TWICE, 0.25, 1_800, 15.0, "owed: the right part, checked by hand"),
    _R(_M.TICKET_UNANSWERED, 0.15, 0, 10.0, "owed: an answer"),
    _R(_M.CALLBACK_MISSED, 0.10, 0, 8.0, "owed: the call"),
    _R(_M.REPEAT_FAULT, 0.40, 1_800, 8.0, "a repair on the house"),
    _R(_M.REPAIR_OVERDUE, 0.15, 0, 10.0, "owed: a date, something to work with meanwhile"),
    _R(_M.PROMISE_REVERSED, 0.15, 0, 10.0, "the promise kept"),
    _R(_M.UPSELL_AS_REMEDY, 0.15, 0, 10.0, "another way out than a dearer product"),
    _R(_M.EXECUTIVE_APPEAL, 0.20, 0, 15.0, "an answer from the desk that was written to"),
    _R(_M.SPECIFICATION_GAP, 0.15, 0, 10.0, "the truth about the product, and an offer to take it back"),
    _R(_M.DEFECT_REVIEW, 0.40, 3_000, 5.0, "a replacement nobody asked for, with a note"),
    _R(_M.CONTACT_BURST, 0.15, 0, 10.0, "one owner for what is behind the calls"),
    _R(_M.CONTACT_DURING_FAILURE, 0.05, 0, 2.0, "no more advertising"),
    _R(_M.THIRD_CONTACT, 0.10, 0, 8.0, "one owner instead of a fourth contact"),
    _R(_M.APPEAL_UNANSWERED, 0.20, 0, 15.0, "owed: an answer to the letter"),
    _R(_M.LOCKED_OUT, 0.15, 0, 10.0, "the lock taken off"),
    _R(_M.CANCEL_REQUESTED, 0.15, 0, 10.0, "to ask why, and settle what is open"),
    _R(_M.IDENTITY_REFUSED, 0.15, 0, 10.0, "an apology by somebody who gives a name"),
    _R(_M.MOOD_SINKING, 0.10, 0, 8.0, "a call that asks how things are"),
)
"""In the order of the codes. Reasons for the numbers: docs/model.md section 5, Economics."""
