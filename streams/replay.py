"""Judge a recorded history again and write down all that comes of it (``streams.rejudge``)."""

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np

from schemas.alerts import Alert, DeadLetter, Incident
from schemas.policy import Policy
from schemas.state import CUSTOMER, NEVER
from streams.ledgerfile import whole_file
from streams.outcome import Outcome
from streams.parquet import is_parquet
from streams.recorded import is_recorded
from streams.rejudge import Judge, Progress, ReplayError, judge_file
from streams.sinks import AT_ONCE, Alerts, Daily, States, alerts_to, daily_to, states_to
from streams.whale import of_insights


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
    """Where results go; those that may be None only where wanted.

    All are JSON lines but the curve, which is one object, and ``daily``, which is Parquet. Alerts, those held, and
    states are Parquet too where their names end so.
    """

    alerts: Path
    states: Path
    dead_letters: Path | None = None
    held: Path | None = None
    incidents: Path | None = None
    curve: Path | None = None
    problems: Path | None = None
    daily: Path | None = None


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
        if outputs.daily is not None and not is_parquet(outputs.daily):
            raise ReplayError(f"{outputs.daily}: what is written daily is Parquet: name it *.parquet")
        opened: dict[str, Any] = {one.name: None for one in fields(outputs)}
        for name in opened:
            path = getattr(outputs, name)
            if path is not None:
                opened[name] = stack.enter_context(SINKS.get(name, whole_file)(path))
        into = _Files(**opened)
        if policy is not None and is_recorded(events):
            raise ReplayError(f"{events} is a recorded ledger, which brings its own policies: name none")
        judge = judge_file(
            *(events, lambda count: _Writer(app_id, count, str(events), into), policy),
            partitions=partitions,
            currency=currency,
            as_of_ms=as_of_ms,
            progress=progress,
        )
        assert isinstance(judge, _Writer)
        return judge.finish()


SINKS: Final[dict[str, Any]] = {"alerts": alerts_to, "held": alerts_to, "states": states_to, "daily": daily_to}
"""What opens an output that has a form of its own."""


class _Files(NamedTuple):
    """The open files of ``Outputs``, None where nothing is wanted."""

    alerts: Alerts
    states: States
    dead_letters: IO[bytes] | None
    held: Alerts | None
    incidents: IO[bytes] | None
    curve: IO[bytes] | None
    problems: IO[bytes] | None
    daily: Daily | None


def _write(file: IO[bytes] | None, line: str) -> None:
    if file is not None:
        file.write(line.encode() + b"\n")


class _Writer(Judge):
    """A judge whose outcomes go to files."""

    def __init__(self, app_id: str, partitions: int, name: str, into: _Files) -> None:
        super().__init__(app_id, partitions, name)
        self.summary = Summary()
        self._into = into
        self._insights: dict[bytes, bytes | None] = {}
        self._incidents: dict[str, Incident] = {}
        self._found: list[Alert] = []
        self._held: list[Alert] = []
        if into.daily is not None:
            for one in self.pipelines:
                one.on_midnight = partial(into.daily.put, one)

    def heard(self, partition: int, outcome: Outcome) -> None:
        """Count it; ``write`` writes down its alerts."""
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
            self._into.alerts.put(alert)
            kinds = self.summary.alerts_by_kind
            kinds[alert.kind] = kinds.get(alert.kind, 0) + 1
        if self._into.held is not None:
            for alert in sorted(self._held, key=_place):
                self._into.held.put(alert)
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

    def finish(self) -> Summary:
        """Write the last words on incidents and insights, and every row by customer, settled to the last tick."""
        self.summary.records = self.records
        for incident in self._incidents.values():
            _write(self._into.incidents, incident.to_json())
        self.summary.incidents = len(self._incidents)
        self.summary.waiting = sum(one.waiting for one in self.pipelines)
        self._write_states()
        self._write_insights()
        return self.summary

    def _write_states(self) -> None:
        """Every customer's row, by customer: the places are sorted, not the rows, which are large."""
        places = sorted(
            (one.arena.customer(slot), partition, slot)
            for partition, one in enumerate(self.pipelines)
            for slot in np.flatnonzero(one.arena.rows["day"][: len(one.arena)] != NEVER).tolist()
        )
        self.summary.customers = len(places)
        for begin in range(0, len(places), AT_ONCE):
            some = places[begin : begin + AT_ONCE]
            rows, owners = np.zeros(len(some), CUSTOMER), np.array([owner for _, owner, _ in some])
            slots = np.array([slot for _, _, slot in some])
            for partition in set(owners.tolist()):
                mine = owners == partition
                rows[mine] = self.pipelines[partition].settled(slots[mine])
            self._into.states.put([customer.decode() for customer, _, _ in some], rows)

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
