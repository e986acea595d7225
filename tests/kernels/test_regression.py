"""The two regressions against a slow twin: ridges, bounds, thin and separable tables, planted coefficients."""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

import numpy as np
import pytest

from kernels import regression
from kernels.regression import CHANCES, COUNTS
from tests.oracle import answers, bits, plain_answers
from tests.oracle import regression as twin

WIDE = 1e9
CLOSE = 2e-4
"""The search rests where a step would gain less than 1e-10 of the cost: that near the lowest point it is flat."""


class Table(NamedTuple):
    """What a regression is asked: rows, and the pull and the bounds of each coefficient."""

    model: int
    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    prior: np.ndarray
    ridge: np.ndarray
    least: np.ndarray
    most: np.ndarray


class Found(NamedTuple):
    """The answer of the kernel."""

    steps: int
    beta: np.ndarray
    spread: np.ndarray


def made(model: int, seed: object, n: int = 24, k: int = 3, bound: float = 9.0, pull: float = 0.5) -> Table:
    """A random table; the bounds of every other coefficient are so narrow that many would leave them."""
    random = Random(f"{model} {seed}")
    x = np.array([[random.gauss(0.3 * j, 1.0) for j in range(k)] for _ in range(n)]).reshape(n, k)
    weight = np.array([random.uniform(0.2, 3.0) for _ in range(n)])
    y = np.array([random.choice([0.0, 0.0, 1.0, random.random()]) for _ in range(n)])
    if model == COUNTS:
        y = np.round(y * 4.0)
    prior = np.array([0.0, *(random.uniform(-1.0, 1.0) for _ in range(k))])
    narrow = np.array([WIDE, *(bound if j % 2 else min(bound, 0.3) for j in range(k))])
    return Table(model, x, y, weight, prior, np.full(1 + k, pull), prior - narrow, prior + narrow)


def found_in(table: Table, low: float = -WIDE, high: float = WIDE, start: np.ndarray | None = None) -> Found:
    model, x, y, weight, prior, ridge, least, most = table
    beta = np.clip(prior, least, most) if start is None else start.copy()
    spread = np.full(prior.size, math.nan)
    steps = regression.fit(model, x, y, weight, prior, ridge, least, most, low, high, beta, spread)
    return Found(steps, beta, spread)


def plain(table: Table) -> tuple:
    return tuple(one.tolist() if isinstance(one, np.ndarray) else one for one in table)


def lowest(table: Table) -> list[float]:
    return twin.fit(*plain(table))


def cost_of(table: Table, beta, low: float = -WIDE, high: float = WIDE) -> float:
    model, x, y, weight, prior, ridge, *_ = plain(table)
    return twin.cost(model, x, y, weight, list(beta), prior, ridge, low, high)


both = pytest.mark.parametrize("model", [COUNTS, CHANCES], ids=["counts", "chances"])


# ---------------------------------------------------------------- the twin


@both
@pytest.mark.parametrize("seed", range(12))
def test_it_finds_the_lowest_point_within_the_bounds(model: int, seed: int) -> None:
    table = made(model, seed, k=seed % 5)
    steps, beta, spread = found_in(table)
    exact = lowest(table)
    assert steps >= 0
    assert beta == pytest.approx(exact, abs=CLOSE)
    assert cost_of(table, beta) <= cost_of(table, exact) + 1e-8
    bent = np.array(twin.curvature(model, table.x.tolist(), table.weight.tolist(), exact, table.ridge.tolist()))
    free = [j for j, one in enumerate(exact) if table.least[j] < one < table.most[j]]
    errors = np.zeros(len(exact))
    errors[free] = np.sqrt(np.diag(np.linalg.inv(bent[np.ix_(free, free)])))
    assert spread == pytest.approx(errors, rel=1e-3)


@both
@pytest.mark.parametrize("seed", range(30))
def test_wherever_it_begins_it_ends_at_the_same_point(model: int, seed: int) -> None:
    """With many narrow bounds, from corners of what is allowed: no false rest on the way along them."""
    table = made(model, seed, n=40, k=6, bound=0.4, pull=0.05)
    random = Random(seed)
    ends = []
    for _ in range(4):
        corner = [random.choice(pair) for pair in zip(table.least, table.most, strict=True)]
        ends.append(found_in(table, start=np.array([0.0, *corner[1:]])))
    for end in ends:
        assert end.steps >= 0
        assert end.beta == pytest.approx(ends[0].beta, abs=CLOSE)


