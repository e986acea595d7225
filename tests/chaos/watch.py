"""An onlooker that follows the positions of a running deployment, and says for how long nothing has moved."""

from __future__ import annotations

import threading
import time
from typing import Self

import msgpack
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from streams.memory import Position
from tests.broker.deployment import Deployment

LOOK_S = 0.5
POLL_S = 0.2
TIMEOUT_S = 2.0


class Watch(threading.Thread):
    """Reads the customers topic as it grows. ``moved_at`` is when a position last moved (monotonic seconds).

    ``trace`` has each partition's positions as they were published: (time in ms, next offset).
    """

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(name="watch", daemon=True)
        partitions = range(deployment.config.ledger_partitions)
        self.next = dict.fromkeys(partitions, 0)
        self.tick_ms = dict.fromkeys(partitions, -1)
        self.end = dict.fromkeys(partitions, 0)
        self.moved_at = time.monotonic()
        self.longest_s = 0.0
        self.trace: dict[int, list[tuple[int, int]]] = {at: [] for at in partitions}
        self._deployment, self._over = deployment, threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    @property
    def lag(self) -> int:
        """Ledger records that no durable position covers."""
        return sum(max(0, self.end[at] - self.next[at]) for at in self.next)

    def still_s(self) -> float:
        """For how long nothing has moved although there was something to do."""
        return time.monotonic() - self.moved_at if self.lag else 0.0

    def settled(self, tick_ms: int) -> bool:
        """Whether everything is judged, and time has come to ``tick_ms``."""
        return self.lag == 0 and all(self.end.values()) and min(self.tick_ms.values()) >= tick_ms

    def run(self) -> None:
        """Follow until told that it is over."""
        names = self._deployment.config.topics
        consumer = Consumer({
            "bootstrap.servers": self._deployment.broker, "group.id": "looks-on", "enable.auto.commit": False,
            "isolation.level": "read_committed", "log_level": 0, "reconnect.backoff.max.ms": 500,
        })  # fmt: skip
        try:
            consumer.assign([TopicPartition(names.customers, at, OFFSET_BEGINNING) for at in self.next])
            looked = 0.0
            while not self._over.is_set():
                for message in consumer.consume(2_000, POLL_S):
                    if message.error() is None and message.key() == Position.KEY:
                        self._hear(message.partition(), message.value(), message.timestamp()[1])
                if time.monotonic() - looked > LOOK_S:
                    self._look(consumer, names.ledger)
                    looked = time.monotonic()
        finally:
            consumer.close()

    def _hear(self, partition: int, value: bytes, stamp_ms: int) -> None:
        body = msgpack.unpackb(value)
        self.trace[partition].append((stamp_ms, body["next"]))
        if body["next"] != self.next[partition]:
            self.longest_s = max(self.longest_s, self.still_s())
            self.moved_at = time.monotonic()
        self.next[partition], self.tick_ms[partition] = body["next"], body["tick"]

    def _look(self, consumer: Consumer, ledger: str) -> None:
        had = self.lag
        for at in self.end:
            try:
                _, self.end[at] = consumer.get_watermark_offsets(TopicPartition(ledger, at), TIMEOUT_S)
            except KafkaException:
                return  # the broker is away: the next look tells
        if not had:
            self.moved_at = time.monotonic()
