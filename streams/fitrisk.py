"""Learn the 90-day risk from a recorded history in which nobody said when they left.

First the hazard (what failures do), by expectation and maximisation: under the policy so far, hindsight says how
many left in each month and with what evidence; a regression of those counts gives the next policy. Then the
logistic layer: what was known at each look, against the hindsight of who was gone 90 days later, in soft labels.
Both are held towards the defaults by a ridge, so that a thin history changes little. docs/fit.md says it in full.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import fsum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels import hindsight, regression
from kernels.elementary import exp, log
from schemas.codes import Evidence, Term
from schemas.policy import Policy
from schemas.rules import EVIDENCE, TERMS
from schemas.state import NEVER
from streams.histories import Progress
from streams.past import LOOK_DAYS, Looks, Past
from streams.riskreport import Bin, RiskFit, Settings, Weighed, error_of, merged, policy_of

Column = NDArray[np.float64]

HORIZON_DAYS = 90
ROUNDS = 2
HINDSIGHT_DAYS = 180
"""How much must be known of the time after a look for its hindsight to teach anything."""

WARM_UP_DAYS = 84
SILENT_DAYS = 180
"""Who was not heard of for so long is no customer to learn from, as a policy's alerts go to customers."""

LEAST_LEAVERS = 40.0
HAZARD_RIDGE = 2.0
RISK_RIDGE = 10.0
HELD_OUT_LOOKS = 2
AUC_NOISE = 0.02
"""Standard error of an AUC over some 150 leavers: a fit may lie so far below the defaults by chance."""

BINS = 10
NO_REST = "the search for the weights of the risk did not come to rest"
MOST_WEIGHT = 10.0
GOOD = (Evidence.RECOVERY,)
"""Evidence that may only lower the hazard; all other may only raise it."""

RAISE = (Term.FILTER, Term.REGULAR, Term.CANCEL, Term.FEE_OVERDUE, Term.OPEN_CASES, Term.OPEN_AGE)
"""Terms that may only raise the risk, whatever a history says: our failures never speak for staying."""


def fit_risk(past: Past, settings: Settings, progress: Progress = lambda _: None) -> RiskFit:
    """Fit hazard and risk to a history; ``settings`` are those of the policy that were fitted before.

    Never raises for a history that teaches too little: ``refused`` then says so.
    """
    progress_of = _shares(progress, ROUNDS + 1)
    rules = policy_of(settings)
    first = seen = past.judged(rules, SILENT_DAYS, progress_of(0))
    base, found, leavers = float(rules.record["churn_base_hazard_per_day"][0]), _no_weights(), 0.0
    for number in range(1, ROUNDS + 1):
        enough = [looks for looks in seen if len(looks) > 2]
        leavers = _leavers(enough, rules)
        if leavers < LEAST_LEAVERS:
            few = f"some {leavers:.0f} customers left, and a fit of the risk needs {LEAST_LEAVERS:.0f} of them"
            return RiskFit(leavers, base, found, 0.0, [], refused=few)
        learned = _fit_hazard(enough, rules)
        if learned is None:
            return RiskFit(leavers, base, found, 0.0, [], refused=NO_REST)
        base, found = learned
        rules = policy_of(merged(settings, RiskFit(leavers, base, found, 0.0, []).settings()))
        seen = past.judged(rules, SILENT_DAYS, progress_of(number))
    out = RiskFit(leavers, base, found, 0.0, [])
    _fit_terms(out, seen, rules, first)
    return out


def _shares(progress: Progress, parts: int) -> Callable[[int], Progress]:
    """The progress of each part of the work, as a part of the whole."""
    return lambda number: lambda done: progress((number + done) / parts)


def _no_weights() -> list[Weighed]:
    return [Weighed(one.kind.name.lower(), one.weight, one.weight, 0.0, 0.0) for one in EVIDENCE]


# ---------------------------------------------------------------- hindsight


def left_by(looks: Looks, rules: Policy) -> list[Column]:
    """For each look, P(left by its day | the whole history) of everyone known at it; from the last look back."""
    end = then = looks[-1]
    left, found = end.odds / (1.0 + end.odds), []
    for one in reversed(looks):
        out = np.zeros(one.odds.size)
        hindsight.all_left_by(
            end.rows, end.day, one.day, one.odds, then.day, then.odds, left, rules.record, out
        )  # fmt: skip
        found.append(out)
        then, left = one, out
    return found[::-1]


