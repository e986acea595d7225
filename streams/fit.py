"""Fit the models to a recorded history: a file of events in, a piece of policy out.

Histories are read with the readers of ``streams.rejudge`` and counted as the judge counts them: days with a
purchase, weeks from the first of them, spend over all purchases. Nothing here is random and no clock is read:
the same file gives the same bytes. What is computed, and what is not yet: docs/fit.md.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from math import fsum, inf, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernels.alive import DAYS_PER_WEEK, expected_purchases
from kernels.elementary import exp, log, round_half_even
from kernels.likelihood import purchases_log_likelihood, spends_log_likelihood
from kernels.simplex import Point, minimise
from schemas.policy import SETTINGS, parse
from schemas.settings import Setting
from streams.desk.labelread import read_labels
from streams.fitreport import Decile, Fitted, HoldOut, Report
from streams.fitrisk import fit_risk
from streams.histories import Buyer, History, Progress, read_history
from streams.labelled import learn
from streams.ledgerfile import whole_file
from streams.past import read_past
from streams.riskreport import policy_of

LEAST_REPEATERS = 200
BORDER = 1.02
"""A value within two percent of the end of what the policy allows was stopped by it, not by the data."""

REACH = 10.0
"""How far beyond the policy's borders the search may look: what drives there is told, not cut off."""

VALUE_GRAIN = 1e-12
"""At rest, mean log-likelihoods of a customer differ by no more; rounding alone moves them by 1e-15."""

HOLD_OUT_TENTHS = 7
HIGHEST_CORRELATION = 0.2
FORECAST_TOLERANCE = 0.25
DECILES = 10

_SETTING = {one.name: one for one in SETTINGS}
PURCHASE = tuple(
    _SETTING[f"lifetime_{key}"] for key in ("purchase_shape", "purchase_scale_weeks", "leave_a", "leave_b")
)
SPEND = tuple(_SETTING[f"lifetime_{key}"] for key in ("spend_p", "spend_q", "spend_v_cents"))

Values = tuple[float, ...]
"""The values of a model, in the order of its settings."""

Terms = tuple[int, ...]
"""What a model needs to know of one customer; customers with equal terms are worked out once."""

Likelihood = Callable[[Values], float]


class FitError(RuntimeError):
    """There is nothing to be fitted, or nothing to be believed; the message is one sentence."""


def run_fit(
    events: Path,
    out: Path,
    report: Path | None = None,
    *,
    labels: Path | None = None,
    precision: float | None = None,
    currency: str = "USD",
    as_of_ms: int | None = None,
    progress: Progress = lambda _: None,
) -> Report:
    """Fit the models to ``events`` and write the piece of policy, and the report where one is wanted.

    A ``report`` named ``*.json`` is JSON, any other Markdown. ``as_of_ms`` leaves out what came at or after that
    time, and the history then reaches up to it. ``labels`` say how right alerts were; with ``precision`` the
    border is sought from which on they are right so often. Raises ``FitError``, ``FileError`` or ``ReplayError``;
    the files appear only when complete, and not at all when the fit is refused.
    """
    wanted = [one.resolve() for one in (events, out, report, labels) if one is not None]
    if len(set(wanted)) < len(wanted):
        raise FitError(f"{events}: the inputs and the outputs must be different files")
    said = [] if labels is None else [one for one in read_labels(labels) if _before(one.labelled_ms, as_of_ms)]
    history = read_history(events, currency, as_of_ms, lambda share: progress(0.1 * share))
    found = fit(history, str(events), lambda share: progress(0.1 + 0.2 * share))
    past = read_past(events, currency, as_of_ms, lambda share: progress(0.3 + 0.1 * share))
    found.risk = fit_risk(past, found.settings(), lambda share: progress(0.4 + 0.6 * share))
    if found.risk.refused is not None:
        found.warnings.append(f"The risk of leaving keeps its defaults: {found.risk.refused}.")
    if labels is not None:
        judged_by = policy_of(found.settings())
        stood = past.stood(judged_by, [(one.alert_ms, one.customer_id) for one in said])
        found.labelled = learn(said, stood, judged_by, precision)
        found.warnings += found.labelled.warnings()
    parse(found.toml(), str(out))
    with ExitStack() as stack:
        told = stack.enter_context(whole_file(report)) if report is not None else None
        policy = stack.enter_context(whole_file(out))
        policy.write(found.toml().encode())
        if told is not None and report is not None:
            told.write((found.as_json() if report.suffix == ".json" else found.markdown()).encode())
    return found


def _before(ts_ms: int, as_of_ms: int | None) -> bool:
    return as_of_ms is None or ts_ms < as_of_ms


# ---------------------------------------------------------------- fitting


