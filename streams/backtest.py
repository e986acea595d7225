"""The same recorded events judged under two policies: what each would have told, to whom, and who then left.

Both are judged by ``streams.rejudge``, so by the pipeline that judges live. What is kept of a judgement is small
enough for a large base: each alert in a few numbers, and every customer's state and risk at a midnight in 30 days.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.alerts import Alert, DeadLetter
from schemas.codes import Fault
from schemas.events import DAY_MS
from schemas.policy import Policy
from streams.fitrisk import left_by
from streams.outcome import Outcome
from streams.past import AT_ONCE, LOOK_DAYS, Looks, look
from streams.pipeline import Pipeline
from streams.rejudge import Judge, judge_file

SILENT_DAYS = 180
"""Who was not heard of for so long is no customer of whom an outcome is asked."""


class BacktestError(RuntimeError):
    """A backtest cannot be made; the message is one sentence."""


class Told(NamedTuple):
    """What is kept of an alert. All but ``policy`` figures: equal alerts of two policies are equal here."""

    alert_id: str
    ts_ms: int
    customer_id: str
    kind: str
    moment: str | None
    state_before: str
    state_after: str
    risk_ppm: int
    company_share_ppm: int
    expected_year_cents: int
    worth_cents: int
    at_risk_cents: int
    savable_cents: int
    gesture_cents: int
    gesture_saves_cents: int
    actions: tuple[str, ...]

    @property
    def day(self) -> int:
        """The UTC day of the crossing."""
        return self.ts_ms // DAY_MS

    @property
    def subject(self) -> str:
        """What it is about: its kind without the change."""
        return self.kind.rpartition("_")[0]

    @property
    def change(self) -> str:
        """``entered``, ``escalated`` or ``cleared``."""
        return self.kind.rpartition("_")[2]


def told(alert: Alert) -> Told:
    """Keep what a comparison asks of an alert."""
    gesture = alert.gesture
    advised = gesture is not None and gesture.recommended
    return Told(
        *(alert.alert_id, alert.ts_ms, alert.customer_id, alert.kind, alert.moment),
        *(alert.state_before, alert.state_after, alert.risk_ppm, alert.company_share_ppm),
        *(alert.expected_year_cents, alert.worth_cents, alert.at_risk_cents, alert.savable_cents),
        gesture.cost_cents if advised and gesture is not None else 0,
        gesture.saved_cents if advised and gesture is not None else 0,
        alert.actions,
    )


@dataclass(slots=True)
class Part:
    """The customers of one ledger partition, ``number``: looks at them, and as they stand at the end.

    names     by slot (n,), as all arrays here
    states    (n, machines) at each look; a later look only has more customers
    costs     (n, faults) cents of the year at the end, by whose fault
    left      (looks, n) the chance to have left by each look, in hindsight; 0 for whom nobody knew yet
    """

    number: int
    names: list[str]
    looks: Looks
    states: list[NDArray[np.uint8]]
    costs: NDArray[np.int64]
    left: NDArray[np.float64]


@dataclass(slots=True)
class Judged:
    """What one policy made of the events. ``out`` are the alerts that went out, of all that were ``produced``."""

    policy: Policy | None
    name: str
    events: int = 0
    refused: int = 0
    late: int = 0
    held: int = 0
    holds: int = 0
    incidents: set[str] = field(default_factory=set)
    produced: list[Told] = field(default_factory=list)
    out: list[Told] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    rows_digest: str = ""

    @property
    def rules(self) -> Policy:
        """The policy it was judged by; of a ledger that brought its own, the last."""
        if self.policy is None:
            raise BacktestError(f"{self.name}: there is no policy in it, and no event")
        return self.policy


def padded(column: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The same of everyone, 0 for who came later."""
    return np.concatenate([column, np.zeros(size - column.size)])


