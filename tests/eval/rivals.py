"""Those it is measured against: RFM, BG/NBD, and calls a day."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.alive import alive_probability, survival
from kernels.likelihood import purchases_log_likelihood
from kernels.simplex import minimise
from schemas.state import DAYS as RING_DAYS
from tests.eval.judged import FIRST_DAY, Look
from tests.eval.metrics import Column, Episode, Flags

AHEAD_WEEKS = 90 / 7
GAP_DAYS = 45.0
"""The gap a customer of one purchase is thought to have."""

ALERTS_PER_1000_WEEK = 5.0
"""RFM and BG/NBD alert at the threshold that gave so many alerts in the part they may learn from."""

CLEARS_AT = 0.7
"""They clear at this part of the threshold."""

CALLS_A_DAY = 2
"""More than one contact in a day."""

QUANTILES = (0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995)
"""Among these of the training scores the threshold is sought."""

Score = Callable[[Look], Column]


def since(days: NDArray[Any], today: int) -> Column:
    """Days from each day until ``today``; 0 where unset."""
    return np.where(days >= 0, today - days, 0).astype(np.float64)


def rfm(one: Look) -> Column:
    """Days since the last purchase, in multiples of the customer's own mean gap."""
    today = FIRST_DAY + one.day
    first, last = one.rows["first_purchase_day"], one.rows["last_purchase_day"]
    gap = (last - first + GAP_DAYS) / (one.rows["repeat_days"] + 1.0)
    return np.where(last >= 0, since(last, today) / gap, 0.0)


def calls_per_day(days: int) -> Score:
    """The most contacts on one of the last ``days`` days."""
    return lambda one: ring(one, "day_contacts", days).max(axis=1).astype(np.float64)


def ring(one: Look, name: str, days: int) -> NDArray[np.int64]:
    """The newest ``days`` buckets of a daily ring, older ones 0 (k, 90)."""
    head = one.rows["day_head"][:, None].astype(np.int64)
    bucket = head - (head - np.arange(RING_DAYS)[None, :]) % RING_DAYS
    fresh = (bucket > FIRST_DAY + one.day - days) & (head >= 0)
    return np.where(fresh, one.rows[name], 0).astype(np.int64)


def weeks_of(one: Look) -> tuple[Column, Column, Column]:
    """Repeat purchases, weeks from first to last purchase, weeks since the first; all (k,)."""
    first, last = one.rows["first_purchase_day"], one.rows["last_purchase_day"]
    age = since(first, FIRST_DAY + one.day) / 7
    return one.rows["repeat_days"].astype(np.float64), np.where(first >= 0, last - first, 0) / 7.0, age


def bgnbd(train: Look) -> Score:
    """Fit BG/NBD to what is known at one look; its score is P(gone 90 days from the look)."""
    repeats, recency, age = weeks_of(train)
    bought = train.rows["first_purchase_day"] >= 0
    repeats, recency, age = (np.ascontiguousarray(column[bought]) for column in (repeats, recency, age))
    ones = np.ones(int(bought.sum()))

    def cost(point: Sequence[float]) -> float:
        if max(map(abs, point)) > 8:
            return math.inf
        r, alpha, a, b = map(math.exp, point)
        return -purchases_log_likelihood(r, alpha, a, b, False, repeats, recency, age, ones)

    r, alpha, a, b = map(math.exp, minimise(cost, (0.0, 1.5, 0.0, 0.0), value_grain=1e-6, point_grain=1e-4).point)

    def score(one: Look) -> Column:
        here = [
            alive_probability(r, alpha, a, b, False, x, seen, old)
            * survival(r, alpha, a, b, False, x, old, AHEAD_WEEKS)
            for x, seen, old in zip(*(column.tolist() for column in weeks_of(one)), strict=True)
        ]
        return 1.0 - np.array(here)

    return score


class Week(NamedTuple):
    """One weekly look with a rival's score: day, customer numbers, who is active, scores; the last three (k,)."""

    day: int
    who: NDArray[np.int64]
    active: Flags
    score: Column


def episodes(weeks: Sequence[Week], enter: float, clear: float) -> list[Episode]:
    """Alerts with hysteresis, weekly: in at ``enter``, out below ``clear`` or when no customer any more."""
    standing: dict[int, float] = {}
    out: list[Episode] = []
    for week in weeks:
        for who, active, score in zip(week.who.tolist(), week.active.tolist(), week.score.tolist(), strict=True):
            if who in standing and not (active and score >= clear):
                out.append(Episode(who, standing.pop(who), float(week.day)))
            elif who not in standing and active and score >= enter:
                standing[who] = float(week.day)
    return out + [Episode(who, start, math.inf) for who, start in standing.items()]


def threshold(weeks: Sequence[Week], per_1000_week: float = ALERTS_PER_1000_WEEK) -> float:
    """The threshold that comes nearest to so many alerts a week in these weeks (the first is only stock)."""
    pool = np.concatenate([week.score[week.active] for week in weeks])
    seen = sum(int(week.active.sum()) for week in weeks[1:])
    wanted = per_1000_week * seen / 1000
    tried = {
        float(at): abs(
            sum(one.start > weeks[0].day for one in episodes(weeks, float(at), CLEARS_AT * float(at))) - wanted
        )
        for at in np.unique(
            np.quantile(pool, (0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995))
        )
    }
    return min(tried, key=lambda at: (tried[at], at))
