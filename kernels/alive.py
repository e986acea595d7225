"""Is the customer still here? The daily silence filter and the two purchase models it leans on.

**The filter** holds odds = P(gone) / P(still here) and moves them once a day: a hazard, raised
by what went wrong, moves a little of "here" to "gone", and a day without a purchase speaks for
"gone" as strongly as this customer's own cadence says it should.

**The models** are BG/NBD (Fader, Hardie and Lee 2005) and MBG/NBD (Batislam, Denizel and
Filiztekin 2007). A customer buys at a gamma(r, alpha) rate and leaves after a purchase with a
beta(a, b) chance; in MBG also right after the first purchase, so someone who bought once can be
gone as well. The textbook answers hold 2F1(r + x, ...), which passes 1e300 near x = 400; here
Euler's and Pfaff's transformations have moved the large x to the lower parameter, where every
term shrinks with x.

**Units.** ``r``, ``a``, ``b`` are pure numbers; ``alpha`` and everything named ``_weeks`` are
weeks; hazards are per day and everything named ``_days`` is days. ``repeats`` counts the days
with a purchase after the first. All parameters are positive.
"""

from typing import Final

from kernels._jit import kernel
from kernels.elementary import exp, expm1, log, log1p

DAYS_PER_WEEK: Final = 7.0
HIGHEST_ODDS: Final = 1e9  # gone beyond doubt; also keeps the odds finite in float32
LOWEST_LOG_RATIO: Final = -1.0  # good deeds can take at most 63 % off the base hazard
HIGHEST_LOG_RATIO: Final = 5.0  # and failures multiply it by at most 148
SERIES_TERMS: Final = 20_000
SERIES_GRAIN: Final = 1e-16


@kernel
def hazard_per_day(base: float, log_ratio: float) -> float:
    """Give the chance to leave today: ``base`` (per day) times exp of the evidence, held to [-1, 5]."""
    if log_ratio == 0.0:
        return base
    return base * exp(min(HIGHEST_LOG_RATIO, max(LOWEST_LOG_RATIO, log_ratio)))


@kernel
def silence_step(
    odds: float, hazard: float, elapsed_before: int, days: int, repeats: int, r: float, alpha: float
) -> float:
    """Carry the odds of being gone through ``days`` more days of silence under one constant hazard.

    Each day: odds <- (odds + h) / (1 - h) * ((alpha + T + 1/7) / (alpha + T)) ** (r + repeats),
    with T in weeks. Days cut into several calls give the same bits as one call, as long as the
    hazard is the same. A purchase or a paid fee ends the silence: the caller then sets odds to 0.

    odds            P(gone) / P(here) so far, >= 0; the answer is capped at 1e9
    hazard          chance per day to leave, 0 <= hazard < 1, see ``hazard_per_day``
    elapsed_before  days from the first purchase to the beginning of this silence step
    days            how many days to step; 0 changes nothing but the cap
    """
    assert 0.0 <= hazard < 1.0
    assert elapsed_before >= 0
    power = r + repeats
    for day in range(days):
        weeks = alpha + (elapsed_before + day) / DAYS_PER_WEEK
        likelier = exp(power * log1p(1.0 / DAYS_PER_WEEK / weeks))
        odds = (odds + hazard) / (1.0 - hazard) * likelier
        if odds >= HIGHEST_ODDS:  # no later day of silence can lower them
            break
    return min(odds, HIGHEST_ODDS)


@kernel
def gone_probability(odds: float) -> float:
    """Give P(gone) from finite odds >= 0."""
    return odds / (1.0 + odds)


@kernel
def ahead_probability(gone: float, hazard: float, effective_days: float) -> float:
    """Give P(gone by the horizon): gone already, or here and leaving within ``effective_days``.

    1 - (1 - gone) exp(-hazard * days), written so that a small answer keeps all its digits. The
    effective days are fewer than the horizon's (60 for 90), because the evidence decays.
    """
    return gone - (1.0 - gone) * expm1(-hazard * effective_days)


@kernel
def gauss_series(upper: float, other: float, lower: float, z: float) -> float:
    """Sum 2F1(upper, other; lower; z) - 1 for 0 <= z < 1 and lower > 0, by its power series.

    The sum stops when a whole geometric tail of the last term is below 1e-16 of it. Its 20,000
    terms are enough for z <= 0.998, that is to look 500 times (alpha + age) ahead.
    """
    total = 0.0
    term = 1.0
    n = 0.0
    while n < SERIES_TERMS:
        term = term * ((upper + n) * (other + n) / ((lower + n) * (n + 1.0)) * z)
        total = total + term
        n = n + 1.0
        if abs(term) <= SERIES_GRAIN * (1.0 + abs(total)) * (1.0 - z):
            break
    return total


