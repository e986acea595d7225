"""The desk's two doors to Kafka: what it reads, from the beginning and committed alone, and what it writes.

A broker that is away is waited for; the desk says since when, and takes no action that could be lost.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any

import aiokafka
from aiokafka.errors import KafkaError

from schemas.codec import encode
from streams.clock import monotonic_s, now_ms
from streams.config import Config
from streams.connection import aiokafka_of
from streams.desk.action import Action
from streams.desk.board import READ, Board, Record

log = logging.getLogger("whaleline.desk")

FETCH_WAIT_MS = 20
"""How long the broker may hold a fetch that finds nothing. A broker in memory does not wake one that waits."""
LOOK_S = 1.0
AWAY_AFTER_S = 3.0
AGAIN_S = 1.0
MOST_AT_ONCE = 500
"""So many records are folded before anything else gets its turn."""
WRITE_TIMEOUT_MS = 10_000
KEY_BYTES = 16


class Away(RuntimeError):
    """Kafka does not answer; one sentence with since when."""


class Reader:
    """Folds the topics into the board, again and again until it is cancelled.

    ``news`` is called after records were taken, or when Kafka went away or came back. ``away_since_ms`` is None
    while it answers; ``caught_up`` once everything that was there at the start has been read.
    """

    def __init__(self, config: Config, board: Board, news: Callable[[], None]) -> None:
        self._config, self._board, self._news = config, board, news
        self._roles = {getattr(config.topics, role): role for role in READ}
        self._seen_s = monotonic_s()
        self.away_since_ms: int | None = now_ms()
        self.caught_up = False
        self.behind = 0

    async def run(self) -> None:
        """Read for ever; a broker that cannot be reached is tried again."""
        while True:
            consumer = consumer_of(self._config)
            try:
                await consumer.start()
                await self._read(consumer)
            except KafkaError as error:
                log.warning("Kafka cannot be read: %s", type(error).__name__)
                self._gone()
            finally:
                await consumer.stop()
            await asyncio.sleep(AGAIN_S)

    async def _read(self, consumer: Any) -> None:
        owned = [
            aiokafka.TopicPartition(topic, partition)
            for topic in self._roles
            for partition in range(self._config.ledger_partitions)
        ]
        consumer.assign(owned)
        for one in owned:
            consumer.seek(one, self._board.reached(self._roles[one.topic], one.partition))
        ends = await consumer.end_offsets(owned)
        looking = asyncio.create_task(self._look(consumer, owned))
        try:
            while not looking.done():
                found = await consumer.getmany(timeout_ms=200, max_records=MOST_AT_ONCE)
                self._take(found)
                if not self.caught_up:
                    self.caught_up = all([await consumer.position(one) >= ends[one] for one in owned])
                    if self.caught_up:
                        self._news()
            await looking
        finally:
            looking.cancel()

    def _take(self, found: dict[Any, list[Any]]) -> None:
        for place, messages in found.items():
            role = self._roles[place.topic]
            for one in messages:
                self._board.take(Record(role, place.partition, one.offset, one.timestamp, one.key, one.value))
        if found and self.caught_up:
            self._news()

    async def _look(self, consumer: Any, owned: list[Any]) -> None:
        """Ask the broker for something small, over and over; note since when it does not answer."""
        while True:
            try:
                async with asyncio.timeout(AWAY_AFTER_S):
                    ends = await consumer.end_offsets(owned)
                places = [consumer.position(one) for one in owned]
                self.behind = sum([max(0, ends[one] - await at) for one, at in zip(owned, places, strict=True)])
                self._seen_s = monotonic_s()
                if self.away_since_ms is not None:
                    self.away_since_ms = None
                    self._news()
            except (KafkaError, TimeoutError):
                self._gone()
            await asyncio.sleep(LOOK_S)

    def _gone(self) -> None:
        if self.away_since_ms is None:
            self.away_since_ms = now_ms() - int((monotonic_s() - self._seen_s) * 1000)
            self._news()


class Writer:
    """Writes actions, and the events and ledger entries by which the judge hears of them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._producer: Any = None
        self._opening = asyncio.Lock()

    async def action(self, action: Action, partition: int) -> tuple[int, int]:
        """Write an action; (partition, offset) once it is durable. Raises ``Away``.

        Each has a key of its own: compaction drops none, and an erasure can take one away.
        """
        topic = self._config.topics.desk_actions
        return await self._send(topic, action.to_msgpack(), secrets.token_bytes(KEY_BYTES), partition)

    async def event(self, fields: dict[str, Any]) -> None:
        """Send an event of a customer to the support topic by its key, as any producer does."""
        customer = str(fields["customer_id"])
        await self._send(self._config.topics.support_calls, encode(fields), customer.encode(), None)

    async def entry(self, entry: bytes, partition: int) -> None:
        """Write a control entry into a ledger partition."""
        await self._send(self._config.topics.ledger, entry, None, partition)

    async def stop(self) -> None:
        """Close the producer."""
        if self._producer is not None:
            await self._producer.stop()

    async def _send(self, topic: str, value: bytes, key: bytes | None, partition: int | None) -> tuple[int, int]:
        try:
            await self._open()
            sent = await self._producer.send_and_wait(topic, value, key=key, partition=partition)
        except (KafkaError, TimeoutError) as error:
            raise Away(f"Kafka did not take it ({type(error).__name__}): it is safe to send it again") from error
        return int(sent.partition), int(sent.offset)

    async def _open(self) -> None:
        async with self._opening:
            if self._producer is None:
                producer = aiokafka.AIOKafkaProducer(
                    **aiokafka_of(self._config),
                    enable_idempotence=True,
                    acks="all",
                    request_timeout_ms=WRITE_TIMEOUT_MS,
                )
                await producer.start()
                self._producer = producer


def consumer_of(config: Config, fetch_wait_ms: int = FETCH_WAIT_MS) -> Any:
    """A consumer of no group, of committed records alone."""
    return aiokafka.AIOKafkaConsumer(
        **aiokafka_of(config),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=fetch_wait_ms if config.embedded_broker else 500,
        check_crcs=not config.embedded_broker,
    )
