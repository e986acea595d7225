"""The whale curve's sketch: near the sorted truth, exact in its totals, and nobody stays in it twice."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import whale
from schemas.insights import BINS, BORDERS, MOST_CENTS, ZERO
from streams.whale import LEAST_CUSTOMERS, curve, merge
from tests.oracle import answers, plain_answers
from tests.oracle import whale as twin

AMOUNTS = st.integers(-(10**12), 10**12) | st.integers(-300, 300)
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5, 0.75, 0.9)
LAWS = settings(max_examples=80, deadline=None)


def sketched(amounts: list[int] | np.ndarray) -> whale.Sketch:
    sketch = np.zeros((2, BINS), np.int64)
    for cents in amounts:
        whale.put(sketch, int(cents), 1)
    return sketch


def base(seed: int, customers: int) -> np.ndarray:
    """A base such as the strategist's: many small, a few large, a quarter that costs more than it brings."""
    rng = np.random.default_rng(seed)
    kind = rng.random(customers)
    good, large = rng.lognormal(8.5, 1.2, customers), rng.lognormal(11.0, 1.0, customers)
    bad = -rng.lognormal(9.6, 1.1, customers)
    return np.where(kind < 0.25, bad, np.where(kind > 0.93, large, good)).astype(np.int64)


def test_borders_grow_by_a_twentieth_and_hold_every_cent() -> None:
    assert (BORDERS[0], BINS, len(set(BORDERS))) == (1, 1041, len({*BORDERS}))
    assert BORDERS[-1] <= MOST_CENTS < BORDERS[-1] * 1.05 + 1
    assert all(20 * high <= 21 * low + 20 for low, high in pairwise(BORDERS))


@LAWS
@given(AMOUNTS)
def test_an_amount_lies_in_the_bin_that_exact_fractions_say(cents: int) -> None:
    assert whale.bin_of(cents) == twin.bin_of(cents)
    assert whale.bin_of(-cents) == 2 * ZERO - whale.bin_of(cents)


@LAWS
@given(st.lists(st.integers(-MOST_CENTS, MOST_CENTS), min_size=1, max_size=60), st.floats(0, 1))
def test_a_percentile_is_off_by_a_hundredth_and_a_quarter_of_its_bin_at_most(
    amounts: list[int], share: float
) -> None:
    sketch = sketched(amounts)
    off = abs(whale.brought_by_top(sketch, share) - twin.brought_by_top(amounts, share))
    assert off <= 0.0125 * np.abs(sketch[1]).max() + 1


@LAWS
@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=40), st.randoms(use_true_random=False))
def test_a_customer_whose_value_changes_is_taken_out_and_put_in_anew(
    changes: list[tuple[int, int]], rng: random.Random
) -> None:
    """Whatever the order of changes, signs among them, only what they ended with is left."""
    sketch = sketched([before for before, _ in changes])
    rng.shuffle(changes)
    for before, after in changes:
        whale.put(sketch, before, -1)
        whale.put(sketch, after, 1)
    assert (sketch == sketched([after for _, after in changes])).all()
    assert sketch[1].sum() == sum(after for _, after in changes)


@LAWS
@given(st.lists(AMOUNTS, max_size=60), st.integers(1, 5))
def test_partitions_merged_are_one_partition(amounts: list[int], partitions: int) -> None:
    parts = [sketched(amounts[at::partitions]) for at in range(partitions)]
    assert (merge(parts) == sketched(amounts)).all()


@pytest.mark.parametrize(("seed", "customers"), [(1, 20_000), (2, 20_000), (3, 1_000_000)])
def test_shares_are_the_sorted_ones_to_a_five_hundredth(seed: int, customers: int) -> None:
    """At most .002 of the whole profit, at every percentile that is told and some more."""
    amounts = base(seed, customers)
    at = np.searchsorted(np.array(BORDERS), np.abs(amounts), "right")
    bins = np.where(amounts < 0, ZERO - at, ZERO + at)
    sketch = np.zeros((2, BINS), np.int64)
    np.add.at(sketch[0], bins, 1)
    np.add.at(sketch[1], bins, amounts)
    assert (sketch[:, bins[:50]] == sketched(amounts)[:, bins[:50]]).all() if customers <= 20_000 else True
    best, total = np.cumsum(np.sort(amounts)[::-1]), int(amounts.sum())
    for share in SHARES:
        exact = best[round(share * customers) - 1] / total
        assert whale.brought_by_top(sketch, share) / total == pytest.approx(exact, abs=0.002)
    told = curve(sketch)
    assert told.net_cents == total
    assert told.top_ppm is not None
    assert told.peak_ppm == pytest.approx(1e6 * amounts[amounts > 0].sum() / total, abs=1)
    assert told.top_ppm["top_20"] > 1_000_000, "a fifth brings more than all the profit"
    assert told.bottom_ppm is not None
    assert told.bottom_ppm < -400_000, "a quarter destroys much of it"


@pytest.mark.parametrize(
    ("amounts", "why"),
    [
        ([5] * (LEAST_CUSTOMERS - 1), "fewer than 200"),
        ([5] * 100 + [-5] * 100, "no profit"),
        ([-1] * 300, "no profit"),
        ([], "fewer than 200"),
        ([5] * LEAST_CUSTOMERS, None),
    ],
)
def test_where_shares_mean_nothing_they_are_not_told(amounts: list[int], why: str | None) -> None:
    told = curve(sketched(amounts))
    assert (told.undefined is None) if why is None else why in str(told.undefined)
    assert (told.points_ppm is None) == (told.top_ppm is None) == (why is not None)
    assert told.net_cents == sum(amounts)


def test_the_error_checker_sees_a_wide_bin() -> None:
    """Negative control: bins of three times their beginning miss the promise that the law above holds."""
    amounts = base(1, 20_000)
    total, best = int(amounts.sum()), np.cumsum(np.sort(amounts)[::-1])
    wide = np.sign(amounts) * np.floor(np.log(np.abs(amounts) + 1) / np.log(3.0))
    worst = 0.0
    for share in np.linspace(0.01, 0.99, 50):
        left, brought = share * amounts.size, 0.0
        for one in np.unique(wide)[::-1]:
            inside = amounts[wide == one]
            part = min(1.0, left / inside.size)
            brought, left = brought + part * inside.sum(), left - part * inside.size
        worst = max(worst, abs(brought - best[round(share * amounts.size) - 1]) / total)
    assert worst > 0.01


def test_compiled_and_plain_say_the_same() -> None:
    sketch = sketched(base(4, 300))
    calls = [("bin_of", (cents,)) for cents in (0, 1, -1, 21, 10**11, -(10**12))]
    calls += [("brought_by_top", (sketch, share)) for share in SHARES]
    assert answers("whale", calls) == plain_answers("whale", calls)
