"""The 90-day risk: what the alive filter says, and what else tells of leaving, added up in log-odds.

A logistic model over few terms, each of which a person can follow: risk = 1 / (1 + exp(-eta)),
eta = intercept + sum of weight x term. With nothing fitted the filter's own risk counts as it is, and beside it
only what no filter can see: a wish to leave, a fee that is missing, silence of someone who buys by the calendar.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels import cases, evidence
from kernels._jit import allocating, kernel
from kernels.alive import ahead_probability, gone_probability, hazard_per_day
from kernels.elementary import exp, log, log1p
from kernels.shapes import Memo, Row, Rules
from schemas.codes import Evidence, Term
from schemas.state import CASES, NEVER

DAY_MS: Final = 86_400_000
WEEK_MS: Final = 604_800_000.0
DAYS_PER_WEEK: Final = 7.0
DAYS_PER_MONTH: Final = 30.0
FILTER: Final = int(Term.FILTER)
REPEATS: Final = int(Term.REPEATS)
OVERDUE: Final = int(Term.OVERDUE)
REGULAR: Final = int(Term.REGULAR)
GONE: Final = int(Term.GONE)
TENURE: Final = int(Term.TENURE)
OPEN_CASES: Final = int(Term.OPEN_CASES)
OPEN_AGE: Final = int(Term.OPEN_AGE)
OPEN_CONTACTS: Final = int(Term.OPEN_CONTACTS)
SUBSCRIBED: Final = int(Term.SUBSCRIBED)
CANCEL: Final = int(Term.CANCEL)
FEE_OVERDUE: Final = int(Term.FEE_OVERDUE)
TERMS: Final = len(Term)
E_CANCEL: Final = int(Evidence.CANCEL_REQUEST)
CERTAIN: Final = 1e-6  # log-odds are taken of probabilities at least this far from 0 and 1
LEAST_ODDS: Final = 0.01
MOST_ODDS: Final = 1000.0
LEAST_GAPS: Final = 0.05
MOST_GAPS: Final = 10.0
PATIENCE_GAPS: Final = 2.0
MOST_REGULAR_GAPS: Final = 4.0
MOST_FEE_WEEKS: Final = 2.0


@kernel
def log_odds(chance: float) -> float:
    """ln(p / (1 - p)), p held to 1e-6 .. 1 - 1e-6."""
    held = min(1.0 - CERTAIN, max(CERTAIN, chance))
    return log(held / (1.0 - held))


@kernel
def is_seasonal(row: Row) -> bool:
    """Whether long rests, each ended by a purchase, make up half the time from first to last purchase or more."""
    span = int(row["last_purchase_day"]) - int(row["first_purchase_day"])
    return bool(row["long_gaps"] > 0) and 2 * int(row["long_gap_days"]) >= span


@kernel
def cadence(row: Row) -> int:
    """Repeats by which silence is measured: the seasons of a seasonal buyer, else the days of repeat purchases."""
    return int(row["long_gaps"]) if is_seasonal(row) else int(row["repeat_days"])


@kernel
def filter_risk(row: Row, leaving: float, rules: Rules) -> float:
    """The alive filter's 90-day risk under the daily hazard ``leaving``: gone already, or still to go."""
    gone = gone_probability(float(row["odds"]))
    return ahead_probability(gone, leaving, float(rules["churn_effective_days"]))


@kernel
def silent_days(row: Row, day: int) -> int:
    """Days since the last purchase, or since the customer was first heard of."""
    last = int(row["last_purchase_day"])
    return max(0, day - (last if last != NEVER else int(row["first_day"])))


@kernel
def purchases_a_day(row: Row, rules: Rules) -> float:
    """How often the customer bought while buying: the mean of the rate's gamma posterior up to the last purchase.

    Of a seasonal buyer it is the rate of seasons.
    """
    span = 0
    if row["last_purchase_day"] != NEVER:
        span = int(row["last_purchase_day"]) - int(row["first_purchase_day"])
    scale_days = DAYS_PER_WEEK * float(rules["churn_rate_scale_weeks"])
    return (float(rules["churn_rate_shape"]) + cadence(row)) / (scale_days + span)


