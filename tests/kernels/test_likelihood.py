"""Likelihoods: the published values, forty digits beside them, and a search that finds what was put in."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import likelihood
from kernels.elementary import exp
from kernels.simplex import Lowest, minimise
from tests.oracle import ROOT, answers, bits, plain_answers
from tests.oracle import likelihood as twin

INF = math.inf
CDNOW = (0.243, 4.414, 0.793, 2.426)

# Both sides of every seam, beside both zeros, very small and very large.
LGAMMA = [
    5e-324, 1e-300, 1e-9, 0.1, 0.4999999, 0.5, 0.9, 1 - 2.0**-53, 1.0, 1 + 2.0**-52, 1.0001, 1.4615, 1.4999999,
    1.5, 2 - 2.0**-52, 2.0, 2 + 2.0**-51, 2.4999999, 2.5, 3.0, 7.3, 9.9999999, 10.0, 10.5, 171.6, 1e5, 1e9, 1e300,
]  # fmt: skip
EDGES = [(0.0, INF), (-0.0, INF), (INF, INF), (-1.5, math.nan), (-INF, math.nan), (math.nan, math.nan)]

SIZE = st.floats(math.log(1e-3), math.log(1e4)).map(math.exp)
REPEATS = st.one_of(st.integers(0, 60), st.integers(0, 100_000)).map(float)
WEEKS = st.floats(0.0, 1e4)
CENTS = st.floats(math.log(0.01), math.log(1e11)).map(math.exp)


# ---------------------------------------------------------------- log-gamma


def lgamma_error(x: float) -> float:
    exact = twin.lgamma(x)
    said = likelihood.lgamma(x)
    return float(abs((said - exact) / exact)) if exact else abs(said)


@pytest.mark.parametrize("x", LGAMMA)
def test_log_gamma_at_its_seams(x: float) -> None:
    assert lgamma_error(x) <= 1e-15


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.floats(0.0, 12.0, exclude_min=True), st.floats(-700.0, 700.0).map(math.exp)))
def test_log_gamma_is_near_the_truth(x: float) -> None:
    assert lgamma_error(x) <= 1e-15


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([1.0, 2.0]), st.sampled_from([-1.0, 1.0]), st.floats(-36.0, -0.7))
def test_log_gamma_keeps_its_digits_beside_its_zeros(zero: float, side: float, distance: float) -> None:
    assert lgamma_error(zero + side * math.exp(distance)) <= 1e-15


@pytest.mark.parametrize(("x", "said"), EDGES)
def test_log_gamma_at_the_edge(x: float, said: float) -> None:
    assert bits(likelihood.lgamma(x)) == bits(said)


def test_the_coefficients_are_those_of_the_series() -> None:
    near, far = likelihood.NEAR_TWO, likelihood.STIRLING
    assert list(near) == pytest.approx(twin.near_two_coefficients(len(near)), rel=1e-15)
    assert list(far) == pytest.approx(twin.stirling_coefficients(len(far)), rel=1e-15)


# ---------------------------------------------------------------- published values


@pytest.fixture(scope="module")
def cdnow() -> list[np.ndarray]:
    """Repeats, last week, age, mean spend and ones, for the 2,357 customers of CDNOW."""
    columns = [np.ascontiguousarray(column) for column in np.array(twin.cdnow_customers()).T]
    return [*columns, np.ones_like(columns[0])]


def most_likely(function, start: tuple[float, ...]) -> Lowest:
    return minimise(lambda point: -function(tuple(exp(at) for at in point)), [math.log(one) for one in start])


def test_published_log_likelihood(cdnow) -> None:
    repeats, recency, age, _, ones = cdnow
    said = likelihood.purchases_log_likelihood(*CDNOW, False, repeats, recency, age, ones)
    assert said == pytest.approx(-9582.426831, abs=1e-6)


@pytest.mark.parametrize(
    ("mbg", "values", "height"),
    [
        (False, (0.24259, 4.41353, 0.79289, 2.42576), -9582.4256),
        (True, (0.52484, 6.18299, 0.89136, 1.61400), -9582.1327),
    ],
)
def test_published_purchase_model(mbg, values, height, cdnow) -> None:
    repeats, recency, age, _, ones = cdnow
    found = most_likely(
        lambda at: likelihood.purchases_log_likelihood(*at, mbg, repeats, recency, age, ones),
        (1.0, 1.0, 1.0, 1.0),
    )
    assert found.converged
    assert -found.value == pytest.approx(height, abs=1e-3)
    assert [exp(at) for at in found.point] == pytest.approx(values, abs=1e-4)


def test_published_spend_model(cdnow) -> None:
    repeats, _, _, spend, ones = cdnow
    found = most_likely(lambda at: likelihood.spends_log_likelihood(*at, repeats, spend, ones), (1.0, 1.0, 1.0))
    assert found.converged
    assert -found.value == pytest.approx(-4055.9232, abs=1e-3)
    assert [exp(at) for at in found.point] == pytest.approx((6.2488, 3.7446, 15.4477), abs=1e-3)


def test_customers_with_one_history_may_be_counted_together(cdnow) -> None:
    rows, counts = np.unique(np.array(cdnow[:3]).T, axis=0, return_counts=True)
    together = [np.ascontiguousarray(column) for column in rows.T]
    assert len(rows) < len(cdnow[0])
    one = likelihood.purchases_log_likelihood(*CDNOW, True, *cdnow[:3], cdnow[4])
    other = likelihood.purchases_log_likelihood(*CDNOW, True, *together, counts.astype(np.float64))
    assert one == pytest.approx(other, rel=1e-13)


# ---------------------------------------------------------------- forty digits


@settings(deadline=None, max_examples=150)
@given(SIZE, SIZE, SIZE, SIZE, st.booleans(), REPEATS, WEEKS, st.floats(0.0, 1.0))
def test_purchases_agree_with_the_story_of_the_model(r, alpha, a, b, mbg, repeats, age, share) -> None:
    recency = age * share if repeats else 0.0
    said = likelihood.purchase_log_likelihood(r, alpha, a, b, mbg, repeats, recency, age)
    exact = twin.purchase_log_likelihood(r, alpha, a, b, mbg, repeats, recency, age)
    terms = [twin.lgamma(one) for one in (r, b, r + repeats, a + b, a + b + repeats + 1)]
    terms += [(r + repeats) * math.log(alpha + age), r * math.log1p(age / alpha)]
    assert math.isfinite(said)
    assert abs(said - exact) <= 1e-14 * max(1, *(abs(term) for term in terms))


@settings(deadline=None, max_examples=150)
@given(SIZE, SIZE, st.floats(math.log(1e-3), math.log(1e10)).map(math.exp), REPEATS, CENTS)
def test_spends_agree_with_the_story_of_the_model(p, q, v, purchases, mean) -> None:
    said = likelihood.spend_log_likelihood(p, q, v, purchases, mean)
    exact = twin.spend_log_likelihood(p, q, v, purchases, mean)
    spent = purchases * mean
    shape = p * purchases
    terms = [twin.lgamma(one) for one in (shape, q, shape + q) if one > 0]
    if spent > 0:
        terms += [shape * math.log1p(v / spent), q * math.log1p(spent / v), math.log(mean)]
    assert math.isfinite(said)
    assert abs(said - exact) <= 1e-14 * max(1, *(abs(term) for term in terms))


@pytest.mark.parametrize("mbg", [False, True])
def test_sums_are_weighted(mbg) -> None:
    repeats, recency = np.array([0.0, 1.0, 7.0]), np.array([0.0, 1.71, 29.43])
    age, weights = np.array([38.86, 38.86, 38.86]), np.array([1.0, 0.0, 3.0])
    said = likelihood.purchases_log_likelihood(*CDNOW, mbg, repeats, recency, age, weights)
    exact = twin.purchases_log_likelihood(*CDNOW, mbg, repeats, recency, age, weights)
    assert said == pytest.approx(float(exact), rel=1e-14)
    said = likelihood.spends_log_likelihood(6.25, 3.74, 15.44, repeats, age, weights)
    assert said == pytest.approx(float(twin.spends_log_likelihood(6.25, 3.74, 15.44, repeats, age, weights)))


def test_nobody_is_as_likely_as_can_be() -> None:
    none = np.zeros(0)
    assert likelihood.purchases_log_likelihood(*CDNOW, True, none, none, none, none) == 0.0
    assert likelihood.spend_log_likelihood(6.25, 3.74, 15.44, 0.0, 0.0) == 0.0


# ---------------------------------------------------------------- what was put in comes out


def customer(random: Random, r: float, alpha: float, a: float, b: float, age: float) -> tuple[float, float, float]:
    """One life in MBG/NBD: after every purchase, the first included, the customer may leave."""
    rate, leaving = random.gammavariate(r, 1.0 / alpha), random.betavariate(a, b)
    repeats, last, now = 0, 0.0, 0.0
    while random.random() >= leaving:
        now += random.expovariate(rate)
        if now > age:
            break
        repeats, last = repeats + 1, now
    return float(repeats), last, age


def test_the_fit_recovers_what_the_customers_were_made_of() -> None:
    """The truth lies where its likelihood is within the 99.9 % border of a chi-square of four degrees."""
    random, truth = Random("customers"), (0.8, 7.0, 0.7, 2.0)
    lives = [customer(random, *truth, random.uniform(26.0, 104.0)) for _ in range(4000)]
    columns = [np.array(column) for column in zip(*lives, strict=True)]

    def height(at) -> float:
        return likelihood.purchases_log_likelihood(*at, True, *columns, np.ones(len(lives)))

    found = most_likely(height, (1.0, 1.0, 1.0, 1.0))
    assert found.converged
    assert 0.0 <= -found.value - height(truth) <= 18.47 / 2
    assert [exp(at) for at in found.point] == pytest.approx(truth, rel=0.3)


def test_the_fit_recovers_what_the_spends_were_made_of() -> None:
    random, truth = Random("spends"), (4.0, 3.5, 2000.0)
    bought = [float(random.randint(1, 12)) for _ in range(4000)]
    means = [
        sum(random.gammavariate(truth[0], 1.0 / rate) for _ in range(int(count))) / count
        for count in bought
        for rate in [random.gammavariate(truth[1], 1.0 / truth[2])]
    ]

    def height(at) -> float:
        return likelihood.spends_log_likelihood(*at, np.array(bought), np.array(means), np.ones(len(means)))

    found = most_likely(height, (1.0, 1.0, 1000.0))
    assert found.converged
    assert 0.0 <= -found.value - height(truth) <= 16.27 / 2
    assert [exp(at) for at in found.point] == pytest.approx(truth, rel=0.2)


# ---------------------------------------------------------------- the search


def banana(at) -> float:
    return (1.0 - at[0]) ** 2 + 100.0 * (at[1] - at[0] ** 2) ** 2


def bowl(at) -> float:
    return sum((k + 1.0) * (x - k) ** 2 for k, x in enumerate(at))


@pytest.mark.parametrize(
    ("function", "start", "lowest"),
    [
        (banana, (-1.2, 1.0), (1.0, 1.0)),
        (bowl, (5.0,), (0.0,)),
        (bowl, (5.0, 5.0, 5.0, 5.0), (0.0, 1.0, 2.0, 3.0)),
        (lambda at: bowl(at) if at[0] > -1.0 else INF, (-0.9, 0.0), (0.0, 1.0)),
        (lambda at: bowl(at) if at[0] < 4.0 else math.nan, (3.9, 0.0), (0.0, 1.0)),
        (lambda at: max(abs(at[0]), abs(at[1] - 1.0)), (3.0, -3.0), (0.0, 1.0)),
    ],
    ids=["banana", "one", "four", "a wall", "a hole", "a pyramid"],
)
def test_the_lowest_point_is_found(function, start, lowest) -> None:
    asked = []
    found = minimise(lambda at: asked.append(at) or function(at), start)
    assert found.converged
    assert found.point == pytest.approx(lowest, abs=1e-4)
    assert found.value == function(found.point)
    assert found.asked == len(asked)
    assert minimise(function, start) == found


def test_a_search_that_is_not_at_rest_says_so() -> None:
    assert not minimise(banana, (-1.2, 1.0), most_asked=40).converged
    falling = minimise(lambda at: -at[0], (0.0, 0.0))
    assert not falling.converged
    assert falling.point[0] > 1e6


def test_a_search_must_begin_somewhere() -> None:
    with pytest.raises(AssertionError):
        minimise(lambda at: math.nan, (0.0,))


# ---------------------------------------------------------------- the same bits everywhere


def test_plain_python_gives_the_same_bits() -> None:
    columns = tuple(np.array(column) for column in ([0.0, 2.0, 60.0], [0.0, 30.43, 90.0], [9.0, 38.86, 100.0]))
    weights = np.array([3.0, 1.0, 2.0])
    calls = [("lgamma", (x,)) for x in LGAMMA] + [("lgamma", (x,)) for x, _ in EDGES]
    calls += [("lgamma", (k / 16.0 * 1.0001,)) for k in range(1, 400, 3)]
    calls += [("purchases_log_likelihood", (*CDNOW, mbg, *columns, weights)) for mbg in (False, True)]
    calls += [("purchase_log_likelihood", (*CDNOW, True, 500.0, 1.0, 260.0))]
    calls += [("spends_log_likelihood", (6.25, 3.74, 15.44, columns[0], columns[2], weights))]
    assert bits(answers("likelihood", calls)) == bits(plain_answers("likelihood", calls))


MACHINE_CODE = """
import json
import numpy as np
from kernels import _jit, likelihood
one = np.ones(2)
likelihood.purchases_log_likelihood(0.5, 6.0, 0.9, 1.6, True, one, one, one, one)
likelihood.spends_log_likelihood(6.25, 3.74, 15.44, one, one, one)
print(json.dumps([code for k in _jit.KERNELS for code in k.inspect_asm().values()]))
"""


def test_machine_code_fuses_nothing_and_calls_no_mathematical_library(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    command = [sys.executable, "-c", MACHINE_CODE]
    printed = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    codes = json.loads(printed.stdout)
    assert len(codes) >= 7
    library = r"\b(_*svml\w*|(numba_)?(exp|expm1|log|log1p|pow|lgamma|tgamma|gamma|fma)f?)\b(@PLT)?\s*$"
    for code in codes:
        assert not re.search(r"\bv?fn?m(add|sub)\w*", code)
        assert not re.search(library, code, re.MULTILINE)
