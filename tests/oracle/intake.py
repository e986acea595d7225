"""The intake event by event: a queue of decoded events a source, and one look at all of them for each event."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from schemas.alerts import DeadLetter
from schemas.block import Source, Sourced, encode_events, progress_entry
from schemas.codec import Reject, decode
from schemas.codes import Kind
from streams.intake import TAKE_EVENTS, Batch, Clock, SourceRecord, ledger_partition
from streams.waiting import BLOCK_EVENTS

HOUR_MS = 3_600_000
DAY_HOURS = 24
SKEW_MS = DAY_HOURS * HOUR_MS
NEVER = -1
FOREVER = 2**62


@dataclass(slots=True)
class _Queue:
    """One source partition: accepted events that wait for their turn, and how far its time has come."""

    events: deque[Sourced] = field(default_factory=deque)
    seen_ms: int = NEVER
    promised_ms: int = NEVER
    promise: int = NEVER
    caught_up_ms: int = NEVER
    last_offset: int = NEVER


class Intake:
    """Orders what its source partitions bring. Feed it, then ``take`` what is settled."""

    def __init__(
        self,
        partitions: int,
        *,
        clock: Clock,
        currency: str = "USD",
        grace_ms: int = 5_000,
        max_buffered: int = 50_000,
    ) -> None:
        self._partitions, self._clock, self._currency = partitions, clock, currency
        self._grace_ms, self._max_buffered = grace_ms, max_buffered
        self._queues: dict[Source, _Queue] = {}
        self._batch = Batch()
        self._blocks: dict[int, list[Sourced]] = {}
        self._reported_hour = NEVER
        self._reported: dict[Source, int] = {}

    def assign(self, sources: Iterable[Source]) -> None:
        """Own exactly these source partitions from now on; everything buffered is forgotten and read again.

        Events of equal time are taken in the order of ``sources``: give the support topic's partitions first.
        """
        self._queues = {source: _Queue() for source in sources}
        self._batch = Batch()
        self._blocks = {}
        self._reported_hour, self._reported = NEVER, {}

    def offer(self, record: SourceRecord) -> None:
        """Take one consumed record; one that is no event becomes a dead letter. Others' sources are ignored."""
        queue = self._queues.get(record.source)
        if queue is None or record.offset <= queue.last_offset:
            return
        queue.last_offset = record.offset
        queue.caught_up_ms = NEVER
        event = decode(record.value, purchases=record.purchases, currency=self._currency)
        if isinstance(event, Reject):
            self._batch.dead_letters.append(_dead_letter(record, event))
        elif event.kind is not Kind.PROGRESS and record.key != event.customer_id.encode():
            self._batch.rekeyed += 1
        if isinstance(event, Reject):
            if not queue.events:
                self._batch.done[record.source] = record.offset
            return
        queue.events.append(Sourced(record.source, record.offset, event))

    def at_end(self, source: Source, now_ms: int) -> None:
        """The consumer stands at this source's log end, and everything it read has been offered."""
        if source in self._queues:
            self._queues[source].caught_up_ms = now_ms

    def full(self) -> set[Source]:
        """Sources with their share of the events that may wait: read no more of them for now."""
        share = max(1, self._max_buffered // max(1, len(self._queues)))
        return {source for source, queue in self._queues.items() if len(queue.events) >= share}

    def take(self, now_ms: int, not_after_ms: int = FOREVER) -> Batch:
        """Everything whose order is settled at ``now_ms``, with progress behind it.

        ``not_after_ms`` holds back a worker that runs ahead of the others: while the next event belongs to a
        backlog, it is only taken up to that time. At most ``TAKE_EVENTS`` are taken at once: call again.
        """
        until = self._batch.events + TAKE_EVENTS
        while self._batch.events < until and (source := self._first(now_ms)) is not None:
            queue = self._queues[source]
            one = queue.events[0]
            ts_ms = min(one.event.ts_ms, now_ms)
            self._report(now_ms, ts_ms)
            if not_after_ms < ts_ms < now_ms - SKEW_MS:
                break
            queue.events.popleft()
            queue.seen_ms = max(queue.seen_ms, ts_ms)
            self._append(one)
            self._batch.done[source] = one.offset
        self._flush()
        self._report(now_ms, FOREVER)
        batch, self._batch = self._batch, Batch()
        for source, queue in self._queues.items():
            if not queue.events and queue.last_offset > batch.done.get(source, NEVER) and source in batch.done:
                batch.done[source] = queue.last_offset
            if self._clock is Clock.SOURCE and source in batch.done and queue.promise != NEVER:
                batch.done[source] = min(batch.done[source], queue.promise - 1)
        return batch

    def drain(self, now_ms: int) -> Iterator[Batch]:
        """Take again and again until nothing more is settled; at least one batch."""
        while True:
            batch = self.take(now_ms)
            yield batch
            if batch.events < TAKE_EVENTS:
                return

    def _first(self, now_ms: int) -> Source | None:
        """Whose event is next: the earliest, if no source can still bring an earlier one."""
        best: Source | None = None
        best_ms = FOREVER
        for source, queue in self._queues.items():
            self._hear_promises(source, queue, now_ms)
            if queue.events:
                head_ms = min(queue.events[0].event.ts_ms, now_ms)
                if head_ms < best_ms:
                    best, best_ms = source, head_ms
        if best is None:
            return None
        for queue in self._queues.values():
            if not queue.events and self._may_bring_from(queue) <= best_ms and not self._drained(queue):
                return None
        return best

    def _hear_promises(self, source: Source, queue: _Queue, now_ms: int) -> None:
        """Take progress events at the queue's head: they speak for their own source and wait for nobody."""
        while queue.events and queue.events[0].event.kind is Kind.PROGRESS:
            one = queue.events.popleft()
            queue.promised_ms = max(queue.promised_ms, min(one.event.ts_ms, now_ms))
            queue.promise = one.offset
            self._batch.done[source] = one.offset

    def _drained(self, queue: _Queue) -> bool:
        return self._clock is Clock.WALL and queue.caught_up_ms != NEVER

    def _may_bring_from(self, queue: _Queue) -> int:
        """The earliest time an empty source may still bring."""
        return queue.promised_ms if self._clock is Clock.SOURCE else NEVER

    def _progress_ms(self, queue: _Queue, now_ms: int) -> int:
        """Up to which time everything of this source has been taken."""
        head_ms = min(queue.events[0].event.ts_ms, now_ms) if queue.events else NEVER
        if self._clock is Clock.SOURCE:
            return max(queue.seen_ms, head_ms) if queue.events else queue.promised_ms
        return max(queue.seen_ms, head_ms, queue.caught_up_ms) - self._grace_ms

    def _report(self, now_ms: int, before_ms: int) -> None:
        """Say how far the sources have come, before an event of ``before_ms`` is written.

        Only if a whole hour has passed in every source, or a day in one whose pace the others do not keep: they
        may be retired one day, and what this one had reached must then be known.
        """
        if before_ms // HOUR_MS <= self._reported_hour or not self._queues:
            return
        progress = {
            source: min(self._progress_ms(queue, now_ms), before_ms) for source, queue in self._queues.items()
        }
        hour = min(progress.values()) // HOUR_MS
        ahead = any(ms - self._reported.get(source, NEVER) >= SKEW_MS for source, ms in progress.items())
        if hour <= self._reported_hour and not ahead:
            return
        self._flush()
        # A long silence is passed a day at a time, so that no single record asks the judge for a month of ticks.
        days = range(self._reported_hour + DAY_HOURS, hour, DAY_HOURS) if self._reported_hour >= 0 else ()
        for until_ms in (*(day * HOUR_MS for day in days), FOREVER):
            entry = progress_entry((source, min(ms, until_ms)) for source, ms in progress.items() if ms >= 0)
            self._batch.records += [(partition, entry) for partition in range(self._partitions)]
        self._reported_hour, self._reported = max(hour, self._reported_hour), progress

    def _append(self, one: Sourced) -> None:
        partition = ledger_partition(one.event.customer_id, self._partitions)
        block = self._blocks.setdefault(partition, [])
        block.append(one)
        self._batch.events += 1
        if len(block) >= BLOCK_EVENTS:
            self._batch.records.append((partition, encode_events(self._blocks.pop(partition))))

    def _flush(self) -> None:
        for partition in sorted(self._blocks):
            self._batch.records.append((partition, encode_events(self._blocks[partition])))
        self._blocks = {}


def _dead_letter(record: SourceRecord, reject: Reject) -> DeadLetter:
    return DeadLetter(
        reject.reason.name.lower(),
        reject.detail,
        record.topic,
        str(record.source.topic),
        record.source.partition,
        record.offset,
        record.key,
        record.value,
    )
