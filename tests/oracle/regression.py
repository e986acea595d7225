"""The two regressions from their likelihoods: one coefficient after the other, each by bisection of its slope."""

from __future__ import annotations

import math

COUNTS, CHANCES = 0, 1
MOST_SWEEPS = 3000


def predictor(model, row, beta, low, high):
    total = math.fsum(value * weight for value, weight in zip(row, beta[1:], strict=True))
    return beta[0] + min(high, max(low, total))


def cost(model, x, y, weight, beta, prior, ridge, low=-math.inf, high=math.inf):
    """-ln of the Poisson likelihood (without ln y!) or of the weighted Bernoulli one, and the ridge."""
    parts = []
    for row, came, counts in zip(x, y, weight, strict=True):
        eta = predictor(model, row, beta, low, high)
        if model == COUNTS:
            parts.append(counts * math.exp(eta) - came * eta)
        else:
            chance = 1 / (1 + math.exp(-eta))
            parts.append(-counts * (came * math.log(chance) + (1 - came) * math.log1p(-chance)))
    parts += [pull * (b - p) ** 2 / 2 for pull, b, p in zip(ridge, beta, prior, strict=True)]
    return math.fsum(parts)


def slope(model, x, y, weight, beta, prior, ridge, which):
    """The derivative of ``cost`` by one coefficient, where no sum is held."""
    parts = [ridge[which] * (beta[which] - prior[which])]
    for row, came, counts in zip(x, y, weight, strict=True):
        eta = predictor(model, row, beta, -math.inf, math.inf)
        if model == COUNTS:
            off = counts * math.exp(eta) - came
        else:
            off = counts * (1 / (1 + math.exp(-eta)) - came)
        parts.append(off * (row[which - 1] if which else 1))
    return math.fsum(parts)


def fit(model, x, y, weight, prior, ridge, least, most):
    """The coefficients of least cost within their bounds; the cost is convex, so there is one answer."""
    beta = [min(high, max(low, start)) for start, low, high in zip(prior, least, most, strict=True)]
    for _ in range(MOST_SWEEPS):
        before = list(beta)
        for which in range(len(beta)):
            beta[which] = _lowest(model, x, y, weight, beta, prior, ridge, least, most, which)
        if max(abs(one - other) for one, other in zip(beta, before, strict=True)) < 1e-9:
            return beta
    raise AssertionError("no rest")


def _lowest(model, x, y, weight, beta, prior, ridge, least, most, which):
    tried = list(beta)
    low, high = max(least[which], beta[which] - 4), min(most[which], beta[which] + 4)
    while high - low > 1e-11 * max(1, abs(low)):
        tried[which] = middle = (low + high) / 2
        if slope(model, x, y, weight, tried, prior, ridge, which) > 0:
            high = middle
        else:
            low = middle
    tried[which] = low
    for bound in (least[which], most[which]):
        if abs(low - bound) < 1e-9:
            return bound
    return low


def curvature(model, x, weight, beta, ridge):
    """The matrix of second derivatives of ``cost``."""
    size = len(beta)
    out = [[ridge[i] if i == j else 0.0 for j in range(size)] for i in range(size)]
    for row, counts in zip(x, weight, strict=True):
        eta = predictor(model, row, beta, -math.inf, math.inf)
        mean = math.exp(eta) if model == COUNTS else 1 / (1 + math.exp(-eta))
        bend = counts * (mean if model == COUNTS else mean * (1 - mean))
        whole = [1.0, *row]
        for i in range(size):
            for j in range(size):
                out[i][j] += bend * whole[i] * whole[j]
    return out
