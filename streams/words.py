"""An alert in the words of a support floor: what happened, what to do, what would end it.

The customer's id is the only thing said about who it is. A customer whose costs exceed margin is called just
that: a label that judges a person has no place on a floor that must serve everyone with respect.
"""

from dataclasses import dataclass

from schemas.alerts import Alert

MOMENTS: dict[str, str] = {
    "rude_call": "an agent was rude",
    "escalation_denied": "a supervisor was refused",
    "wrong_part_twice": "the wrong part came twice",
    "ticket_unanswered": "a ticket has waited too long for an answer",
    "callback_missed": "a promised callback did not come",
    "repeat_fault": "the same fault is back",
    "repair_overdue": "a repair takes too long",
    "promise_reversed": "a promise was taken back",
    "upsell_as_remedy": "buying something dearer was offered as the remedy",
    "executive_appeal": "the customer turned to an executive",
    "specification_gap": "the product does not do what was advertised",
    "defect_review": "a public review tells of a defect",
    "contact_burst": "the customer had to contact us again and again in a day",
    "contact_during_failure": "we sent mail while something was still unsettled",
}
"""What happened, for each moment."""

REASONS: dict[str, str] = {
    **MOMENTS,
    "unresolved_repeat": "repeated contacts for one unsolved problem",
    "rude_call": "a rude call, or a very low mood",
    "wrong_part": "wrong parts were delivered",
    "negative_review": "a bad public review",
    "recovery": "something was put right since",
    "low_csat": "a low satisfaction score",
    "cancel_request": "the customer asked to leave",
    "broken_promise": "a promise was not kept",
    "leaving_signal": "a rival's offer, a letter to an executive or a lost deal",
    "repair_trouble": "trouble with a repair",
    "unanswered_ticket": "a ticket waits for an answer",
    "silence": "no purchase for longer than usual",
    "margin": "margin of the year",
    "cost_company": "cost that we caused",
    "cost_customer": "cost that the customer caused",
    "cost_shared": "cost of ordinary service",
    "cost_unknown": "cost of unknown cause",
    "invested": "cost of the first months that fees will pay for",
    "awaited": "loss of a sale that later ones earn back",
    "fee_cover": "share of the cost to serve that fees cover",
    "revenue": "revenue of the year",
    "reach": "public reviews and referrals",
    "contacts": "contacts",
}
"""What each kind of evidence is called; one that is not listed is read out as it is written."""

ACTIONS: dict[str, str] = {
    "account_review": "Have a person look at the whole account: revenue is not value.",
    "answer_from_an_executive": "Answer from an executive's desk, within a day.",
    "answer_now": "Answer the ticket now, by name.",
    "apologise_in_person": "Apologise in person, today.",
    "call_back_now": "Call back now, and say sorry for the delay.",
    "charge_for_service": "Propose a fee that covers the service, at the next renewal.",
    "escalate_to_supervisor": "Let a supervisor take over and call today.",
    "fix_glaring_problem": "Have the cause repaired; it is ours.",
    "human_review_realign": "Let people review the relation, one customer at a time: what was tried, what next.",
    "keep_the_promise": "Keep the promise, or make good for it.",
    "lend_a_replacement": "Lend a replacement until the repair is back.",
    "name_a_date": "Name a date, and hold it.",
    "offer_return": "Offer to take it back for the full price.",
    "offer_trade_in_or_third_party_parts": "Offer a trade-in, or parts from others, at no extra cost.",
    "reconnect_without_selling": "Call and ask how things are; sell nothing.",
    "repair_or_replace_goodwill": "Repair or replace it on the house, warranty or not.",
    "self_service_shift": "Offer self-service for the commonest reason of contact.",
    "send_replacement_without_asking": "Send a replacement unasked, with a note why.",
    "single_owner": "Give it one owner, who stays until it is settled.",
    "stop_marketing": "Hold all marketing until it is settled.",
    "verify_part_before_shipping": "Check the next part by hand before it is sent.",
}
"""The sentence for each action an alert may ask for."""

