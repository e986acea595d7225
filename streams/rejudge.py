"""Recorded events through the pipeline again, without any broker: the same checks, order and kernels as live.

A file of events (JSON lines, or msgpack one after another) goes through the intake into as many ledger
partitions as asked for; a recorded ledger (``streams.ledgerfile``) is judged as it stands. Time moves by the
events' own times: whenever a whole hour has passed, both streams are taken to have reported it. Who wants to know
what came of it derives from ``Judge``.
"""

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple
from uuid import UUID

import msgpack

from schemas.alerts import DeadLetter
from schemas.block import BlockError, Source, decode_control, is_control, policy_entry
from schemas.codec import Reject, decode, encode
from schemas.codes import Control, Kind, Reason
from schemas.events import TS_MAX_MS
from schemas.policy import Policy, parse
from streams.intake import Clock, Intake, SourceRecord, opening
from streams.ledgerfile import FileError, Frame, is_ledger, read
from streams.outcome import Outcome
from streams.pipeline import HoleError, Pipeline, Record

HOUR_MS = 3_600_000
CALLS = Source(UUID("5c1f0f3e-6a62-5d0c-8d57-0f7a5a8d0001"), 0)
SALES = Source(UUID("5c1f0f3e-6a62-5d0c-8d57-0f7a5a8d0002"), 0)
"""The two streams of a replayed file; constants, so that a replay of a replay is the same."""

MAX_VALUE = 64 * 1024 * 1024
TAKE_EVERY = 4_096
"""Events between two looks at what is settled, so that long hours do not fill the intake."""

Progress = Callable[[int], None]
"""Told how many bytes of the input have been read, now and then."""


class ReplayError(RuntimeError):
    """A replay cannot go on; the message is one sentence that names the file and the place."""


class Payload(NamedTuple):
    """One payload of a file: its line or its place from 1, its bytes, and how far the file is read."""

    number: int
    value: bytes
    end: int


class Judge:
    """The pipelines of all partitions. What came of a record is told to ``heard``, ``refuse`` and ``write``."""

    def __init__(self, app_id: str, partitions: int, name: str) -> None:
        """``name`` is what the input is called in errors; offsets of its payloads are told under it."""
        self.name, self.partitions = name, partitions
        self.records = 0
        self.pipelines = [Pipeline(app_id, partition, partitions) for partition in range(partitions)]

    def open(self, policy: Policy) -> None:
        """Tell every partition which sources there are, and the policy."""
        topics = [("support", CALLS.topic, 1), ("purchases", SALES.topic, 1)]
        for record in opening(topics, policy):
            for partition in range(len(self.pipelines)):
                self.step(partition, record)

    def step(self, partition: int, value: bytes) -> None:
        """Judge the next record of a partition."""
        self.judge(partition, Record(self.pipelines[partition].next_offset, None, value))

    def judge(self, partition: int, record: Record) -> None:
        """Judge one record. Raises ``ReplayError`` where it cannot be judged."""
        try:
            outcome = self.pipelines[partition].step(record)
        except (BlockError, HoleError) as error:
            raise ReplayError(f"{self.name}: partition {partition}, offset {record.offset}: {error}") from error
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
    progress: Progress = lambda _: None,
) -> Judge:
    """Judge ``events`` with the judge that ``judge_of`` makes for so many partitions, and return it.

    A recorded ledger brings its own partitions and policies; ``policy`` then stands in place of all of them. Of a
    file of events None is the default policy. ``as_of_ms`` stops before events (of a ledger: records appended) at
    or after that time. Raises ``ReplayError`` and ``FileError``.
    """
    if is_ledger(events):
        head, frames = read(events)
        judge = judge_of(head.partitions)
        _judge_frames(judge, frames, policy, as_of_ms, progress)
    else:
        judge = judge_of(partitions)
        judge.open(policy or parse(""))
        _feed(events, judge, currency, as_of_ms, progress)
    return judge


def _judge_frames(
    judge: Judge, frames: Iterator[Frame], policy: Policy | None, as_of_ms: int | None, progress: Progress
) -> None:
    done = 0
    for frame in frames:
        judge.records += 1
        done += len(frame.value)
        progress(done)
        if _within(frame, as_of_ms):
            value = frame.value if policy is None else _under(policy, frame.value)
            judge.judge(frame.partition, Record(frame.offset, frame.append_ms, value))
            judge.write()


def _under(policy: Policy, value: bytes) -> bytes:
    """The record, or ``policy`` where it brings one; told again, a policy changes nothing."""
    try:
        told = is_control(value) and decode_control(value).control is Control.POLICY
    except BlockError:
        return value  # the judge says what is wrong with it, and where
    return policy_entry(policy.toml, policy.version) if told else value


def _within(frame: Frame, as_of_ms: int | None) -> bool:
    return as_of_ms is None or frame.append_ms is None or frame.append_ms < as_of_ms