def _leavers(seen: Sequence[Looks], rules: Policy) -> float:
    """How many left between the first look and the last, in expectation."""
    found = [left_by(looks, rules) for looks in seen]
    return sum(float(left[-1].sum() - left[0].sum()) for left in found)


def _fit_hazard(seen: Sequence[Looks], rules: Policy) -> tuple[float, list[Weighed]] | None:
    """The base hazard and the weights of evidence, from how many left between looks, and with what evidence.

    Whoever pays fees says when they leave: where enough of them left, the hazard is theirs alone, because
    hindsight about the others is the filter's own guess, which feeds on itself. None without a rest.
    """
    parts: list[tuple[NDArray[np.float64], Column, Column, NDArray[np.bool_]]] = []
    for looks in seen:
        known, payers = left_by(looks, rules), looks[-1].rows["last_fee_day"] != NEVER
        for (one, gone), (then, later) in pairwise(zip(looks, known, strict=True)):
            left = np.maximum(0.0, later[: gone.size] - gone)
            parts.append((one.found, left, (then.day - one.day) * (1.0 - gone), payers[: gone.size]))
    x, y, exposure, payer = (np.concatenate(column) for column in zip(*parts, strict=True))
    if y[payer].sum() >= LEAST_LEAVERS:
        x, y, exposure = x[payer], y[payer], exposure[payer]
    x, y, exposure = (np.ascontiguousarray(one) for one in (x, y, exposure))
    prior = np.array([log(float(rules.record["churn_base_hazard_per_day"][0])), *(one.weight for one in EVIDENCE)])
    least = np.array([log(1e-6), *(-MOST_WEIGHT if one.kind in GOOD else 0.0 for one in EVIDENCE)])
    most = np.array([log(4e-3), *(0.0 if one.kind in GOOD else MOST_WEIGHT for one in EVIDENCE)])
    ridge = np.array([0.0, *(HAZARD_RIDGE for _ in EVIDENCE)])
    beta, spread = prior.copy(), np.zeros(prior.size)
    beta[1:] *= 0.5
    if regression.fit(regression.COUNTS, x, y, exposure, prior, ridge, least, most, -1.0, 5.0, beta, spread) < 0:
        return None
    told = [
        Weighed(one.kind.name.lower(), _six(beta[1 + at]), one.weight, _six(spread[1 + at]), 0.0)
        for at, one in enumerate(EVIDENCE)
    ]
    return _six(exp(beta[0])), told


# ---------------------------------------------------------------- the logistic layer


class _Samples(NamedTuple):
    """What was known of active customers at some looks, and the hindsight 90 days on."""

    terms: NDArray[np.float64]
    left: Column
    risks: Column
    day: NDArray[np.int64]
    default: Column


def _samples(seen: Sequence[Looks], rules: Policy, before: Sequence[Looks]) -> _Samples | None:
    parts = []
    ahead = HORIZON_DAYS // LOOK_DAYS
    for looks, defaults in zip(seen, before, strict=True):
        usable = [
            at
            for at, one in enumerate(looks[:-ahead])
            if one.day >= looks[0].day + WARM_UP_DAYS and looks[-1].day - one.day >= HINDSIGHT_DAYS
        ]
        known = left_by(looks, rules) if usable else []
        for at in usable:
            one = looks[at]
            left = known[at + ahead][: one.odds.size]
            here = one.active
            days = np.full(int(here.sum()), one.day, np.int64)
            parts.append((one.terms[here], left[here], one.risks[here], days, defaults[at].risks[here]))
    if not parts:
        return None
    return _Samples(*(np.ascontiguousarray(np.concatenate(column)) for column in zip(*parts, strict=True)))


