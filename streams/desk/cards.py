"""A card as it is sent to a browser: for the floor no money and no word on anyone's value; for a manager both.

What a role may not see is not made for it: there is one map for the floor, and one more for money.
"""

from collections.abc import Iterable
from typing import Any

from schemas.alerts import Alert, Hold
from streams.desk.ranking import Place
from streams.desk.standing import Heard, Standing, Taken
from streams.floorwords import for_floor
from streams.words import ACTIONS, MOMENTS, TO_THEM, WITHOUT_FAILURE, in_words

LIVE = ("open", "acknowledged", "assigned")
ASLEEP = ("snoozed", "overridden")
DONE = ("resolved", "disagreed", "cleared")

TOPICS = {
    "service_failure": "we failed",
    "churn_risk": "may leave",
    "vulnerable_best_customer": "listen to them",
    "value_destroyer": "better service",
    "gaming_suspected": "better service",
    "fix_the_cause": "our own faults",
    "referral_ready": "referral",
    "hidden_gem": "say thanks",
    "good_news": "good news",
}
"""What a card is about, in the floor's words; two that judge a person share one that does not."""

HOLD_REASONS = {
    "open_case": "a case is open",
    "unanswered": "they wait for an answer",
    "failure": "we let them down lately",
    "service": "we have failed them",
    "churn": "they may leave",
    "negative_review": "they wrote a bad review",
}
PURPOSES = {
    "marketing": "send no advertising",
    "review_ask": "ask for no review",
    "referral_ask": "ask for no referral",
}
MOST_LINES = 8


def floor_card(customer_id: str, one: Standing, place: Place, hold: Hold | None, now_ms: int) -> dict[str, Any]:
    """Everything the floor needs to act, as a map for JSON."""
    up = one.up(now_ms)
    lead = for_floor(one.heard[place.lead].alert)
    others = [for_floor(one.heard[at].alert) for at in up if at != place.lead]
    live = place.state in LIVE
    return {
        "customer": customer_id,
        "alert": one.heard[-1].alert.alert_id,
        "floor": place.floor,
        "skill": lead.skill,
        "state": place.state,
        "tier": place.tier,
        "climbed": place.climbed > 0,
        "about": list(dict.fromkeys(TOPICS[one.heard[at].machine] for at in (place.lead, *up))),
        "title": lead.title,
        "also": [card.title for card in others],
        "happened": list(lead.happened),
        "lines": [_line(heard) for heard in one.heard[one.began :]][-MOST_LINES:],
        "do": list(dict.fromkeys(line for card in (lead, *others) for line in card.do))[:5],
        "not_do": not_to_do(hold),
        "clears": list(lead.clears),
        "raised_ms": one.heard[one.began].at_ms,
        "waits_since_ms": one.waiting_since_ms(now_ms) if live else None,
        "answer_by_ms": place.answer_by_ms if live else None,
        "changed": bool(up) and up[-1] > one.acknowledged >= one.began,
        "owner": one.owner,
        "acknowledged_by": one.acknowledger,
        "until_ms": one.wakes_ms(now_ms) if place.state in ASLEEP else None,
        "why": why_so(one, place.state, now_ms),
        "last": _last(one.taken),
        "doubted": sum(taken.action.verb == "disagree" and not taken.refused for taken in one.taken),
    }


def money_card(one: Standing, place: Place, now_ms: int, currency: str) -> dict[str, Any]:
    """What a manager sees beside the floor's card: the label, the money, and what each action costs and gains."""
    alert = one.heard[place.lead].alert
    newest = one.heard[-1].alert
    return {
        "kinds": [one.heard[at].alert.kind for at in one.up(now_ms)],
        "machine": one.heard[place.lead].machine,
        "words": in_words(alert, currency).lines(),
        "currency": currency,
        **{name: getattr(newest, name) for name in _MONEY},
        "actions": [
            {"name": name, "words": ACTIONS.get(name, name), "cost_cents": cents, "minutes": minutes}
            for name, cents, minutes in zip(alert.actions, alert.action_cents, alert.action_minutes, strict=True)
        ],
        "gesture": None if alert.gesture is None else _gesture(alert),
        "problem": alert.problem,
        "problem_id": alert.problem_id,
    }


