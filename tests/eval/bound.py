"""The upper bound: boosted trees that were shown the truth, on everything that a customer's row says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.eval.judged import FIRST_DAY, Look
from tests.eval.metrics import METRICS, Column, Figures, Flags, alerted, scored
from tests.eval.rivals import Week, episodes, rfm, ring, since, weeks_of
from tests.eval.window import TEST, TRAIN_28, Window

BOUND_ENTERS, BOUND_CLEARS = 0.33, 0.20
"""The upper bound alerts at the default policy's own probabilities."""


def features(one: Look) -> NDArray[np.float32]:
    """All that a row says, as trees like it (k, f): the same information the judge has."""
    rows, today = one.rows, FIRST_DAY + one.day
    repeats, recency, age = weeks_of(one)
    waiting = (rows["case_asked_ms"] > np.maximum(rows["case_answered_ms"], rows["case_resolved_ms"])).sum(axis=1)
    columns = [repeats, recency, age, rfm(one), one.risk, rows["odds"], waiting]
    columns += list(np.minimum(rows["evidence"], 1e6).T)
    columns += [since(rows[name], today) for name in ("first_day", "last_purchase_day", "first_fee_day")]
    columns += [rows["last_event_ms"] / 86_400_000 - today, rows["first_fee_day"] >= 0]
    for name in ("day_contacts", "day_failures", "day_purchases", "day_cost_cents"):
        columns += [ring(one, name, days).sum(axis=1) for days in (30, 90)]
    columns += [ring(one, "day_contacts", 28).max(axis=1), rows["hour_short"].sum(axis=1, dtype=np.int64)]
    columns += [rows["spent_cents"], rows["life_margin_cents"], rows["life_fee_cents"]]
    columns += [rows["life_cost_cents"][:, at] for at in range(4)]
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


def boosted(x: NDArray[np.float32], happened: Flags) -> Callable[[NDArray[np.float32]], Column] | None:
    """Boosted trees on ``features`` and the truth (n,); a function from features to P(gone 90 days on).

    None without scikit-learn (the optional extra ``eval``), or where there is nothing to learn. One thread, so
    that the answer does not depend on the machine's cores.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits
    except ImportError:
        return None
    if happened.all() or not happened.any():
        return None
    trees = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.05, min_samples_leaf=40, l2_regularization=1.0, random_state=0,
        early_stopping=False,
    )  # fmt: skip
    with threadpool_limits(1):
        trees.fit(x, happened)

    def chance(told: NDArray[np.float32]) -> Column:
        with threadpool_limits(1):
            return np.asarray(trees.predict_proba(told)[:, 1])

    return chance


@dataclass(slots=True)
class Exam:
    """What the upper bound needs of one history, small enough to keep until all seeds are there.

    x, gone   features and truth of the training looks (n, f), (n,)
    weeks     the test's weekly looks, without scores; ``told`` are their features
    """

    x: NDArray[np.float32]
    gone: Flags
    weeks: list[Week]
    told: list[NDArray[np.float32]]
    truth_gone: list[Flags]
    by_number: dict[int, Flags]
    left_day: NDArray[np.int64]


def exam(window: Window) -> Exam:
    """Take from a window what the upper bound learns from, and what it is asked."""
    here = [(window.look(day), window.active[day], window.gone(day)) for day in TRAIN_28]
    return Exam(
        np.concatenate([features(look)[active] for look, active, _ in here]),
        np.concatenate([gone[active] for _, active, gone in here]),
        window.weeks(TEST, lambda one: one.risk),
        [features(window.look(day)) for day in TEST],
        [window.gone(day) for day in TEST],
        window.by_number(),
        window.truth.left_day,
    )


def upper_bound(exams: Sequence[Exam]) -> list[Figures]:
    """Boosted trees that learned the truth of all seeds' training looks, asked about each seed's test."""
    chance = boosted(np.concatenate([one.x for one in exams]), np.concatenate([one.gone for one in exams]))
    if chance is None:
        return [dict.fromkeys(METRICS) for _ in exams]
    out = []
    for one in exams:
        weeks = [week._replace(score=chance(told)) for week, told in zip(one.weeks, one.told, strict=True)]
        score = np.concatenate([week.score[week.active] for week in weeks[::4]])
        gone = np.concatenate([
            gone[week.active] for gone, week in zip(one.truth_gone[::4], weeks[::4], strict=True)
        ])  # fmt: skip
        found = episodes(weeks, BOUND_ENTERS, BOUND_CLEARS)
        alerts = alerted(found, one.by_number, one.left_day)
        out.append({**dict.fromkeys(METRICS), **scored(score, gone, True), **alerts})
    return out
