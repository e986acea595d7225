"""What one ledger partition's judge says, published so that a reader sees all of it or none.

Changed rows, alerts, what is held, refused events and, last of all, the position they belong to go out in one
Kafka transaction. Opening the outbox fences whoever had it before: from then on the predecessor cannot commit.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiokafka
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced

from schemas.alerts import Alert, DeadLetter, Incident
from schemas.erasures import Receipt
from schemas.insights import Insight
from streams.topics import MAX_RECORD_BYTES, TopicNames

REQUEST_TIMEOUT_MS = 30_000
PUBLISH_TIMEOUT_S = 50.0
TRANSACTION_TIMEOUT_MS = 60_000
"""Requests end before a publication, a publication before the broker gives its transaction up."""

BATCH_BYTES = 900_000
NO_HEADERS: list[tuple[str, bytes]] = []
Sent = tuple[bytes, bytes | None, list[tuple[str, bytes]]]
"""A record as it is sent: key, value (None: the key is gone), headers."""

ALERT_ID = "alert-id"
ROLL_KEY = b"-"
"""Key of a record without a value that only makes a topic's segment roll."""
NONCE_KEY = b"n"
"""Key of the record that proves the end of a customers partition; it is no part of the state."""


class Fenced(Exception):
    """Another worker has opened this outbox since; what we say no longer counts."""


class NotPublished(Exception):
    """A publication did not reach its end, and nobody can say whether the broker will keep it."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What belongs together: all of it becomes visible, or nothing.

    ``records`` go to the customers topic in their order, the position last, after all others are sent. ``holds``
    are records of their topic; what has no value is gone. Each topic of
    ``rolls``, which may be quiet, gets a record of nobody's, so that what was taken back there is compacted away.
    """

    records: Sequence[tuple[bytes, bytes | None]]
    alerts: Sequence[Alert] = ()
    refused: Sequence[DeadLetter] = ()
    holds: Sequence[tuple[bytes, bytes | None]] = ()
    held: Sequence[Alert] = ()
    incidents: Sequence[Incident] = ()
    insights: Sequence[Insight] = ()
    receipts: Sequence[Receipt] = ()
    rolls: Sequence[str] = ()


def transactional_id(app_id: str, ledger: UUID, partition: int) -> str:
    """Name the one who speaks for a ledger partition; a recreated ledger is another ledger."""
    return f"{app_id}-judge-{ledger}-{partition}"


class Outbox:
    """The transactional producer of one ledger partition.

    ``open`` once, then one ``publish`` at a time. After any exception the outbox is of no use, and
    neither is the judge behind it: end the process.
    """

    def __init__(
        self, kafka: Mapping[str, Any], app_id: str, topics: TopicNames, ledger: UUID, partition: int
    ) -> None:
        """``kafka`` says where the brokers are, as ``streams.connection.aiokafka_of`` does."""
        self.transactional_id = transactional_id(app_id, ledger, partition)
        self._kafka = kafka
        self._topics = topics
        self._partition = partition
        self._producer: Any = None

    async def open(self, nonce: bytes) -> None:
        """Fence the predecessor and commit ``nonce`` behind everything it managed to commit.

        Whoever then reads the customers partition until the nonce has seen all there will ever be of the
        predecessor. Raises ``Fenced`` or ``NotPublished``.
        """
        self._producer = aiokafka.AIOKafkaProducer(
            **self._kafka,
            transactional_id=self.transactional_id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            acks="all",
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_RECORD_BYTES,
        )
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await self._producer.start()
        except Exception as error:
            raise NotPublished(f"{self.transactional_id} cannot be opened: {type(error).__name__}") from error
        # A transaction cannot begin before the coordinator has given us an epoch above all others.
        await self.prove(nonce)

    async def prove(self, nonce: bytes) -> None:
        """Commit ``nonce``: whoever reads until it has read everything before it. Raises as ``publish`` does."""
        await self.publish(Publication([(NONCE_KEY, nonce)]))

    async def publish(self, what: Publication) -> None:
        """Write everything in one transaction; return once it is committed.

        Raises ``Fenced`` or ``NotPublished``.
        """
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await self._publish(what)
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise Fenced(type(error).__name__) from error
        except Exception as error:
            raise NotPublished(f"partition {self._partition}: {type(error).__name__}") from error

    async def _publish(self, what: Publication) -> None:
        producer, topics = self._producer, self._topics
        await producer.begin_transaction()
        dead = topics.dead_letters
        heard = [
            await producer.send(dead, one.record_value, one.record_key, self._partition, headers=one.headers())
            for one in what.refused
        ]
        heard += await self._send_batches(topics.alerts, _said(what.alerts))
        heard += await self._send_batches(topics.alerts_held, _said(what.held))
        heard += await self._send_batches(topics.holds, _bare(what.holds))
        told = ((one.incident_id, one.to_msgpack()) for one in what.incidents)
        heard += await self._send_batches(topics.incidents, _latest(told))
        erased = ((one.marker, one.to_json()) for one in what.receipts)
        heard += await self._send_batches(topics.erasures, _latest(erased))
        for topic in what.rolls:
            heard += await self._send_batches(topic, [(ROLL_KEY, None, [])])
        heard += await self._send_batches(topics.insights, _bare(what.insights))
        heard += await self._send_batches(topics.customers, _bare(what.records))
        await asyncio.gather(*heard)
        await producer.commit_transaction()

    async def _send_batches(self, topic: str, records: Iterable[Sent]) -> list[Any]:
        """Hand records over in whole batches, which costs a fraction of handing over each; keep their order."""
        heard: list[Any] = []
        builder, held = self._producer.create_batch(), 0
        for key, value, headers in records:
            while builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
                assert held, "an empty batch takes a record of any size"
                heard.append(await self._producer.send_batch(builder, topic, partition=self._partition))
                builder, held = self._producer.create_batch(), 0
            held += 1
        if held:
            builder.close()
            heard.append(await self._producer.send_batch(builder, topic, partition=self._partition))
        return heard

    async def close(self) -> None:
        """Let go of the connections; a transaction that is still open is left to time out or to be fenced."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()


def _said(alerts: Iterable[Alert]) -> list[Sent]:
    return [(one.customer_id.encode(), one.to_msgpack(), [(ALERT_ID, one.alert_id.encode())]) for one in alerts]


def _bare(records: Iterable[tuple[bytes, bytes | None]]) -> Iterator[Sent]:
    """Without headers; one after the other, for there may be a hundred thousand rows."""
    return ((key, value, NO_HEADERS) for key, value in records)


def _latest(words: Iterable[tuple[str, bytes]]) -> list[Sent]:
    return [(key.encode(), value, []) for key, value in words]
