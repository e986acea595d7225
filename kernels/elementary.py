"""Exponential, logarithm and error function from plain arithmetic, the same bits everywhere.

Only IEEE additions, subtractions, multiplications, divisions and exponent bits are used. No
mathematical library is called, because two libraries may differ in the last bit and a score
on a border would then be decided by the machine. Every formula is derived here from a series;
the relative errors in the docstrings are those measured against 40 digits.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel

INFINITY: Final = math.inf
NAN: Final = math.nan

Coefficients = NDArray[np.float64]


def _powers(*coefficients: float) -> Coefficients:
    """The coefficients of a polynomial, highest power first, zeros before them up to a whole number of fours."""
    return np.array((0.0,) * (-len(coefficients) % 4) + coefficients)


# ln 2 in two parts. The upper part has 26 bits, so its product with any exponent is exact.
LN2_HIGH: Final = float.fromhex("0x1.62e42f8000000p-1")
LN2_LOW: Final = float.fromhex("0x1.be8e7bcd5e4f2p-27")
TWOS_PER_E: Final = 1.4426950408889634  # 1 / ln 2

LARGEST_EXP: Final = 709.782712893384  # exp of the next double is infinite
SMALLEST_EXP: Final = -745.1332191019412  # exp of the next double below rounds to zero
PLAIN_EXP: Final = 700.0  # up to it, up and down, exp is a normal number
MANTISSA_BITS: Final = 52
EXPONENT_BIAS: Final = 1023
ONE_BITS: Final = EXPONENT_BIAS << MANTISSA_BITS  # the bits of 1.0
# Added to a double of at most 2**51 in size it rounds that to a whole number, halves to the even one, and the
# sum's lowest bits are that number's: no conversion to an integer and back.
ROUNDER: Final = 6755399441055744.0  # 1.5 * 2 ** 52
ROUNDED_SIZE: Final = 2251799813685248.0  # 2 ** 51
SQRT_HALF_BITS: Final = 0x3FE6A09E667F3BCD  # the double nearest to sqrt(1/2)
SMALLEST_NORMAL: Final = 2.2250738585072014e-308
SQRT_HALF: Final = 0.7071067811865476

# (exp(r) - 1 - r) / r^2 = 1/2! + r/3! + ..., lowest power first; what follows is below 1e-17 for |r| <= 0.35.
EXP_BEND: Final = tuple(1.0 / math.factorial(n) for n in range(2, 14))

# (2 atanh(s) - 2 s) / s^3 = 2/3 + 2/5 z + ... in z = s^2, lowest power first.
LOG_BEND: Final = tuple(2.0 / n for n in range(3, 27, 2))

# erf(x) / x as a series in x * x: 2 / sqrt(pi) * (-1)**n / (n! * (2 n + 1)), highest power first.
ERF_CENTRE: Final = _powers(
    -6.7113668551641105e-12, 9.422759064650411e-11, -1.2290555301717928e-09, 1.4807192815879218e-08,
    -1.6365844691234924e-07, 1.6462114365889248e-06, -1.492565035840625e-05, 0.00012055332981789664,
    -0.0008548327023450853, 0.005223977625442188, -0.026866170645131252, 0.11283791670955126,
    -0.37612638903183754, 1.1283791670955126,
)  # fmt: skip

# (1 + 2 x) exp(x * x) erfc(x) as a polynomial in t = (x - 3.75) / (x + 3.75), highest power first:
# the first 23 Chebyshev terms over |t| <= 0.77, which holds 0.5 <= x <= 28, written in powers of t.
ERFC_WAIST: Final = 3.75
ERFC_TAIL: Final = (
    -3.884565807397438e-09, -2.7783925467311182e-09, 3.7149166204391244e-08, 2.2028352648603935e-08,
    -2.5790475719852843e-07, -5.640826562726081e-08, 1.7516846432468152e-06, -9.738139336224118e-07,
    -1.1444418900636437e-05, 2.238424042800801e-05, 5.1649257912385255e-05, -0.0002901540527285958,
    0.00029371361802584716, 0.0017556258429723608, -0.009746579549863564, 0.028362277420590273,
    -0.058693398590422816, 0.09230432116024334, -0.1088039301417109, 0.08227673849015002,
    0.003585415485463725, -0.14024059858554702, 1.2375126308378275,
)  # fmt: skip
ERFC_FIT: Final = _powers(*ERFC_TAIL)
ERFC_VANISHES: Final = 27.3  # beyond it erfc is below the smallest double


@kernel
def _twelve(c: tuple[float, ...], x: float) -> float:
    """Sum twelve powers of ``x`` by halves (Estrin), so that few steps wait for one another."""
    square = x * x
    first = (c[0] + c[1] * x) + square * (c[2] + c[3] * x)
    second = (c[4] + c[5] * x) + square * (c[6] + c[7] * x)
    third = (c[8] + c[9] * x) + square * (c[10] + c[11] * x)
    fourth = square * square
    return first + fourth * (second + fourth * third)


@kernel
def _polynomial(coefficients: Coefficients, x: float) -> float:
    """Sum the polynomial in four chains, every fourth power each, that do not wait for one another."""
    square = x * x
    fourth = square * square
    a, b, c, d = coefficients[0], coefficients[1], coefficients[2], coefficients[3]
    for at in range(4, coefficients.size, 4):
        a = a * fourth + coefficients[at]
        b = b * fourth + coefficients[at + 1]
        c = c * fourth + coefficients[at + 2]
        d = d * fourth + coefficients[at + 3]
    return float((a * x + b) * square + (c * x + d))


@kernel
def power_of_two(exponent: int) -> float:
    """Give 2 ** exponent exactly, for -1022 <= exponent <= 1023."""
    return float(np.int64((exponent + EXPONENT_BIAS) << MANTISSA_BITS).view(np.float64))


@kernel
def scaled(value: float, exponent: int) -> float:
    """Give value * 2 ** exponent for a normal value and |exponent| <= 2000, rounded once at most."""
    half = exponent >> 1
    return value * power_of_two(half) * power_of_two(exponent - half)


@kernel
def _power_held(sum_with_rounder: float) -> float:
    """Give 2 ** n of the whole number n, -1022 <= n <= 1023, that was added to ``ROUNDER``."""
    return float(
        np.int64((np.float64(sum_with_rounder).view(np.int64) << MANTISSA_BITS) + ONE_BITS).view(np.float64)
    )


@kernel
def _exp_less_one(x: float, twos: float) -> float:
    """Give exp(x - twos * ln 2) - 1 for a whole number ``twos`` that leaves at most 0.35 of x, up or down.

    ln 2 is taken away in two parts, and the leading r of r + r^2/2 + r^3/6 + ... stays exact.
    """
    high = x - twos * LN2_HIGH
    low = twos * LN2_LOW
    r = high - low
    return high + (r * r * _twelve(EXP_BEND, r) - low)


@kernel
def exp(x: float) -> float:
    """Give e ** x to 2e-16 relative: 0.0 below -745.1, infinity above 709.8, nan for nan."""
    held = x * TWOS_PER_E + ROUNDER
    twos = held - ROUNDER
    if abs(x) <= PLAIN_EXP:
        return (1.0 + _exp_less_one(x, twos)) * _power_held(held)
    if math.isnan(x):
        return NAN
    if x > LARGEST_EXP:
        return INFINITY
    if x < SMALLEST_EXP:
        return 0.0
    return scaled(1.0 + _exp_less_one(x, twos), int(twos))


@kernel
def expm1(x: float) -> float:
    """Give e ** x - 1 to 3e-16 relative, also where x is tiny: -1.0 far below zero, infinity above 709.8."""
    if math.isnan(x):
        return NAN
    if x > LARGEST_EXP:
        return INFINITY
    if x < SMALLEST_EXP:
        return -1.0
    held = x * TWOS_PER_E + ROUNDER
    twos = held - ROUNDER
    part = _exp_less_one(x, twos)
    if abs(twos) <= MANTISSA_BITS:
        power = _power_held(held)  # power - 1 is exact here, so only the last sum rounds
        return power * part + (power - 1.0)
    return scaled(1.0 + part, int(twos)) - 1.0


@kernel
def _log_sum(twos: float, f: float, correction: float) -> float:
    """Sum twos * ln 2 + ln(1 + f) + correction, sqrt(1/2) <= 1 + f <= sqrt(2) and the correction small.

    With s = f / (2 + f), ln(1 + f) = 2 atanh(s) = f - s (f - R), R = 2 s^2/3 + 2 s^4/5 + ...
    """
    s = f / (2.0 + f)
    z = s * s
    rest = z * _twelve(LOG_BEND, z)
    return twos * LN2_HIGH + (f - (s * (f - rest) - (twos * LN2_LOW + correction)))


@kernel
def _parted(x: float) -> tuple[float, float]:
    """Part a normal x > 0 into a whole number of twos and the rest, sqrt(1/2) to sqrt(2), of which 1 is taken."""
    bits = int(np.float64(x).view(np.int64))
    twos = (bits - SQRT_HALF_BITS) >> MANTISSA_BITS
    return float(twos), float(np.int64(bits - (twos << MANTISSA_BITS)).view(np.float64)) - 1.0


@kernel
def log(x: float) -> float:
    """Give the natural logarithm to 2e-16 relative: -infinity for zero, nan below zero and for nan."""
    if SMALLEST_NORMAL <= x < INFINITY:
        twos, f = _parted(x)
        return _log_sum(twos, f, 0.0)
    if not x > 0.0:
        return -INFINITY if x == 0.0 else NAN
    if x == INFINITY:
        return INFINITY
    twos, f = _parted(x * 18014398509481984.0)  # 2 ** 54 makes a subnormal normal
    return _log_sum(twos - 54.0, f, 0.0)


@kernel
def log1p(x: float) -> float:
    """Give ln(1 + x) to 2e-16 relative, also where x is tiny: -infinity for -1, nan below it and for nan."""
    if x == 0.0:
        return 0.0
    if -0.2928 < x < 0.4142:
        return _log_sum(0.0, x, 0.0)
    if not x > -1.0:
        return -INFINITY if x == -1.0 else NAN
    if x == INFINITY:
        return INFINITY
    whole = 1.0 + x
    lost = 1.0 - (whole - x) if whole >= 2.0 else x - (whole - 1.0)  # what rounding took from 1 + x
    twos, f = _parted(whole)
    return _log_sum(twos, f, lost / whole)


@kernel
def _erf_centre(x: float) -> float:
    """Give erf(x) for |x| < 0.5 by its Taylor series."""
    return x * _polynomial(ERF_CENTRE, x * x)


@kernel
def _erfc_tail(x: float) -> float:
    """Give erfc(x) for x >= 0.5.

    exp(-x^2) would magnify the rounding of x^2 up to 700 times, so x is cut into a head of few
    bits, whose square is exact, and a remainder: x^2 = head^2 + (x - head)(x + head).
    """
    if x > ERFC_VANISHES:
        return 0.0
    t = (x - ERFC_WAIST) / (x + ERFC_WAIST)
    head = (x * 16.0 + ROUNDER - ROUNDER) / 16.0
    return _polynomial(ERFC_FIT, t) / (1.0 + 2.0 * x) * exp(-(head * head)) * exp(-((x - head) * (x + head)))


@kernel
def erf(x: float) -> float:
    """Give the error function to 6e-16 relative: odd, 1.0 at infinity, nan for nan."""
    if math.isnan(x):
        return NAN
    size = abs(x)
    if size < 0.5:
        return _erf_centre(x)
    value = 1.0 - _erfc_tail(size)
    return value if x > 0.0 else -value


@kernel
def erfc(x: float) -> float:
    """Give 1 - erf(x) to 1e-15 relative, also far out in the upper tail (x <= 26); nan for nan."""
    if math.isnan(x):
        return NAN
    size = abs(x)
    if size < 0.5:
        return 1.0 - _erf_centre(x)
    tail = _erfc_tail(size)
    return tail if x > 0.0 else 2.0 - tail


@kernel
def phi(z: float) -> float:
    """Give P(standard normal <= z), to 1e-14 relative for z >= -8 and to 3e-16 absolute everywhere."""
    return 0.5 * erfc(-z * SQRT_HALF)


@kernel
def round_half_even(x: float) -> int:
    """Give the nearest integer as int64, halves to the even one; beyond 2**62 in size it stays at 2**62.

    ``x`` must not be nan: a nan has no nearest integer.
    """
    if abs(x) <= ROUNDED_SIZE:
        return int((x + ROUNDER) - ROUNDER)
    assert not math.isnan(x)
    if abs(x) >= 4611686018427387904.0:
        return 4611686018427387904 if x > 0.0 else -4611686018427387904
    below = math.floor(x)
    over = x - below
    if over > 0.5 or (over == 0.5 and below % 2 != 0):
        return below + 1
    return below