@kernel
def regular_gaps_overdue(row: Row, day: int, rules: Rules) -> float:
    """Own gaps of silence beyond two, at most four, of a customer whose gaps hardly differ; 0 for anyone else.

    The spread is the standard deviation of the gaps between days with a purchase, over their mean.
    """
    repeats = int(row["repeat_days"])
    if repeats < rules["churn_regular_repeats"] or is_seasonal(row):
        return 0.0
    mean = (int(row["last_purchase_day"]) - int(row["first_purchase_day"])) / repeats
    if mean <= 0.0:
        return 0.0
    variance = max(0.0, float(row["gap_squares"]) / repeats - mean * mean)
    most = float(rules["churn_regular_spread"]) * mean
    if variance > most * most:
        return 0.0
    beyond = silent_days(row, day) / mean - PATIENCE_GAPS
    return min(MOST_REGULAR_GAPS, max(0.0, beyond))


@kernel
def fee_days(row: Row, rules: Rules) -> int:
    """Days within which the next fee is due."""
    return max(int(rules["churn_fee_days"]), int(row["contract_period_days"]))


@kernel
def fee_late_days(row: Row, day: int, rules: Rules) -> int:
    """Days since the next fee was due, of somebody who has paid one."""
    return day - int(row["last_fee_day"]) - fee_days(row, rules)


@kernel
def is_subscribed(row: Row, day: int, rules: Rules) -> bool:
    """Whether a fee was paid and none is missing."""
    return bool(row["last_fee_day"] != NEVER) and fee_late_days(row, day, rules) <= 0


@kernel
def tenure_days(row: Row, day: int) -> int:
    """Days since the first purchase, or since the customer was first heard of."""
    first = int(row["first_purchase_day"])
    return max(0, day - (first if first != NEVER else int(row["first_day"])))


@kernel
def oldest_open_ms(row: Row, now_ms: int) -> int:
    """How long the oldest open case has been open; 0 with none."""
    oldest = 0
    for slot in range(CASES):
        if cases.is_open(row, slot):
            oldest = max(oldest, now_ms - int(row["case_opened_ms"][slot]))
    return oldest


@kernel
def open_contacts(row: Row) -> int:
    """The most contacts that an open case took; 0 with none."""
    most = 0
    for slot in range(CASES):
        if cases.is_open(row, slot):
            most = max(most, int(row["case_contacts"][slot]))
    return most


@kernel
def term(row: Row, which: int, now_ms: int, rules: Rules) -> float:
    """One term beside the filter's, before its weight (docs/model.md section 4)."""
    day = now_ms // DAY_MS
    if which == REPEATS:
        return log1p(float(row["repeat_days"]))
    if which == OVERDUE:
        return log(min(MOST_GAPS, max(LEAST_GAPS, silent_days(row, day) * purchases_a_day(row, rules))))
    if which == REGULAR:
        return regular_gaps_overdue(row, day, rules)
    if which == GONE:
        if is_subscribed(row, day, rules):
            return 0.0
        return log(min(MOST_ODDS, max(LEAST_ODDS, float(row["odds"]))))
    if which == TENURE:
        return log1p(tenure_days(row, day) / DAYS_PER_MONTH)
    if which == OPEN_CASES:
        return float(cases.count_open(row))
    if which == OPEN_AGE:
        return log1p(oldest_open_ms(row, now_ms) / WEEK_MS)
    if which == OPEN_CONTACTS:
        return log1p(float(open_contacts(row)))
    if which == SUBSCRIBED:
        return 1.0 if is_subscribed(row, day, rules) else 0.0
    if which == CANCEL:
        return min(1.0, float(row["evidence"][E_CANCEL]))
    late = 0.0
    if row["last_fee_day"] != NEVER:
        late = fee_late_days(row, day, rules) / DAYS_PER_WEEK
    return min(MOST_FEE_WEEKS, max(0.0, late))


