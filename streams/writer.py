"""A judge that writes down what it hears, into files or, of a share of the partitions, into spools."""

import json
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import numpy as np

from schemas.alerts import Alert, DeadLetter, Incident
from schemas.policy import Policy
from schemas.state import CUSTOMER, NEVER
from streams import shares
from streams.checkpoint import EVERY_S, Checkpoint, alone
from streams.clock import monotonic_s
from streams.ledgerfile import FileError
from streams.markers import OFFLINE_KEY
from streams.outcome import Outcome
from streams.pipeline import Pipeline
from streams.rejudge import Judge, Progress, Share, judge_file
from streams.sinks import AT_ONCE, Alerts, Daily, Standing, States

DAY_MS = 86_400_000


class Asked(NamedTuple):
    """What to judge and how; ``policy`` None is the default one, or the ledger's own."""

    events: Path
    policy: Policy | None
    app_id: str = "whaleline"
    partitions: int = 1
    currency: str = "USD"
    as_of_ms: int | None = None
    from_ms: int | None = None
    erasure_key: bytes = OFFLINE_KEY


class Into(NamedTuple):
    """Where to write, None where nothing is wanted."""

    states: States
    alerts: Alerts | None = None
    dead_letters: IO[bytes] | None = None
    held: Alerts | None = None
    incidents: IO[bytes] | None = None
    curve: IO[bytes] | None = None
    problems: IO[bytes] | None = None
    daily: Daily | None = None


@dataclass(slots=True)
class Summary:
    """What a replay did."""

    records: int = 0
    events: int = 0
    duplicates: int = 0
    late: int = 0
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


