"""A recorded history as ledger records in memory, judged as often as a fit asks, and looked at every 30 days.

The events are those that ``streams.rejudge`` would judge; only the policy is the caller's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import churn, evidence, hindsight
from schemas.block import (
    MAX_EVENTS,
    Entry,
    Sourced,
    decode,
    encode_events,
    policy_entry,
    progress_entry,
    sources_entry,
)  # fmt: skip
from schemas.codec import Reject
from schemas.codec import decode as decode_event
from schemas.codes import Control, Kind, Reason
from schemas.events import DAY_MS
from schemas.policy import Policy
from schemas.state import CUSTOMER
from streams.arena import copied
from streams.histories import Progress
from streams.payloads import payloads
from streams.pipeline import Pipeline, Record
from streams.recorded import is_recorded, read, size_of
from streams.rejudge import CALLS, SALES
from streams.witness import Standing, stand

HOUR_MS = 3_600_000
TOPICS = (("support", CALLS.topic, 1), ("purchases", SALES.topic, 1))
LOOK_DAYS = 30
AT_ONCE = 8_192
"""Customers whose rows are copied at once."""


@dataclass(slots=True)
class Look:
    """All customers of one partition at one midnight; arrays go by slot (n,), so a later look only has more.

    rows      settled to the day; dropped (empty) but for the last look, the others keep what is asked of them
    terms     (n, terms) and ``found`` (n, evidence), as they enter the risk and the hazard
    active    who is a customer, as far as events tell
    """

    day: int
    rows: NDArray[np.void]
    terms: NDArray[np.float64]
    found: NDArray[np.float64]
    leaving: NDArray[np.float64]
    odds: NDArray[np.float64]
    risks: NDArray[np.float64]
    active: NDArray[np.bool_]


Looks = list[Look]
"""The looks at one partition, in order; the last is at the end of the history."""


class _Quiet(Pipeline):
    """A pipeline that tells nobody: a fit wants the rows."""

    def _say(self, *_: Any) -> None:
        return


class _Asking(_Quiet):
    """A pipeline that is asked how customers stood: ``asked`` are (time, customer, number), by time."""

    asked: Sequence[tuple[int, bytes, int]] = ()

    def __init__(self, app_id: str, found: list[Standing | None]) -> None:
        super().__init__(app_id)
        self._found, self._next = found, 0

    def _say(self, *_: Any) -> None:
        """Called at each tick: what was asked of the hour before it can be answered now."""
        self.answer(self.last_tick_ms)

    def answer(self, until_ms: int) -> None:
        """Answer what is asked of times up to ``until_ms``."""
        while self._next < len(self.asked) and self.asked[self._next][0] <= until_ms:
            now_ms, customer, number = self.asked[self._next]
            self._next += 1
            slot = self.arena.find(customer)
            if slot is not None and self.policy is not None:
                row = self.arena.rows[slot : slot + 1].copy()
                self._found[number] = stand(row, max(now_ms, int(row["day"][0]) * DAY_MS), self.policy)


@dataclass(slots=True)
class Past:
    """Ledger records by partition, without policies."""

    records: dict[int, list[Record]] = field(default_factory=dict)

    def add(self, partition: int, value: bytes) -> None:
        """Keep the next record of a partition; the policy will stand before the first."""
        log = self.records.setdefault(partition, [])
        log.append(Record(len(log) + 1, None, value))

    def judged(self, policy: Policy, silent_days: int, progress: Progress = lambda _: None) -> list[Looks]:
        """Judge everything under ``policy``; every partition with its looks, every 30 days and at the end."""
        total = max(1, sum(map(len, self.records.values())))
        done, seen = 0, []
        for _, log in sorted(self.records.items()):
            pipeline, due = _Quiet("fit"), -1
            looks: Looks = []
            pipeline.step(Record(log[0].offset - 1, None, policy_entry(policy.toml, policy.version)))
            for record in log:
                pipeline.step(record)
                done += 1
                if pipeline.last_tick_ms >= 0 and pipeline.last_tick_ms // DAY_MS >= due:
                    _look(looks, pipeline, policy, silent_days)
                    due = looks[-1].day + LOOK_DAYS
                    progress(done / total)
            if looks and looks[-1].day < pipeline.last_tick_ms // DAY_MS:
                _look(looks, pipeline, policy, silent_days)
            seen.append(looks)
        return seen

    def stood(
        self, policy: Policy, asked: Sequence[tuple[int, str]], progress: Progress = lambda _: None
    ) -> list[Standing | None]:
        """How each customer stood under ``policy`` at a time, to the hour; None where nobody knows."""
        found: list[Standing | None] = [None] * len(asked)
        inquiry = sorted((now_ms, name.encode(), number) for number, (now_ms, name) in enumerate(asked))
        total = max(1, sum(map(len, self.records.values())))
        done = 0
        for _, log in sorted(self.records.items()):
            pipeline = _Asking("fit", found)
            pipeline.asked = inquiry
            pipeline.step(Record(log[0].offset - 1, None, policy_entry(policy.toml, policy.version)))
            for record in log:
                pipeline.step(record)
                done += 1
                progress(done / total)
            pipeline.answer(pipeline.passed_ms)  # of what comes later the history does not know
        return found


def _look(looks: Looks, pipeline: Pipeline, policy: Policy, silent_days: int) -> None:
    """Add a look; only the newest keeps its rows."""
    if looks:
        looks[-1].rows = looks[-1].rows[:0].copy()
    looks.append(look(pipeline, policy, silent_days))


def look(pipeline: Pipeline, policy: Policy, silent_days: int, *, keep: bool = True) -> Look:
    """Everyone as they stand after the last tick, settled to its day on a copy, which is only kept where asked."""
    n, now_ms = len(pipeline.arena), pipeline.last_tick_ms
    rows = np.zeros(n if keep else 0, CUSTOMER)
    terms, found = np.zeros((n, churn.TERMS)), np.zeros((n, evidence.TERMS))
    leaving, odds, risks = np.zeros(n), np.zeros(n), np.zeros(n)
    active = np.zeros(n, np.uint8)
    for begin in range(0, n, AT_ONCE):
        here = slice(begin, min(begin + AT_ONCE, n))
        some = copied(pipeline.arena.rows[here])
        hindsight.describe(
            *(some, some.size, now_ms, policy.record, terms[here], found[here], leaving[here], odds[here]),
            risks[here],
        )
        hindsight.are_active(some, some.size, now_ms // DAY_MS, silent_days, policy.record, active[here])
        if keep:
            rows[here] = some
    return Look(now_ms // DAY_MS, rows, terms, found, leaving, odds, risks, active.astype(bool))


def read_past(path: Path, currency: str, as_of_ms: int | None, progress: Progress = lambda _: None) -> Past:
    """The records of a file of events, put in order by time, or of a recorded ledger as they stand.

    Raises ``FileError`` or ``ReplayError``.
    """
    size = size_of(path)
    if not is_recorded(path):
        past, told = Past(), _Told(currency, as_of_ms)
        for payload in payloads(path):
            told.hear(payload.value)
            progress(min(1.0, payload.end / size))
        for value in told.records():
            past.add(0, value)
        return past
    past, done = Past(), 0
    for frame in read(path)[1]:
        done += len(frame.value)
        progress(min(1.0, done / size))
        if as_of_ms is None or frame.append_ms is None or frame.append_ms < as_of_ms:
            content = decode(frame.value)
            if not (isinstance(content, Entry) and content.control is Control.POLICY):
                past.add(frame.partition, frame.value)
    return past


class _Told:
    """The events of a file, kept as they were sent until all are there and can be put in order."""

    def __init__(self, currency: str, as_of_ms: int | None) -> None:
        self._currency, self._as_of_ms = currency, as_of_ms
        self._sent: list[tuple[int, bool, bytes]] = []
        self._newest_ms = -1 if as_of_ms is None else as_of_ms - 1

    def hear(self, value: bytes) -> None:
        """Keep a payload, if it is an event of the time asked for."""
        purchases = True
        found = decode_event(value, purchases=True, currency=self._currency)
        if isinstance(found, Reject) and found.reason is Reason.WRONG_TOPIC:
            purchases = False
            found = decode_event(value, purchases=False, currency=self._currency)
        if isinstance(found, Reject) or (self._as_of_ms is not None and found.ts_ms >= self._as_of_ms):
            return
        self._newest_ms = max(self._newest_ms, found.ts_ms)
        if found.kind is not Kind.PROGRESS:
            self._sent.append((found.ts_ms, purchases, value))

    def records(self) -> Iterator[bytes]:
        """Ledger records: blocks in the order of time, and after each hour that both streams have passed it."""
        yield sources_entry(TOPICS)
        self._sent.sort()
        block: list[Sourced] = []
        hour = self._sent[0][0] // HOUR_MS if self._sent else 0
        yield self._passed(hour * HOUR_MS)
        for number, (ts_ms, purchases, value) in enumerate(self._sent):
            if ts_ms // HOUR_MS > hour or len(block) == MAX_EVENTS:
                if block:
                    yield encode_events(block)
                block, hour = [], ts_ms // HOUR_MS
                yield self._passed(hour * HOUR_MS)
            event = decode_event(value, purchases=purchases, currency=self._currency)
            if not isinstance(event, Reject):
                block.append(Sourced(SALES if purchases else CALLS, number, event))
        if block:
            yield encode_events(block)
        yield self._passed(self._newest_ms + 1)

    @staticmethod
    def _passed(until_ms: int) -> bytes:
        return progress_entry([(CALLS, until_ms), (SALES, until_ms)])
