"""How likely a history of purchases is under a set of parameters: what ``whaleline fit`` makes largest.

Three models: BG/NBD and MBG/NBD for when customers buy, gamma-gamma for what they spend. Symbols,
units and parameters are those of ``alive`` and ``lifetime``; all answers are natural logarithms.
The log-gamma function is made here from plain arithmetic, because the one of a machine's
mathematical library has other last bits on another machine.

**Range.** Parameters from 1e-3 to 1e4 (``v`` to 1e10), up to 1e5 purchases, ages up to 1e4 weeks and
spends from 0.01 to 1e11: there every answer is finite, and off by less than 1e-14 of the
largest term in it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.elementary import INFINITY, NAN, exp, log, log1p

Column = NDArray[np.float64]

# ln gamma(2 + y) / y as a series in y: 1 - Euler's constant, then (-1)^k (zeta(k) - 1) / k, highest
# power first. It converges for |y| < 2 and is summed for |y| <= 1/2, where the next term is 1e-19.
NEAR_TWO: Final = (
    -2.7595228851242334e-10, 5.731367241678862e-10, -1.1921401405860912e-09, 2.4836745438024785e-09,
    -5.183475041970047e-09, 1.0838659214896955e-08, -2.2711094608943164e-08, 4.7698101693639804e-08,
    -1.0043224823968099e-07, 2.1207184805554665e-07, -4.492469198764566e-07, 9.55141213040742e-07,
    -2.039215753801366e-06, 4.374866789907488e-06, -9.439488275268397e-06, 2.050721277567069e-05,
    -4.492623673813314e-05, 9.945751278180853e-05, -0.00022315475845357939, 0.0005096695247430425,
    -0.001192753911703261, 0.0028905103307415234, -0.007385551028673986, 0.020580808427784546,
    -0.0673523010531981, 0.3224670334241132, 0.42278433509846713,
)  # fmt: skip

# Stirling's series: B(2k) / (2k (2k - 1)) for k = 8 down to 1, to be read in powers of 1 / x^2.
STIRLING: Final = (
    -0.029550653594771242, 0.00641025641025641, -0.0019175269175269176, 0.0008417508417508417,
    -0.0005952380952380953, 0.0007936507936507937, -0.002777777777777778, 0.08333333333333333,
)  # fmt: skip
STIRLING_FROM: Final = 10.0
HALF_LOG_TWO_PI: Final = 0.9189385332046728


@kernel
def _near_two(y: float) -> float:
    """Give ln gamma(2 + y) for |y| <= 1/2; y is a factor, so the zero at 2 keeps all its digits."""
    total = 0.0
    for coefficient in NEAR_TWO:
        total = total * y + coefficient
    return y * total


@kernel
def lgamma(x: float) -> float:
    """Give ln gamma(x) to 1e-15 relative for x > 0, also beside its zeros at 1 and 2.

    Infinity at zero and above 2.5e305, nan below zero and for nan. Taylor's series about 2 and
    gamma(x + 1) = x gamma(x) below 10, Stirling's series from there on (Abramowitz and Stegun 1964,
    6.1.15, 6.1.33, 6.1.41).
    """
    if not x > 0.0:
        return INFINITY if x == 0.0 else NAN
    if x == INFINITY:
        return INFINITY
    if x >= STIRLING_FROM:
        z = 1.0 / x / x
        total = 0.0
        for coefficient in STIRLING:
            total = total * z + coefficient
        return (x - 0.5) * (log(x) - 1.0) + (HALF_LOG_TWO_PI - 0.5 + total / x)
    if x < 0.5:
        return _near_two(x) - log1p(x) - log(x)
    if x < 1.5:
        return _near_two(x - 1.0) - log1p(x - 1.0)
    product = 1.0
    while x >= 2.5:
        x = x - 1.0
        product = product * x
    return _near_two(x - 2.0) + log(product)


@kernel
def purchase_log_likelihood(
    r: float, alpha: float, a: float, b: float, mbg: bool,
    repeats: float, recency_weeks: float, age_weeks: float,
) -> float:  # fmt: skip
    """Give ln L of one customer's repeat purchases in BG/NBD, or MBG/NBD where ``mbg``.

    Either the customer is still here, or left right after the last purchase:
    L = G [A / (alpha + T)^(r + x) + D / (alpha + t_x)^(r + x)], G = gamma(r + x) alpha^r / gamma(r),
    A = B(a, b' + x) / B(a, b), D = B(a + 1, b' + x - 1) / B(a, b) = A a / (b' + x - 1), with b' = b in
    BG (where D = 0 without a repeat) and b + 1 in MBG. Fader, Hardie and Lee (2005);
    Batislam, Denizel and Filiztekin (2007).

    recency_weeks  from the first to the last purchase, 0 <= recency_weeks <= age_weeks; 0 without repeats
    """
    stays = b + 1.0 if mbg else b
    total = lgamma(r + repeats) - lgamma(r) - r * log1p(age_weeks / alpha) - repeats * log(alpha + age_weeks)
    total += (lgamma(a + b) - lgamma(b)) + (lgamma(stays + repeats) - lgamma(a + stays + repeats))
    if not mbg and repeats <= 0.0:
        return total
    silence = log1p((age_weeks - recency_weeks) / (alpha + recency_weeks))
    left = log(a / (stays + repeats - 1.0)) + (r + repeats) * silence
    if left > 0.0:
        return total + left + log1p(exp(-left))
    return total + log1p(exp(left))


@kernel
def purchases_log_likelihood(
    r: float, alpha: float, a: float, b: float, mbg: bool,
    repeats: Column, recency_weeks: Column, age_weeks: Column, weights: Column,
) -> float:  # fmt: skip
    """Sum ln L over histories, in their order; ``weights`` says how many customers share each. All (n,)."""
    assert repeats.size == recency_weeks.size == age_weeks.size == weights.size
    total = 0.0
    for i in range(repeats.size):
        x, seen, age = float(repeats[i]), float(recency_weeks[i]), float(age_weeks[i])
        total += float(weights[i]) * purchase_log_likelihood(r, alpha, a, b, mbg, x, seen, age)
    return total


@kernel
def spend_log_likelihood(p: float, q: float, v: float, purchases: float, mean_spend: float) -> float:
    """Give ln L of a mean spend over so many purchases in the gamma-gamma model.

    gamma(p x + q) / (gamma(p x) gamma(q)) v^q z^(p x - 1) x^(p x) / (v + x z)^(p x + q), Fader and
    Hardie (2013); with s = x z it is divided so that no power overflows. Without a purchase
    nothing was seen, and ln L is 0.

    v           in the unit of ``mean_spend``
    mean_spend  mean over the purchases, > 0
    """
    if purchases <= 0.0:
        return 0.0
    spent = purchases * mean_spend
    shape = p * purchases
    total = lgamma(shape + q) - lgamma(shape) - lgamma(q) - log(mean_spend)
    return total - shape * log1p(v / spent) - q * log1p(spent / v)


@kernel
def spends_log_likelihood(
    p: float, q: float, v: float, purchases: Column, mean_spend: Column, weights: Column
) -> float:
    """Sum ln L of mean spends, in their order; ``weights`` says how many customers share each. All (n,)."""
    assert purchases.size == mean_spend.size == weights.size
    total = 0.0
    for i in range(purchases.size):
        one = spend_log_likelihood(p, q, v, float(purchases[i]), float(mean_spend[i]))
        total += float(weights[i]) * one
    return total
