"""A count of all customers that goes round and round, a slice at a time, so that nothing waits for it.

In one turn some thousand rows are looked at; when all rows of a partition have been, its figures replace the last
ones. A million customers take about four minutes a round; with few, each turn is a whole round.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kernels import whale
from schemas.codes import STATE_NAMES, Fault
from schemas.insights import BINS
from schemas.state import FAULTS, NEVER
from streams.pipeline import Pipeline
from streams.whale import Curve, curve

AT_ONCE = 4_096
"""Rows of one turn: a few ms, because looking at a row mostly waits for memory."""

DAY_MS = 86_400_000
DECILES = 10
STATES = max(map(len, STATE_NAMES.values()))


def _sketch() -> whale.Sketch:
    return np.zeros((2, BINS), np.int64)


@dataclass(slots=True)
class Count:
    """What was counted of some customers: (machine, state) -> customers, cents by fault, two whale sketches."""

    states: NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(STATE_NAMES), STATES), np.int64))
    caused_cents: NDArray[np.int64] = field(default_factory=lambda: np.zeros(FAULTS, np.int64))
    violations: int = 0
    curve: whale.Sketch = field(default_factory=_sketch)
    faultless: whale.Sketch = field(default_factory=_sketch)

    def look(self, rows: NDArray[np.void], day: int) -> None:
        """Count these rows too; before the first ``day`` (-1) nobody is on a curve."""
        for machine, states in enumerate(rows["state"].T):
            self.states[machine] += np.bincount(states, minlength=STATES)[:STATES]
        self.caused_cents += rows["life_cost_cents"].sum(axis=0)
        self.violations += int(rows["hold_violations"].sum())
        if day != NEVER:
            whale.survey(rows, rows.size, day, self.curve, self.faultless)

    def add(self, other: "Count") -> None:
        """Add what was counted of other customers."""
        self.states += other.states
        self.caused_cents += other.caused_cents
        self.violations += other.violations
        self.curve += other.curve
        self.faultless += other.faultless

    def curve_of(self) -> Curve:
        """The whale curve of the customers counted."""
        return curve(self.curve)

    def caused(self) -> dict[str, int]:
        """What the customers have cost, cents, by who caused it."""
        return {fault.name.lower(): int(self.caused_cents[fault]) for fault in Fault}

    def deciles(self) -> list[int]:
        """The year's net of each tenth of the customers with money, the best first; nothing for nobody."""
        if not self.curve[0].any():
            return []
        reached = [round(whale.brought_by_top(self.curve, at / DECILES)) for at in range(DECILES + 1)]
        return [after - before for before, after in pairwise(reached)]


class Census:
    """Counts the customers of the partitions it is shown, a slice a turn."""

    def __init__(self) -> None:
        self._whole: dict[int, Count] = {}
        self._round: Iterator[None] = iter(())

    def turn(self, pipelines: Mapping[int, Pipeline]) -> None:
        """Look at the next rows; after the last begins a new round over whatever is there then."""
        for gone in self._whole.keys() - pipelines.keys():
            del self._whole[gone]
        if next(self._round, self) is self:
            self._round = self._walk(dict(pipelines))
            next(self._round, None)

    def of_all(self) -> Count:
        """The newest figures of all partitions together."""
        total = Count()
        for one in self._whole.values():
            total.add(one)
        return total

    def _walk(self, pipelines: Mapping[int, Pipeline]) -> Iterator[None]:
        left = AT_ONCE
        for partition, pipeline in pipelines.items():
            count, start = Count(), 0
            while start < (n := len(pipeline.arena)):
                end = min(n, start + left)
                count.look(pipeline.arena.rows[start:end], pipeline.last_tick_ms // DAY_MS)
                left -= end - start
                start = end
                if not left:
                    yield
                    left = AT_ONCE
            self._whole[partition] = count
