"""A worker as the protocol has it, step by step: each ``yield`` is a moment at which anything may happen to it.

The intake and the judge are the product's own. What lies between them and the broker is told here in few lines,
with the faults that can be planted in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from random import Random
from typing import Any

from schemas.block import Source
from streams.intake import Clock, Intake
from streams.memory import Recent
from streams.outbox import NONCE_KEY
from streams.outcome import Outcome
from streams.pipeline import Pipeline
from tests.sim.broker import Broker, Sent
from tests.sim.feed import APP, FAR_MS, OPENING

AT_ONCE = 6
CALM_AT_ONCE = 12
REFUSED, FAILS = 0.03, 0.1
"""How often a write does not arrive, and how often a publication is aborted."""
LONG = 12
"""Steps between a restore and a fence that comes too late."""


FAULTS = {
    "no fencing": "opening a transactional id shuts nobody out",
    "no marks": "neither source offsets nor event ids are compared with those applied before",
    "two transactions": "what is said and the rows it belongs to leave one after the other",
    "alerts first": "alerts leave at once, the rows in a transaction after them",
    "rows first": "rows leave in their transaction, the alerts at once after it",
    "read uncommitted": "a restore takes what was never committed",
    "restore before fencing": "rows are read before the predecessor is shut out",
    "position apart": "reading goes on at an offset that is noted apart from the rows, once they are judged",
    "offsets before writes": "a source offset counts as durable as soon as it is read",
    "a failed write is passed over": "ingest goes on after a write that did not arrive",
    "tombstones left out": "a publication does not say that a row is gone",
    "a failed publication is passed over": "the judge goes on after a publication that was aborted",
}
"""What can be planted. Each must be found."""


class Refused(Exception):
    """A write did not arrive; the worker must end."""


class Worker:
    """One process with an ingester and a judge; each is None while its partitions are someone else's."""

    def __init__(self, broker: Broker, rng: Random, fault: str = "") -> None:
        self.broker, self.rng, self.fault = broker, rng, fault
        self.asleep = 0
        self.at_once = AT_ONCE
        self.leaving = False
        self.taken_in = self.judged = False
        self.ingester: Iterator[None] | None = None
        self.judge: Iterator[None] | None = None

    @property
    def done(self) -> bool:
        """Whether there was nothing left to take in, and then nothing left to judge."""
        return self.taken_in and self.judged

    def _some(self) -> int:
        return int(self.rng.random() * self.at_once)

    def take_sources(self) -> None:
        """The sources are ours from now on."""
        self.ingester = self._ingest(self.broker.generation)

    def take_ledger(self) -> None:
        """The ledger partition is ours from now on."""
        self.judge = self._judge()

    # ---------------------------------------------------------------- from the sources to the ledger

    def _ingest(self, generation: int) -> Iterator[None]:
        broker = self.broker
        intake, sources = Intake(1, clock=Clock.SOURCE), list(broker.sources)
        intake.assign(sources)
        at = {source: broker.offsets.get(source, 0) for source in sources}
        for value in OPENING:
            self._append(value)
            yield
        durable: dict[Source, int] = {}
        while True:
            for source, log in broker.sources.items():
                to = min(len(log), at[source] + self._some())
                for record in log[at[source] : to]:
                    intake.offer(record)
                at[source] = to
            if self.fault == "offsets before writes":
                durable.update(at)
                broker.commit_offsets(generation, durable)
            yield
            batch = intake.take(FAR_MS)
            self.taken_in = not batch.records and all(at[one] == len(log) for one, log in broker.sources.items())
            yield
            for _, value in batch.records:
                self._append(value)
                yield
            durable.update({source: offset + 1 for source, offset in batch.done.items()})
            yield
            if self.rng.random() < 0.5:
                broker.commit_offsets(generation, durable)
            yield

    def _append(self, value: bytes) -> None:
        if self.rng.random() < REFUSED:
            if self.fault != "a failed write is passed over":
                raise Refused
            return
        self.broker.append(value)

    # ---------------------------------------------------------------- from the ledger to rows and alerts

    def _judge(self) -> Iterator[None]:
        broker, pipeline = self.broker, Pipeline(APP)
        if self.fault == "restore before fencing":
            yield from self._restore(pipeline, b"")
            yield from repeat(None, LONG)
            epoch = broker.open()
            yield
        else:
            epoch, nonce = broker.open(), self.rng.randbytes(8)
            yield
            first = broker.begin(epoch)
            broker.send(first, broker.changelog, [(NONCE_KEY, nonce)])
            yield
            broker.end(first)
            yield
            yield from self._restore(pipeline, nonce)
        yield
        if self.fault == "position apart":
            pipeline._position.next_offset = broker.offsets.get(_LEDGER, 0)
            pipeline._moved = False
        while not self.leaving:
            unsaid: list[Outcome] = []
            until = min(len(broker.ledger), pipeline.next_offset + self._some())
            while pipeline.next_offset < until:
                unsaid.append(self._step(pipeline))
                yield
            yield from self._publish(epoch, pipeline, unsaid)
            self.judged = self.taken_in and pipeline.next_offset == len(broker.ledger) and not pipeline.moved
            yield

    def _step(self, pipeline: Pipeline) -> Outcome:
        if self.fault == "no marks":
            _forget(pipeline)
        return pipeline.step(self.broker.ledger[pipeline.next_offset])

    def _restore(self, pipeline: Pipeline, nonce: bytes) -> Iterator[None]:
        seen = list(self.broker.seen(self.broker.changelog, self.fault != "read uncommitted"))
        half = self.rng.randrange(len(seen) + 1)
        ended = False
        for at, one in enumerate(seen):
            if at == half:
                yield
            if one.key != NONCE_KEY:
                pipeline.restore(one.key, one.value)
            elif one.value == nonce:
                ended = True
                break
        if nonce and not ended:
            raise Refused  # a successor has written its own since, and compaction took ours away
        pipeline.restored()

    def _publish(self, epoch: int, pipeline: Pipeline, unsaid: list[Outcome]) -> Iterator[None]:
        if not pipeline.moved:
            return
        broker, at = self.broker, pipeline.next_offset
        broker.offsets[_LEDGER] = at
        yield
        rows = pipeline.snapshot().records
        if self.fault == "tombstones left out":
            rows = [one for one in rows if one[1] is not None]
        alerts = [(alert.alert_id.encode(), b"") for outcome in unsaid for alert in outcome.alerts]
        if self.fault == "alerts first":
            broker.alerts += [_at_once(*alert) for alert in alerts]
        by = broker.begin(epoch)
        yield
        if self.fault not in ("alerts first", "rows first"):
            broker.send(by, broker.alerts, alerts)
        yield
        if self.fault == "two transactions":
            broker.end(by)
            yield
            by = broker.begin(epoch)
        cut = self.rng.randrange(len(rows))
        broker.send(by, broker.changelog, rows[:cut])
        yield
        broker.send(by, broker.changelog, rows[cut:])
        yield
        if self.rng.random() < FAILS:
            broker.end(by, committed=False)
            if self.fault != "a failed publication is passed over":
                raise Refused
            return
        broker.end(by)
        broker.published.append(at)
        yield
        if self.fault == "rows first":
            broker.alerts += [_at_once(*alert) for alert in alerts]


_LEDGER: Any = "ledger"


def _at_once(key: bytes, value: bytes) -> Sent:
    return Sent(None, key, value)


def _forget(pipeline: Pipeline) -> None:
    pipeline._position.marks[:] = -1
    pipeline._recent = Recent()