class _Recorder(Judge):
    """A judge that keeps what a backtest asks for."""

    def __init__(self, app_id: str, partitions: int, name: str) -> None:
        super().__init__(app_id, partitions, name)
        self.judged = Judged(None, name)
        self._looks: list[Looks] = [[] for _ in range(partitions)]
        self._states: list[list[NDArray[np.uint8]]] = [[] for _ in range(partitions)]
        self._due = [-1] * partitions

    def heard(self, partition: int, outcome: Outcome) -> None:
        """Keep the alerts, and look at everyone when 30 days have passed."""
        judged = self.judged
        judged.events += outcome.applied
        judged.refused += len(outcome.refused)
        if outcome.says_something or outcome.produced:
            judged.produced += map(told, outcome.produced)
            judged.out += map(told, outcome.alerts)
            judged.held += len(outcome.held)
            judged.holds += sum(one.held for one in outcome.holds)
            judged.incidents.update(one.incident_id for one in outcome.incidents)
        pipeline = self.pipelines[partition]
        if outcome.ticks and pipeline.last_tick_ms // DAY_MS >= self._due[partition]:
            self._look(partition, pipeline)

    def refuse(self, letter: DeadLetter) -> None:
        """Count it."""
        self.judged.refused += 1

    def _look(self, partition: int, pipeline: Pipeline, *, last: bool = False) -> None:
        assert pipeline.policy is not None
        one = look(pipeline, pipeline.policy, SILENT_DAYS, keep=last)
        one.terms, one.found = one.terms[:0].copy(), one.found[:0].copy()
        self._looks[partition].append(one)
        self._states[partition].append(pipeline.arena.rows["state"][: len(pipeline.arena)].copy())
        self._due[partition] = one.day + LOOK_DAYS

    def finish(self) -> Judged:
        """Look at everyone as they stand at the end, and back at who had left by when."""
        digest = blake2b(digest_size=16)
        for pipeline in self.pipelines:
            self.judged.policy = pipeline.policy or self.judged.policy
        for partition, pipeline in enumerate(self.pipelines):
            looks = self._looks[partition]
            if not looks or not len(pipeline.arena):
                continue
            if looks[-1].day == pipeline.last_tick_ms // DAY_MS:
                looks.pop()
                self._states[partition].pop()
            self._look(partition, pipeline, last=True)
            names = [pipeline.arena.customer(slot).decode() for slot in range(len(pipeline.arena))]
            rows = looks[-1].rows
            digest.update("\0".join(names).encode())
            for begin in range(0, rows.size, AT_ONCE):
                digest.update(rows[begin : begin + AT_ONCE].tobytes())
            costs = rows["period_cost_cents"].sum(axis=1).reshape(-1, len(Fault))
            left = np.array([padded(one, len(names)) for one in left_by(looks, self.judged.rules)])
            for one in looks:  # what follows goes from process to process, and rows are large
                one.rows, one.leaving, one.odds = one.rows[:0].copy(), one.leaving[:0], one.odds[:0]
            self.judged.parts.append(Part(partition, names, looks, self._states[partition], costs, left))
        self.judged.rows_digest = digest.hexdigest()
        self.judged.produced.sort(key=lambda one: (one.ts_ms, one.customer_id))
        self.judged.out.sort(key=lambda one: (one.ts_ms, one.customer_id))
        return self.judged


def judge_under(
    events: Path, policy: Policy | None, name: str, *, app_id: str = "whaleline", partitions: int = 1,
    currency: str = "USD", as_of_ms: int | None = None, progress: Callable[[int], None] = lambda _: None,
) -> Judged:  # fmt: skip
    """Judge ``events`` under a policy; None is the ledger's own policies, or the default one.

    Raises ``ReplayError``, ``FileError``, or ``BacktestError`` where there is nothing to compare.
    """
    judge = judge_file(
        *(events, lambda count: _Recorder(app_id, count, str(events)), policy),
        partitions=partitions,
        currency=currency,
        as_of_ms=as_of_ms,
        progress=progress,
    )
    assert isinstance(judge, _Recorder)
    judged = judge.finish()
    if not judged.parts and judge.late:
        raise BacktestError(f"{events} is not in the order of time, so that no hour passes: sort it by ts_ms")
    if not judged.parts:
        raise BacktestError(f"{events}: there is no event in it, or not a whole hour of them: nothing to compare")
    judged.name, judged.late = name, judge.late
    return judged
