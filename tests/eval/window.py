"""A judged history seen through its test window: who was a customer when, who was gone 90 days on."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from tests.eval.judged import WEEKS, Judged, Look, active
from tests.eval.metrics import Column, Episode, Figures, Flags, alerted, labelled, scored
from tests.eval.rivals import Score, Week
from tests.eval.worlds import AHEAD, TEST_FROM, TRAIN_UNTIL, Truth

TEST = [day for day in WEEKS if day >= TEST_FROM]
TRAIN = [day for day in WEEKS if day <= TRAIN_UNTIL]
TEST_28, TRAIN_28 = TEST[::4], TRAIN[::4]


class Window:
    """A judged history with who was a customer when, and who was gone 90 days on."""

    def __init__(self, truth: Truth, judged: Judged) -> None:
        self.truth, self.judged = truth, judged
        self.active = {day: active(truth, judged.looks[day]) for day in WEEKS}

    def look(self, day: int) -> Look:
        """Everyone as the judge saw them on that day."""
        return self.judged.looks[day]

    def gone(self, day: int) -> Flags:
        """Who of those is gone 90 days after that day begins."""
        return np.asarray(self.truth.left_day[self.look(day).who] < day + AHEAD)

    def spread_out(self, day: int, flags: Flags) -> Flags:
        """Flags by place in the look, as flags by customer number."""
        out = np.zeros(len(self.truth.lives), bool)
        out[self.look(day).who[flags]] = True
        return out

    def by_number(self) -> dict[int, Flags]:
        """Who is a customer, by number, for each week of the test."""
        return {day: self.spread_out(day, self.active[day]) for day in TEST}

    def weeks(self, days: Sequence[int], score: Score) -> list[Week]:
        """A score over some weeks."""
        return [Week(day, self.look(day).who, self.active[day], score(self.look(day))) for day in days]

    def scored(self, score: Score, is_chance: bool) -> Figures:
        """A score against the truth, each 28 days of the test, all together."""
        scores: list[Column] = []
        gone: list[Flags] = []
        for day in TEST_28:
            scores.append(score(self.look(day))[self.active[day]])
            gone.append(self.gone(day)[self.active[day]])
        return scored(np.concatenate(scores), np.concatenate(gone), is_chance)

    def alerted(self, episodes: Sequence[Episode]) -> Figures:
        """Alerts against the truth."""
        return alerted(episodes, self.by_number(), self.truth.left_day)

    def labelled(self, label: Callable[[Look], Flags], entered: Counter[int]) -> Figures:
        """A value-destroyer label against the truth, each 28 days of the test."""
        looks = [
            (self.spread_out(day, label(self.look(day))), self.spread_out(day, self.active[day]))
            for day in TEST_28
        ]
        return labelled(looks, self.truth.destroys, self.truth.victims, entered)
