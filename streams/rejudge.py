"""Recorded events through the pipeline again, without any broker: the same checks, order and kernels as live.

A file of events (``streams.payloads``) goes through the intake into as many ledger partitions as asked for; a
recorded ledger (``streams.recorded``) is judged as it stands. Time moves by the
events' own times: whenever a whole hour has passed, both streams are taken to have reported it. Who wants to know
what came of it derives from ``Judge``.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import numpy as np

from kernels.merge import FOREVER, HOUR_MS
from schemas.alerts import DeadLetter
from schemas.block import BlockError, Source, is_control
from schemas.codec import Reject
from schemas.events import TS_MAX_MS
from schemas.lexicon import PURCHASES, SUPPORT
from schemas.policy import Policy, parse
from schemas.waiting import Sheaf
from streams import archiverows
from streams.intake import Clock, Intake, opening
from streams.ledgerfile import Frame
from streams.markers import OFFLINE_KEY
from streams.outcome import Outcome
from streams.payloads import AT_ONCE, Chunk, chunks
from streams.pipeline import HoleError, Pipeline, Record, under
from streams.recorded import is_recorded, read, rows_before

CALLS = Source(UUID("5c1f0f3e-6a62-5d0c-8d57-0f7a5a8d0001"), 0)
SALES = Source(UUID("5c1f0f3e-6a62-5d0c-8d57-0f7a5a8d0002"), 0)
"""The two streams of a replayed file; constants, so that a replay of a replay is the same."""

STREAMS = (CALLS, SALES)

Progress = Callable[[int], None]
"""Told how many bytes of the input have been read, now and then."""


class ReplayError(RuntimeError):
    """A replay cannot go on; the message is one sentence that names the file and the place."""


class Share(NamedTuple):
    """The partitions of one of several processes: every ``of``-th, from ``number`` on."""

    number: int = 0
    of: int = 1

    def has(self, partition: int) -> bool:
        """Whether a partition is in it."""
        return partition % self.of == self.number


ALONE = Share()


class Judge:
    """The pipelines of all partitions. What came of a record is told to ``heard``, ``refuse`` and ``write``."""

    def __init__(
        self, app_id: str, partitions: int, name: str, share: Share = ALONE, erasure_key: bytes = OFFLINE_KEY
    ) -> None:
        """``name`` is what the input is called in errors; offsets of its payloads are told under it.

        Of the partitions only a ``share`` is judged: who has another share judges the others. While ``quiet``,
        nobody hears what comes of a record.
        """
        self.name, self.partitions, self.share = name, partitions, share
        self.records, self.quiet = 0, False
        self.late = 0
        """Events of a file that stand behind one of a later hour, so that theirs was concluded without them."""
        self._numbers = [0] * partitions
        self.pipelines = [
            Pipeline(app_id, partition, partitions, erasure_key=erasure_key) for partition in range(partitions)
        ]

    def open(self, policy: Policy) -> None:
        """Tell every partition which sources there are, and the policy."""
        topics = [("support", CALLS.topic, 1), ("purchases", SALES.topic, 1)]
        for record in opening(topics, policy):
            for partition in range(len(self.pipelines)):
                self.step(partition, record)

    def step(self, partition: int, value: bytes) -> None:
        """Judge the next record of a partition."""
        number = self._numbers[partition]
        self._numbers[partition] += 1
        if self.share.has(partition):
            self.judge(partition, Record(number, None, value))

    def judge(self, partition: int, record: Record) -> None:
        """Judge one record. Raises ``ReplayError`` where it cannot be judged."""
        try:
            outcome = self.pipelines[partition].step(record)
        except (BlockError, HoleError) as error:
            hint = "; if a newer version wrote it, judge by that one" if isinstance(error, BlockError) else ""
            place = f"{self.name}: partition {partition}, offset {record.offset}"
            raise ReplayError(f"{place}: {error}{hint}") from error
        if not self.quiet:
            self.heard(partition, outcome)

    def heard(self, partition: int, outcome: Outcome) -> None:
        """Called with what came of each record."""

    def refuse(self, letter: DeadLetter) -> None:
        """Called with each payload that is no event."""

    def write(self) -> None:
        """Called when nothing more can come of what was heard since the last call."""


def judge_file(
    events: Path,
    judge_of: Callable[[int], Judge],
    policy: Policy | None = None,
    *,
    partitions: int = 1,
    currency: str = "USD",
    as_of_ms: int | None = None,
    from_ms: int | None = None,
    progress: Progress = lambda _: None,
) -> Judge:
    """Judge ``events`` with the judge that ``judge_of`` makes for so many partitions, and return it.

    A recorded ledger brings its own partitions and policies; ``policy`` then stands in place of all of them. Of a
    file of events None is the default policy. ``as_of_ms`` stops before events (of a ledger: records appended) at
    or after that time. ``from_ms``, a midnight: of a ledger, only what comes of records appended then or later is
    heard; of an archive, judging begins with the newest rows of before. Raises ``ReplayError`` and ``FileError``.
    """
    if is_recorded(events):
        head, states = read(events)[0], {}
        judge = judge_of(head.partitions)
        if from_ms is not None:
            states = rows_before(events, from_ms)
            for partition, one in states.items():
                if judge.share.has(partition):
                    archiverows.restore(one, judge.pipelines[partition])
        frames = read(events, {partition: one.offset for partition, one in states.items()})[1]
        _judge_frames(judge, frames, policy, as_of_ms, from_ms, progress)
    elif from_ms is not None:
        raise ReplayError(f"{events} is a file of events: only a ledger or an archive can be judged from a day on")
    else:
        judge = judge_of(partitions)
        judge.open(policy or parse(""))
        _feed(events, judge, currency, as_of_ms, progress)
    return judge


def _judge_frames(
    judge: Judge, frames: Iterator[Frame], policy: Policy | None, as_of_ms: int | None, from_ms: int | None,
    progress: Progress,
) -> None:  # fmt: skip
    done = 0
    for frame in frames:
        judge.quiet = from_ms is not None and _within(judge.name, frame, from_ms)
        judge.records += not judge.quiet
        done += len(frame.value)
        progress(done)
        if _within(judge.name, frame, as_of_ms) and judge.share.has(frame.partition):
            value = frame.value if policy is None else under(policy, frame.value)
            judge.judge(frame.partition, Record(frame.offset, frame.append_ms, value))
        judge.write()


def _within(name: str, frame: Frame, as_of_ms: int | None) -> bool:
    """Whether a record was there by a time; a control entry without a time counts as early."""
    if as_of_ms is None:
        return True
    if frame.append_ms is not None:
        return frame.append_ms < as_of_ms
    if is_control(frame.value):
        return True
    raise ReplayError(
        f"{name}: its records have no append time, so nobody can tell what was known at a time: leave the time out"
    )


def _feed(path: Path, judge: Judge, currency: str, as_of_ms: int | None, progress: Progress) -> None:
    """Give a file of events to the intake, and what it settles to the judge."""
    feed = Feed(judge, currency, FOREVER if as_of_ms is None else as_of_ms)
    for chunk in chunks(path):
        feed.hear(chunk)
        progress(chunk.end)
    feed.finish()


class Feed:
    """Moves the intake's time by the events of a file: a whole hour passed is reported for both streams."""

    def __init__(self, judge: Judge, currency: str, before_ms: int) -> None:
        self._judge, self._before_ms = judge, before_ms
        self._intake = Intake(judge.partitions, clock=Clock.SOURCE, currency=currency)
        self._intake.assign(STREAMS)
        self._newest_ms = 0
        self._number = 0

    def hear(self, chunk: Chunk) -> None:
        """Judge what is settled by a chunk's events."""
        sheaf, n = chunk.sheaf, chunk.numbers.size
        if n == 0:
            return
        waiting = self._intake.waiting
        first, refused = waiting.read(sheaf, SUPPORT | PURCHASES, spare=n * len(STREAMS))
        self._judge.late += waiting.late(first, first + n, self._newest_ms, self._before_ms)
        at, spare = first, first + n
        while True:
            at, self._newest_ms = waiting.queue_hour(at, first + n, self._newest_ms, self._before_ms)
            if at == first + n:
                break
            hour_ms = self._newest_ms // HOUR_MS * HOUR_MS
            waiting.promise(spare, hour_ms, int(sheaf.offsets[at - first]) - 1)
            spare += len(STREAMS)
            self._take()
        for place, why in refused:
            self._judge.refuse(_letter(self._judge.name, sheaf, place, why))
        if n == AT_ONCE:
            self._take()
        self._judge.records += n
        self._number = int(chunk.numbers[-1])

    def finish(self) -> None:
        """Let time stand just after the newest event, or where the past was to end."""
        if self._number and (self._before_ms < FOREVER or self._newest_ms > 0):
            nothing = np.zeros(0, np.int64)
            sheaf = Sheaf(np.zeros(0, np.uint8), *(nothing for _ in range(5)))
            spare, _ = self._intake.waiting.read(sheaf, SUPPORT | PURCHASES, spare=len(STREAMS))
            end_ms = self._before_ms if self._before_ms < FOREVER else self._newest_ms + 1
            self._intake.waiting.promise(spare, end_ms, 2 * self._number + 1)
        self._take()

    def _take(self) -> None:
        for batch in self._intake.drain(TS_MAX_MS):
            for partition, value in batch.records:
                self._judge.step(partition, value)
        self._judge.write()


def _letter(name: str, sheaf: Sheaf, at: int, why: Reject) -> DeadLetter:
    place = (name, str(CALLS.topic), CALLS.partition, int(sheaf.offsets[at]))
    return DeadLetter(why.reason.name.lower(), why.detail, *place, None, sheaf.value(at))
