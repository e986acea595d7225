"""Judge a recorded history again and write down all that comes of it (``streams.rejudge``)."""

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any, NamedTuple

from schemas.alerts import Alert, DeadLetter, Incident
from schemas.policy import Policy
from streams.arena import as_dict
from streams.ledgerfile import is_ledger, whole_file
from streams.outcome import Outcome
from streams.rejudge import Judge, Progress, ReplayError, judge_file
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
    """Where results go, each as JSON lines, the curve as one object; those that may be None only where wanted."""

    alerts: Path
    states: Path
    dead_letters: Path | None = None
    held: Path | None = None
    incidents: Path | None = None
    curve: Path | None = None
    problems: Path | None = None


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
        if policy is not None and is_ledger(events):
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

    def finish(self) -> Summary:
        """Write the last words on incidents and insights, and every row by customer, settled to the last tick."""
        self.summary.records = self.records
        for incident in self._incidents.values():
            _write(self._into.incidents, incident.to_json())
        self.summary.incidents = len(self._incidents)
        self.summary.waiting = sum(one.waiting for one in self.pipelines)
        rows = {customer: row for one in self.pipelines for customer, row in one.settled_rows().items()}
        self.summary.customers = len(rows)
        for customer in sorted(rows):
            _write(self._into.states, _line({"customer_id": customer.decode(), **as_dict(rows[customer])}))
        self._write_insights()
        return self.summary

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
