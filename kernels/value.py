"""Does serving this customer destroy value? A statement of probability, never of one bad month."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.elementary import phi

Nets = NDArray[np.int64] | NDArray[np.float64]

PRIOR_PERIODS: Final = 1.0  # kappa0: the population's mean counts like one observed period
PRIOR_SPREAD_PERIODS: Final = 4.0  # nu0: the population's spread counts like four


@kernel
def normal_quantile_of_t(t: float, freedom: float) -> float:
    """Give the z whose normal tail is about Student's tail at ``t`` with ``freedom`` degrees (> 0).

    Abramowitz and Stegun 26.7.8: z = t (1 - 1/(4 f)) / sqrt(1 + t^2/(2 f)). The probabilities
    differ by at most 0.0021 from seven degrees upwards.
    """
    return t * (1.0 - 1.0 / (4.0 * freedom)) / math.sqrt(1.0 + t * t / (2.0 * freedom))


@kernel
def posterior_mean(nets_cents: Nets, n: int, prior_mean_cents: float, kappa0: float) -> float:
    """Give the expected mean net of a period, cents: of the first ``n`` nets and ``kappa0`` times the prior's."""
    total = 0.0
    for i in range(n):
        total += float(nets_cents[i])
    return (kappa0 * prior_mean_cents + total) / (kappa0 + n)


@kernel
def destroyer_posterior(
    nets_cents: Nets,
    n: int,
    prior_mean_cents: float,
    prior_variance_cents2: float,
    kappa0: float,
    nu0: float,
) -> tuple[float, float]:
    """Give P(the mean net of a period is below zero), and the expected mean itself in cents.

    Normal-inverse-gamma: the customer's periods pull a population prior. With mean m and square
    sum S of the n nets: kn = kappa0 + n, mn = (kappa0 mu0 + n m) / kn, an = nu0 + n,
    bn = nu0 s0^2 + S + kappa0 n (m - mu0)^2 / kn; (mu - mn) / sqrt(bn / an / kn) is then Student's
    t with an degrees of freedom. Without a period the answer is the prior's own.

    nets_cents             (>= n,) adjusted net margin per 28-day period, oldest first; read only
    n                      how many of its first entries have been observed
    prior_mean_cents       mu0, the population's median period
    prior_variance_cents2  s0^2 > 0, the population's median variance, in square cents
    kappa0, nu0            > 0, how many periods the prior's mean and spread count for
    """
    assert 0 <= n <= nets_cents.size
    assert prior_variance_cents2 > 0.0
    assert kappa0 > 0.0
    assert nu0 > 0.0
    total = 0.0
    for i in range(n):
        total += float(nets_cents[i])
    mean = total / n if n > 0 else prior_mean_cents
    spread = 0.0
    for i in range(n):
        off = float(nets_cents[i]) - mean
        spread += off * off
    away = mean - prior_mean_cents
    weight = kappa0 + n
    freedom = nu0 + n
    expected = (kappa0 * prior_mean_cents + total) / weight
    scale = nu0 * prior_variance_cents2 + spread + kappa0 * n * away * away / weight
    t = -expected / math.sqrt(scale / freedom / weight)
    return phi(normal_quantile_of_t(t, freedom)), expected
