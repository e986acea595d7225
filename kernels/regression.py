"""Two regressions with a ridge, in plain arithmetic: the same data give the same bits on every machine.

Both are solved by Newton's method on the coefficients that are free: one that stands at its bound and would
leave it is held there for the step. A step that does not lower the cost is halved.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import allocating, kernel
from kernels.elementary import exp, log1p

Column = NDArray[np.float64]
Matrix = NDArray[np.float64]

MOST_STEPS: Final = 100
MOST_HALVINGS: Final = 40
AT_REST: Final = 1e-10
PIVOT: Final = 1e-12
COUNTS: Final = 0
CHANCES: Final = 1


@kernel
def solve(a: Matrix, b: Column, out: Column) -> bool:
    """Solve a x = b for a symmetric positive definite ``a`` (k, k) by Cholesky; ``a`` is used up.

    Returns False where ``a`` is not positive definite.
    """
    k = b.size
    for i in range(k):
        for j in range(i + 1):
            total = a[i, j]
            for m in range(j):
                total -= a[i, m] * a[j, m]
            if i == j:
                if total <= PIVOT:
                    return False
                a[i, i] = math.sqrt(total)
            else:
                a[i, j] = total / a[j, j]
    for i in range(k):
        total = b[i]
        for m in range(i):
            total -= a[i, m] * out[m]
        out[i] = total / a[i, i]
    for i in range(k - 1, -1, -1):
        total = out[i]
        for m in range(i + 1, k):
            total -= a[m, i] * out[m]
        out[i] = total / a[i, i]
    return True


@kernel
def _lines(model: int, row: Column, beta: Column, low: float, high: float) -> tuple[float, bool]:
    """The linear predictor of one row, and whether its slopes count (not where the sum is held to its bounds)."""
    total = 0.0
    for j in range(row.size):
        total += row[j] * beta[1 + j]
    held = min(high, max(low, total))
    return beta[0] + held, held == total or model == CHANCES


@kernel
def cost(
    model: int, x: Matrix, y: Column, weight: Column, beta: Column, prior: Column, ridge: Column,
    low: float, high: float,
) -> float:  # fmt: skip
    """Minus the log-likelihood of ``beta``, and half the ridge times the square of its distance from ``prior``."""
    total = 0.0
    for i in range(y.size):
        eta, _ = _lines(model, x[i], beta, low, high)
        if model == COUNTS:
            total += weight[i] * exp(eta) - y[i] * eta
        else:
            positive = max(eta, 0.0)
            total += weight[i] * (positive + log1p(exp(-abs(eta))) - y[i] * eta)
    for j in range(beta.size):
        away = beta[j] - prior[j]
        total += 0.5 * ridge[j] * away * away
    return total


@kernel
def _slopes(
    model: int, x: Matrix, y: Column, weight: Column, beta: Column, prior: Column, ridge: Column,
    low: float, high: float, gradient: Column, curve: Matrix,
) -> None:  # fmt: skip
    """The cost's gradient (k,) and its curvature (k, k) at ``beta``."""
    k = beta.size
    gradient[:] = 0.0
    curve[:, :] = 0.0
    for i in range(y.size):
        eta, moves = _lines(model, x[i], beta, low, high)
        if model == COUNTS:
            mean = weight[i] * exp(eta)
            off, bend = mean - y[i], mean
        else:
            mean = 1.0 / (1.0 + exp(-eta))
            off, bend = weight[i] * (mean - y[i]), weight[i] * mean * (1.0 - mean)
        gradient[0] += off
        curve[0, 0] += bend
        if moves:
            for j in range(1, k):
                gradient[j] += off * x[i, j - 1]
                part = bend * x[i, j - 1]
                curve[j, 0] += part
                for m in range(1, j + 1):
                    curve[j, m] += part * x[i, m - 1]
    for j in range(k):
        gradient[j] += ridge[j] * (beta[j] - prior[j])
        curve[j, j] += ridge[j]
        for m in range(j):
            curve[m, j] = curve[j, m]


@allocating
def fit(
    model: int, x: Matrix, y: Column, weight: Column, prior: Column, ridge: Column, least: Column, most: Column,
    low: float, high: float, beta: Column, spread: Column,
) -> int:  # fmt: skip
    """Find the coefficients of least cost; returns the steps taken, -1 where no rest was found.

    model     ``COUNTS``: y are counts with mean weight x exp(eta); ``CHANCES``: y in 0..1 are chances, weight
              says how much each row counts; eta = beta[0] + x . beta[1:], the sum held to ``low`` .. ``high``
    x         (n, k), y (n,), weight (n,) >= 0
    prior     (1 + k,) towards which ``ridge`` (1 + k,) >= 0 pulls; ``least`` and ``most`` bound the coefficients
    beta      (1 + k,) in: where to begin, within the bounds; out: the coefficients
    spread    (1 + k,) out: their standard errors by the curvature, 0 for one that stands at its bound
    """
    k = beta.size
    gradient, step = np.zeros(k), np.zeros(k)
    curve = np.zeros((k, k))
    best = cost(model, x, y, weight, beta, prior, ridge, low, high)
    for taken in range(MOST_STEPS):
        _slopes(model, x, y, weight, beta, prior, ridge, low, high, gradient, curve)
        free = np.zeros(k, np.int64)
        count = 0
        for j in range(k):
            falls = beta[j] <= least[j] and gradient[j] > 0.0
            rises = beta[j] >= most[j] and gradient[j] < 0.0
            if not (falls or rises or least[j] >= most[j]):
                free[count] = j
                count += 1
        if not _newton(curve, gradient, free, count, step):
            return -1
        moved = best
        scale = 1.0
        tried = beta.copy()
        for _ in range(MOST_HALVINGS):
            for j in range(k):
                tried[j] = min(most[j], max(least[j], beta[j] - scale * step[j]))
            moved = cost(model, x, y, weight, tried, prior, ridge, low, high)
            if moved < best:
                break
            scale *= 0.5
        if not best - moved > AT_REST * (1.0 + abs(best)):
            _spreads(curve, free, count, spread)
            return taken
        beta[:] = tried
        best = moved
    return -1


@allocating
def _newton(curve: Matrix, gradient: Column, free: NDArray[np.int64], count: int, step: Column) -> bool:
    """Newton's step over the free coefficients, 0 for the others."""
    small, right, found = np.zeros((count, count)), np.zeros(count), np.zeros(count)
    for i in range(count):
        right[i] = gradient[free[i]]
        for j in range(count):
            small[i, j] = curve[free[i], free[j]]
    step[:] = 0.0
    if not solve(small, right, found):
        return False
    for i in range(count):
        step[free[i]] = found[i]
    return True


@allocating
def _spreads(curve: Matrix, free: NDArray[np.int64], count: int, spread: Column) -> None:
    """Square roots of the diagonal of the inverse curvature over the free coefficients."""
    spread[:] = 0.0
    for at in range(count):
        small, right, found = np.zeros((count, count)), np.zeros(count), np.zeros(count)
        right[at] = 1.0
        for i in range(count):
            for j in range(count):
                small[i, j] = curve[free[i], free[j]]
        if solve(small, right, found):
            spread[free[at]] = math.sqrt(max(0.0, found[at]))