def fit(history: History, name: str = "history", progress: Progress = lambda _: None) -> Report:
    """Fit both models to a history and try the first on its last weeks. Raises ``FitError`` in one sentence.

    ``name`` stands in the sentences, nowhere else.
    """
    if not history.buyers:
        raise FitError(f"{name}: there is no purchase in it")
    buyers = [history.buyers[customer] for customer in sorted(history.buyers)]
    begin, end = history.first_day, history.last_day
    purchase = fit_purchases(purchase_terms(buyers, end), name)
    progress(0.4)
    spend = fit_spends(spend_terms(buyers), name)
    progress(0.6)
    report = Report(
        history.digest(), begin, end, len(buyers), sum(len(one.days) > 1 for one in buyers),
        sum(one.purchases for one in buyers), history.repeated, history.refused, purchase, spend,
        correlation(buyers),
    )  # fmt: skip
    _warn_of_correlation(report)
    try:
        cut = begin + (end - begin) * HOLD_OUT_TENTHS // 10
        report.hold_out = hold_out(history, cut, f"its first {HOLD_OUT_TENTHS}0 %")
        _warn_of_forecast(report, report.hold_out)
    except FitError as error:
        report.warnings.append(f"There is no hold-out, because the models cannot be fitted to less: {error}.")
    progress(1.0)
    return report


def purchase_terms(buyers: Iterable[Buyer], last_day: int) -> Counter[Terms]:
    """Count the histories up to a day: (days with a repeat purchase, last such day, age), both from the first."""
    counted: Counter[Terms] = Counter()
    for buyer in buyers:
        days = [day for day in buyer.days if day <= last_day]
        if days:
            first = min(days)
            counted[len(days) - 1, max(days) - first, last_day - first] += 1
    return counted


def spend_terms(buyers: Iterable[Buyer]) -> Counter[Terms]:
    """Count the spends: (purchases, cents), of customers who paid something at all."""
    return Counter((one.purchases, one.spent_cents) for one in buyers if one.spent_cents > 0)


def fit_purchases(terms: Counter[Terms], name: str) -> Fitted:
    """The most likely MBG/NBD model of these histories. Raises ``FitError`` where the house rules refuse it."""
    _ask_for_repeaters(sum(count for (repeats, *_), count in terms.items() if repeats > 0), "bought on", name)
    repeats, recency, age, weights = _columns(terms)
    recency_weeks, age_weeks = recency / DAYS_PER_WEEK, age / DAYS_PER_WEEK

    def likelihood(values: Values) -> float:
        r, alpha, a, b = values
        return purchases_log_likelihood(r, alpha, a, b, True, repeats, recency_weeks, age_weeks, weights)

    return _most_likely(likelihood, PURCHASE, defaults_of(PURCHASE), terms.total(), "purchase", name)


def fit_spends(terms: Counter[Terms], name: str) -> Fitted:
    """The most likely gamma-gamma model of these spends, in cents. Raises ``FitError`` as ``fit_purchases``."""
    _ask_for_repeaters(sum(count for (bought, _), count in terms.items() if bought > 1), "paid for", name)
    bought, spent, weights = _columns(terms)
    means = spent / bought

    def likelihood(values: Values) -> float:
        p, q, v = values
        return spends_log_likelihood(p, q, v, bought, means, weights)

    p, q, _ = defaults_of(SPEND)
    typical = fsum((means * weights).tolist()) / terms.total()
    start = (p, q, typical * (q - 1.0) / p)  # the default's shape, in the unit of these sums
    return _most_likely(likelihood, SPEND, start, terms.total(), "spend", name)


def _ask_for_repeaters(count: int, what: str, name: str) -> None:
    if count < LEAST_REPEATERS:
        times = "two days or more" if what == "bought on" else "two purchases or more"
        raise FitError(f"{name}: {count} customers {what} {times}, and a fit needs {LEAST_REPEATERS} of them")


def _columns(terms: Counter[Terms]) -> list[NDArray[np.float64]]:
    """The distinct terms in order, a column each, and how often each was counted."""
    rows = np.array([(*one, terms[one]) for one in sorted(terms)], np.float64)
    return [np.ascontiguousarray(column) for column in rows.T]


def _most_likely(
    likelihood: Likelihood, settings: Sequence[Setting], start: Values, customers: int, model: str, name: str
) -> Fitted:
    """Search from ``start`` over the logarithms of the values, and round the best as a policy states them."""
    reach = [(log(one.low / REACH), log(one.high * REACH)) for one in settings]

    def height(point: Point) -> float:
        if any(not low <= at <= high for at, (low, high) in zip(point, reach, strict=True)):
            return inf
        return -likelihood(tuple(exp(at) for at in point)) / customers

    found = minimise(height, [log(one) for one in start], value_grain=VALUE_GRAIN)
    values = tuple(exp(at) for at in found.point)
    for one, value in zip(settings, values, strict=True):
        if not one.low * BORDER <= value <= one.high / BORDER:
            raise FitError(
                f"{name}: the {model} model does not fit, it drives [{one.section}] {one.key} to {value:.3g}, "
                f"to the border of what a policy allows ({one.low:g} to {one.high:g})"
            )
    if not found.converged:
        raise FitError(f"{name}: the search for the {model} model did not come to rest in {found.asked} tries")
    stated = tuple(_stated(one, value) for one, value in zip(settings, values, strict=True))
    return Fitted(stated, likelihood(stated), likelihood(defaults_of(settings)))


