"""An alert in the words of a support floor: what happened, what to do, what would end it.

The customer's id is the only thing said about who it is. A customer whose costs exceed margin is called just
that: a label that judges a person has no place on a floor that must serve everyone with respect.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.alerts import Alert, Evidence, Step
from streams import facts

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
    "third_contact": "they had to come back a third time for one unsolved problem",
    "appeal_unanswered": "an appeal to an executive was not answered",
    "locked_out": "our product refuses what the customer put in",
    "cancel_requested": "the customer asked to leave",
    "identity_refused": "an agent would not give a name",
    "mood_sinking": "they sound less and less happy, without a complaint",
}
"""What happened, for each moment."""

TO_THEM: dict[str, str] = {
    "ticket_unanswered": "your ticket has waited too long for an answer",
    "repair_overdue": "your repair takes too long",
    "executive_appeal": "you had to turn to an executive",
    "appeal_unanswered": "your letter to an executive was not answered",
    "defect_review": "your review tells of a defect",
    "contact_burst": "you had to contact us again and again in a day",
    "third_contact": "you had to come back a third time for one unsolved problem",
    "locked_out": "our product refuses what you put in",
    "contact_during_failure": "we sent you mail while something was still unsettled",
}
"""The same as it is said to the customer, where that is not the same."""

REASONS: dict[str, str] = {
    **MOMENTS,
    "unresolved_repeat": "repeated contacts for one unsolved problem",
    "rude_call": "a rude call, or a very low mood",
    "wrong_part": "wrong parts were delivered",
    "negative_review": "a bad public review",
    "recovery": "something was put right",
    "low_csat": "a low satisfaction score, or a mood that sinks",
    "escalation_denied": "a supervisor, or the agent's name, was refused",
    "cancel_request": "the customer asked to leave",
    "broken_promise": "a promise was not kept",
    "leaving_signal": "a rival's offer, an appeal to an executive or a lost deal",
    "repair_trouble": "trouble with a repair",
    "unanswered_ticket": "a ticket waits for an answer",
    "silence": "days without a purchase",
    "regular": "a regular buyer has not come",
    "overdue": "silence, by the customer's own measure",
    "repeats": "how often they bought",
    "gone": "they may have gone already",
    "tenure": "how long they have been with us",
    "open_cases": "cases are open",
    "open_age": "a case has been open for long",
    "open_contacts": "an open case took many contacts",
    "subscribed": "fees are paid",
    "fee_overdue": "a fee is missing",
    "margin": "margin",
    "cost_company": "cost that we caused",
    "cost_customer": "cost that the customer caused",
    "cost_shared": "cost of ordinary service",
    "cost_unknown": "cost of unknown cause",
    "invested": "cost of the first months that fees will pay for",
    "awaited": "loss of a sale that later ones earn back",
    "fee_cover": "share of the cost to serve that fees cover",
    "revenue": "revenue",
    "reach": "public reviews and referrals",
    "contacts": "contacts",
    "short_contacts": "most of the day's contacts were very short",
    "asked_to_leave": "they asked about leaving",
    "termination_fee": "a fee for leaving early",
    "set_aside": "cost that is not counted",
    "worth": "worth to us",
    "rival_offer": "a rival's offer is open",
    "rival": "the rival is known",
    "open_failure": "a failure of ours is open",
    "above_own_usual_risk": "the risk is above their own usual one",
    "product_lines": "they own several of our product lines",
    "referrals": "they brought us others",
    "days_together": "a long time together",
    "days_without_failure": "long without a failure",
    "last_score": "a high last score",
    "solved_cases": "cases solved",
    "repeat_purchases": "they buy again and again",
    "top_product_line": "a product line they buy most",
    "expected_year": "a good year expected",
    "praise_or_growth": "they praised us, or they grow",
    "unthanked_referral": "they brought us someone and were not thanked",
    "price_ratio": "what was offered is dearer",
    "customer_effort": "time they spent on ways around our faults",
    "refused_contacts": "contacts at which it was decided to refuse them",
    "kept_contacts": "contacts at which it was decided to keep them",
    "without_product": "days without the product",
}
"""What each kind of evidence is called; one that is not listed is read out as it is written."""

NOTE = "“We heard that it does not work as it should. Here is a new one; you need not do anything. We are sorry.”"
"""What goes into a parcel that nobody asked for, so that it is understood."""

ACTIONS: dict[str, str] = {
    "account_review": "Have a person look at the whole account: revenue is not value.",
    "answer_from_an_executive": "Answer from an executive's desk, within a day.",
    "answer_now": "Answer the ticket now, by name.",
    "ask_for_a_referral": "Ask for one introduction, by name, to someone with the same need; sell nothing in it.",
    "ask_why_and_settle": "Ask why, and settle what is open first; sell nothing.",
    "fee_decision_by_a_human": "Let a person decide on the fee; the number of calls decides nothing.",
    "get_to_know": "Call once to say thanks and to learn what they need.",
    "invite_to_the_board": "Invite them to the advisory board.",
    "named_contact": "Let a named contact call within a day, to listen.",
    "say_thanks": "Say thanks, in person.",
    "settle_for_good": "Settle it for good now, before they must ask again.",
    "single_owner_callback": "Let one owner call back and hear what it is about.",
    "thank_the_referrer": "Thank them for bringing someone, today.",
    "unlock": "Take the lock off, or make it work with what they have.",
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
    "offer_third_party_parts": "Offer parts from others, at no extra cost.",
    "offer_trade_in": "Offer a trade-in, at no extra cost.",
    "offer_trade_in_or_third_party_parts": "Offer a trade-in, or parts from others, at no extra cost.",
    "reconnect_without_selling": "Call and ask how things are; sell nothing.",
    "repair_or_replace_goodwill": "Repair or replace it on the house, warranty or not.",
    "self_service_shift": "Offer self-service for the commonest reason of contact.",
    "send_replacement_without_asking": f"Send a replacement unasked, with this note: {NOTE}",
    "single_owner": "Give it one owner, who stays until it is settled.",
    "stop_marketing": "Hold all marketing until it is settled.",
    "verify_part_before_shipping": "Check the next part by hand before it is sent.",
}
"""The sentence for each action an alert may ask for."""

TELLING_ABOVE: dict[str, float] = {
    **dict.fromkeys(("rival_offer", "praise_or_growth", "unthanked_referral", "asked_to_leave"), -1.0),
    **dict.fromkeys(("open_failure", "referrals", "short_contacts", "solved_cases", "last_score"), 0.0),
    **dict.fromkeys(("days_together", "days_without_failure", "repeat_purchases"), 0.0),
    **dict.fromkeys(("above_own_usual_risk", "product_lines"), 1.0),
}
"""Facts that an alert of a relationship stands on though they add nothing up: each where it is above this."""

GESTURES = {
    "credit": "A credit",
    "replacement": "A replacement",
    "repair": "A repair on the house",
    "part": "The right part",
}
"""What each gesture is called at the beginning of a sentence."""

CHANGES = {
    "settle_case": ("the open case settled", "{} open cases settled"),
    "make_callback": ("the callback made", "{} callbacks made"),
    "end_repair": ("the repair ended", "{} repairs ended"),
    "answer_appeal": ("the letter to the top answered", "{} letters to the top answered"),
    "thank_referrer": ("thanks for the customer they brought", "thanks for {} customers they brought"),
    "recovery": ("a replacement, a credit or a granted escalation", "{} of them"),
    "purchase": ("a purchase", "{} purchases"),
    "name_cause": ("a case seen to be our doing", "{} cases seen to be our doing"),
    "open_fault": ("a known fault of ours behind the calls", "{} known faults of ours"),
    "referral_ask": ("the customer asked", "the customer asked"),
    "quiet": ("a quiet day", "{} quiet days"),
}
"""What each step of a clear path is called, once and for several; ``margin`` is told with its amount."""

MOST_PATHS_TOLD = 2

TITLES = {
    "value_destroyer_entered": "costs exceed margin",
    "value_destroyer_escalated": "costs exceed margin by far, or for long",
    "value_destroyer_cleared": "no longer certain that costs exceed margin",
    "churn_risk_entered": "at risk of leaving",
    "churn_risk_escalated": "very likely to leave",
    "churn_risk_cleared": "no longer at risk of leaving",
    "service_failure_entered": "we failed",
    "service_failure_escalated": "we failed again",
    "service_failure_cleared": "put right",
    "fix_the_cause_entered": "our own faults cost more than the customer brings",
    "fix_the_cause_cleared": "our faults no longer eat up what the customer brings",
    "gaming_suspected_entered": "many short calls by someone who wants to leave",
    "gaming_suspected_cleared": "the many short calls are over",
    "vulnerable_best_customer_entered": "a best customer is in danger",
    "vulnerable_best_customer_cleared": "a best customer is safe again",
    "referral_ready_entered": "ready to be asked for a referral",
    "referral_ready_cleared": "not to be asked for a referral now",
    "hidden_gem_entered": "brings much and asks for little",
    "hidden_gem_cleared": "no longer a hidden gem",
    "good_news_entered": "good news",
    "good_news_cleared": "good news was told",
}

WITHOUT_FAILURE = {"cancel_requested", "mood_sinking"}
"""Moments that are no failure of ours in themselves: their title is the moment."""

PLEASANT = ("referral_ready", "hidden_gem", "good_news")
"""What is good for everybody: nobody is lost by waiting."""


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
    """Parts per million as a whole percentage; never 0 % of what is not nothing, nor 100 % of what is not all."""
    if 0 < ppm < 10_000:
        return "less than 1 %"
    if 990_000 < ppm < 1_000_000:
        return "more than 99 %"
    return f"{round(ppm / 10_000)} %"


def in_words(alert: Alert, currency: str = "USD") -> Words:
    """Say an alert in plain sentences, its money in ``currency``; a code without words is read out as it is."""
    title = f"{alert.customer_id}: {TITLES.get(alert.kind, _spaced(alert.kind))}"
    if alert.moment in WITHOUT_FAILURE:
        title = f"{alert.customer_id}: {MOMENTS[alert.moment]}"
    elif alert.moment is not None:
        title += f": {MOMENTS.get(alert.moment, _spaced(alert.moment))}"
    if alert.kind.startswith("value_destroyer"):
        year = money(alert.expected_year_cents, currency)
        intro = f"A year is expected to bring {year}; costs that we caused are left out."
        ahead = f"The year ahead, if they stay: {money(alert.forward_year_cents, currency)}."
        happened = (*_money_told(alert, currency, intro), ahead, *_reach(alert))
    elif alert.kind.startswith("fix_the_cause"):
        year, share = money(alert.raw_net_year_cents, currency), percent(alert.company_share_ppm)
        told = _money_told(alert, currency, f"The year brought {year}; we caused {share} of the cost.")
        happened = (*told, *facts.told(alert.evidence))
    elif alert.kind == "hidden_gem_entered":
        happened = (f"A year is expected to bring {money(alert.expected_year_cents, currency)}.",)
    elif alert.kind.startswith((*PLEASANT, "gaming_suspected")):
        happened = behind(alert)
    else:
        happened = (*behind(alert), *_dearer(alert), *facts.told(alert.evidence), _risk(alert, currency))
    happened = (*happened, *one_of_many(alert))
    do = tuple(ACTIONS.get(code, _spaced(code).capitalize() + ".") for code in alert.actions)
    do += (*_gesture(alert, currency), *_freed(alert))
    paths = alert.clears_when[:MOST_PATHS_TOLD]
    clears = (f"It clears with: {'; or '.join(paths)}.",) if paths else ()
    calm = alert.kind.endswith("_cleared") or alert.kind.startswith(PLEASANT)
    return Words(title, happened, do, clears, urgent=not calm)


def one_of_many(alert: Alert) -> tuple[str, ...]:
    """The problem that the alert is one case of."""
    if alert.problem is None:
        return ()
    return (f"It is one case of a problem that others may have: {_spaced(alert.problem)}.",)


def _freed(alert: Alert) -> tuple[str, ...]:
    """The most of the floor's time that one of the actions would free."""
    most = max((minutes for minutes in alert.action_minutes if minutes is not None), default=0)
    return (f"It frees some {facts.hours(most)} of calls like those of the last weeks.",) if most > 0 else ()


