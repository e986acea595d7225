"""Lifetime value: exact values, adaptive integration, and cents that round as promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import lifetime
from tests.oracle import answers, bits, plain_answers
from tests.oracle import lifetime as twin

DISCOUNT = math.log(1.10) / 52.1775
CDNOW_BG = (0.243, 4.414, 0.793, 2.426, False)
CDNOW_MBG = (0.525, 6.183, 0.891, 1.614, True)

# model, (repeats, last week, age), discounted purchases in 260 weeks at 10 % a year
VECTORS = [
    (CDNOW_BG, (2.0, 30.43, 38.86), 4.106528177),
    (CDNOW_BG, (0.0, 0.0, 38.86), 0.7512250209),
    (CDNOW_BG, (1.0, 1.71, 38.86), 0.7134507031),
    (CDNOW_BG, (7.0, 29.43, 38.86), 10.36202698),
    (CDNOW_BG, (29.0, 38.0, 38.86), 58.07423983),
    (CDNOW_BG, (500.0, 250.0, 260.0), 0.0007971217702),
    (CDNOW_BG, (2000.0, 103.5, 104.0), 450.5922544),
    (CDNOW_MBG, (0.0, 0.0, 38.86), 0.5574023439),
    (CDNOW_MBG, (2.0, 30.43, 38.86), 4.028373589),
    ((0.243, 4.414, 1.0, 2.426, False), (2.0, 30.43, 38.86), 3.37809171),
    ((0.11, 2.24, 0.31, 0.50, False), (0.0, 0.0, 1.0), 2.184544875),
]
SPENDS = [
    ((2.0, 22.35), 24.663714),
    ((1.0, 11.77), 18.916852),
    ((7.0, 73.74), 71.469671),
    ((0.0, 0.0), 35.218978),
]

# gone, purchases, spend, margin rate, fee margin, serving, periods -> cents
WORTHS = {
    "nobody left": ((1.0, 40.0, 5000.0, 0.5, 900.0, 100.0, 50.0), 0),
    "a shopper": ((0.0, 4.0, 2500.0, 0.25, 0.0, 0.0, 0.0), 2500),
    "a shopper, perhaps gone": ((0.25, 4.0, 2500.0, 0.25, 0.0, 0.0, 0.0), 1875),
    "a contract only": ((0.0, 0.0, 0.0, 0.0, 900.0, 100.0, 50.0), 40000),
    "served at a loss": ((0.0, 0.0, 0.0, 0.0, 0.0, 100.0, 50.0), -5000),
    "printers below cost": ((0.0, 2.0, 5000.0, -0.1, 0.0, 0.0, 0.0), -1000),
    "half a cent goes down to even": ((0.0, 0.5, 1.0, 1.0, 0.0, 0.0, 0.0), 0),
    "one and a half goes up to even": ((0.0, 1.5, 1.0, 1.0, 0.0, 0.0, 0.0), 2),
    "two and a half goes down to even": ((0.0, 2.5, 1.0, 1.0, 0.0, 0.0, 0.0), 2),
    "minus one and a half goes to even": ((0.0, -1.5, 1.0, 1.0, 0.0, 0.0, 0.0), -2),
}


@pytest.mark.parametrize(("model", "history", "purchases"), VECTORS)
def test_exact_discounted_purchases(model, history, purchases) -> None:
    assert lifetime.dert(*model, *history, 260.0, DISCOUNT) == pytest.approx(purchases, rel=1e-7)


@settings(deadline=None, max_examples=6)
@given(st.floats(0.2, 2.0), st.floats(2.0, 20.0), st.floats(0.3, 2.0), st.integers(0, 60), st.floats(4.0, 200.0))
def test_integration_agrees_with_adaptive_quadrature(r, alpha, a, repeats, age) -> None:
    said = lifetime.dert_if_alive(r, alpha, a, 1.6, True, float(repeats), age, 260.0, DISCOUNT)
    exact = float(twin.dert_if_alive(r, alpha, a, 1.6, True, repeats, age, 260, DISCOUNT))
    assert said == pytest.approx(exact, rel=1e-6)
    now = lifetime.purchase_intensity(r, alpha, a, 1.6, True, float(repeats), age, 13.0)
    assert now == pytest.approx(
        float(twin.purchase_intensity(r, alpha, a, 1.6, True, repeats, age, 13)), rel=1e-10
    )


def test_the_nodes_are_those_of_legendre() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(16)
    assert pytest.approx(nodes, abs=1e-15) == lifetime.NODES
    assert pytest.approx(weights, abs=1e-15) == lifetime.WEIGHTS


@pytest.mark.parametrize(("seen", "spend"), SPENDS)
def test_published_spend(seen, spend) -> None:
    assert lifetime.expected_spend(6.25, 3.74, 15.44, *seen) == pytest.approx(spend, abs=5e-7)


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 1e6))
def test_spend_lies_between_the_population_and_the_customer(repeats, mean) -> None:
    said = lifetime.expected_spend(6.25, 3.74, 1544.0, float(repeats), mean)
    everyone = 6.25 * 1544.0 / 2.74
    assert said == pytest.approx(twin.expected_spend(6.25, 3.74, 1544.0, repeats, mean), rel=1e-12)
    assert min(everyone, mean) * (1 - 1e-12) <= said <= max(everyone, mean) * (1 + 1e-12)


@settings(deadline=None)
@given(st.floats(0.5, 13.0), st.integers(0, 130), st.floats(0.0, 0.01), st.floats(0.0, 0.2))
def test_the_annuity_is_the_sum_of_its_payments(period, periods, discount, hazard) -> None:
    said = lifetime.annuity(period, periods, discount, hazard)
    assert said == pytest.approx(twin.annuity(period, periods, discount, hazard), rel=1e-12)


@pytest.mark.parametrize(("terms", "cents"), WORTHS.values(), ids=WORTHS)
def test_worth(terms, cents) -> None:
    assert lifetime.clv_cents(*terms) == cents


@settings(deadline=None)
@given(
    st.floats(0.0, 1.0), st.floats(0.0, 500.0), st.floats(1.0, 1e7), st.floats(-1.0, 1.0),
    st.floats(-1e5, 1e6), st.floats(0.0, 1e6), st.floats(0.0, 65.0),
)  # fmt: skip
def test_worth_agrees_with_exact_fractions(gone, purchases, spend, margin, fee, serving, periods) -> None:
    terms = (gone, purchases, spend, margin, fee, serving, periods)
    size = purchases * spend * abs(margin) + (abs(fee) + serving) * periods
    assert abs(lifetime.clv_cents(*terms) - twin.clv_cents(*terms)) <= 1 + 1e-15 * size
    assert isinstance(lifetime.clv_cents(*terms), int)


def test_plain_python_gives_the_same_bits() -> None:
    calls = [("dert", (*model, *history, 260.0, DISCOUNT)) for model, history, _ in VECTORS]
    calls += [("expected_spend", (6.25, 3.74, 15.44, *seen)) for seen, _ in SPENDS]
    calls += [("annuity", (4.0, periods, DISCOUNT, 0.001)) for periods in (0, 1, 13, 65)]
    calls += [("annuity", (4.0, 65, 0.0, 0.0))]
    calls += [("clv_cents", terms) for terms, _ in WORTHS.values()]
    assert bits(answers("lifetime", calls)) == bits(plain_answers("lifetime", calls))
