"""An alert as the floor sees it: what happened and what to do, with no money and no word on anyone's value.

Whoever answers a customer serves everyone with the same respect; what a customer brings is for those who decide
about money. So this view is made from the codes that are fit for it, not by hiding words in the other one.
"""

from dataclasses import dataclass

from schemas.alerts import Alert
from streams.facts import told
from streams.words import ACTIONS, GESTURES, MOMENTS, NOTE, TITLES, WITHOUT_FAILURE, behind, one_of_many

FLOOR_TITLES = {
    "value_destroyer": "look for a better way to serve them",
    "fix_the_cause": "our own faults keep them calling",
    "vulnerable_best_customer": "somebody should listen to them soon",
    "hidden_gem": "they hear from us too seldom",
}
"""Titles of alerts whose own say what somebody brings or costs; when they are over, that they are."""
OVER = "settled; nothing more to do"

NOT_FOR_THE_FLOOR = frozenset(
    {"account_review", "charge_for_service", "fee_decision_by_a_human", "human_review_realign"}
)
"""Actions that are about money: for those who decide about it."""
WITH_ANOTHER_WORD = {"invite_to_the_board": "Ask whether they would like to advise us."}
ANYWAY = "Serve them as everyone; someone else looks at the account."

ABOUT_MONEY = ("margin", "purchase")
"""Steps of a clear path that say what a customer should bring."""


@dataclass(frozen=True, slots=True)
class Card:
    """One alert for the floor. ``alert_id`` leads whoever may see the money to the rest of it."""

    alert_id: str
    customer_id: str
    owner: str
    skill: str | None
    ts_ms: int
    title: str
    happened: tuple[str, ...]
    do: tuple[str, ...]
    clears: tuple[str, ...]
    urgent: bool
    within_budget: bool

    def lines(self) -> list[str]:
        """Everything as plain text, the title first."""
        return [
            f"{self.customer_id}: {self.title}",
            *self.happened,
            *(f"> {one}" for one in self.do),
            *self.clears,
        ]


def for_floor(alert: Alert) -> Card:
    """The floor's card of an alert; equal for two customers to whom the same happened, whatever they bring."""
    machine, change = alert.kind.rsplit("_", 1)
    over = change == "cleared"
    calm = over or machine in ("referral_ready", "hidden_gem", "good_news")
    return Card(
        alert_id=alert.alert_id,
        customer_id=alert.customer_id,
        owner=alert.owner,
        skill=alert.skill,
        ts_ms=alert.ts_ms,
        title=_title(alert, machine, over),
        happened=() if machine in FLOOR_TITLES else (*behind(alert), *told(alert.evidence), *one_of_many(alert)),
        do=() if over else (*_do(alert), *_gesture(alert)),
        clears=_clears(alert),
        urgent=not calm,
        within_budget=alert.within_budget,
    )


def _title(alert: Alert, machine: str, over: bool) -> str:
    if alert.moment is not None:
        moment = MOMENTS.get(alert.moment, alert.moment.replace("_", " "))
        return moment if alert.moment in WITHOUT_FAILURE else f"{TITLES[alert.kind]}: {moment}"
    if machine in FLOOR_TITLES:
        return OVER if over else FLOOR_TITLES[machine]
    return TITLES[alert.kind]


def _do(alert: Alert) -> tuple[str, ...]:
    fit = [action for action in alert.actions if action not in NOT_FOR_THE_FLOOR]
    words = {**ACTIONS, **WITH_ANOTHER_WORD}
    said = tuple(words.get(action, action.replace("_", " ").capitalize() + ".") for action in fit)
    return said or (ANYWAY,)


def _gesture(alert: Alert) -> tuple[str, ...]:
    one = alert.gesture
    if one is None or not one.recommended or NOTE in " ".join(_do(alert)):
        return ()
    return (f"{GESTURES.get(one.name, one.name.replace('_', ' ').capitalize())} may be given.",)


def _clears(alert: Alert) -> tuple[str, ...]:
    ways = zip(alert.clear_path, alert.clears_when, strict=True)
    fit = [words for steps, words in ways if not any(step.change in ABOUT_MONEY for step in steps)]
    return (f"It is over with: {'; or '.join(fit[:2])}.",) if fit else ()
