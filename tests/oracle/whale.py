"""The whale curve with every customer at hand: sorted, added up, no bins at all."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from schemas.codes import Fault
from tests.oracle.rows import Row, period_of


def year_of(row: Row, day: int) -> tuple[int, int] | None:
    """(net of the year, the same without the company's cost); None for a customer without money in it."""
    periods = range(period_of(day) - 12, period_of(day) + 1)
    margins = [row.read("period_margin_cents", one) for one in periods]
    costs = [row.read("period_cost_cents", one) for one in periods]
    if not any(margins) and not any(map(any, costs)):
        return None
    net = sum(margins) - sum(map(sum, costs))
    return net, net + sum(cost[Fault.COMPANY] for cost in costs)


def bin_of(cents):
    """How many times 1.05 goes into the amount, on its side of the middle, by exact fractions."""
    if not cents:
        return 520
    steps, border = 0, Fraction(21, 20)
    while border <= abs(cents) and steps < 519:
        steps, border = steps + 1, border * Fraction(21, 20)
    return 520 + (1 + steps if cents > 0 else -1 - steps)


def brought_by_top(amounts, share):
    """What the best share of the customers brought, a part of one customer counting as that part."""
    best = sorted((int(one) for one in amounts), reverse=True)
    whole = floor(share * len(best))
    part = share * len(best) - whole
    return sum(best[:whole]) + (part * best[whole] if part else 0)
