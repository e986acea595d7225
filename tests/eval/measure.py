"""One world, one seed: the judge and its rivals, measured on the window that nobody learned from."""

import math
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from schemas.codes import Fault, Machine
from tests.eval import rivals
from tests.eval.bound import Exam, exam
from tests.eval.judged import Judged, in_state, judge
from tests.eval.metrics import METRICS, Episode, Figures, share_error
from tests.eval.window import TEST, TRAIN, Window
from tests.eval.worlds import Truth

MODELS = ("whaleline", "cold_start", "rfm", "bgnbd", "calls_per_day", "upper_bound")
NOTHING: Figures = dict.fromkeys(METRICS)

Told = Callable[[str, float], None]


def measure(
    truth: Truth, policies: dict[str, str], told: Told = lambda what, share: None
) -> tuple[dict[str, Figures], Exam]:
    """Every model's figures on one history, but the upper bound's, for which it returns the exam.

    ``policies`` gives ``whaleline`` and ``cold_start`` their TOML.
    """
    out: dict[str, Figures] = {}
    judged: dict[str, Judged] = {}
    for name in ("cold_start", "whaleline"):
        toml = policies[name]
        if toml not in judged:
            judged[toml] = judge(truth, toml, lambda day: told("judging", day / TEST[-1]))
        out[name] = _ours(Window(truth, judged[toml]))
    told("rivals", 1.0)
    window = Window(truth, judged[policies["cold_start"]])
    out.update(_rivals(window))
    return {name: {**NOTHING, **figures} for name, figures in out.items()}, exam(window)


def _ours(window: Window) -> Figures:
    """The judge itself: its risk, its alerts, its labels and its attribution."""
    entered = Counter(who for _, who, kind in window.judged.alerts if kind == "value_destroyer_entered")
    return {
        **window.scored(lambda one: one.risk, True),
        **window.alerted(list(stood(window.judged))),
        **window.labelled(lambda one: in_state(one, Machine.VALUE), entered),
        "company_share_error": _attribution(window),
    }


def stood(judged: Judged) -> Iterator[Episode]:
    """The churn alerts that stood, from entered to cleared."""
    standing: dict[int, float] = {}
    for at, who, kind in judged.alerts:
        if kind == "churn_risk_entered":
            standing[who] = at
        elif kind == "churn_risk_cleared" and who in standing:
            yield Episode(who, standing.pop(who), at)
    for who, start in standing.items():
        yield Episode(who, start, math.inf)


def _attribution(window: Window) -> float | None:
    """How far the company's share of each customer's cost is from the truth, at the end."""
    last = window.look(TEST[-1])
    true = window.truth.costs()[last.who]
    cents = last.rows["life_cost_cents"]
    ours = np.stack([cents[:, Fault.COMPANY], cents.sum(axis=1)], axis=1).astype(np.float64)
    theirs = np.stack([true[:, 1], true.sum(axis=1)], axis=1).astype(np.float64)
    return share_error(ours, theirs)


def _rivals(window: Window) -> dict[str, Figures]:
    bgnbd = rivals.bgnbd(window.look(TRAIN[-1]))
    out: dict[str, Figures] = {}
    for name, score, is_chance in (("rfm", rivals.rfm, False), ("bgnbd", bgnbd, True)):
        enter = rivals.threshold(window.weeks(TRAIN, score))
        found = rivals.episodes(window.weeks(TEST, score), enter, rivals.CLEARS_AT * enter)
        out[name] = {**window.scored(score, is_chance), **window.alerted(found)}
    calls = rivals.CALLS_A_DAY
    weekly = rivals.episodes(window.weeks(TEST, rivals.calls_per_day(7)), calls, calls)
    out["calls_per_day"] = {
        **window.scored(rivals.calls_per_day(28), False),
        **window.alerted(weekly),
        **window.labelled(lambda one: rivals.calls_per_day(28)(one) >= calls, Counter(one.who for one in weekly)),
    }
    return out