TITLES = {
    "value_destroyer_entered": "costs exceed margin",
    "value_destroyer_escalated": "costs exceed margin by far, or for long",
    "value_destroyer_cleared": "costs no longer exceed margin",
    "churn_risk_entered": "at risk of leaving",
    "churn_risk_escalated": "very likely to leave",
    "churn_risk_cleared": "no longer at risk of leaving",
    "service_failure_entered": "we failed",
    "service_failure_escalated": "we failed again",
    "service_failure_cleared": "put right",
    "fix_the_cause_entered": "our own faults cost more than the customer brings",
    "fix_the_cause_cleared": "our faults no longer eat up what the customer brings",
}


@dataclass(frozen=True, slots=True)
class Words:
    """One alert for a person: ``title`` in a line, and sentences. ``urgent`` is False for good news."""

    title: str
    happened: tuple[str, ...]
    do: tuple[str, ...]
    clears: tuple[str, ...]
    urgent: bool

    def lines(self) -> list[str]:
        """Everything as plain text, the title first."""
        return [self.title, *self.happened, *(f"> {line}" for line in self.do), *self.clears]


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
    """Say an alert in plain sentences, its money in ``currency``; a code without words is read out as it is."""
    title = f"{alert.customer_id}: {TITLES.get(alert.kind, _spaced(alert.kind))}"
    if alert.moment is not None:
        title += f": {MOMENTS.get(alert.moment, _spaced(alert.moment))}"
    if alert.kind.startswith("value_destroyer"):
        year = money(alert.expected_year_cents, currency)
        intro = f"A year is expected to bring {year}; costs that we caused are left out."
        ahead = f"The year ahead, if they stay: {money(alert.forward_year_cents, currency)}."
        happened = (*_money_told(alert, currency, intro), ahead, *_reach(alert))
    elif alert.kind.startswith("fix_the_cause"):
        year, share = money(alert.raw_net_year_cents, currency), percent(alert.company_share_ppm)
        happened = _money_told(alert, currency, f"The year brought {year}; we caused {share} of the cost.")
    else:
        happened = (*_behind(alert), _risk(alert, currency))
    do = tuple(ACTIONS.get(code, _spaced(code).capitalize() + ".") for code in alert.actions)
    clears = (f"It clears with: {'; '.join(alert.clears_when)}.",) if alert.clears_when else ()
    return Words(title, happened, do, clears, urgent=not alert.kind.endswith("_cleared"))


def _risk(alert: Alert, currency: str) -> str:
    at_risk = money(alert.at_risk_cents, currency)
    return f"The chance to lose them within 90 days is {percent(alert.risk_ppm)}; {at_risk} are at stake."


def _behind(alert: Alert) -> tuple[str, ...]:
    """What counts, strongest first; the moment itself stands in the title already."""
    names = [one.name for one in alert.evidence if one.name != alert.moment]
    reasons = dict.fromkeys(REASONS.get(name, _spaced(name)) for name in names[:3])
    return (f"Behind it: {'; '.join(reasons)}.",) if reasons else ()


def _money_told(alert: Alert, currency: str, intro: str) -> tuple[str, ...]:
    told = []
    for one in alert.evidence:
        if one.unit == "cents" and one.value:
            told.append(f"{REASONS.get(one.name, _spaced(one.name))} {money(round(one.value), currency)}")
        elif one.name == "contacts":
            told.append(f"{round(one.value)} contacts")
    counted = (f"Counted: {'; '.join(told)}.",) if told else ()
    return (intro, *counted)


def _reach(alert: Alert) -> tuple[str, ...]:
    """Who would hear of a hard measure."""
    told = sum(round(one.value) for one in alert.evidence if one.name == "reach")
    return (f"They spoke of us to others {told} times; a hard measure would be told too.",) if told else ()


def _spaced(code: str) -> str:
    return code.replace("_", " ")