_MONEY = (
    "savable_cents", "at_risk_cents", "stake_cents", "worth_cents", "risk_ppm", "expected_year_cents",
    "net_year_cents", "raw_net_year_cents", "company_share_ppm", "loyalty_stage",
)  # fmt: skip


def not_to_do(hold: Hold | None) -> list[str]:
    """What must be left alone while a hold stands, and why, in a sentence each."""
    if hold is None or not hold.purposes:
        return []
    told = [PURPOSES.get(one, one.replace("_", " ")) for one in hold.purposes]
    why = [HOLD_REASONS.get(one, one.replace("_", " ")) for one in hold.reasons]
    return [f"{', '.join(told).capitalize()}: {' and '.join(why)}."]


def why_so(one: Standing, state: str, now_ms: int) -> str | None:
    """Why a card sleeps or is closed, in a sentence."""
    if state == "snoozed" and one.snooze is not None:
        return f"{one.snooze.author} put it off: {one.snooze.reason}"
    if state == "overridden":
        by = next((pin for pin in one.overrides if (pin.until_ms or 0) > now_ms), None)
        return f"{by.author} decided otherwise: {by.reason}" if by is not None else None
    if state in ("resolved", "disagreed") and one.closing is not None:
        said = f": {one.closing.reason}" if one.closing.reason else ""
        what = "settled it" if state == "resolved" else "says it was not right"
        return f"{one.closing.author} {what}{said}"
    if state == "cleared":
        card = for_floor(one.heard[-1].alert)
        return " ".join((card.title[:1].upper() + card.title[1:] + ".", *card.happened))
    return None


def said_to_the_customer(one: Standing, now_ms: int) -> list[str]:
    """What may be read to the customer: why we call, in plain words, with no word on what they are worth."""
    up = one.up(now_ms)
    moments = [one.heard[at].alert.moment for at in up]
    said = {**MOMENTS, **TO_THEM}
    ours = [said[name] for name in moments if name in said and name not in WITHOUT_FAILURE]
    if ours:
        return [
            f"I am calling because {' and '.join(dict.fromkeys(ours))}.",
            "That was our doing, and we are sorry.",
        ]
    if not up:
        return ["Everything that we know of is settled."]
    return ["I am calling to hear how you are, and whether there is something that we can do better."]


def history(one: Standing) -> list[dict[str, Any]]:
    """What people did about the customer, oldest first, and what became of it."""
    return [_taken(taken) for taken in one.taken]


def alerts_told(heard: Iterable[Heard], money: bool) -> list[dict[str, Any]]:
    """Each alert in a line; with money its risk too."""
    out = []
    for one in heard:
        line = {**_line(one), "at_ms": one.at_ms, "alert": one.alert.alert_id}
        if money:
            line |= {"kind": one.alert.kind, "risk_ppm": one.alert.risk_ppm, "title": in_words(one.alert).title}
        out.append(line)
    return out


def _line(heard: Heard) -> dict[str, Any]:
    return {"ts_ms": heard.alert.ts_ms, "text": for_floor(heard.alert).title, "over": not heard.raises}


def _gesture(alert: Alert) -> dict[str, Any]:
    one = alert.gesture
    assert one is not None
    names = (
        "name",
        "cost_cents",
        "chance_ppm",
        "saved_cents",
        "net_cents",
        "break_even_ppm",
        "recommended",
        "hold_out",
    )
    return {name: getattr(one, name) for name in names}


def _last(taken: Iterable[Taken]) -> dict[str, Any] | None:
    counted = [one for one in taken if not one.refused and one.action.verb != "undo"]
    return _taken(counted[-1]) if counted else None


def _taken(one: Taken) -> dict[str, Any]:
    action = one.action
    names = ("action_id", "verb", "author", "ts_ms", "reason", "owner", "until_ms", "cause", "case_id", "undoes")
    return {**{name: getattr(action, name) for name in names}, "refused": one.refused}
