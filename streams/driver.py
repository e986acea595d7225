"""The whole path without Kafka: bytes in, alerts out, the clock moved by hand, crashes as lines.

It is for tests: ours, and those of whoever writes a policy (docs/guide.md). The driver holds what a broker would:
source logs, the ledger, the changelog, the alerts. ``crash`` throws the worker's memory away at that very moment;
``restore`` starts a new one from what was durable.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from schemas.alerts import Alert, DeadLetter, Hold, Incident
from schemas.block import Source, erase_entry, release_entry
from schemas.codec import encode
from schemas.erasures import Receipt
from schemas.policy import parse
from streams.arena import as_dict
from streams.intake import Clock, Intake, SourceRecord, ledger_partition, opening
from streams.outcome import Outcome, newest
from streams.pipeline import Pipeline, Record

SUPPORT, PURCHASES = "support-calls", "purchases"
TOPIC_IDS = {topic: uuid5(NAMESPACE_DNS, topic) for topic in (SUPPORT, PURCHASES)}
NOON = 1_700_049_600_000
"""2023-11-15 12:00 UTC, where most stories begin."""
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@dataclass
class Driver:
    """A worker and its broker in one process."""

    partitions: int = 1
    source_partitions: int = 1
    clock: Clock = Clock.WALL
    policy: str = ""
    app_id: str = "whaleline"
    now_ms: int = NOON
    check_future: bool = True
    grace_ms: int = 5_000
    ledger: list[list[Record]] = field(default_factory=list)
    changelog: list[list[tuple[bytes, bytes | None]]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    held: list[Alert] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    insights: dict[bytes, bytes | None] = field(default_factory=dict)
    refused: list[DeadLetter] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = [[] for _ in range(self.partitions)]
        self.changelog = [[] for _ in range(self.partitions)]
        self._logs: dict[Source, list[tuple[bytes | None, bytes]]] = {source: [] for source in self.sources}
        self._offered: dict[Source, int] = {}
        self._committed: dict[Source, int] = {}
        self._numbered = 0
        self.restore()

    @property
    def sources(self) -> list[Source]:
        """Every source partition, support first."""
        return [
            Source(TOPIC_IDS[topic], at) for topic in (SUPPORT, PURCHASES) for at in range(self.source_partitions)
        ]

    def send(self, topic: str, kind: str, customer: str, at_ms: int | None = None, **fields: Any) -> str:
        """Produce one well-formed event (now, unless told) and return its event id; nothing is consumed yet."""
        self._numbered += 1
        event_id = fields.pop("event_id", f"e{self._numbered}")
        sent = {"kind": kind, "ts_ms": at_ms if at_ms is not None else self.now_ms, "customer_id": customer}
        self.send_bytes(topic, customer.encode(), encode({**sent, "event_id": event_id, **fields}))
        return str(event_id)

    def send_bytes(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Produce raw bytes, by key."""
        partition = ledger_partition((key or b"").decode(errors="replace"), self.source_partitions)
        self._logs[Source(TOPIC_IDS[topic], partition)].append((key, value))

    def support(self, kind: str, customer: str = "C1", at_ms: int | None = None, **fields: Any) -> list[Alert]:
        """A support event now, consumed at once; the alerts it led to."""
        self.send(SUPPORT, kind, customer, at_ms, **fields)
        return self.run()

    def buys(self, kind: str, customer: str = "C1", at_ms: int | None = None, **fields: Any) -> list[Alert]:
        """A purchase event now, consumed at once; the alerts it led to."""
        self.send(PURCHASES, kind, customer, at_ms, **fields)
        return self.run()

    def wait(self, *, days: float = 0, hours: float = 0, minutes: float = 0) -> list[Alert]:
        """Let time pass with the sources idle; the alerts that time alone led to."""
        self.now_ms += round(days * DAY + hours * HOUR + minutes * MINUTE)
        return self.run()

    def progress(self, until_ms: int) -> None:
        """Let every source say that it has sent everything before a time (for ``Clock.SOURCE``)."""
        value = encode({"kind": "progress", "ts_ms": until_ms})
        for log in self._logs.values():
            log.append((None, value))

    def consume(self) -> None:
        """Read the sources to their ends and write the ledger, as an ingester would."""
        for source, log in self._logs.items():
            topic = next(name for name, topic_id in TOPIC_IDS.items() if topic_id == source.topic)
            for offset in range(self._offered.get(source, self._committed.get(source, 0)), len(log)):
                key, value = log[offset]
                self.intake.offer(SourceRecord(source, topic == PURCHASES, topic, offset, key, value))
            self._offered[source] = len(log)
            self.intake.at_end(source, self.now_ms)
        for batch in self.intake.drain(self.now_ms):
            self._append(batch.records)
            self.refused += batch.dead_letters
            self._committed.update({source: offset + 1 for source, offset in batch.done.items()})

    def _append(self, records: Iterable[tuple[int, bytes]]) -> None:
        for partition, value in records:
            log = self.ledger[partition]
            log.append(Record(len(log), self.now_ms if self.check_future else None, value))

    def judge(self, most: int | None = None) -> list[Alert]:
        """Judge the ledger, at most so many records of each partition; alerts are out once published."""
        found = []
        for partition, pipeline in enumerate(self.pipelines):
            log = self.ledger[partition]
            end = len(log) if most is None else min(len(log), pipeline.next_offset + most)
            for offset in range(pipeline.next_offset, end):
                outcome = pipeline.step(log[offset])
                self.outcomes.append(outcome)
                self._unpublished[partition].append(outcome)
                self.refused += outcome.refused
                found += outcome.alerts
        return found

    def publish(self) -> None:
        """Make rows, position and alerts durable together."""
        for partition, pipeline in enumerate(self.pipelines):
            if pipeline.moved:
                self.changelog[partition] += pipeline.snapshot().records
                outcomes, self._unpublished[partition] = self._unpublished[partition], []
                for outcome in outcomes:
                    self.alerts += outcome.alerts
                    self.held += outcome.held
                    gone = set(outcome.forgotten)
                    self.holds = [one for one in self.holds if one.customer_id not in gone] + outcome.holds
                    self.receipts += outcome.receipts
                    self.insights.update(outcome.insights)
                self.incidents += newest(one for outcome in outcomes for one in outcome.incidents)

    def release(self, incident_id: str, author: str = "ops", reason: str = "looked into") -> list[Alert]:
        """A person lets an incident's alerts go; what then goes out."""
        partition = next(one.partition for one in self.incidents if one.incident_id == incident_id)
        self._append([(partition, release_entry(incident_id, author, reason))])
        return self.run()

    def erase(self, customer: str = "C1", author: str = "dpo", reason: str = "asked for it") -> list[Alert]:
        """A person has a customer forgotten; the alerts that it led to, which are none."""
        entry = erase_entry(customer, self.now_ms, author, reason)
        self._append([(ledger_partition(customer, self.partitions), entry)])
        return self.run()

    def latest(self) -> dict[str, Incident]:
        """The last word on each incident, as a reader of the compacted topic has it."""
        return {one.incident_id: one for one in self.incidents}

    def kept(self) -> list[Alert]:
        """What was produced and is not out."""
        return [alert for pipeline in self.pipelines for alert in pipeline.kept()]

    def run(self) -> list[Alert]:
        """Consume, judge, publish; the new alerts."""
        self.consume()
        found = self.judge()
        self.publish()
        return found

    def crash(self) -> None:
        """Lose everything that was not durable."""
        self.restore()

    def restore(self) -> None:
        """Start a new worker from the committed offsets, the ledger and the changelog."""
        self._offered = {}
        self.intake = Intake(self.partitions, clock=self.clock, grace_ms=self.grace_ms)
        self.intake.assign(self.sources)
        topics = [(topic, topic_id, self.source_partitions) for topic, topic_id in TOPIC_IDS.items()]
        for value in opening(topics, parse(self.policy), self.clock):
            self._append((partition, value) for partition in range(self.partitions))
        self.pipelines = [Pipeline(self.app_id, at, self.partitions) for at in range(self.partitions)]
        self._unpublished: list[list[Outcome]] = [[] for _ in range(self.partitions)]
        for pipeline, log in zip(self.pipelines, self.changelog, strict=True):
            for key, kept in log:
                pipeline.restore(key, kept)
            pipeline.restored()

    def row(self, customer: str = "C1") -> dict[str, Any]:
        """The customer's row, settled to the last tick."""
        pipeline = self.pipelines[ledger_partition(customer, self.partitions)]
        return as_dict(pipeline.settled_rows()[customer.encode()])

    def rows(self) -> dict[bytes, bytes]:
        """Every row's bytes, settled to the last tick."""
        return {name: row.tobytes() for pipe in self.pipelines for name, row in pipe.settled_rows().items()}

    def kinds(self, customer: str = "C1") -> list[str]:
        """The kinds of this customer's alerts, in order, a service failure with its moment."""
        return [told(alert) for alert in self.alerts if alert.customer_id == customer]


def told(alert: Alert) -> str:
    """An alert in short: its kind, and the moment where it has one."""
    return f"{alert.kind}:{alert.moment}" if alert.moment else alert.kind