@kernel
def _slope_series(upper: float, other: float, lower: float, z: float) -> float:
    """Sum (2F1(upper, other; lower; z) - 1) / other, so that ``other`` may be zero."""
    term = upper / lower * z
    total = term
    n = 1.0
    while n < SERIES_TERMS:
        term = term * ((upper + n) * (other + n) / ((lower + n) * (n + 1.0)) * z)
        total = total + term
        n = n + 1.0
        if abs(term) <= SERIES_GRAIN * (1.0 + abs(total)) * (1.0 - z):
            break
    return total


@kernel
def alive_probability(
    r: float, alpha: float, a: float, b: float, mbg: bool,
    repeats: float, recency_weeks: float, age_weeks: float,
) -> float:  # fmt: skip
    """Give P(still a customer at ``age_weeks`` after the first purchase | the purchases so far).

    1 / (1 + exp u), u = ln(a / (b + x)) + (r + x) ln((alpha + T) / (alpha + t_x)) for MBG/NBD. In
    BG/NBD it is b + x - 1, and a customer without a repeat purchase is here with certainty.

    mbg            True for MBG/NBD, False for BG/NBD
    recency_weeks  from the first to the last purchase, 0 <= recency_weeks <= age_weeks
    """
    if not mbg and repeats <= 0.0:
        return 1.0
    stays = b + repeats if mbg else b + repeats - 1.0
    silence = log1p((age_weeks - recency_weeks) / (alpha + recency_weeks))
    u = log(a / stays) + (r + repeats) * silence
    if u > 0.0:
        small = exp(-u)
        return small / (1.0 + small)
    return 1.0 / (1.0 + exp(u))


@kernel
def survival(
    r: float, alpha: float, a: float, b: float, mbg: bool,
    repeats: float, age_weeks: float, ahead_weeks: float,
) -> float:  # fmt: skip
    """Give P(still a customer after ``ahead_weeks`` more | still one at ``age_weeks``, the purchases so far).

    (1 - z)^a 2F1(a + b' - r, a; a + b' + x; z), z = t / (alpha + T + t), b' = b (+ 1 for MBG).
    """
    stays = b + 1.0 if mbg else b
    z = ahead_weeks / (alpha + age_weeks + ahead_weeks)
    return exp(a * log1p(-z)) * (1.0 + gauss_series(a + stays - r, a, a + stays + repeats, z))


@kernel
def expected_purchases(
    r: float, alpha: float, a: float, b: float, mbg: bool,
    repeats: float, recency_weeks: float, age_weeks: float, ahead_weeks: float,
) -> float:  # fmt: skip
    """Say how many purchases to expect in the next ``ahead_weeks`` of someone who may be gone already.

    P(alive) times ``purchases_if_alive``.
    """
    alive = alive_probability(r, alpha, a, b, mbg, repeats, recency_weeks, age_weeks)
    return alive * purchases_if_alive(r, alpha, a, b, mbg, repeats, age_weeks, ahead_weeks)


@kernel
def purchases_if_alive(
    r: float, alpha: float, a: float, b: float, mbg: bool,
    repeats: float, age_weeks: float, ahead_weeks: float,
) -> float:  # fmt: skip
    """Say how many purchases to expect in the next ``ahead_weeks`` of a customer, leaving included.

    C (-phi - G (1 + (a - 1) phi)) with C = a + b' + x - 1, L = ln(1 - z),
    phi = (exp((a - 1) L) - 1) / (a - 1), G = (2F1(a + b' - 1 - r, a - 1; C; z) - 1) / (a - 1).
    Both quotients have a limit at a = 1 and are summed so that the point is nothing special.
    """
    stays = b + 1.0 if mbg else b
    lower = a + stays + repeats - 1.0
    z = ahead_weeks / (alpha + age_weeks + ahead_weeks)
    past_one = a - 1.0
    fade = log1p(-z)
    phi = fade
    if abs(past_one * fade) >= 1e-12:
        phi = expm1(past_one * fade) / past_one
    slope = _slope_series(a + stays - 1.0 - r, past_one, lower, z)
    return lower * (-phi - slope * (1.0 + past_one * phi))
