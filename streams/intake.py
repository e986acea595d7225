"""Source records become ordered ledger records: decoded, re-keyed, merged by event time, followed by their time.

The verdict on a record depends on its bytes alone. The order is frozen here: while there is backlog the sources
are merged by event time; where one stands at its end, nothing waits for it. Time enters the ledger as progress,
written into every ledger partition behind the events it speaks of.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from uuid import UUID

import numpy as np

from kernels.digest import murmur2
from kernels.merge import DAY_HOURS, FOREVER, HOUR_MS
from schemas.alerts import DeadLetter
from schemas.block import Source, policy_entry, progress_entry, sources_entry
from schemas.codec import Reject
from schemas.policy import Policy
from schemas.waiting import NEVER, Sheaf
from streams.waiting import Waiting, sheaf_of

TAKE_EVENTS = 10_000
"""Events taken at once, some ms of work: the event loop has other duties."""
MAX_BUFFERED = 50_000
"""Events that may wait, of all sources together; each takes some 300 B."""


class Clock(Enum):
    """Who says what time it is when a source is silent."""

    WALL = "wall"
    """A source that stands at its log end is up to date: its time is now, less a grace for late senders."""
    SOURCE = "source"
    """Only ``progress`` events move time, and the merge waits for every source: an order anyone can repeat."""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One record as consumed. ``purchases`` says which of the two topics ``topic`` is."""

    source: Source
    purchases: bool
    topic: str
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Batch:
    """What to write, in order, and which source offsets are durable once all of it is."""

    records: list[tuple[int, bytes]] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    done: dict[Source, int] = field(default_factory=dict)
    rekeyed: int = 0
    events: int = 0


def ledger_partition(customer: str, partitions: int) -> int:
    """The ledger partition of a customer: Kafka's own hash of the id, so any producer could find it."""
    raw = np.frombuffer(customer.encode(), np.uint8)
    return int(murmur2(raw, 0, raw.size)) % partitions


def opening(topics: Iterable[tuple[str, UUID, int]], policy: Policy, clock: Clock = Clock.WALL) -> list[bytes]:
    """Control records for every ledger partition before an ingester's first events: the sources, the policy."""
    return [sources_entry(topics, clock is Clock.SOURCE), policy_entry(policy.toml, policy.version)]


class Intake:
    """Orders what its source partitions bring. Feed it, then ``take`` what is settled."""

    def __init__(
        self,
        partitions: int,
        *,
        clock: Clock,
        currency: str = "USD",
        grace_ms: int = 5_000,
        max_buffered: int = MAX_BUFFERED,
    ) -> None:
        """``waiting`` is what it has read and not yet given."""
        self._partitions, self._max_buffered = partitions, max_buffered
        by_source = clock is Clock.SOURCE
        self._empty = partial(Waiting, currency=currency, by_source=by_source, grace_ms=grace_ms)
        self.assign(())

    def assign(self, sources: Iterable[Source]) -> None:
        """Own exactly these source partitions from now on; everything buffered is forgotten and read again.

        Events of equal time are taken in the order of ``sources``: give the support topic's partitions first.
        """
        self.waiting = self._empty(sources, self._partitions)
        self._offered: dict[Source, list[SourceRecord]] = {}
        self._batch = Batch()
        self._reported_hour = NEVER

    def hear(self, source: Source, topic: str, sheaf: Sheaf, *, purchases: bool) -> None:
        """Take consumed records; what is no event becomes a dead letter. Others' sources are ignored.

        ``purchases`` says which of the two topics ``topic`` is.
        """
        if source not in self.waiting.index:
            return
        refused, rekeyed = self.waiting.add(source, purchases, sheaf)
        self._batch.rekeyed += rekeyed
        self._batch.dead_letters += [_dead_letter(source, topic, sheaf, at, why) for at, why in refused]

    def offer(self, record: SourceRecord) -> None:
        """The same for one record. It is looked at together with others of its source, when there is need to."""
        self._offered.setdefault(record.source, []).append(record)

    def _look(self, *sources: Source) -> None:
        """Hear what was offered."""
        for source in sources or tuple(self._offered):
            records = self._offered.pop(source, None)
            if records:
                sheaf = sheaf_of([(one.offset, one.key, one.value) for one in records])
                self.hear(source, records[0].topic, sheaf, purchases=records[0].purchases)

    def at_end(self, source: Source, now_ms: int) -> None:
        """The consumer stands at this source's log end, and everything it read has been offered."""
        self._look(source)
        if source in self.waiting.index:
            self.waiting.queues[self.waiting.index[source]]["caught_up_ms"] = now_ms

    def full(self) -> set[Source]:
        """Sources with their share of the events that may wait: read no more of them for now."""
        self._look()
        share = max(1, self._max_buffered // max(1, len(self.waiting.sources)))
        full = np.flatnonzero(self.waiting.queues["waiting"] >= share)
        return {self.waiting.sources[at] for at in full.tolist()}

    def take(self, now_ms: int, not_after_ms: int = FOREVER) -> Batch:
        """Everything whose order is settled at ``now_ms``, with progress behind it.

        ``not_after_ms`` holds back a worker that runs ahead of the others: while the next event belongs to a
        backlog, it is only taken up to that time. At most ``TAKE_EVENTS`` are taken at once: call again.
        """
        self._look()
        batch, waiting = self._batch, self.waiting
        due = True
        while due:
            most = TAKE_EVENTS - batch.events
            picked, due = waiting.merge(most, now_ms, not_after_ms, self._reported_hour)
            batch.records += waiting.blocks(picked)
            batch.events += picked.size
            if due:
                self._report()
        if waiting.report_due(now_ms, self._reported_hour):
            self._report()
        self._batch = Batch()
        batch.done = waiting.done()
        return batch

    def drain(self, now_ms: int) -> Iterator[Batch]:
        """Take again and again until nothing more is settled; at least one batch."""
        while True:
            batch = self.take(now_ms)
            yield batch
            if batch.events < TAKE_EVENTS:
                return

    def _report(self) -> None:
        """Say in every ledger partition how far the sources have come."""
        waiting = self.waiting
        progress = dict(zip(waiting.sources, waiting.progress.tolist(), strict=True))
        hour = min(progress.values()) // HOUR_MS
        # A long silence is passed a day at a time, so that no single record asks the judge for a month of ticks.
        days = range(self._reported_hour + DAY_HOURS, hour, DAY_HOURS) if self._reported_hour >= 0 else ()
        for until_ms in (*(day * HOUR_MS for day in days), FOREVER):
            entry = progress_entry((source, min(ms, until_ms)) for source, ms in progress.items() if ms >= 0)
            self._batch.records += [(partition, entry) for partition in range(self._partitions)]
        self._reported_hour = max(hour, self._reported_hour)
        waiting.queues["reported_ms"] = waiting.progress


def _dead_letter(source: Source, topic: str, sheaf: Sheaf, at: int, reject: Reject) -> DeadLetter:
    return DeadLetter(
        reject.reason.name.lower(),
        reject.detail,
        topic,
        str(source.topic),
        source.partition,
        int(sheaf.offsets[at]),
        sheaf.key(at),
        sheaf.value(at),
    )