def _risk(alert: Alert, currency: str) -> str:
    at_risk = f"; {money(alert.at_risk_cents, currency)} are at risk" if alert.at_risk_cents else ""
    return f"The chance to lose them within 90 days is {percent(alert.risk_ppm)}{at_risk}."


def _dearer(alert: Alert) -> tuple[str, ...]:
    """How dear the offered way out is, where it is known and dearer."""
    ratios = [one.value for one in alert.evidence if one.name == "price_ratio" and one.value > 100]
    return (f"What was offered instead costs {ratios[0]:g} % of the old price.",) if ratios else ()


def _gesture(alert: Alert, currency: str) -> tuple[str, ...]:
    """What a gesture would cost and save, where it pays; and where it would, but is held out."""
    one = alert.gesture
    if one is None or not (one.recommended or (one.hold_out and one.net_cents > 0)):
        return ()
    name = GESTURES.get(one.name, _spaced(one.name).capitalize())
    cost, saved = money(one.cost_cents, currency), money(one.saved_cents, currency)
    if one.hold_out:
        return ("No gesture for now: this customer is one of those left without, to learn what gestures do.",)
    return (f"{name} for {cost} pays: it is expected to save {saved}.",)


def steps_told(steps: Sequence[Step]) -> str:
    """One way to clear an alert, in words: what must change, and how many quiet days before or after it."""
    parts: list[list[str]] = [[]]
    for step in steps:
        if step.change == "quiet":
            parts += [[_told(step, step.amount)], []]
            continue
        phrase = _told(step, sum(other.change == step.change for other in steps))
        if phrase not in parts[-1]:
            parts[-1].append(phrase)
    return ", then ".join(" and ".join(part) for part in parts if part)


