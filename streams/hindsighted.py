"""What alerts were worth, where the history goes on long enough to tell who left.

Who left is nobody's word but hindsight's (docs/decisions/0009-hindsight-labels.md): a chance for each customer
and day. Each of the two policies has a hindsight of its own; both are measured by the mean of the two, so that
neither is the judge of itself.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.backtest import Judged, Part, Told, padded
from streams.fitrisk import HINDSIGHT_DAYS, WARM_UP_DAYS, auc, bins, log_loss
from streams.riskreport import Bin, error_of

Column = NDArray[np.float64]

AHEAD_DAYS = 90
LATE_DAYS = 30
"""An alert about somebody who left longer ago comes too late."""

STEP_DAYS = 10
LEAST_LEFT = 1.0
"""With fewer expected leavers there is no recall to speak of."""

Figures = dict[str, float | None]
FIGURES = (
    "told_of",
    "precision",
    "in_time",
    "recall",
    "lead_days",
    "lost_cents",
    "auc",
    "calibration_error",
    "log_loss",
)


class Window(NamedTuple):
    """The days (since 1970) whose alerts have a known outcome; ``why`` there is none, if so."""

    first: int
    last: int
    why: str | None


class _Known:
    """The customers of one partition: chance to have left by any day, who was a customer when, and their risk."""

    def __init__(self, one: Part, left: Column, other: Part, other_left: Column) -> None:
        places = {name: at for at, name in enumerate(one.names)}
        theirs = np.array([places.get(name, -1) for name in other.names], np.int64)
        here = theirs >= 0
        mean = left.copy()
        both = min(left.shape[0], other_left.shape[0])
        mean[:both, theirs[here]] = (left[:both, theirs[here]] + other_left[:both][:, here]) / 2.0
        self.places, self.left = places, mean
        self.days = [look.day for look in one.looks]
        self.active = [padded(look.active.astype(np.float64), len(one.names)) > 0 for look in one.looks]

    def at(self, day: float) -> Column:
        """The chance of each customer to have left by ``day``, even between two looks."""
        if day <= self.days[0]:
            return np.asarray(self.left[0])
        if day >= self.days[-1]:
            return np.asarray(self.left[-1])
        after = bisect_right(self.days, day)
        first, last = self.days[after - 1], self.days[after]
        share = (day - first) / (last - first)
        return np.asarray((1.0 - share) * self.left[after - 1] + share * self.left[after])

    def of(self, place: int, day: float) -> float:
        """``at`` of one customer."""
        return float(np.interp(day, self.days, self.left[:, place]))


class Hindsight:
    """What became of everyone, from both judgements of the same events."""

    def __init__(self, one: Judged, other: Judged) -> None:
        beside = {part.number: part for part in other.parts}
        self._known = {
            part.number: _Known(part, part.left, beside[part.number], beside[part.number].left)
            for part in one.parts
            if part.number in beside
        }
        first = min(known.days[0] for known in self._known.values())
        end = max(known.days[-1] for known in self._known.values())
        begin, until = first + WARM_UP_DAYS, end - HINDSIGHT_DAYS
        why = None
        if until < begin:
            why = (
                f"the history has {end - first} days; who left is known of alerts that come after {WARM_UP_DAYS} "
                f"days and {HINDSIGHT_DAYS} days before the end"
            )
        self.window = Window(begin, until, why)

    def figures(self, judged: Judged, heard: Sequence[Told]) -> tuple[Figures, tuple[Bin, ...]]:
        """What these alerts and risks were worth, and how the forecasts fared by tenths of the customers.

        heard  those of ``judged`` that the floor had time for, in order of time
        """
        if self.window.why is not None:
            return dict.fromkeys(FIGURES), ()
        found: Figures = dict.fromkeys(FIGURES)
        risky = [one for one in heard if one.subject == "churn_risk"]
        self._of_alerts(found, [one for one in risky if one.change == "entered"])
        found["recall"] = self._recall(risky)
        risks, left = self._forecasts(judged)
        if not left.size:
            return found, ()
        tenths = bins(risks, left)
        found["auc"], found["log_loss"] = auc(risks, left), log_loss(risks, left)
        found["calibration_error"] = error_of(tenths)
        return found, tenths

    def _of_alerts(self, found: Figures, entered: Sequence[Told]) -> None:
        """Of alerts that somebody may leave: how many did, were still there to be kept, and how long before."""
        right, in_time, lost, count = 0.0, 0.0, 0.0, 0
        led = mass = 0.0
        for one in entered:
            place = self._place(one)
            if place is None or not self.window.first <= one.day <= self.window.last:
                continue
            known, at = place
            count += 1
            steps = [known.of(at, one.day + ahead) for ahead in range(0, AHEAD_DAYS + 1, STEP_DAYS)]
            right += steps[-1]
            in_time += max(0.0, steps[-1] - known.of(at, one.day - LATE_DAYS))
            lost += one.worth_cents * max(0.0, steps[-1] - steps[0])
            for number, (before, after) in enumerate(pairwise(steps)):
                gone = max(0.0, after - before)
                mass += gone
                led += gone * STEP_DAYS * (number + 0.5)
        found["told_of"] = count
        if count:
            found["precision"], found["in_time"], found["lost_cents"] = right / count, in_time / count, lost
        if mass > 0:
            found["lead_days"] = led / mass

    def _place(self, one: Told) -> tuple[_Known, int] | None:
        for known in self._known.values():
            if one.customer_id in known.places:
                return known, known.places[one.customer_id]
        return None

    def _recall(self, alerts: Sequence[Told]) -> float | None:
        """Share of those who left in the window of whom an alert had told in the 90 days before."""
        caught = all_left = 0.0
        for known in self._known.values():
            ours = [(one.day, known.places[one.customer_id]) for one in alerts if one.customer_id in known.places]
            days = [day for day, _ in ours]
            for at, (first, last) in enumerate(pairwise(known.days)):
                if first < self.window.first or first > self.window.last:
                    continue
                gone = np.where(known.active[at], np.maximum(0.0, known.left[at + 1] - known.left[at]), 0.0)
                middle = (first + last) // 2
                within = ours[bisect_left(days, middle - AHEAD_DAYS) : bisect_right(days, middle)]
                warned = np.unique([place for _, place in within]).astype(np.int64)
                caught += float(gone[warned].sum())
                all_left += float(gone.sum())
        return caught / all_left if all_left >= LEAST_LEFT else None

    def _forecasts(self, judged: Judged) -> tuple[Column, Column]:
        """The risk told of each customer at each look in the window, and who had left 90 days on."""
        risks, left = [np.zeros(0)], [np.zeros(0)]
        for part in judged.parts:
            known = self._known.get(part.number)
            if known is None:
                continue
            places = np.array([known.places.get(name, -1) for name in part.names], np.int64)
            for look in part.looks:
                if not self.window.first <= look.day <= self.window.last:
                    continue
                ours = places[: look.risks.size]
                here = look.active & (ours >= 0)
                risks.append(look.risks[here])
                left.append(known.at(look.day + AHEAD_DAYS)[ours[here]])
        return np.concatenate(risks), np.concatenate(left)
