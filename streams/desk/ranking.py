"""In which order cards stand: by how soon somebody must act, then by the money that can still be saved.

What we owe somebody (an answer, a promise, a part) is not weighed against what they are worth: it comes first, the
longest wait first (decision 8). A card that nobody has acknowledged in time climbs a tier, and then the next one.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.alerts import Alert
from streams.desk.standing import Heard, Standing
from streams.words import PLEASANT

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS

TIERS = ("now", "today", "week", "good")
"""How soon somebody must act: at once, within the day, within the week; and good news, which waits."""

ANSWER_MS = {"now": 30 * MINUTE_MS, "today": 4 * HOUR_MS, "week": 48 * HOUR_MS, "good": 7 * 24 * HOUR_MS}
"""Within which time somebody should have acknowledged a card of each tier."""

OWED = frozenset(
    {"ticket_unanswered", "callback_missed", "repair_overdue", "wrong_part_twice", "appeal_unanswered"}
)
"""Moments in which we hold something of the customer's: a debt."""
AT_ONCE = OWED | {"executive_appeal", "cancel_requested", "escalation_denied"}
SOON = ("service_failure", "churn_risk", "vulnerable_best_customer")

BUDGET = 30
"""So many cards that nobody has acknowledged a floor is shown at once; more of them would be read by nobody."""
MOST_SHOWN = 500

Sort = tuple[int, int, int, int, str]
"""By tier, by the day's budget, debts first, then by waiting or by money; the customer makes it one of a kind."""


@dataclass(frozen=True, slots=True)
class Place:
    """Why a card stands where it does, and until when by itself (``changes_ms``, None: for good).

    ``lead`` is the index of the alert that the card is headed by.
    """

    customer_id: str
    floor: str
    state: str
    tier: str
    lead: int
    owed: bool
    climbed: int
    answer_by_ms: int | None
    changes_ms: int | None
    sort: Sort


@dataclass(slots=True)
class Queue:
    """Live cards in their order, each floor's cut to its budget; what somebody has acknowledged is always shown.

    Kept sorted, so that a change costs by the change and not by how many cards there are.
    """

    budget: int = BUDGET
    _waiting: dict[str, list[Sort]] = field(default_factory=dict)
    _taken: list[Sort] = field(default_factory=list)

    def put(self, one: Place) -> None:
        """Let a card stand in the queue."""
        insort(self._list_of(one), one.sort)

    def drop(self, one: Place) -> None:
        """Take a card out, which stands there as it is given."""
        found = self._list_of(one)
        del found[bisect_left(found, one.sort)]

    def arranged(self) -> tuple[tuple[str, ...], dict[str, int]]:
        """Customers in their order, and how many cards of each floor are beyond its budget."""
        shown = list(self._taken)
        beyond: dict[str, int] = {}
        for floor, waiting in sorted(self._waiting.items()):
            shown += waiting[: self.budget]
            if len(waiting) > self.budget:
                beyond[floor] = len(waiting) - self.budget
        shown.sort()
        return tuple(sort[-1] for sort in shown[:MOST_SHOWN]), beyond

    def _list_of(self, one: Place) -> list[Sort]:
        return self._waiting.setdefault(one.floor, []) if one.state == "open" else self._taken


def tier_of(alert: Alert) -> str:
    """How soon somebody must act on an alert."""
    machine = alert.kind.rsplit("_", 1)[0]
    if alert.moment in AT_ONCE or alert.state_after == "churn_risk_high":
        return "now"
    if machine in SOON:
        return "today"
    return "good" if machine in PLEASANT else "week"


def money_cents(alert: Alert) -> int:
    """What acting may save: what is at stake and ahead, or the loss of the year ahead."""
    if alert.kind.startswith("value_destroyer"):
        return max(0, -alert.forward_year_cents)
    saved = alert.gesture.saved_cents if alert.gesture is not None and alert.gesture.recommended else 0
    return max(0, alert.savable_cents, saved)


def place(customer_id: str, one: Standing, now_ms: int) -> Place:
    """Where a customer's card stands now, whether or not it is in the queue."""
    up = one.up(now_ms)
    lead = min(up, key=lambda at: _lead(one.heard, at)) if up else len(one.heard) - 1
    heard = one.heard[lead]
    tier = TIERS.index(tier_of(heard.alert))
    machines = {one.heard[at].machine for at in up}
    owed = any(it.alert.moment in OWED for it in one.heard[one.began :] if it.machine in machines)
    since = one.waiting_since_ms(now_ms)
    climbed, answer_by, changes = 0, None, one.wakes_ms(now_ms)
    if since is not None:
        patience = ANSWER_MS[TIERS[tier]]
        answer_by = since + patience
        # Pleasant news never becomes an emergency, however long it waits.
        most = max(1, tier) if TIERS[tier] != "good" else 0
        climbed = min(most, max(0, now_ms - since) // patience)
        if climbed < most:
            changes = min(since + (climbed + 1) * patience, changes or since + (climbed + 1) * patience)
    state = one.state(now_ms)
    risen = max(0, tier - climbed)
    debt = owed and risen == 0
    budgeted = 0 if heard.alert.within_budget or debt else 1
    waits = since if since is not None and debt else 0
    sort = (risen, budgeted, 0 if debt else 1, waits if debt else -money_cents(heard.alert), customer_id)
    return Place(
        customer_id, heard.alert.owner, state, TIERS[risen], lead, owed, climbed, answer_by, changes, sort
    )


def _lead(heard: Sequence[Heard], at: int) -> tuple[int, int, int]:
    alert = heard[at].alert
    return TIERS.index(tier_of(alert)), 0 if alert.moment in OWED else 1, -at
