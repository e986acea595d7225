"""Judge a recorded history again, without any broker: the same checks, the same order, the same kernels.

A file of events (JSON lines, or msgpack one after another) goes through the intake into as many ledger
partitions as asked for; a recorded ledger (``streams.ledgerfile``) is judged as it stands. Time moves by the
events' own times: whenever a whole hour has passed, both streams are taken to have reported it.
"""

import json
import mmap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any, NamedTuple
from uuid import UUID

import msgpack

from schemas.alerts import Alert, DeadLetter, Incident
from schemas.block import BlockError, Source
from schemas.codec import Reject, decode, encode
from schemas.codes import Kind, Reason
from schemas.events import TS_MAX_MS
from schemas.policy import Policy, parse
from streams.arena import as_dict
from streams.intake import Clock, Intake, SourceRecord, opening
from streams.ledgerfile import FileError, Frame, is_ledger, read, whole_file
from streams.pipeline import HoleError, Pipeline, Record
from streams.whale import of_insights

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


@dataclass(slots=True)
class Summary:
    """What a replay did."""

    records: int = 0
    events: int = 0
    duplicates: int = 0
    alerts: int = 0
    held: int = 0
    waiting: int = 0
    incidents: int = 0
    dead_letters: int = 0
    customers: int = 0
    alerts_by_kind: dict[str, int] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)

    def as_map(self) -> dict[str, Any]:
        """The summary as it is printed."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results go, each as JSON lines, the curve as one object; those that may be None only where wanted."""

    alerts: Path
    states: Path
    dead_letters: Path | None = None
    held: Path | None = None
    incidents: Path | None = None
    curve: Path | None = None
    problems: Path | None = None


class Payload(NamedTuple):
    """One payload of a file: its line or its place from 1, its bytes, and how far the file is read."""

    number: int
    value: bytes
    end: int


def run_replay(
    events: Path,
    outputs: Outputs,
    policy: Policy | None = None,
    *,
    app_id: str = "whaleline",
    partitions: int = 1,
    currency: str = "USD",
    as_of_ms: int | None = None,
    progress: Progress = lambda _: None,
) -> Summary:
    """Judge ``events`` and write alerts and final states; the outputs appear only when complete.

    ``policy`` None is the default policy.

    ``as_of_ms`` stops before events (of a ledger: records appended) at or after that time. A ledger brings
    its own policies and partitions. Raises ``ReplayError`` and ``FileError``.
    """
    with ExitStack() as stack:
        named = (getattr(outputs, one.name) for one in fields(outputs))
        wanted = [path for path in named if path is not None]
        if len(set(wanted)) < len(wanted) or events in wanted:
            raise ReplayError(f"{events}: the input and the outputs must be different files")
        files = {path: stack.enter_context(whole_file(path)) for path in wanted}
        into = _Files(*(files.get(getattr(outputs, one.name)) for one in fields(outputs)))
        if is_ledger(events):
            if policy is not None:
                raise ReplayError(f"{events} is a recorded ledger, which brings its own policies: name none")
            judge = _of_ledger(events, app_id, into, as_of_ms, progress)
        else:
            judge = _Judge(app_id, partitions, str(events), into)
            judge.open(policy or parse(""))
            _feed(events, judge, currency, as_of_ms, progress)
        judge.finish()
        return judge.summary


class _Files(NamedTuple):
    """The open files of ``Outputs``, None where nothing is wanted."""

    alerts: IO[bytes] | None
    states: IO[bytes] | None
    dead_letters: IO[bytes] | None
    held: IO[bytes] | None
    incidents: IO[bytes] | None
    curve: IO[bytes] | None
    problems: IO[bytes] | None


def _write(file: IO[bytes] | None, line: str) -> None:
    if file is not None:
        file.write(line.encode() + b"\n")