def _feed(path: Path, judge: Judge, currency: str, as_of_ms: int | None, progress: Progress) -> None:
    """Give a file of events to the intake, and what it settles to the judge."""
    clock = _FileClock(judge.name, Intake(judge.partitions, clock=Clock.SOURCE, currency=currency))
    raw = None
    for raw in payloads(path):
        judge.records += 1
        ts_ms, stream = _time_and_stream(raw.value, currency)
        if ts_ms is not None and as_of_ms is not None and ts_ms >= as_of_ms:
            continue
        if clock.passes(ts_ms, raw.number) or raw.number % TAKE_EVERY == 0:
            clock.take(judge)
        if stream is not None:
            clock.offer(stream, 2 * raw.number, raw.value)
        progress(raw.end)
    if raw is not None:
        clock.finish(as_of_ms, raw.number)
    clock.take(judge)


class _FileClock:
    """Moves the intake's time by the events of the file: a whole hour passed is reported for both streams.

    Payload ``n`` has the offset ``2 n``, so that there is one left before it for the passing of time.
    """

    def __init__(self, topic: str, intake: Intake) -> None:
        self._topic, self._intake = topic, intake
        self._newest_ms = 0
        intake.assign({CALLS, SALES})

    def passes(self, ts_ms: int | None, number: int) -> bool:
        """Whether payload ``number`` of this time is the first of its hour; if so, that hour has come."""
        if ts_ms is None or ts_ms <= self._newest_ms:
            return False
        new_hour = ts_ms // HOUR_MS > self._newest_ms // HOUR_MS
        self._newest_ms = ts_ms
        if new_hour:
            self._report(ts_ms // HOUR_MS * HOUR_MS, 2 * number - 1)
        return new_hour

    def finish(self, as_of_ms: int | None, number: int) -> None:
        """Let time stand just after the newest event, or at ``as_of_ms``: nothing more can come before."""
        if as_of_ms is not None or self._newest_ms > 0:
            self._report(as_of_ms if as_of_ms is not None else self._newest_ms + 1, 2 * number + 1)

    def offer(self, source: Source, offset: int, value: bytes) -> None:
        """Hand one payload over."""
        self._intake.offer(SourceRecord(source, source is SALES, self._topic, offset, None, value))

    def take(self, judge: Judge) -> None:
        """Judge everything whose order is settled."""
        for batch in self._intake.drain(TS_MAX_MS):
            for letter in batch.dead_letters:
                judge.refuse(letter)
            for partition, value in batch.records:
                judge.step(partition, value)
        judge.write()

    def _report(self, ts_ms: int, offset: int) -> None:
        for source in (CALLS, SALES):
            self.offer(source, offset, encode({"kind": "progress", "ts_ms": ts_ms}))


def _time_and_stream(value: bytes, currency: str) -> tuple[int | None, Source | None]:
    """When an event was, if it is one, and which stream it belongs to; progress belongs to none."""
    found, stream = decode(value, purchases=False, currency=currency), CALLS
    if isinstance(found, Reject) and found.reason is Reason.WRONG_TOPIC:
        found, stream = decode(value, purchases=True, currency=currency), SALES
    if isinstance(found, Reject):
        return None, stream
    return found.ts_ms, None if found.kind is Kind.PROGRESS else stream


def payloads(path: Path) -> Iterator[Payload]:
    """Each payload of a file: JSON lines, or msgpack values one after another, as its first byte says."""
    try:
        with path.open("rb") as data:
            size = path.stat().st_size
            if size == 0:
                return
            with mmap.mmap(data.fileno(), 0, access=mmap.ACCESS_READ) as view:
                if view[0] in b"[" or view[:3] == b"\xef\xbb\xbf":
                    what = "a JSON list" if view[0] in b"[" else "a byte order mark"
                    raise FileError(
                        f"{path} begins with {what}: it must hold one JSON object a line, "
                        "or msgpack maps one after another"
                    )
                yield from _lines(view) if view[0] in b"{ \t\r\n" else _values(path, data, view)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error


def _lines(view: mmap.mmap) -> Iterator[Payload]:
    for number, line in enumerate(iter(view.readline, b""), 1):
        if line.strip():
            yield Payload(number, line.strip(), view.tell())


def _values(path: Path, data: IO[bytes], view: mmap.mmap) -> Iterator[Payload]:
    """Find where each value ends without building it: a bad one must reach the checks as it was sent."""
    unpacker = msgpack.Unpacker(data, max_buffer_size=MAX_VALUE)
    start, number = 0, 0
    while start < len(view):
        number += 1
        try:
            unpacker.skip()
        except msgpack.exceptions.OutOfData:
            raise ReplayError(f"{path}: value {number}, at byte {start}, is cut short") from None
        except (ValueError, msgpack.exceptions.UnpackException):
            raise ReplayError(f"{path}: value {number}, at byte {start}, is not msgpack") from None
        end = unpacker.tell()
        yield Payload(number, view[start:end], end)
        start = end
