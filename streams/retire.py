"""Write a person's decision into the ledger: such as that a source topic will send no more."""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

import aiokafka
from aiokafka.errors import KafkaError

from schemas.block import retire_entry
from streams.config import Config
from streams.connection import aiokafka_of
from streams.topics import TopicError, agree, describe


async def retire(
    config: Config, topic: str, topic_id: str | None, author: str, reason: str, **client: Any
) -> UUID:
    """Write the decision into every ledger partition; return the UUID it names.

    Raises ``TopicError`` with one sentence for a topic nobody knows, a bad UUID or a broker that does not take it.
    """
    agreed = partial(agree, config.broker, config.topics.ledger, config.ledger_partitions, **client)
    await asyncio.to_thread(agreed)
    known = await _identity(config, topic, topic_id, client)
    await write(config, retire_entry(known, author, reason), range(config.ledger_partitions))
    return known


async def write(config: Config, entry: bytes, partitions: Iterable[int]) -> list[int]:
    """Write one control entry into some ledger partitions; its offsets there.

    A broker that does not take it is a ``TopicError``.
    """
    producer = aiokafka.AIOKafkaProducer(**aiokafka_of(config), enable_idempotence=True, acks="all")
    try:
        await producer.start()
        try:
            sent = [await producer.send_and_wait(config.topics.ledger, entry, partition=one) for one in partitions]
        finally:
            await producer.stop()
    except KafkaError as error:
        raise TopicError(f"{config.topics.ledger} did not take the decision: {type(error).__name__}") from error
    return [int(one.offset) for one in sent]


async def _identity(config: Config, topic: str, topic_id: str | None, client: dict[str, Any]) -> UUID:
    if topic_id is not None:
        try:
            return UUID(topic_id)
        except ValueError:
            raise TopicError(f"--id {topic_id!r} is not a UUID") from None
    found = await asyncio.to_thread(describe, config.broker, [topic], **client)
    if topic not in found:
        raise TopicError(f"topic {topic} does not exist: name its UUID with --id (a worker's ledger knows it)")
    return found[topic].topic_id
