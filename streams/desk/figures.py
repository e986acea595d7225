"""What a floor can learn of itself: how soon it acts, how often it disagrees, what it saved.

Nobody is counted by name.
"""

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import Any

from streams.desk import cards
from streams.desk.labels import Label, of_standing, summed
from streams.desk.ranking import Place
from streams.desk.standing import CLOSES, Heard, Standing
from streams.desk.view import View

MOST_WAITS = 10_000


def figures(view: View, now_ms: int) -> dict[str, Any]:
    """Figures of all floors and of each, and how right people called each kind of alert."""
    found: dict[str, _Tally] = defaultdict(_Tally)
    said: list[Label] = []
    for customer_id, place in view.places.items():
        one = view.board.standing(customer_id)
        if one is None:
            continue
        for name in ("", place.floor):
            found[name].add(one, place, now_ms)
        said.extend(of_standing(customer_id, one))
    total = found.pop("", _Tally()).told()
    floors = {name: one.told() for name, one in sorted(found.items())}
    return {"all": total, "floors": floors, "kinds": [one.as_map() for one in summed(said)]}


class _Tally:
    def __init__(self) -> None:
        self.states: dict[str, int] = defaultdict(int)
        self.waits: list[int] = []
        self.closed = self.disagreed = self.minutes = self.overdue = 0

    def add(self, one: Standing, place: Place, now_ms: int) -> None:
        self.states[place.state] += 1
        if place.state == "open" and place.answer_by_ms is not None and place.answer_by_ms < now_ms:
            self.overdue += 1
        place_of = {heard.alert.alert_id: at for at, heard in enumerate(one.heard)}
        acknowledged = -1
        for taken in one.taken:
            action = taken.action
            if taken.refused or action.verb == "undo":
                continue
            at = place_of.get(action.alert_id or "", -1)
            if at > acknowledged:
                since_ms = _waited_since_ms(one.heard[acknowledged + 1 : at + 1])
                if since_ms is not None and len(self.waits) < MOST_WAITS:
                    self.waits.append(max(0, action.ts_ms - since_ms))
                acknowledged = at
            if action.verb in CLOSES:
                self.closed += 1
                self.disagreed += action.verb == "disagree"
                if action.verb == "resolve" and at >= 0:
                    self.minutes += next((one for one in _minutes(one, at) if one), 0)

    def told(self) -> dict[str, Any]:
        """The figures; None where there is nothing to take them of."""
        waits = sorted(self.waits)
        return {
            "states": dict(sorted(self.states.items())),
            "open": self.states["open"],
            "live": sum(self.states[name] for name in cards.LIVE),
            "overdue": self.overdue,
            "acknowledged": len(waits),
            "acknowledge_median_ms": round(median(waits)) if waits else None,
            "acknowledge_p90_ms": waits[min(len(waits) - 1, len(waits) * 9 // 10)] if waits else None,
            "closed": self.closed,
            "disagreed": self.disagreed,
            "disagree_ppm": round(1e6 * self.disagreed / self.closed) if self.closed else None,
            "minutes_saved": self.minutes,
        }


def _waited_since_ms(heard: Iterable[Heard]) -> int | None:
    """Since when somebody waited, at the last of alerts that nobody had acknowledged; None where nobody did."""
    up: set[str] = set()
    since_ms = None
    for one in heard:
        if one.raises:
            since_ms = one.at_ms if not up else since_ms
            up.add(one.machine)
        else:
            up.discard(one.machine)
    return since_ms if up else None


def _minutes(one: Standing, at: int) -> Iterable[int]:
    """Minutes that the first action of the alert would free, of the newest that asked for one."""
    alert = one.heard[at].alert
    return [minutes for minutes in alert.action_minutes[:1] if minutes]
