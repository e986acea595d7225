"""The lowest point of a function of a few numbers, found by its values alone, the same on every machine.

Nelder and Mead (1965), with the rules for ties of Lagarias, Reeds, Wright and Wright (1998). Only
additions, multiplications and comparisons in a fixed order: the same function gives the same bits.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Point = tuple[float, ...]
Function = Callable[[Point], float]

REFLECTED = 1.0
EXPANDED = 2.0
CONTRACTED = 0.5
SHRUNK = 0.5


@dataclass(frozen=True, slots=True)
class Lowest:
    """The lowest point found, its value, how often the function was asked, and whether the search came to rest."""

    point: Point
    value: float
    asked: int
    converged: bool


def minimise(
    function: Function,
    start: Sequence[float],
    *,
    step: float = 0.5,
    value_grain: float = 1e-9,
    point_grain: float = 1e-7,
    most_asked: int = 4_000,
    most_rounds: int = 6,
) -> Lowest:
    """Look for the lowest point of ``function`` near ``start``, whose value there must be finite.

    A simplex may fold up before it has arrived. So a search that came to rest is begun anew around its point,
    and only a round that finds nothing lower by more than ten ``value_grain`` ends with ``converged``.

    function     may give infinity or nan for a point that is not allowed; both count as infinitely high
    step         edge of the first simplex, the same along every axis
    value_grain  at rest, the corners' values differ by no more
    point_grain  at rest, each coordinate of the corners differs by no more
    most_asked   values asked for in all, at most (a round under way is finished by one more simplex step)
    """
    assert len(start) > 0
    best = Lowest(tuple(start), _height(function, tuple(start)), 1, False)
    assert math.isfinite(best.value)
    for _ in range(most_rounds):
        left = most_asked - best.asked
        if left <= 0:
            break
        found = _round(function, best, step, value_grain, point_grain, left)
        lower_by = best.value - found.value
        arrived = found.converged and lower_by <= 10.0 * value_grain
        best = Lowest(found.point, found.value, best.asked + found.asked, arrived)
        if arrived:
            break
    return best


def _round(
    function: Function, begin: Lowest, step: float, value_grain: float, point_grain: float, most_asked: int
) -> Lowest:
    """Walk one simplex, built around the point of ``begin``, until it rests or has asked too often."""
    size = len(begin.point)
    corners = [(begin.value, begin.point)]
    for axis in range(size):
        moved = tuple(at + (step if k == axis else 0.0) for k, at in enumerate(begin.point))
        corners.append((_height(function, moved), moved))
    asked = size
    while True:
        corners.sort(key=_value)  # a stable sort: of equal corners the older one stays in front
        if _rests(corners, value_grain, point_grain):
            return Lowest(corners[0][1], corners[0][0], asked, True)
        if asked >= most_asked:
            return Lowest(corners[0][1], corners[0][0], asked, False)
        asked += _step(function, corners)


def _step(function: Function, corners: list[tuple[float, Point]]) -> int:
    """Replace the highest corner by a lower one, or draw all others towards the lowest; count the values asked."""
    worst, worst_point = corners[-1]
    centre = _centre([point for _, point in corners[:-1]])
    reflected = _towards(centre, worst_point, -REFLECTED)
    height = _height(function, reflected)
    if height < corners[0][0]:
        expanded = _towards(centre, worst_point, -EXPANDED)
        further = _height(function, expanded)
        corners[-1] = (further, expanded) if further < height else (height, reflected)
        return 2
    if height < corners[-2][0]:
        corners[-1] = (height, reflected)
        return 1
    outside = height < worst
    contracted = _towards(centre, reflected if outside else worst_point, CONTRACTED)
    nearer = _height(function, contracted)
    if nearer <= height if outside else nearer < worst:
        corners[-1] = (nearer, contracted)
        return 2
    lowest = corners[0][1]
    for k in range(1, len(corners)):
        drawn = _towards(lowest, corners[k][1], SHRUNK)
        corners[k] = (_height(function, drawn), drawn)
    return 1 + len(corners)


def _rests(corners: list[tuple[float, Point]], value_grain: float, point_grain: float) -> bool:
    if not corners[-1][0] - corners[0][0] <= value_grain:
        return False
    lowest = corners[0][1]
    return all(
        abs(at - here) <= point_grain for _, point in corners for at, here in zip(point, lowest, strict=True)
    )


def _value(corner: tuple[float, Point]) -> float:
    return corner[0]


def _height(function: Function, point: Point) -> float:
    value = function(point)
    return math.inf if math.isnan(value) else value


def _centre(points: list[Point]) -> Point:
    total = [0.0] * len(points[0])
    for point in points:
        for k, at in enumerate(point):
            total[k] += at
    return tuple(at / len(points) for at in total)


def _towards(begin: Point, end: Point, share: float) -> Point:
    """The point ``share`` of the way from ``begin`` to ``end``; a negative share goes the other way."""
    return tuple(one + share * (other - one) for one, other in zip(begin, end, strict=True))