class _Judge:
    """The pipelines of all partitions, and the files their outcomes go to."""

    def __init__(self, app_id: str, partitions: int, name: str, into: _Files) -> None:
        self.name = name
        self.summary = Summary()
        self._into = into
        self._insights: dict[bytes, bytes | None] = {}
        self._incidents: dict[str, Incident] = {}
        self._found: list[Alert] = []
        self._held: list[Alert] = []
        self.partitions = partitions
        self._pipelines = [Pipeline(app_id, partition, partitions) for partition in range(partitions)]

    def open(self, policy: Policy) -> None:
        """Tell every partition which sources there are, and the policy."""
        topics = [("support", CALLS.topic, 1), ("purchases", SALES.topic, 1)]
        for record in opening(topics, policy):
            for partition in range(len(self._pipelines)):
                self.step(partition, record)

    def step(self, partition: int, value: bytes) -> None:
        """Judge the next record of a partition."""
        self.judge(partition, Record(self._pipelines[partition].next_offset, None, value))

    def judge(self, partition: int, record: Record) -> None:
        """Judge one record; ``write`` writes down its alerts."""
        try:
            outcome = self._pipelines[partition].step(record)
        except (BlockError, HoleError) as error:
            raise ReplayError(f"{self.name}: partition {partition}, offset {record.offset}: {error}") from error
        self.summary.conflicts += outcome.conflicts
        self.summary.events += outcome.applied
        self.summary.duplicates += outcome.duplicates
        self._found += outcome.alerts
        self._held += outcome.held
        self._incidents.update({one.incident_id: one for one in outcome.incidents})
        for letter in outcome.refused:
            self.refuse(letter)
        self._insights.update(outcome.insights)

    def write(self) -> None:
        """Write down what was told since the last call, in an order that no number of partitions changes."""
        for alert in sorted(self._found, key=_place):
            _write(self._into.alerts, alert.to_json())
            kinds = self.summary.alerts_by_kind
            kinds[alert.kind] = kinds.get(alert.kind, 0) + 1
        for alert in sorted(self._held, key=_place):
            _write(self._into.held, alert.to_json())
        self.summary.alerts += len(self._found)
        self.summary.held += len(self._held)
        self._found, self._held = [], []

    def refuse(self, letter: DeadLetter) -> None:
        """Count a payload that is no event, and write it where it is wanted.

        ``record`` is its line or place in the file, or its offset in the source the ledger names.
        """
        self.summary.dead_letters += 1
        if self._into.dead_letters is not None:
            record = letter.offset // 2 if letter.topic == self.name else letter.offset
            text = (letter.value or b"").decode("utf-8", "backslashreplace")
            told = {"reason": letter.reason, "detail": letter.detail, "record": record, "value": text}
            _write(self._into.dead_letters, _line(told))

    def finish(self) -> None:
        """Write the last words on incidents and insights, and every row by customer, settled to the last tick."""
        for incident in self._incidents.values():
            _write(self._into.incidents, incident.to_json())
        self.summary.incidents = len(self._incidents)
        self.summary.waiting = sum(one.waiting for one in self._pipelines)
        rows = {customer: row for one in self._pipelines for customer, row in one.settled_rows().items()}
        self.summary.customers = len(rows)
        for customer in sorted(rows):
            _write(self._into.states, _line({"customer_id": customer.decode(), **as_dict(rows[customer])}))
        self._write_insights()

    def _write_insights(self) -> None:
        """The whale curve and the problems as of the last midnight; ``null`` for a curve before the first."""
        whale, problems = of_insights(self._insights)
        _write(self._into.curve, json.dumps(None if whale is None else whale.as_map(), indent=2))
        for one in problems:
            _write(self._into.problems, _line(one.as_map()))


def _place(alert: Alert) -> tuple[int, str]:
    """Where an alert stands among others of a record: one tick is a record of each partition."""
    return alert.ts_ms, alert.customer_id


def _line(told: dict[str, object]) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _of_ledger(path: Path, app_id: str, into: _Files, as_of_ms: int | None, progress: Progress) -> _Judge:
    head, frames = read(path)
    judge = _Judge(app_id, head.partitions, str(path), into)
    done = 0
    for frame in frames:
        judge.summary.records += 1
        done += len(frame.value)
        progress(done)
        if _within(frame, as_of_ms):
            judge.judge(frame.partition, Record(frame.offset, frame.append_ms, frame.value))
            judge.write()
    return judge


def _within(frame: Frame, as_of_ms: int | None) -> bool:
    return as_of_ms is None or frame.append_ms is None or frame.append_ms < as_of_ms


def _feed(path: Path, judge: _Judge, currency: str, as_of_ms: int | None, progress: Progress) -> None:
    """Give a file of events to the intake, and what it settles to the judge."""
    clock = _FileClock(judge.name, Intake(judge.partitions, clock=Clock.SOURCE, currency=currency))
    raw = None
    for raw in payloads(path):
        judge.summary.records += 1
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

    def take(self, judge: _Judge) -> None:
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
