"""What is said of all customers of a partition together, at each midnight: curve, problems, whom to win back.

All are functions of the rows, so none has a state to lose. Remembered is only which problems were told of
last, so that those that are gone can be taken back; names come from ``Names``.
"""

from dataclasses import dataclass

import msgpack
import numpy as np
from numpy.typing import NDArray

from kernels import grounds, problems, whale
from kernels.attribution import DAY_MS
from schemas import state
from schemas.codes import CaseFlag
from schemas.insights import BINS, CAUSED, CurvePart, Insight, Problem, WinBack, problem_key
from schemas.policy import Policy
from streams.arena import Arena
from streams.names import Names
from streams.prospects import win_back

MOST_PROBLEMS = 1_000
"""So many problems a partition tells of, those with most money in them."""

ROOM = 4_096


@dataclass(frozen=True, slots=True)
class Known:
    """The problem an alert belongs to: its id, and what it is called.

    How many customers have it is no part of an alert: a partition knows only its own, and alerts must not depend
    on how many partitions there are. The insights say it, under the same id.
    """

    problem_id: str
    words: str


class Survey:
    """Looks over all rows of one ledger partition at midnight. ``KEY`` is the changelog key of what was told."""

    KEY = b"g"

    def __init__(self, partition: int, partitions: int, names: Names) -> None:
        self._partition, self._partitions, self._names = partition, partitions, names
        self._told: set[int] = set()
        self._changed = False
        self._scores = np.zeros(1, state.SCORES)
        self._caused = np.empty(ROOM, CAUSED)

    def midnight(self, arena: Arena, tick_ms: int, rules: Policy) -> list[Insight]:
        """The curve, the list and the problems as of ``tick_ms``; rows are settled to it, and concluded."""
        curve = np.zeros((2, BINS), np.int64)
        faultless = np.zeros((2, BINS), np.int64)
        whale.survey_known(arena.rows, arena.memos, len(arena), tick_ms // DAY_MS, curve, faultless)
        part = CurvePart(
            self._partition, self._partitions, tick_ms, rules.version, _filled(curve), _filled(faultless)
        )
        self._names.forget_unless(lambda: _digests(arena))
        found = self._problems(arena, tick_ms, rules)
        told = {int(one.problem_id, 16) for one in found}
        gone = self._told - told
        self._changed |= told != self._told
        self._told = told
        return [
            part.insight(),
            self.win_back(arena, tick_ms, rules),
            *(one.insight(self._partition) for one in found),
            *(Insight(problem_key(self._partition, problem), None) for problem in sorted(gone)),
        ]

    def win_back(self, arena: Arena, tick_ms: int, rules: Policy) -> Insight:
        """Whom to win back, as of ``tick_ms``."""
        return WinBack(self._partition, tick_ms, win_back(arena, tick_ms, rules, self._names.of)).insight()

    def without_one(self, arena: Arena, last_tick_ms: int, rules: Policy | None) -> list[Insight]:
        """What names customers, told once more as of the last midnight: one of them is gone."""
        if rules is None or last_tick_ms < 0:
            return []
        return [self.win_back(arena, last_tick_ms // DAY_MS * DAY_MS, rules)]

    def name_of(self, digest: int) -> str | None:
        """The text behind a digest in a row, where it is kept."""
        return self._names.get(digest)

    def known(self, row: NDArray[np.void], now_ms: int, dearest: bool) -> Known | None:
        """The problem behind an alert about this row (shape ()), if its case has one."""
        slot, digest = grounds.problem(row.reshape(1), now_ms, dearest)
        if slot < 0:
            return None
        problem = int(digest)
        fault = int(row["case_flags"][slot]) & CaseFlag.KNOWN_FAULT
        get = self._names.get
        reason = None if fault else get(int(row["case_reason"][slot]))
        words = problem_in_words(get(problem) if fault else None, get(int(row["case_sku"][slot])), reason)
        return Known(f"{problem:016x}", words)

    def _problems(self, arena: Arena, tick_ms: int, rules: Policy) -> list[Problem]:
        start, found = 0, []
        while start < len(arena):
            start, count = problems.collect(
                *(arena.rows, start, len(arena), tick_ms, rules.record, self._scores, self._caused)
            )
            found.append(self._caused[:count].copy())
        caused = np.concatenate([*found, np.zeros(0, CAUSED)])
        caused = caused[np.argsort(caused["problem"], kind="stable")]
        ids, starts = np.unique(caused["problem"], return_index=True)
        if not ids.size:
            return []
        # Only sums and extremes, so that the order of the rows, which differs after a restore, does not matter.
        add = {
            name: np.add.reduceat(caused[name].astype(np.int64), starts)
            for name in ("recent", "open", "cost_cents", "at_risk_cents")
        }
        names = ("fault", "sku", "reason", "last_ms")
        greatest = {name: np.maximum.reduceat(caused[name], starts) for name in names}
        first_ms = np.minimum.reduceat(caused["first_ms"], starts)
        flags = np.bitwise_or.reduceat(caused["flags"], starts)
        get, day = self._names.get, tick_ms // DAY_MS
        listed = [
            Problem(
                problem_id=f"{int(ids[at]):016x}",
                fault_id=get(int(greatest["fault"][at])),
                sku=get(int(greatest["sku"][at])),
                reason=None if greatest["fault"][at] else get(int(greatest["reason"][at])),
                failures=tuple((one.name or "").lower() for one in CaseFlag(int(flags[at]))),
                customers=int(add["recent"][at]),
                open_customers=int(add["open"][at]),
                cost_cents=int(add["cost_cents"][at]),
                window_days=state.PERIOD_DAYS + day % state.PERIOD_DAYS,
                at_risk_cents=int(add["at_risk_cents"][at]),
                first_ms=int(first_ms[at]),
                last_ms=int(greatest["last_ms"][at]),
                as_of_ms=tick_ms,
            )
            for at in range(ids.size)
        ]
        return sorted(listed, key=lambda one: (-one.money_cents, one.problem_id))[:MOST_PROBLEMS]

    def take_dirty(self) -> list[tuple[bytes, bytes]]:
        """The changelog record of what was told of last, if that changed since the last call."""
        changed, self._changed = self._changed, False
        return [(self.KEY, bytes(msgpack.packb(sorted(self._told))))] if changed else []

    def restore(self, value: bytes) -> None:
        """Take back the changelog record."""
        self._told = set(msgpack.unpackb(value))


def _filled(sketch: whale.Sketch) -> tuple[tuple[int, int, int], ...]:
    """The bins that hold somebody, as (bin, customers, cents)."""
    return tuple((at, int(sketch[0, at]), int(sketch[1, at])) for at in np.flatnonzero(sketch[0]).tolist())


def _digests(arena: Arena) -> set[int]:
    """Every digest in a row that a name may be asked for."""
    rows = arena.rows[: len(arena)]
    named = ("case_id", "case_sku", "case_reason", "floor", "skill", "line")
    return {int(one) for name in named for one in np.unique(rows[name])}


def problem_in_words(fault_id: str | None, sku: str | None, reason: str | None) -> str:
    """What a problem is called: by its known fault, by sku and reason, or that nobody told either."""
    parts = (("known fault", fault_id), ("sku", sku), ("reason", reason))
    return ", ".join(f"{what} {name}" for what, name in parts if name) or "without a name"