@dataclass(slots=True)
class Found:
    """What is known at the end: the summary, the last word on each incident, and the insights by key."""

    summary: Summary = field(default_factory=Summary)
    incidents: dict[str, Incident] = field(default_factory=dict)
    insights: dict[bytes, bytes | None] = field(default_factory=dict)
    conflicts: list[tuple[int, str]] = field(default_factory=list)
    """Behind the number of the batch in which each was told."""

    @classmethod
    def of(cls, parts: Iterable[Self]) -> Self:
        """All shares together."""
        whole = cls()
        told = whole.summary
        for part in parts:
            one = part.summary
            told.records, told.late = one.records, one.late
            for name in ("events", "duplicates", "alerts", "held", "waiting", "dead_letters", "customers"):
                setattr(told, name, getattr(told, name) + getattr(one, name))
            for kind, count in one.alerts_by_kind.items():
                told.alerts_by_kind[kind] = told.alerts_by_kind.get(kind, 0) + count
            whole.incidents |= part.incidents
            whole.insights |= part.insights
            whole.conflicts += part.conflicts
        whole.close()
        return whole

    def as_map(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        incidents = {name: one.as_map() for name, one in self.incidents.items()}
        return {**asdict(self), "incidents": incidents}

    @classmethod
    def from_map(cls, told: dict[str, Any]) -> Self:
        """Take it back."""
        incidents = {name: Incident.of(one) for name, one in told["incidents"].items()}
        conflicts = [(batch, text) for batch, text in told["conflicts"]]
        return cls(Summary(**told["summary"]), incidents, told["insights"], conflicts)

    def close(self) -> None:
        """Bring what is told in the summary into an order that no number of shares changes."""
        told = self.summary
        told.incidents = len(self.incidents)
        told.conflicts = [text for _, text in sorted(self.conflicts)]
        told.alerts_by_kind = dict(sorted(told.alerts_by_kind.items()))


def judged(asked: Asked, into: Into, share: Share, progress: Progress) -> Found:
    """Judge a share of the partitions, and write down what comes of it."""
    return _run(asked, lambda count: Writer(asked, count, into, share, into.daily is not None), progress)


def _run(asked: Asked, writer_of: Any, progress: Progress) -> Found:
    writer = judge_file(
        *(asked.events, writer_of, asked.policy),
        partitions=asked.partitions,
        currency=asked.currency,
        as_of_ms=asked.as_of_ms,
        from_ms=asked.from_ms,
        progress=progress,
    )
    assert isinstance(writer, Writer)
    return writer.finish()


class Writer(Judge):
    """Writes what it hears, as soon as nothing that belongs before it can come any more."""

    def __init__(self, asked: Asked, partitions: int, into: Into, share: Share, daily: bool) -> None:
        super().__init__(asked.app_id, partitions, str(asked.events), share, asked.erasure_key)
        self.found = Found()
        self.batch = 0
        self._into = into
        self._alerts: list[Alert] = []
        self._held: list[Alert] = []
        self._letters: list[DeadLetter] = []
        if daily:
            for one in self.pipelines:
                one.on_midnight = partial(self._midnight, one)

    def heard(self, partition: int, outcome: Outcome) -> None:
        """Count it; ``write`` writes down its alerts."""
        told = self.found.summary
        self.found.conflicts += [(self.batch, one) for one in outcome.conflicts]
        told.events += outcome.applied
        told.duplicates += outcome.duplicates
        self._alerts += outcome.alerts
        self._held += outcome.held
        self._letters += outcome.refused
        self.found.incidents.update({one.incident_id: one for one in outcome.incidents})
        self.found.insights.update(outcome.insights)

    def refuse(self, letter: DeadLetter) -> None:
        """Keep it; where several share the work, all of them meet it, and the first one tells."""
        if self.share.number == 0:
            self._letters.append(letter)

    def write(self) -> None:
        """Write down what was told since the last call, in an order that no number of partitions changes."""
        if self._alerts or self._held or self._letters:
            for alert in sorted(self._alerts, key=_place):
                self.put_alert(alert)
                kinds = self.found.summary.alerts_by_kind
                kinds[alert.kind] = kinds.get(alert.kind, 0) + 1
            for alert in sorted(self._held, key=_place):
                self.put_held(alert)
            for letter in sorted(self._letters, key=_stand):
                self.put_letter(letter)
            self.found.summary.alerts += len(self._alerts)
            self.found.summary.held += len(self._held)
            self.found.summary.dead_letters += len(self._letters)
            self._alerts, self._held, self._letters = [], [], []
        self.batch += 1

    def put_alert(self, alert: Alert) -> None:
        """Write one down."""
        if self._into.alerts is not None:
            self._into.alerts.put(alert.as_map())

    def put_held(self, alert: Alert) -> None:
        """Write one down."""
        if self._into.held is not None:
            self._into.held.put(alert.as_map())

    def put_letter(self, letter: DeadLetter) -> None:
        """Write one down."""
        write_line(self._into.dead_letters, self.letter_line(letter))

    def put_daily(self, partition: int, day: int, standing: Standing) -> None:
        """Write one down."""
        if self._into.daily is not None:
            self._into.daily.put(day, standing)

    def _midnight(self, pipeline: Pipeline, tick_ms: int) -> None:
        if not self.quiet:
            self.put_daily(pipeline.partition, tick_ms // DAY_MS, Standing.of(pipeline))

    def letter_line(self, letter: DeadLetter) -> str:
        """A dead letter as a line.

        ``record`` is its line or place in the file, or its offset in the source the ledger names.
        """
        record = letter.offset // 2 if letter.topic == self.name else letter.offset
        text = (letter.value or b"").decode("utf-8", "backslashreplace")
        return line_of({"reason": letter.reason, "detail": letter.detail, "record": record, "value": text})

    def finish(self) -> Found:
        """Write every row by customer, settled to the last tick, and say what is known at the end."""
        self.write()
        told = self.found.summary
        told.records, told.late = self.records, self.late
        told.waiting = sum(one.waiting for one in self.pipelines)
        self._write_states()
        self.found.close()
        return self.found

    def _write_states(self) -> None:
        """Every customer's row, by customer: the places are sorted, not the rows, which are large."""
        places = sorted(
            (one.arena.customer(slot), partition, slot)
            for partition, one in enumerate(self.pipelines)
            for slot in np.flatnonzero(one.arena.rows["day"][: len(one.arena)] != NEVER).tolist()
        )
        self.found.summary.customers = len(places)
        for begin in range(0, len(places), AT_ONCE):
            some = places[begin : begin + AT_ONCE]
            rows, owners = np.zeros(len(some), CUSTOMER), np.array([owner for _, owner, _ in some])
            slots = np.array([slot for _, _, slot in some])
            for partition in set(owners.tolist()):
                mine = owners == partition
                rows[mine] = self.pipelines[partition].settled(slots[mine])
            self._into.states.put([customer.decode() for customer, _, _ in some], rows)


class _Sharer(Writer):
    """Writes into spools, each thing behind the key by which shares are put together."""

    def __init__(
        self, asked: Asked, partitions: int, into: Into, share: Share, daily: bool, kept: Checkpoint
    ) -> None:
        super().__init__(asked, partitions, into, share, daily)
        self._kept, self._kept_s = kept, monotonic_s()
        self._spools = {
            name: kept.spool(name) for name in (shares.ALERTS, shares.HELD, shares.LETTERS, shares.DAILY)
        }
        self._done = kept.told.get("batch", 0)
        if kept.told:
            self.found = Found.from_map(kept.told["found"])
            kept.restore(self.pipelines)

    def refuse(self, letter: DeadLetter) -> None:
        """Keep it, if it was not met before the last checkpoint."""
        if self.batch >= self._done:
            super().refuse(letter)

    def write(self) -> None:
        """Write down what was told since the last call; now and then, keep what is needed to go on."""
        super().write()
        if self.batch > self._done and monotonic_s() - self._kept_s >= EVERY_S:
            self._keep()

    def _keep(self) -> None:
        told = {"batch": self.batch, "found": self.found.as_map()}
        self._kept.keep(self.pipelines, self._spools, told)
        self._done, self._kept_s = self.batch, monotonic_s()

    def put_alert(self, alert: Alert) -> None:
        """Write one down."""
        self._spools[shares.ALERTS].put((self.batch, *_place(alert)), alert.as_map())

    def put_held(self, alert: Alert) -> None:
        """Write one down."""
        self._spools[shares.HELD].put((self.batch, *_place(alert)), alert.as_map())

    def put_letter(self, letter: DeadLetter) -> None:
        """Write one down."""
        self._spools[shares.LETTERS].put((self.batch, *_stand(letter)), self.letter_line(letter))

    def put_daily(self, partition: int, day: int, standing: Standing) -> None:
        """Write one down."""
        told = (standing.customers, standing.risk_ppm.tobytes(), standing.states.tobytes())
        self._spools[shares.DAILY].put((self.batch, day, partition), told)

    def close(self) -> None:
        """Nothing more will come."""
        for one in self._spools.values():
            one.close()


def judge_share(asked: Asked, folder: Path, daily: bool, share: Share, progress: Progress) -> Found:
    """``judged`` by one of several processes, into spools in ``folder``, going on from a checkpoint there."""
    try:
        return _judge_share(asked, folder, daily, share, progress)
    except OSError as error:
        raise FileError(f"{folder} cannot be written: {error.strerror or error}") from error


def _judge_share(asked: Asked, folder: Path, daily: bool, share: Share, progress: Progress) -> Found:
    with ExitStack() as stack:
        stack.enter_context(alone(folder))
        kept = stack.enter_context(closing(Checkpoint(folder)))
        states = stack.enter_context(closing(shares.SpooledStates(folder)))

        def sharer(partitions: int) -> _Sharer:
            one = _Sharer(asked, partitions, Into(states), share, daily, kept)
            return stack.enter_context(closing(one))

        return _run(asked, sharer, progress)


def _place(alert: Alert) -> tuple[int, str]:
    """Where an alert stands among others of a record: one tick is a record of each partition."""
    return alert.ts_ms, alert.customer_id


def _stand(letter: DeadLetter) -> tuple[str, str, int, int]:
    return letter.topic, letter.topic_id, letter.partition, letter.offset


def write_line(file: IO[bytes] | None, line: str) -> None:
    """Write a line where one is wanted."""
    if file is not None:
        file.write(line.encode() + b"\n")


def line_of(told: dict[str, object]) -> str:
    """JSON in one line."""
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