def _stated(setting: Setting, value: float) -> float:
    """A value as a policy can state it: six digits, or whole where the policy asks for a whole number."""
    return round_half_even(value) if isinstance(setting.default, int) else float(f"{value:.6g}")


def defaults_of(settings: Iterable[Setting]) -> Values:
    """What a policy says that says nothing."""
    return tuple(float(one.default) for one in settings)


# ---------------------------------------------------------------- trying


def correlation(buyers: Iterable[Buyer]) -> float:
    """Pearson's correlation of purchases and their mean spend over customers who paid for two or more; or 0."""
    pairs = [(one.purchases, one.spent_cents / one.purchases) for one in buyers if one.purchases > 1]
    pairs = [(x, z) for x, z in pairs if z > 0.0]
    if not pairs:
        return 0.0
    x_mean, z_mean = (fsum(column) / len(pairs) for column in zip(*pairs, strict=True))
    x_square = fsum((x - x_mean) * (x - x_mean) for x, _ in pairs)
    z_square = fsum((z - z_mean) * (z - z_mean) for _, z in pairs)
    if x_square == 0.0 or z_square == 0.0:
        return 0.0
    return fsum((x - x_mean) * (z - z_mean) for x, z in pairs) / sqrt(x_square) / sqrt(z_square)


def hold_out(history: History, cut_day: int, name: str) -> HoldOut:
    """Fit to the days up to ``cut_day`` and compare what is expected of the days after it with what came.

    Raises ``FitError`` if the days up to the cut cannot be fitted, or none are left.
    """
    end = history.last_day
    if cut_day >= end:
        raise FitError(f"{name}: no day is left after it")
    known = sorted((one, buyer) for one, buyer in history.buyers.items() if min(buyer.days) <= cut_day)
    fitted = fit_purchases(purchase_terms((buyer for _, buyer in known), cut_day), name)
    forecast, default = _Forecast(fitted.values, end - cut_day), _Forecast(defaults_of(PURCHASE), end - cut_day)
    ranked = []
    for customer, buyer in known:
        (terms,) = purchase_terms([buyer], cut_day)
        came = sum(day > cut_day for day in buyer.days)
        ranked.append((-forecast.of(terms), customer, came, default.of(terms)))
    ranked.sort()
    deciles = []
    for tenth in range(DECILES):
        part = ranked[len(ranked) * tenth // DECILES : len(ranked) * (tenth + 1) // DECILES]
        deciles.append(Decile(len(part), -fsum(one[0] for one in part), sum(one[2] for one in part)))
    by_default = fsum(one[3] for one in ranked)
    return HoldOut(cut_day, end, fitted.values, tuple(deciles), by_default)


class _Forecast:
    """Purchases to expect in the days ahead; customers with the same history are worked out once."""

    def __init__(self, values: Values, ahead_days: int) -> None:
        self._values, self._ahead_weeks = values, ahead_days / DAYS_PER_WEEK
        self._known: dict[Terms, float] = {}

    def of(self, terms: Terms) -> float:
        if terms not in self._known:
            r, alpha, a, b = self._values
            repeats, recency, age = (float(one) for one in terms)
            recency, age = recency / DAYS_PER_WEEK, age / DAYS_PER_WEEK
            self._known[terms] = expected_purchases(r, alpha, a, b, True, repeats, recency, age, self._ahead_weeks)
        return self._known[terms]


def _warn_of_correlation(report: Report) -> None:
    if abs(report.correlation) > HIGHEST_CORRELATION:
        report.warnings.append(
            f"Purchases and mean spend are correlated ({report.correlation:+.2f}): the spend model takes them for "
            "independent, so customers' worth is off where the two go together."
        )


def _warn_of_forecast(report: Report, tried: HoldOut) -> None:
    off = tried.expected - tried.actual
    if abs(off) > FORECAST_TOLERANCE * tried.actual:
        report.warnings.append(
            f"The hold-out expected {tried.expected:.0f} purchases and {tried.actual} came: buying has changed, "
            "or the model does not describe it."
        )
    if abs(tried.by_default - tried.actual) < abs(off):
        report.warnings.append(
            f"The defaults came closer to the hold-out: {tried.by_default:.0f} purchases of {tried.actual}."
        )
