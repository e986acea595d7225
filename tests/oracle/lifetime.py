"""Lifetime value by adaptive integration and plain sums."""

from __future__ import annotations

import math
from fractions import Fraction

from tests.oracle.alive import alive_probability
from tests.oracle.elementary import REAL


def purchase_intensity(r, alpha, a, b, mbg, repeats, age_weeks, ahead_weeks):
    r, alpha, a, b, x, age, t = map(REAL.mpf, (r, alpha, a, b, repeats, age_weeks, ahead_weeks))
    stays = b + 1 if mbg else b
    return (r + x) / (alpha + age) * REAL.hyp2f1(r + x + 1, a, a + stays + x, -t / (alpha + age))


def dert_if_alive(r, alpha, a, b, mbg, repeats, age_weeks, horizon_weeks, discount_per_week):
    def today(s):
        later = purchase_intensity(r, alpha, a, b, mbg, repeats, age_weeks, s)
        return REAL.exp(-REAL.mpf(discount_per_week) * s) * later

    return REAL.quad(today, [0, 1, 10, 60, horizon_weeks])


def dert(r, alpha, a, b, mbg, repeats, recency_weeks, age_weeks, horizon_weeks, discount_per_week):
    alive = alive_probability(r, alpha, a, b, mbg, repeats, recency_weeks, age_weeks)
    return alive * dert_if_alive(r, alpha, a, b, mbg, repeats, age_weeks, horizon_weeks, discount_per_week)


def expected_spend(p, q, v, repeats, mean_spend):
    """The population's mean and the customer's own, each by its weight."""
    own = p * repeats / (p * repeats + q - 1)
    return (1 - own) * p * v / (q - 1) + own * mean_spend


def annuity(period_weeks, periods, discount_per_week, hazard_per_week):
    u = (discount_per_week + hazard_per_week) * period_weeks
    return math.fsum(math.exp(-k * u) for k in range(1, periods + 1))


def clv_cents(
    gone, purchases_if_alive, spend_cents, margin_rate, fee_margin_cents, serving_cents, periods_if_alive
):
    """Exact fractions of what the floats say, rounded once."""
    here = 1 - Fraction(gone)
    sales = Fraction(purchases_if_alive) * Fraction(spend_cents) * Fraction(margin_rate)
    standing = (Fraction(fee_margin_cents) - Fraction(serving_cents)) * Fraction(periods_if_alive)
    return round(here * (sales + standing))
