"""An alert in the words of a support floor: what happened, what to do, what would end it.

The customer's id is the only thing said about who it is. A customer whose costs exceed margin is called just
that: a label that judges a person has no place on a floor that must serve everyone with respect.
"""

from dataclasses import dataclass

from schemas.alerts import Alert, Evidence
from schemas.codes import Evidence as Failure
from schemas.codes import Moment

MOMENTS: dict[str, tuple[str, str]] = {
    "rude_call": ("an agent was rude", "Apologise today, by a senior colleague."),
    "escalation_denied": ("a supervisor was refused", "Let a supervisor call back today."),
    "wrong_part_twice": ("the wrong part came twice", "Check the part by hand and send it by express, free."),
    "ticket_unanswered": ("a ticket waits too long for an answer", "Answer the ticket now, by name."),
    "callback_missed": ("a promised callback did not come", "Call now, and say sorry for the delay."),
    "repeat_fault": ("the same fault is back", "Replace the product instead of repairing it again."),
    "repair_overdue": ("a repair takes too long", "Lend or give a replacement until it is back."),
    "promise_reversed": ("a promise was taken back", "Keep the promise, or make good for it."),
    "upsell_as_remedy": (
        "a purchase was offered as the remedy",
        "Offer a trade-in or parts, at no extra cost.",
    ),
    "executive_appeal": ("the customer turned to an executive", "Answer in person, within a day."),
    "specification_gap": ("the product does not do what was advertised", "Offer a refund, or one that does."),
    "defect_review": ("a public review tells of a defect", "Send a replacement unasked, with a note why."),
    "contact_burst": (
        "the customer had to contact us again and again in a day",
        "Give it one owner who calls.",
    ),
    "contact_during_failure": (
        "we sent mail while a failure was open",
        "Hold all marketing until it is settled.",
    ),
}
"""For each moment: what happened, and the first thing to do about it."""

REASONS: dict[str, str] = {
    "unresolved_repeat": "repeated contacts for one unsolved problem",
    "escalation_denied": "a supervisor was refused",
    "rude_call": "a rude call, or a very low mood",
    "wrong_part": "wrong parts were delivered",
    "callback_missed": "a promised callback did not come",
    "negative_review": "a public negative review",
    "recovery": "something was put right",
    "low_csat": "a low satisfaction score",
    "cancel_request": "the customer asked to leave",
    "broken_promise": "a promise was not kept",
    "leaving_signal": "signs of leaving: a rival's offer, a letter to an executive, a lost deal",
    "repair_trouble": "trouble with a repair",
    "unanswered_ticket": "a ticket waits for an answer",
    "silence": "no purchase for longer than usual",
    "net": "what serving costs against what it brings",
    "company_share": "share of the cost that we caused ourselves",
}
"""What each kind of evidence is called; a kind that is not listed is read out as it is written."""

assert set(MOMENTS) == {moment.name.lower() for moment in Moment}
assert set(REASONS) >= {failure.name.lower() for failure in Failure}

_DO = {
    "value_destroyer": (
        "Offer self-service for the commonest reason of contact.",
        "Repair the cause of the contacts where it is ours.",
        "Letting a customer go is a person's decision, and the last one.",
    ),
    "churn_risk": ("Call, ask what went wrong, and settle it before anything is sold.",),
    "service_failure": ("Settle what is open, and tell the customer when it is.",),
}
_CLEARS = {
    "value_destroyer": "It clears when margin is likely to cover the costs again.",
    "churn_risk": "It clears when the risk stays low, or at the next purchase with nothing left open.",
    "service_failure": "It clears when nothing is open and the failure was made good, or after quiet weeks.",
}


@dataclass(frozen=True, slots=True)
class Words:
    """One alert for a person: ``title`` in a line, and short sentences. ``urgent`` is False for good news."""

    title: str
    happened: tuple[str, ...]
    do: tuple[str, ...]
    clears: tuple[str, ...]
    urgent: bool

    def lines(self) -> list[str]:
        """Everything as plain text, the title first."""
        return [
            self.title,
            *(f"  {line}" for line in self.happened),
            *(f"  > {line}" for line in self.do),
            *(f"  ({line})" for line in self.clears),
        ]


def money(cents: int, currency: str = "USD") -> str:
    """Cents as an amount people read: ``-1,234.50 USD``."""
    whole, part = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole:,}.{part:02d} {currency}"


def percent(ppm: int) -> str:
    """Parts per million as a whole percentage; what is not nothing is never called 0 %."""
    if 0 < ppm < 10_000:
        return "less than 1 %"
    return f"{round(ppm / 10_000)} %"


def in_words(alert: Alert, currency: str = "USD") -> Words:
    """Say an alert in plain sentences; each kind, moment and reason has its own."""
    machine, _, change = alert.kind.rpartition("_")
    if change == "cleared":
        return Words(_title(alert, machine, change), _facts(alert, machine, currency), (), (), urgent=False)
    moment = MOMENTS.get(alert.moment or "")
    do = ((moment[1],) if moment else ()) + (_plain(alert.actions) or _DO.get(machine, ()))
    clears = _plain(alert.clears_when) or ((_CLEARS[machine],) if machine in _CLEARS else ())
    happened = _facts(alert, machine, currency) + tuple(map(_reason, alert.evidence[:3]))
    return Words(_title(alert, machine, change), happened, do, clears, urgent=True)


def _title(alert: Alert, machine: str, change: str) -> str:
    titles = {
        ("value_destroyer", "entered"): "Costs exceed margin",
        ("value_destroyer", "escalated"): "Costs exceed margin by far",
        ("value_destroyer", "cleared"): "Costs no longer exceed margin",
        ("churn_risk", "entered"): "At risk of leaving",
        ("churn_risk", "escalated"): "Very likely to leave",
        ("churn_risk", "cleared"): "No longer at risk of leaving",
        ("service_failure", "entered"): "We failed this customer",
        ("service_failure", "escalated"): "We failed this customer again",
        ("service_failure", "cleared"): "Put right",
    }
    said = titles.get((machine, change), _spaced(alert.kind))
    moment = MOMENTS.get(alert.moment or "")
    return f"{alert.customer_id}: {said}" + (f": {moment[0]}" if moment else "")


def _facts(alert: Alert, machine: str, currency: str) -> tuple[str, ...]:
    if machine == "value_destroyer":
        year = money(alert.expected_year_cents, currency)
        return (
            f"A year is expected to bring {year}, costs of our own making left out.",
            f"We caused {percent(alert.company_share_ppm)} of the cost.",
        )
    at_risk = money(alert.at_risk_cents, currency)
    return (f"The chance to lose them in 90 days is {percent(alert.risk_ppm)}; at stake is {at_risk}.",)


def _reason(one: Evidence) -> str:
    return f"Counted: {REASONS.get(one.name, MOMENTS.get(one.name, (_spaced(one.name),))[0])}."


def _plain(codes: tuple[str, ...]) -> tuple[str, ...]:
    """Sentences as they are; a code (no space in it) with its words apart and a full stop."""
    return tuple(code if " " in code else _spaced(code).capitalize() + "." for code in codes)


def _spaced(code: str) -> str:
    return code.replace("_", " ")
