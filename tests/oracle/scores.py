"""Sections 3 and 4 of docs/model.md in plain numbers: settling, the hazard, risk, value and worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from schemas import state
from schemas.codes import Evidence, Fault, Term
from schemas.events import DAY_MS
from tests.oracle import forward
from tests.oracle.forward import hyp2f1
from tests.oracle.rows import MILLION, WEEK_MS, Row, Rules, day_of, halves_to_even, period_of, ppm

WEEKS_PER_YEAR = 52.1775
DAYS_PER_YEAR = 365.25


def hazard(row: Row, rules: Rules, at_ms: int) -> float:
    """Hazard of leaving a day, with tickets waiting until ``at_ms``."""
    terms = list(row.evidence)
    terms[Evidence.UNRESOLVED_REPEAT] = math.log1p(terms[Evidence.UNRESOLVED_REPEAT])
    terms[Evidence.WRONG_PART] = min(terms[Evidence.WRONG_PART], 2.0)
    terms[Evidence.CANCEL_REQUEST] = min(terms[Evidence.CANCEL_REQUEST], 1.0)
    since = [asked for slot in range(state.CASES) if (asked := row.waits_since(slot)) is not None]
    weeks = max(0, at_ms - min(since)) / WEEK_MS if since else 0.0
    terms.append(math.log1p(weeks))
    lin = 0.0
    for weight, term in zip(rules.weight, terms, strict=True):
        lin += weight * term
    return float(rules.churn_base_hazard_per_day * math.exp(min(5.0, max(-1.0, lin))))


def log_odds(chance: float) -> float:
    """Of a probability held to a millionth from certainty."""
    held = min(1 - 1e-6, max(1e-6, chance))
    return math.log(held / (1 - held))


def seasonal(row: Row) -> bool:
    """Whether long rests make up at least half the time between the first and the last purchase."""
    return bool(row.long_gaps and 2 * row.long_gap_days >= row.last_purchase_day - row.first_purchase_day)


def cadence(row: Row) -> int:
    """Seasons of a seasonal buyer, repeat days of anyone else."""
    return int(row.long_gaps if seasonal(row) else row.repeat_days)


def terms(row: Row, rules: Rules, at_ms: int) -> dict[Term, float]:
    """Section 4's terms, the filter's included."""
    day, bought = day_of(at_ms), row.last_purchase_day != state.NEVER
    gone = row.odds / (1 + row.odds)
    filtered = 1 - (1 - gone) * math.exp(-rules.churn_effective_days * hazard(row, rules, at_ms))
    silence = max(0, day - (row.last_purchase_day if bought else row.first_day))
    span = row.last_purchase_day - row.first_purchase_day if bought else 0
    rate = (rules.churn_rate_shape + cadence(row)) / (7 * rules.churn_rate_scale_weeks + span)
    regular = 0.0
    if row.repeat_days >= rules.churn_regular_repeats and not seasonal(row) and span > 0:
        mean = span / row.repeat_days
        variance = max(0.0, row.gap_squares / row.repeat_days - mean**2)
        if variance <= (rules.churn_regular_spread * mean) ** 2:
            regular = min(4.0, max(0.0, silence / mean - 2))
    opened = [slot for slot in range(state.CASES) if row.is_open(slot)]
    oldest = max((at_ms - row.case_opened_ms[slot] for slot in opened), default=0)
    pays, missing = row.last_fee_day != state.NEVER, 0
    if pays:
        missing = day - row.last_fee_day - max(rules.churn_fee_days, row.contract_period_days)
    return {
        Term.FILTER: log_odds(filtered),
        Term.REPEATS: math.log1p(row.repeat_days),
        Term.OVERDUE: math.log(min(10.0, max(0.05, silence * rate))),
        Term.REGULAR: regular,
        Term.GONE: 0.0 if pays and missing <= 0 else math.log(min(1000.0, max(0.01, row.odds))),
        Term.TENURE: math.log1p(max(0, day - (row.first_purchase_day if bought else row.first_day)) / 30),
        Term.OPEN_CASES: len(opened),
        Term.OPEN_AGE: math.log1p(max(0, oldest) / WEEK_MS),
        Term.OPEN_CONTACTS: math.log1p(max((row.case_contacts[slot] for slot in opened), default=0)),
        Term.SUBSCRIBED: float(pays and missing <= 0),
        Term.CANCEL: min(1.0, row.evidence[Evidence.CANCEL_REQUEST]),
        Term.FEE_OVERDUE: min(2.0, max(0.0, missing / 7)),
    }


def risk(row: Row, rules: Rules, at_ms: int) -> float:
    """Probability of being gone within 90 days."""
    found = terms(row, rules, at_ms)
    eta = rules.risk_intercept + math.fsum(rules.risk_weight[term] * found[term] for term in Term)
    return float(1 / (1 + math.exp(-eta)))


def settle(row: Row, rules: Rules, day: int) -> None:
    """Take every midnight after ``row.day`` up to ``day``."""
    while row.day < day:
        reached = row.day + 1
        at_ms = reached * DAY_MS
        row.risk_day_before_ppm = row.risk_day_start_ppm
        p = risk(row, rules, at_ms)
        row.risk_day_start_ppm = ppm(p)
        fade = math.exp(-math.log(2) / rules.best_usual_half_life_days)
        row.usual_risk = fade * row.usual_risk + (1 - fade) * p if row.usual_risk else p
        h = hazard(row, rules, at_ms)
        since = row.first_purchase_day if row.first_purchase_day != state.NEVER else row.first_day
        weeks = max(0, reached - 1 - since) / 7
        silence = math.log1p(1 / 7 / (rules.churn_rate_scale_weeks + weeks))
        grown = (row.odds + h) / (1 - h) * math.exp((rules.churn_rate_shape + cadence(row)) * silence)
        row.odds = min(1e9, grown)
        row.evidence = [value * decay for value, decay in zip(row.evidence, rules.decay, strict=True)]
        row.day = reached


@dataclass
class Value:
    """What the value machine looks at."""

    n: int
    p_negative_ppm: int
    year_cents: int
    contacts: int
    contact_periods: int
    company_share_ppm: int
    net_year_cents: int
    raw_net_year_cents: int
    year_contacts: int
    company_cents: int
    fee_cover_ppm: int
    ahead: Callable[[], int]


def value(row: Row, rules: Rules, now: int) -> Value:
    """Posterior of the mean adjusted net of a full period, and what goes with it."""
    period = period_of(day_of(now))
    first = period_of(row.first_day) + (row.first_day % state.PERIOD_DAYS != 0)
    full = list(range(max(first, period - 12), period))
    nets = forward.judged(row, rules, day_of(now)).nets
    mean, p_negative = posterior([nets[one] for one in full], rules)
    contacts = [row.read("period_contacts", one) for one in full]
    year = range(period - 12, period + 1)
    costs = [row.read("period_cost_cents", one) for one in year]
    spent = sum(map(sum, costs))
    company = sum(cost[Fault.COMPANY] for cost in costs)
    return Value(
        n=len(full),
        p_negative_ppm=ppm(p_negative),
        year_cents=round(mean * DAYS_PER_YEAR / state.PERIOD_DAYS),
        contacts=sum(contacts),
        contact_periods=sum(one > 0 for one in contacts),
        company_share_ppm=halves_to_even(company * MILLION, spent) if spent else 0,
        net_year_cents=sum(nets.values()),
        raw_net_year_cents=sum(row.read("period_margin_cents", one) for one in year) - spent,
        year_contacts=sum(row.read("period_contacts", one) for one in year),
        company_cents=company,
        fee_cover_ppm=forward.fee_cover(row, rules, day_of(now)),
        ahead=cache(lambda: forward.year_ahead(row, rules, day_of(now))),
    )


def posterior(nets: list[int], rules: Rules) -> tuple[float, float]:
    """(mean, probability that it is negative) of a Normal-Inverse-Gamma posterior."""
    n = len(nets)
    prior, weight = rules.value_prior_mean_cents, rules.value_prior_weight
    mean = sum(nets) / n if n else 0.0
    squares = math.fsum((net - mean) ** 2 for net in nets)
    kn = weight + n
    mn = (weight * prior + n * mean) / kn
    an = rules.value_prior_freedom + n
    bn = rules.value_prior_freedom * rules.value_prior_variance_cents2
    bn += squares + weight * n * (mean - prior) ** 2 / kn
    t = -mn / math.sqrt(bn / an / kn)
    z = t * (1 - 1 / (4 * an)) / math.sqrt(1 + t * t / (2 * an))
    return mn, 0.5 * math.erfc(-z / math.sqrt(2))


@lru_cache(20_000)
def expected_purchases(
    r: float, alpha: float, a: float, b: float, repeats: int, age_weeks: float, horizon: float, delta: float
) -> float:
    """Discounted purchases of an MBG/NBD customer who is alive, over ``horizon`` weeks."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    total = 0.0
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        v = (node + 1) / 2
        s = horizon * v * v
        z = s / (alpha + age_weeks + s)
        intensity = (r + repeats) / (alpha + age_weeks) * math.exp(a * math.log1p(-z))
        intensity *= hyp2f1(a + b - r, a, a + b + 1 + repeats, z)
        total += weight / 2 * 2 * horizon * v * math.exp(-delta * s) * intensity
    return total


