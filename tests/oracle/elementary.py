"""Elementary functions to forty digits: the truth that the kernels are measured against."""

from __future__ import annotations

from fractions import Fraction

from mpmath import MPContext

REAL = MPContext()
REAL.dps = 40


def power_of_two(exponent):
    return REAL.mpf(2) ** exponent


def scaled(value, exponent):
    return REAL.mpf(value) * REAL.mpf(2) ** exponent


def exp(x):
    return REAL.exp(REAL.mpf(x))


def expm1(x):
    return REAL.expm1(REAL.mpf(x))


def log(x):
    return REAL.log(REAL.mpf(x))


def log1p(x):
    return REAL.log1p(REAL.mpf(x))


def erf(x):
    return REAL.erf(REAL.mpf(x))


def erfc(x):
    return REAL.erfc(REAL.mpf(x))


def phi(z):
    return REAL.erfc(-REAL.mpf(z) / REAL.sqrt(2)) / 2


def round_half_even(x):
    return max(-(2**62), min(2**62, round(Fraction(x))))


def erfc_tail_coefficients(terms, waist, reach, nodes=64):
    """Chebyshev terms of (1 + 2 x) exp(x^2) erfc(x) over |t| <= reach, as powers of t, highest first."""

    def bent(t):
        x = waist * (1 + t) / (1 - t)
        return (1 + 2 * x) * REAL.exp(x * x) * REAL.erfc(x)

    waist, reach = REAL.mpf(waist), REAL.mpf(reach)
    angles = [REAL.pi * (k + REAL.mpf(1) / 2) / nodes for k in range(nodes)]
    heights = [bent(reach * REAL.cos(angle)) for angle in angles]
    powers = [REAL.mpf(0)] * terms
    last, this = [REAL.mpf(0)], [REAL.mpf(1)]  # Chebyshev polynomials as powers of t / reach
    for order in range(terms):
        weight = sum(h * REAL.cos(order * angle) for h, angle in zip(heights, angles, strict=True))
        weight *= REAL.mpf(1 if order == 0 else 2) / nodes
        for power, coefficient in enumerate(this):
            powers[power] += weight * coefficient
        doubled = [REAL.mpf(0)] + [c * (1 if order == 0 else 2) for c in this]
        for power, coefficient in enumerate(last):
            doubled[power] -= coefficient
        last, this = this, doubled
    return [float(powers[k] / reach**k) for k in reversed(range(terms))]