@both
@pytest.mark.parametrize(("low", "high"), [(-WIDE, WIDE), (-1.0, 5.0), (-0.2, 0.4)])
def test_the_cost_is_the_twins(model: int, low: float, high: float) -> None:
    for seed in range(8):
        table = made(model, seed)
        random = Random(seed)
        beta = np.array([random.gauss(0.0, 1.0) for _ in table.prior])
        x, y, weight, prior, ridge = table[1:6]
        said = regression.cost(model, x, y, weight, beta, prior, ridge, low, high)
        assert said == pytest.approx(cost_of(table, beta, low, high), rel=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_sums_that_are_held_end_lower_than_they_began(seed: int) -> None:
    """Held sums make the cost lumpy: all that can be asked is a rest no higher than the beginning."""
    table = made(COUNTS, seed, n=60)
    steps, beta, _ = found_in(table, -1.0, 5.0)
    assert steps >= 0
    height = cost_of(table, beta, -1.0, 5.0)
    assert height <= cost_of(table, table.prior, -1.0, 5.0)


# ---------------------------------------------------------------- ridges and bounds


@both
def test_a_stronger_ridge_pulls_nearer_to_the_prior(model: int) -> None:
    away = []
    for pull in (0.1, 1.0, 10.0, 1e3, 1e7):
        table = made(model, "ridge", bound=WIDE, pull=pull)
        table.least[:], table.most[:] = -WIDE, WIDE
        away.append(float(np.abs(found_in(table).beta - table.prior).sum()))
    assert away == sorted(away, reverse=True)
    assert away[-1] < 1e-4


@both
def test_a_coefficient_that_would_leave_its_bound_stands_on_it(model: int) -> None:
    table = made(model, "bound", n=80)
    table.least[:], table.most[:] = -WIDE, WIDE
    free = found_in(table).beta
    table.most[1] = free[1] - 0.2
    held = found_in(table)
    assert held.beta[1] == table.most[1]
    assert held.spread[1] == 0.0
    assert (np.delete(held.spread, 1) > 0.0).all()
    assert held.beta == pytest.approx(lowest(table), abs=CLOSE)


@both
def test_bounds_that_meet_keep_the_coefficient(model: int) -> None:
    table = made(model, "kept", n=80)
    table.least[2] = table.most[2] = table.prior[2]
    held = found_in(table)
    assert held.beta[2] == table.prior[2]
    assert held.spread[2] == 0.0
    assert held.beta == pytest.approx(lowest(table), abs=CLOSE)


# ---------------------------------------------------------------- thin tables


@both
def test_a_column_that_never_varies_shares_with_the_intercept(model: int) -> None:
    table = made(model, "constant", bound=WIDE)
    table.x[:, 1] = 2.0
    table.least[:], table.most[:] = -WIDE, WIDE
    steps, beta, _ = found_in(table)
    assert steps >= 0
    assert beta == pytest.approx(lowest(table), abs=CLOSE)


@both
def test_a_column_of_zeros_stays_at_its_prior(model: int) -> None:
    table = made(model, "zeros")
    table.x[:, 1] = 0.0
    found = found_in(table, start=np.clip(table.prior + 0.2, table.least, table.most))
    assert found.beta[2] == pytest.approx(table.prior[2], abs=1e-9)
    assert found.spread[2] == pytest.approx(1 / math.sqrt(0.5), rel=1e-9)


@both
def test_nothing_seen_leaves_the_prior_and_without_a_ridge_no_answer(model: int) -> None:
    table = made(model, "empty", n=0)
    found = found_in(table, start=np.clip(table.prior + 0.2, table.least, table.most))
    assert found.beta == pytest.approx(table.prior, abs=1e-12)
    assert found_in(table._replace(ridge=np.zeros(4))).steps == -1


def test_separable_tables_stay_finite_by_the_ridge() -> None:
    x = np.array([[float(one)] for one in range(-10, 11) if one])
    y = (x[:, 0] > 0.0).astype(float)
    wide = np.full(2, WIDE)
    table = Table(CHANCES, x, y, np.ones(y.size), np.zeros(2), np.array([0.0, 0.01]), -wide, wide)
    steps, beta, spread = found_in(table)
    assert steps >= 0
    assert 1.0 < beta[1] < 20.0
    assert np.isfinite(spread).all()
    assert beta == pytest.approx(lowest(table), abs=1e-3)


def test_counts_of_nobody_stay_finite_within_their_bounds() -> None:
    """Nobody left: the intercept runs to its bound and stays there."""
    table = made(COUNTS, "nobody")._replace(y=np.zeros(24), ridge=np.array([0.0, 2.0, 2.0, 2.0]))
    table.least[0] = math.log(1e-6)
    found = found_in(table)
    assert found.steps >= 0
    assert found.beta[0] <= -8.0
    assert np.isfinite(found.beta).all()


# ---------------------------------------------------------------- what was put in comes out


@both
def test_planted_coefficients_are_recovered(model: int) -> None:
    random, truth = Random(f"planted {model}"), np.array([-3.0, 1.2, -0.7, 0.0])
    x = np.array([[random.gauss(0.0, 1.0) for _ in range(3)] for _ in range(6000)])
    weight = np.array([random.uniform(0.5, 2.0) for _ in x])
    means = np.exp(truth[0] + x @ truth[1:])
    if model == COUNTS:
        y = np.array([_poisson(random, one) for one in means * weight])
    else:
        weight = np.ones(len(x))
        y = np.array([float(random.random() < one / (1.0 + one)) for one in means])
    wide = np.full(4, WIDE)
    steps, beta, spread = found_in(Table(model, x, y, weight, np.zeros(4), np.full(4, 1e-3), -wide, wide))
    assert 0 <= steps < 30
    assert (np.abs(beta - truth) < 3.5 * spread).all()
    assert spread.max() < 0.1


def _poisson(random: Random, mean: float) -> float:
    """Events of a unit of time, by their exponential distances."""
    count, now = 0, random.expovariate(1.0)
    while now < mean:
        count, now = count + 1, now + random.expovariate(1.0)
    return float(count)


def test_soft_labels_teach_as_the_hard_ones_they_stand_for() -> None:
    table = made(CHANCES, "soft", n=30)
    hard = table._replace(
        x=np.concatenate([table.x, table.x]),
        y=np.concatenate([np.ones(30), np.zeros(30)]),
        weight=np.concatenate([table.weight * table.y, table.weight * (1.0 - table.y)]),
    )
    assert found_in(table).beta == pytest.approx(found_in(hard).beta, abs=CLOSE)


# ---------------------------------------------------------------- the same bits everywhere


def test_plain_python_gives_the_same_bits() -> None:
    calls = []
    for model in (COUNTS, CHANCES):
        for seed in range(4):
            table = made(model, seed)
            beta, spread = np.clip(table.prior, table.least, table.most), np.zeros(4)
            calls.append(("fit", (*table, -1.0, 5.0, beta, spread)))
    written = (10, 11)
    assert bits(answers("regression", calls, written)) == bits(plain_answers("regression", calls, written))
