"""What a whole base costs: one customer's scores, a midnight over a million rows, and the curve of all of them.

The rows are those of a simulated year (ordinary customers and the stories), repeated: far more than any cache
holds, in the mix of states, cases and ages that such a base has.
"""

from __future__ import annotations

import time
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from kernels import judge, problems, whale
from kernels.evidence import FACTORS, daily_factors
from kernels.scores import score_risk, score_value
from kernels.settle import settle_by
from schemas import state
from schemas.insights import BINS, CAUSED
from streams.pipeline import Pipeline, Record
from streams.simulate import DAY_MS, HOUR_MS, Simulation
from streams.warmup import simulated_ledger

ROWS = 1_000_000
CUSTOMERS = 2_000
DAYS = 196
RUNS = 3
ROOM = 4_096
CHANGES = 1_000_000
AT_HAND = 250
"""Customers whose rows the processor's own cache holds, as it holds that of an event just taken in."""


def year() -> Pipeline:
    """A pipeline that has judged a simulated history, its rows settled to the last midnight."""
    pipeline = Pipeline("bench")
    history = Simulation(customers=CUSTOMERS, days=DAYS, stories={})
    for at, value in enumerate(simulated_ledger(history)):
        pipeline.step(Record(at, None, value))
    return pipeline


@numba.njit(error_model="numpy")
def _score_all(rows: Any, day: int, now_ms: int, rules: Any, scores: Any) -> None:
    for i in range(rows.size):
        score_value(rows[i], day, rules[0], scores[0])
        score_risk(rows[i], now_ms, rules[0], scores[0])


@numba.njit(error_model="numpy")
def _settle_all(rows: Any, memos: Any, day: int, rules: Any) -> None:
    factors = np.empty(FACTORS)
    daily_factors(rules[0], factors)
    for i in range(rows.size):
        settle_by(rows[i], memos[i], day, rules[0], factors)


@numba.njit(error_model="numpy")
def _change_all(sketch: Any, before: Any, after: Any) -> None:
    for i in range(before.size):
        whale.put(sketch, before[i], -1)
        whale.put(sketch, after[i], 1)


class Base:
    """A million rows, and one day after another for them."""

    def __init__(self) -> None:
        pipeline = year()
        assert pipeline.policy is not None
        self.rules = pipeline.policy.record
        n = len(pipeline.arena)
        self.rows: NDArray[np.void] = np.resize(pipeline.arena.rows[:n], ROWS)
        self.memos, self.quiet = np.zeros(ROWS, state.MEMO), np.zeros(ROWS, np.uint8)
        self.tick_ms = pipeline.last_tick_ms // DAY_MS * DAY_MS
        self.scores = np.zeros(1, state.SCORES)
        self.dirty = np.zeros(ROWS, np.uint8)
        self.out, self.copies = np.zeros(64, state.CROSSING), np.zeros(64, state.CUSTOMER)
        self.caused = np.zeros(ROOM, CAUSED)
        self.crossed = 0

    @property
    def day(self) -> int:
        """The day of the newest midnight."""
        return self.tick_ms // DAY_MS

    def sweep(self) -> None:
        """The next midnight: settle one day, timers, every score, every machine, for every row."""
        self.tick_ms += DAY_MS
        start = 0
        while start < ROWS:
            start, count = judge.sweep(
                *(
                    self.rows,
                    self.memos,
                    self.quiet,
                    start,
                    ROWS,
                    self.tick_ms,
                    self.rules,
                    self.scores,
                    self.dirty,
                ),
                *(self.out, self.copies),
            )
            self.crossed += count

    def settle(self) -> None:
        """Only the daily step of the next midnight."""
        self.tick_ms += DAY_MS
        _settle_all(self.rows, self.memos, self.day, self.rules)

    def hour(self) -> None:
        """An hour's tick, which concludes only those whom an hour can change."""
        judge.sweep(
            *(
                self.rows,
                self.memos,
                self.quiet,
                0,
                ROWS,
                self.tick_ms + HOUR_MS,
                self.rules,
                self.scores,
                self.dirty,
            ),
            *(self.out, self.copies),
        )

    def sweep_anew(self) -> None:
        """The next midnight with nothing remembered: once in 28 days, and after a restore."""
        self.memos[:] = 0
        self.sweep()

    def score(self, n: int = ROWS) -> None:
        """Every score of a customer but the worth, for ``n`` of them."""
        _score_all(self.rows[:n], self.day, self.tick_ms, self.rules, self.scores)

    def curve(self) -> None:
        """Both whale curves of all rows."""
        sketches = np.zeros((2, BINS), np.int64), np.zeros((2, BINS), np.int64)
        whale.survey_known(self.rows, self.memos, ROWS, self.day, *sketches)

    def problems(self) -> None:
        """What every row has had of every problem."""
        start = 0
        while start < ROWS:
            start, _ = problems.collect(
                *(self.rows, start, ROWS, self.tick_ms, self.rules, self.scores, self.caused)
            )


def seconds(work: Any) -> float:
    """The best of some runs, the first of which compiles and does not count."""
    work()
    best = float("inf")
    for _ in range(RUNS):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best


def figures() -> dict[str, float]:
    """Each figure by name; ns are for one customer, s for a million."""
    base = Base()
    rng = np.random.default_rng(1)
    before, after = rng.integers(-(10**7), 10**7, (2, CHANGES))
    sketch = np.zeros((2, BINS), np.int64)
    return {
        "score_one_ns": 1e9 * seconds(lambda: base.score(AT_HAND)) / AT_HAND,
        "score_one_of_1m_ns": 1e9 * seconds(base.score) / ROWS,
        "sweep_1m_rows_s": seconds(base.sweep),
        "sweep_1m_rows_anew_s": seconds(base.sweep_anew),
        "hour_1m_rows_s": seconds(base.hour),
        "sweep_crossings_per_1m": base.crossed / (2 * RUNS + 2),
        "settle_1m_rows_s": seconds(base.settle),
        "curve_1m_rows_s": seconds(base.curve),
        "problems_1m_rows_s": seconds(base.problems),
        "curve_update_ns": 1e9 * seconds(lambda: _change_all(sketch, before, after)) / CHANGES,
        "customer_row_bytes": float(state.CUSTOMER.itemsize),
    }