def worth_cents(row: Row, rules: Rules, now: int) -> int:
    """What the customer is worth over the horizon, if still alive."""
    day, horizon = day_of(now), rules.lifetime_horizon_weeks
    delta = math.log1p(rules.lifetime_discount_rate_per_year) / WEEKS_PER_YEAR
    sales = 0.0
    if row.purchases:
        purchases = expected_purchases(
            rules.lifetime_purchase_shape,
            rules.lifetime_purchase_scale_weeks,
            rules.lifetime_leave_a,
            rules.lifetime_leave_b,
            row.repeat_days,
            max(0, day - row.first_purchase_day) / 7,
            horizon,
            delta,
        )
        p, q, v = rules.lifetime_spend_p, rules.lifetime_spend_q, rules.lifetime_spend_v_cents
        spend = p * (v + row.spent_cents) / (p * row.purchases + q - 1)
        rate = (row.life_margin_cents - row.life_fee_cents) / row.spent_cents if row.spent_cents else 0.0
        sales = purchases * spend * min(1.0, max(0.0, rate))
    fees = 0.0
    if row.first_fee_day != state.NEVER:
        fee_week = row.life_fee_cents / max(4, (day - row.first_fee_day) / 7)
        fees = fee_week * (-math.expm1(-delta * horizon) / delta if delta else horizon)
    return round(sales + fees)