@kernel
def terms_beside_filter(row: Row, now_ms: int, rules: Rules, out: NDArray[np.float64]) -> None:
    """Every term but the filter's, into ``out`` (``TERMS``,), in the order of ``schemas.codes.Term``."""
    for which in range(FILTER + 1, TERMS):
        out[which] = term(row, which, now_ms, rules)


@kernel
def recall_filter(row: Row, memo: Memo, leaving: float, rules: Rules) -> float:
    """The log-odds of ``filter_risk``, from the memo where that knows them; what is found is put into the memo.

    A day ends by the odds and the hazard with which the next one begins.
    """
    if memo["leaving"] != leaving or memo["odds"] != row["odds"] or leaving == 0.0:
        memo["filter"] = log_odds(filter_risk(row, leaving, rules))
        memo["leaving"] = leaving
        memo["odds"] = row["odds"]
    return float(memo["filter"])


@kernel
def sum_terms(row: Row, of_filter: float, now_ms: int, rules: Rules) -> float:
    """The risk's log-odds at ``now_ms`` (in the row's settled day), given the filter's."""
    weights = rules["risk_weight"]
    eta = float(rules["risk_intercept"])
    eta += float(weights[FILTER]) * of_filter
    for which in range(FILTER + 1, TERMS):
        # Most terms take a logarithm: what counts for nothing is not computed.
        if weights[which] != 0.0:
            eta += float(weights[which]) * term(row, which, now_ms, rules)
    return eta


@kernel
def chance_of(eta: float) -> float:
    """The probability of these log-odds."""
    return 1.0 / (1.0 + exp(-eta))


@kernel
def risk(row: Row, leaving: float, now_ms: int, rules: Rules) -> float:
    """The 90-day risk at ``now_ms`` (in the row's settled day) under the daily hazard ``leaving``."""
    return chance_of(sum_terms(row, log_odds(filter_risk(row, leaving, rules)), now_ms, rules))


@kernel
def recall_risk(row: Row, memo: Memo, leaving: float, now_ms: int, rules: Rules) -> float:
    """``risk``, sparing what the memo knows."""
    return chance_of(sum_terms(row, recall_filter(row, memo, leaving, rules), now_ms, rules))


@allocating
def contributions(row: Row, now_ms: int, rules: Rules, out: NDArray[np.float64]) -> float:
    """What the risk's log-odds are made of; returns them, the sum of ``out``.

    out  (1 + ``TERMS`` + ``evidence.TERMS``,): the log-odds of a customer like any other; then each term's
         weight x (term - its mean), in which FILTER stands for silence alone (the filter with no evidence at
         all); then what each evidence adds through the filter: what they add together, shared by weight x term.
    """
    terms = np.empty(TERMS)
    terms_beside_filter(row, now_ms, rules, terms)
    base = float(rules["churn_base_hazard_per_day"])
    together = evidence.log_ratio(row, now_ms, rules)
    silence = log_odds(filter_risk(row, hazard_per_day(base, 0.0), rules))
    terms[FILTER] = silence
    total = out[0] = float(rules["risk_intercept"])
    for which in range(TERMS):
        weight, mean = float(rules["risk_weight"][which]), float(rules["risk_mean"][which])
        out[0] += weight * mean
        out[1 + which] = weight * (terms[which] - mean)
        total += weight * terms[which]
    raised = log_odds(filter_risk(row, hazard_per_day(base, together), rules)) - silence
    each = raised / together if together != 0.0 else 0.0
    for which in range(evidence.TERMS):
        share = float(rules["weight"][which]) * evidence.term(row, which, now_ms) * each
        out[1 + TERMS + which] = float(rules["risk_weight"][FILTER]) * share
        total += out[1 + TERMS + which]
    return total