def _told(step: Step, count: int) -> str:
    if step.change == "margin":
        return f"{step.amount / 100:,.2f} more margin"
    one, many = CHANGES.get(step.change, (_spaced(step.change), "{} times " + _spaced(step.change)))
    return one if count == 1 else many.format(count)


def behind(alert: Alert) -> tuple[str, ...]:
    """What counts, strongest first, and what speaks for us; the moment itself stands in the title already."""
    over = alert.kind.endswith("_cleared")
    hidden = {alert.moment, "baseline", "rest", "recovery"}
    counting = (one for one in alert.evidence if one.name not in hidden and _counts(one, over))
    reasons = list(dict.fromkeys(_reason(one) for one in counting))[:3]
    told: tuple[str, ...] = (f"{'Still felt' if over else 'Behind it'}: {'; '.join(reasons)}.",) if reasons else ()
    if any(one.name == "recovery" for one in alert.evidence):
        told += ("It helps that something was put right.",)
    return told


def _counts(one: Evidence, over: bool) -> bool:
    """Whether a piece of evidence is a reason; facts of a relationship are none for its end."""
    if one.name in TELLING_ABOVE:
        return not over and one.value > TELLING_ABOVE[one.name]
    return one.contribution > 0


def _reason(one: Evidence) -> str:
    if one.name == "silence":
        return f"{facts.counted(one.value, 'day')} without a purchase"
    return REASONS.get(one.name, _spaced(one.name))


def _money_told(alert: Alert, currency: str, intro: str) -> tuple[str, ...]:
    told = []
    for one in alert.evidence:
        if one.unit == "cents" and one.value:
            told.append(f"{REASONS.get(one.name, _spaced(one.name))} {money(round(one.value), currency)}")
        elif one.name == "contacts":
            told.append(facts.counted(one.value, "contact"))
    counted = (f"Counted in the last year: {'; '.join(told)}.",) if told else ()
    return (intro, *counted)


def _reach(alert: Alert) -> tuple[str, ...]:
    """Who would hear of a hard measure."""
    told = sum(round(one.value) for one in alert.evidence if one.name == "reach")
    often = facts.times(told)
    return (f"They spoke of us to others {often}; a hard measure would be told too.",) if told else ()


def _spaced(code: str) -> str:
    return code.replace("_", " ")