def _fit_terms(out: RiskFit, seen: Sequence[Looks], rules: Policy, before: Sequence[Looks]) -> None:
    """Fit the terms to all looks that have enough hindsight; try them on the last of these first."""
    found = _samples(seen, rules, before)
    days = np.unique(found.day) if found is not None else np.zeros(0, np.int64)
    if found is None or days.size <= 2 * HELD_OUT_LOOKS:
        out.refused = f"the history has {days.size} looks with {HINDSIGHT_DAYS} days of hindsight, too few to fit"
        return
    held = found.day >= days[-HELD_OUT_LOOKS]
    learned = _logistic(found.terms[~held], found.left[~held])
    if learned is None:
        out.refused = NO_REST
        return
    risks = _risks(found.terms[held], learned[0])
    left, default = found.left[held], found.default[held]
    out.auc, out.default_auc = auc(risks, left), auc(default, left)
    out.bins = bins(risks, left)
    out.calibration_error, out.default_calibration_error = error_of(out.bins), error_of(bins(default, left))
    out.loss, out.default_loss = log_loss(risks, left), log_loss(default, left)
    if out.loss > out.default_loss or out.auc < out.default_auc - AUC_NOISE:
        out.refused = (
            f"on looks left aside, it tells who leaves worse than the defaults (log loss {out.loss:.4f} against "
            f"{out.default_loss:.4f}, AUC {out.auc:.3f} against {out.default_auc:.3f})"
        )
    final = _logistic(found.terms, found.left)
    if final is None:
        out.refused = NO_REST
        return
    beta, spread = final
    means = found.terms.mean(axis=0)
    out.samples = int(found.left.size)
    out.intercept = _six(beta[0])
    out.terms = [
        Weighed(one.term.name.lower(), _six(beta[1 + at]), one.weight, _six(spread[1 + at]), _six(means[at]))
        for at, one in enumerate(TERMS)
    ]


def _logistic(x: NDArray[np.float64], y: Column) -> tuple[Column, Column] | None:
    """(coefficients, standard errors); a term that does not vary keeps its default. None without a rest."""
    spreads = x.std(axis=0)
    prior = np.array([0.0, *(one.weight for one in TERMS)])
    ridge = np.array([0.0, *(RISK_RIDGE * one * one for one in spreads)])
    least, most = np.full(prior.size, -MOST_WEIGHT), np.full(prior.size, MOST_WEIGHT)
    least[0], most[0] = -20.0, 20.0
    for term in RAISE:
        least[1 + term] = 0.0
    for at, one in enumerate(spreads):
        if one < 1e-9:
            least[1 + at] = most[1 + at] = prior[1 + at]
    beta, spread = prior.copy(), np.zeros(prior.size)
    ones = np.ones(y.size)
    steps = regression.fit(
        regression.CHANCES, np.ascontiguousarray(x), np.ascontiguousarray(y), ones, prior, ridge, least, most,
        -1e9, 1e9, beta, spread,
    )  # fmt: skip
    return None if steps < 0 else (beta, spread)


def _risks(x: NDArray[np.float64], beta: Column) -> Column:
    eta = beta[0] + (x * beta[1:]).sum(axis=1)
    return np.array([1.0 / (1.0 + exp(-float(one))) for one in eta])


def auc(score: Column, left: Column) -> float:
    """Chance that one who left scores above one who stayed, ``left`` (n,) being chances; ties count half."""
    order = np.argsort(score, kind="stable")
    yes, no = left[order], 1.0 - left[order]
    _, first = np.unique(score[order], return_index=True)
    yes_at, no_at = np.add.reduceat(yes, first), np.add.reduceat(no, first)
    below = np.cumsum(no_at) - no_at
    pairs = float(yes.sum() * no.sum())
    return float((yes_at * (below + 0.5 * no_at)).sum() / pairs) if pairs > 0 else 0.5


def log_loss(risks: Column, left: Column) -> float:
    """Mean of -ln of the chance given to what happened, ``left`` (n,) being chances; lower is better."""
    held = np.clip(risks, 1e-6, 1.0 - 1e-6).tolist()
    parts = (y * log(p) + (1.0 - y) * log(1.0 - p) for p, y in zip(held, left.tolist(), strict=True))
    return -fsum(parts) / max(1, left.size)


def bins(risks: Column, left: Column) -> tuple[Bin, ...]:
    """Equal parts of the customers in the order of their risk, the least first."""
    order = np.argsort(risks, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if part.size]
    return tuple(Bin(part.size, float(risks[part].sum()), float(left[part].sum())) for part in parts)


def _six(value: float) -> float:
    """Six digits, as a policy states it."""
    return float(f"{float(value):.6g}")
