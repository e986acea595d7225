"""Small charts as SVG text: no script, no font, no host; their colours follow the reader's light or dark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10
from typing import NamedTuple

WIDTH, HEIGHT = 680, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 34

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6470; --line: #d5dae0; --paper: #ffffff;
  --card: #f6f7f9; --a: #0b62a8; --b: #b8530a; --both: #8a929c; --bad: #a3262a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a9b1bb; --line: #3a414b; --paper: #14171b;
  --card: #1d2127; --a: #6db3f2; --b: #f0a35e; --both: #7d8590; --bad: #ff8a8a; } }
.chart { width: 100%; max-width: 680px; height: auto; display: block; background: var(--paper); }
.chart text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.chart .axis { stroke: var(--line); fill: none; }
.chart .limit { stroke: var(--bad); stroke-dasharray: 2 4; fill: none; }
.chart .a { stroke: var(--a); fill: none; stroke-width: 2; }
.chart .b { stroke: var(--b); fill: none; stroke-width: 2; stroke-dasharray: 7 4; }
.chart .fill-a { fill: var(--a); } .chart .fill-b { fill: var(--b); }
.chart .fill-both { fill: var(--both); } .chart .band { fill: var(--both); opacity: .35; }
.chart .mark { fill: var(--ink); } .chart .word { fill: var(--ink); }
"""
"""What every page with charts must carry, and every picture that stands alone."""

Point = tuple[float, float]
Naming = Callable[[float], str]


class Line(NamedTuple):
    """One drawn line: its name, its class (``a`` or ``b``) and its points in order."""

    name: str
    kind: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Plane:
    """Where numbers lie on the paper: the rectangle inside the axes."""

    low: Point
    high: Point
    top: float = TOP
    height: float = HEIGHT

    def x(self, value: float) -> float:
        """Pixels from the left."""
        span = self.high[0] - self.low[0] or 1.0
        return round(LEFT + (value - self.low[0]) / span * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        span = self.high[1] - self.low[1] or 1.0
        foot = self.height - BOTTOM
        return round(foot - (value - self.low[1]) / span * (foot - self.top), 1)

    def path(self, points: Sequence[Point]) -> str:
        """The points joined, as a path."""
        return "M" + "L".join(f"{self.x(x)},{self.y(y)}" for x, y in points)


def nice_steps(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high`` for an axis, at most some of them."""
    span = (high - low) or 1.0
    unit = 10.0 ** floor(log10(span / most))
    step = next(unit * one for one in (1, 2, 5, 10, 20) if span / (unit * one) <= most)
    first = -(-low // step)
    return [round((first + at) * step, 10) for at in range(most + 1) if (first + at) * step <= high + 1e-9 * span]


def svg(inside: str, said: str, height: float = HEIGHT, alone: bool = False) -> str:
    """A whole picture; ``said`` is what it says to those who cannot see it. ``alone``: a file of its own."""
    style = f"<style>{STYLE}</style>" if alone else ""
    name = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
    return (
        f'<svg{name} class="chart" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(said)}">'
        f"{style}{inside}</svg>"
    )


def axes(plane: Plane, x_name: Naming, y_name: Naming, x_steps: Sequence[float]) -> str:
    """Both axes with their numbers."""
    foot = plane.height - BOTTOM
    parts = []
    for value in nice_steps(plane.low[1], plane.high[1]):
        y = plane.y(value)
        parts.append(f'<path class="axis" d="M{LEFT},{y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(y_name(value))}</text>')
    for at, value in enumerate(x_steps):
        anchor = "start" if at == 0 else "end" if at == len(x_steps) - 1 else "middle"
        x = plane.x(value)
        parts.append(f'<text x="{x}" y="{foot + 18}" text-anchor="{anchor}">{escape(x_name(value))}</text>')
    return "".join(parts)


def lines(
    said: str, drawn: Sequence[Line], x_name: Naming, y_name: Naming, limit: tuple[str, float] | None = None,
    alone: bool = False,
) -> str:  # fmt: skip
    """Lines over a common axis, from zero up, with their names; ``limit`` is a border to stay below.

    ``alone``: a file of its own.
    """
    points = [point for one in drawn for point in one.points]
    if not points:
        return ""
    most = max([y for _, y in points] + ([limit[1]] if limit else []))
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    plane = Plane((first, 0.0), (last, most * 1.08 or 1.0))
    inside = axes(plane, x_name, y_name, [first, (first + last) / 2, last] if last > first else [first])
    for at, one in enumerate(drawn):
        inside += f'<path class="{one.kind}" d="{plane.path(one.points)}"/>'
        x = LEFT + 8 + 150 * at
        inside += (
            f'<path class="{one.kind}" d="M{x},{TOP + 2}h26"/>'
            f'<text class="word" x="{x + 32}" y="{TOP + 6}">{escape(one.name)}</text>'
        )
    if limit is not None:
        y = plane.y(limit[1])
        inside += f'<path class="limit" d="M{LEFT},{y}H{WIDTH - RIGHT}"/>'
        inside += f'<text x="{WIDTH - RIGHT}" y="{y - 5}" text-anchor="end">{escape(limit[0])}</text>'
    return svg(inside, said, alone=alone)


def calibration(said: str, drawn: Sequence[Line], x_name: Naming) -> str:
    """Forecast (across) against what came (up); on the diagonal a forecast is right."""
    points = [point for one in drawn for point in one.points]
    if not points:
        return ""
    most = max(max(point) for point in points) * 1.1 or 1.0
    plane = Plane((0.0, 0.0), (most, most))
    inside = axes(plane, x_name, x_name, nice_steps(0.0, most))
    inside += f'<path class="axis" d="{plane.path([(0.0, 0.0), (most, most)])}"/>'
    for at, one in enumerate(drawn):
        for x, y in one.points:
            if one.kind == "a":
                inside += f'<circle class="fill-a" cx="{plane.x(x)}" cy="{plane.y(y)}" r="5"/>'
            else:
                left, top = plane.x(x) - 4, plane.y(y) - 4
                inside += f'<rect class="fill-b" x="{left:.1f}" y="{top:.1f}" width="8" height="8"/>'
        x, mark = LEFT + 10 + 150 * at, "circle" if one.kind == "a" else "square"
        inside += f'<text class="word" x="{x}" y="{TOP + 6}">{escape(one.name)} ({mark})</text>'
    return svg(inside, said)


class Split(NamedTuple):
    """One bar in three parts: only the first policy, both, only the other."""

    name: str
    only_a: int
    both: int
    only_b: int


def splits(said: str, bars: Sequence[Split]) -> str:
    """Bars of three parts each, one below the other, all to one scale."""
    row, right = 40, WIDTH - RIGHT
    most = max((one.only_a + one.both + one.only_b for one in bars), default=0) or 1
    inside = ""
    for at, one in enumerate(bars):
        x, y = float(RIGHT), TOP + row * at
        inside += f'<text class="word" x="{RIGHT}" y="{y}">{escape(one.name)}</text>'
        inside += f'<text x="{right}" y="{y}" text-anchor="end">{one.only_a} | {one.both} | {one.only_b}</text>'
        for kind, count in (("a", one.only_a), ("both", one.both), ("b", one.only_b)):
            width = count / most * (right - RIGHT)
            if count:
                inside += f'<rect class="fill-{kind}" x="{x:.1f}" y="{y + 5}" width="{width:.1f}" height="14"/>'
            x += width
    return svg(inside, said, TOP + row * len(bars))
