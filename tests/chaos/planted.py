"""Workers that do without one of their safeguards, so that a verdict which does not fail is found out.

They are made by replacing methods in the launcher's process; the product has no such switch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import aiokafka
import numpy as np

import streams.outbox
import streams.restore
from streams.connection import aiokafka_of
from streams.ingest import Ingest
from streams.judge import Judge
from streams.memory import Recent
from streams.outbox import Fenced, NotPublished, Outbox, Publication
from streams.restore import Awaited, _sheaves, _take
from tests.chaos.failpoints import FREEZE, GAP, KILL, REFUSE, visit

IMPATIENT_MS = 30


def without_fencing() -> None:
    """Every process has a transactional id of its own, so that nobody shuts anybody out."""
    honest = streams.outbox.transactional_id
    streams.outbox.transactional_id = lambda *which: f"{honest(*which)}-{os.getpid()}"


def without_marks() -> None:
    """Neither source offsets nor event ids are compared with those applied before."""
    honest = Recent.admit

    def admit(self: Recent, events: Any, marks: Any, latest_ms: int, verdict: Any) -> None:
        honest(Recent(), events, np.full_like(marks, -1), latest_ms, verdict)

    Recent.admit = admit  # type: ignore[method-assign]


def without_restore_order() -> None:
    """Rows are read before the predecessor is shut out, and to no proven end."""

    async def read(consumer: Any, place: Any, until: Any, into: Any, *_: Any) -> int:
        count = 0
        while found := (await consumer.getmany(place, timeout_ms=IMPATIENT_MS)).get(place):
            count += sum(_take(sheaf, until.nonce, into)[0] for sheaf in _sheaves(found))
        return count

    async def take_over(self: Judge, partition: int, one: Any) -> None:
        kafka, names = aiokafka_of(self._config), self._config.topics
        await streams.restore.restore(kafka, names.customers, partition, Awaited(b""), one.pipeline)
        await one.outbox.open(b"")
        one.opened = True

    streams.restore._read = read
    Judge._take_over = take_over  # type: ignore[method-assign]


def without_read_committed() -> None:
    """A restore takes what was sent, whether it was committed or not."""

    def consumer(**settings: Any) -> Any:
        return aiokafka.AIOKafkaConsumer(**{**settings, "isolation_level": "read_uncommitted"})

    streams.restore.aiokafka = SimpleNamespace(  # type: ignore[attr-defined]
        AIOKafkaConsumer=consumer, TopicPartition=aiokafka.TopicPartition
    )


def without_atomicity() -> None:
    """What is said and the rows it belongs to leave in two transactions, one after the other."""
    honest = Outbox._publish

    async def publish(self: Outbox, what: Publication) -> None:
        await honest(self, replace(what, records=()))
        if what.alerts:
            visit(GAP)
        await honest(self, Publication(what.records))

    Outbox._publish = publish  # type: ignore[method-assign]


def without_acknowledgement() -> None:
    """A source offset counts as durable as soon as it is read."""
    honest = Ingest.hear

    def hear(self: Ingest, tp: Any, chunk: Any) -> None:
        honest(self, tp, chunk)
        assert self._consumer is not None
        self._consumer.durable[tp] = chunk.next

    Ingest.hear = hear  # type: ignore[method-assign]


def without_fail_stop() -> None:
    """A publication that fails is passed over, and the judge goes on."""
    honest = Outbox.publish

    async def publish(self: Outbox, what: Publication) -> None:
        try:
            await honest(self, what)
        except (Fenced, NotPublished):
            await self._producer.abort_transaction()

    Outbox.publish = publish  # type: ignore[method-assign]


WITHOUT: dict[str, tuple[Callable[[], None], tuple[tuple[str, str], ...]]] = {
    "fencing": (without_fencing, (("judge-step", FREEZE), ("publish-begun", FREEZE), ("publish-sent", FREEZE))),
    "marks": (without_marks, (("ingest-acknowledged", KILL),) * 3),
    "restore order": (without_restore_order, (("fence-before", FREEZE), ("judge-step", KILL)) * 3),
    "read committed": (without_read_committed, (("publish-sent", KILL),) * 4),
    "atomicity": (without_atomicity, ((GAP, KILL),) * 2),
    "acknowledgement": (without_acknowledgement, (("ingest-before-write", KILL),) * 3),
    "fail stop": (without_fail_stop, (("publish-sent", REFUSE),) * 3),
}
"""What can be done without, and the places and faults that bring it to light."""
