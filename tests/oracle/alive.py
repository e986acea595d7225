"""The silence filter day by day, and the purchase models from their textbook formulas.

The models are evaluated at forty digits, where the large hypergeometric numbers do no harm.
"""

from __future__ import annotations

import math

from tests.oracle.elementary import REAL


def hazard_per_day(base, log_ratio):
    return base * math.exp(min(5, max(-1, log_ratio)))


def silence_step(odds, hazard, elapsed_before, days, repeats, r, alpha):
    for day in range(days):
        began = alpha + (elapsed_before + day) / 7
        ended = alpha + (elapsed_before + day + 1) / 7
        odds = min(1e9, (odds + hazard) / (1 - hazard) * (ended / began) ** (r + repeats))
    return min(1e9, odds)


def gone_probability(odds):
    return odds / (1 + odds)


def ahead_probability(gone, hazard, effective_days):
    return 1 - (1 - gone) * math.exp(-hazard * effective_days)


def gauss_series(upper, other, lower, z):
    return REAL.hyp2f1(*map(REAL.mpf, (upper, other, lower, z))) - 1


def alive_probability(r, alpha, a, b, mbg, repeats, recency_weeks, age_weeks):
    r, alpha, a, b, x, seen, age = map(REAL.mpf, (r, alpha, a, b, repeats, recency_weeks, age_weeks))
    if not mbg and x == 0:
        return REAL.mpf(1)
    left = a / (b + x) if mbg else a / (b + x - 1)
    return 1 / (1 + left * ((alpha + age) / (alpha + seen)) ** (r + x))


def survival(r, alpha, a, b, mbg, repeats, age_weeks, ahead_weeks):
    """2F1(r + x, a; a + b' + x; -t / (alpha + T)), the integral over rates and leaving chances."""
    r, alpha, a, b, x, age, t = map(REAL.mpf, (r, alpha, a, b, repeats, age_weeks, ahead_weeks))
    stays = b + 1 if mbg else b
    return REAL.hyp2f1(r + x, a, a + stays + x, -t / (alpha + age))


def expected_purchases(r, alpha, a, b, mbg, repeats, recency_weeks, age_weeks, ahead_weeks):
    """Fader, Hardie and Lee (2005), formula 10, with b' for b; at a = 1 the mean of both sides."""
    if a == 1:
        sides = [
            expected_purchases(r, alpha, one, b, mbg, repeats, recency_weeks, age_weeks, ahead_weeks)
            for one in (REAL.mpf(1) - REAL.mpf("1e-12"), REAL.mpf(1) + REAL.mpf("1e-12"))
        ]
        return sum(sides) / 2
    alive = alive_probability(r, alpha, a, b, mbg, repeats, recency_weeks, age_weeks)
    r, alpha, a, b, x, age, t = map(REAL.mpf, (r, alpha, a, b, repeats, age_weeks, ahead_weeks))
    stays = b + 1 if mbg else b
    lower = a + stays + x - 1
    textbook = REAL.hyp2f1(r + x, stays + x, lower, t / (alpha + age + t))
    return alive * lower / (a - 1) * (1 - ((alpha + age) / (alpha + age + t)) ** (r + x) * textbook)
