"""The destroyer's posterior: slow to accuse, near Student's t, independent of how the cents are stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kernels import value
from tests.oracle import answers, bits, plain_answers
from tests.oracle import value as twin

PRIOR = (234.0, 2_640_000.0, value.PRIOR_PERIODS, value.PRIOR_SPREAD_PERIODS)  # $2.34 and $264 squared
MONTHS = st.lists(st.integers(-200_000, 200_000), min_size=0, max_size=13)

# Adjusted net cents per 28 days, and how sure one may be that the customer destroys value.
STORIES = {
    "nobody knows yet": ([], (0.40, 0.50)),
    "one costly dispatch": ([-12_000], (0.50, 0.95)),
    "one bad month in a good year": ([500] * 11 + [-12_000], (0.30, 0.90)),
    "costs a little, every month": ([-1_500] * 13, (0.95, 1.0)),
    "costs much, every month": ([-9_000, -8_500, -9_900, -9_100] * 3, (0.99, 1.0)),
    "earns a little, every month": ([1_500] * 13, (0.0, 0.05)),
    "tears both ways": ([-20_000, 20_000] * 6, (0.40, 0.60)),
}


@pytest.mark.parametrize(("nets", "sure"), STORIES.values(), ids=STORIES)
def test_story(nets: list[int], sure: tuple[float, float]) -> None:
    negative, _ = value.destroyer_posterior(np.array(nets, np.int64), len(nets), *PRIOR)
    assert sure[0] <= negative <= sure[1]


@settings(deadline=None, max_examples=150)
@given(MONTHS)
def test_it_agrees_with_students_t(nets: list[int]) -> None:
    negative, mean = value.destroyer_posterior(np.array(nets, np.int64), len(nets), *PRIOR)
    exact, centre = twin.destroyer_posterior(nets, len(nets), *PRIOR)
    assert mean == pytest.approx(float(centre), rel=1e-12, abs=1e-9)
    assert negative == pytest.approx(float(exact), abs=0.0021 if len(nets) >= 3 else 0.006)
    t, freedom, _ = twin.posterior(nets, len(nets), *PRIOR)
    z = float(twin.normal_quantile_of_t(t, freedom))
    assert value.normal_quantile_of_t(float(t), float(freedom)) == pytest.approx(z, rel=1e-13)


@settings(deadline=None)
@given(MONTHS, st.integers(1, 100_000))
def test_a_worse_month_never_makes_the_mean_better(nets: list[int], worse: int) -> None:
    assume(nets)
    before = value.destroyer_posterior(np.array(nets, np.int64), len(nets), *PRIOR)
    after = value.destroyer_posterior(np.array([*nets[:-1], nets[-1] - worse], np.int64), len(nets), *PRIOR)
    assert after[1] < before[1]


@settings(deadline=None)
@given(MONTHS, MONTHS)
def test_only_the_first_n_count_and_floats_say_the_same(nets: list[int], later: list[int]) -> None:
    whole = value.destroyer_posterior(np.array(nets, np.int64), len(nets), *PRIOR)
    assert bits(value.destroyer_posterior(np.array(nets + later, np.int64), len(nets), *PRIOR)) == bits(whole)
    assert bits(value.destroyer_posterior(np.array(nets, np.float64), len(nets), *PRIOR)) == bits(whole)


@settings(deadline=None)
@given(MONTHS)
def test_the_mirror_image_has_the_other_probability(nets: list[int]) -> None:
    mirror = (-PRIOR[0], *PRIOR[1:])
    one, mean = value.destroyer_posterior(np.array(nets, np.int64), len(nets), *PRIOR)
    other, opposite = value.destroyer_posterior(-np.array(nets, np.int64), len(nets), *mirror)
    assert one + other == pytest.approx(1.0, abs=1e-15)
    assert mean == -opposite


@pytest.mark.parametrize("n", [-1, 3])
def test_it_never_reads_what_is_not_there(n: int) -> None:
    with pytest.raises(AssertionError):
        value.destroyer_posterior(np.array([1, 2], np.int64), n, *PRIOR)


def test_plain_python_gives_the_same_bits() -> None:
    calls = [
        ("destroyer_posterior", (np.array(nets, kind), len(nets), *PRIOR))
        for nets, _ in STORIES.values()
        for kind in (np.int64, np.float64)
    ]
    calls += [("normal_quantile_of_t", (t / 3.0, 7.0)) for t in range(-20, 20)]
    assert bits(answers("value", calls)) == bits(plain_answers("value", calls))
