"""The destroyer's posterior, with Student's t itself instead of its approximation."""

from __future__ import annotations

import statistics

from tests.oracle.elementary import REAL


def student_below(t, freedom):
    """P(Student's t with ``freedom`` degrees <= t), by the incomplete beta function."""
    t, freedom = REAL.mpf(t), REAL.mpf(freedom)
    tail = REAL.betainc(freedom / 2, REAL.mpf(1) / 2, 0, freedom / (freedom + t * t), regularized=True) / 2
    return tail if t < 0 else 1 - tail


def normal_quantile_of_t(t, freedom):
    return t * (1 - 1 / (4 * REAL.mpf(freedom))) / REAL.sqrt(1 + REAL.mpf(t) ** 2 / (2 * REAL.mpf(freedom)))


def posterior(nets_cents, n, prior_mean_cents, prior_variance_cents2, kappa0, nu0):
    """Student's t of zero, its degrees of freedom and the posterior mean."""
    nets = [REAL.mpf(int(net)) for net in nets_cents[:n]]
    mu = REAL.mpf(prior_mean_cents)
    mean = statistics.mean(nets) if nets else mu
    squares = sum((net - mean) ** 2 for net in nets)
    weight, freedom = REAL.mpf(kappa0) + n, REAL.mpf(nu0) + n
    centre = (REAL.mpf(kappa0) * mu + n * mean) / weight
    prior = REAL.mpf(nu0) * REAL.mpf(prior_variance_cents2)
    variance = (prior + squares + REAL.mpf(kappa0) * n * (mean - mu) ** 2 / weight) / freedom
    return (0 - centre) / REAL.sqrt(variance / weight), freedom, centre


def destroyer_posterior(nets_cents, n, prior_mean_cents, prior_variance_cents2, kappa0, nu0):
    t, freedom, centre = posterior(nets_cents, n, prior_mean_cents, prior_variance_cents2, kappa0, nu0)
    return student_below(t, freedom), centre
