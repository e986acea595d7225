"""Have a customer erased, and say how far that has come: the person's word goes into the ledger, the rest follows.

The judge forgets at once and leaves a receipt under a keyed hash. What Kafka still holds of the past goes with its
retention and compaction; when the last of it has gone is worked out from the brokers' own settings.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiokafka
from aiokafka.errors import KafkaError

from schemas.block import BlockError, decode_control, erase_entry, is_control
from schemas.codes import Control
from schemas.erasures import Receipt, ReceiptError, marker_of
from streams.clock import now_ms
from streams.config import Config, ConfigError
from streams.connection import aiokafka_of
from streams.desk.action import Action, ActionError
from streams.intake import ledger_partition
from streams.keeping import Keeping, keeping
from streams.reading import reading
from streams.retire import write
from streams.secret import load_key
from streams.topics import TopicError, agree

OURS = ("ledger", "customers", "alerts", "alerts_held", "holds", "incidents", "insights", "desk_actions")
"""Roles of the topics in which a customer's id may stand, beside the dead letters and the producers' own."""
SOURCES = ("support_calls", "purchases")


@dataclass(frozen=True, slots=True)
class Status:
    """How far an erasure has come. ``waiting_offset`` is where its entry stands while no worker has judged it."""

    receipt: Receipt | None
    waiting_offset: int | None
    actions_left: int
    keeping: Mapping[str, Keeping]

    @property
    def complete_ms(self) -> int | None:
        """When the last byte of the id has gone from our topics; None: never, by the settings of some topic."""
        if self.receipt is None:
            return None
        kept = [self.keeping[role].gone_ms for role in (*OURS, "dead_letters")]
        return None if None in kept else self.receipt.asked_ms + max(one for one in kept if one is not None)


def key_of(config: Config) -> bytes:
    """The deployment's key; raises ``ConfigError`` where none is set."""
    key = load_key(config)
    if key is None:
        raise ConfigError(
            "erasure_key is not set: make one with `whaleline erase --new-key FILE`, and give it to every worker "
            "and desk"
        )
    return key


def ask(config: Config, customer_id: str, author: str, reason: str, **client: Any) -> int:
    """Write a person's word into the customer's ledger partition, and give its offset there.

    Raises ``TopicError`` or ``ConfigError`` with one sentence, before anything is written for what is not usable.
    """
    key_of(config)
    for given, what in ((author, "--author"), (reason, "--reason"), (customer_id, "CUSTOMER")):
        if not given.strip():
            raise TopicError(f"{what} is empty: whoever reads the receipt later will want to know")
    if customer_id in reason or customer_id in author:
        raise TopicError("the author and the reason stand in the receipt: leave the customer's id out of them")
    partition = _partition(config, customer_id, client)
    (offset,) = asyncio.run(write(config, erase_entry(customer_id, now_ms(), author, reason), [partition]))
    return offset


def _partition(config: Config, customer_id: str, client: Mapping[str, Any]) -> int:
    agree(config.broker, config.topics.ledger, config.ledger_partitions, **client)
    return ledger_partition(customer_id, config.ledger_partitions)


def receipts(config: Config, **client: Any) -> Iterator[Receipt]:
    """The newest receipt of each erasure that is still told of, oldest first."""
    found: dict[str, Receipt] = {}
    with reading(config.broker, config.topics.erasures, **client) as (_, messages):
        for _, message in messages:
            try:
                receipt = Receipt.of(message.value or b"")
            except ReceiptError:
                continue
            found[receipt.marker] = receipt
    yield from sorted(found.values(), key=lambda one: (one.asked_ms, one.marker))


def status(config: Config, customer_id: str, **client: Any) -> Status:
    """How far the erasure of a customer has come."""
    partition = _partition(config, customer_id, client)
    receipt = receipt_of(config, customer_id, **client)
    waiting = _newest_entry(config, customer_id, partition, client) if receipt is None else None
    left = 0 if receipt is None else len(_actions(config, customer_id, receipt, client))
    return Status(receipt, waiting, left, keeping(config, **client))


def receipt_of(config: Config, customer_id: str, **client: Any) -> Receipt | None:
    """The receipt of a customer's newest erasure."""
    marker = marker_of(key_of(config), customer_id.encode()).hex()
    return next((one for one in receipts(config, **client) if one.marker == marker), None)


def _newest_entry(config: Config, customer_id: str, partition: int, client: Mapping[str, Any]) -> int | None:
    """The offset of the last entry that has the customer erased; None for none."""
    found = None
    with reading(config.broker, config.topics.ledger, only=partition, **client) as (_, messages):
        for _, message in messages:
            if message.value is None or not is_control(message.value):
                continue
            try:
                entry = decode_control(message.value)
            except BlockError:
                continue
            if entry.control is Control.ERASE and entry.body.get("customer_id") == customer_id:
                found = int(message.offset)
    return found


def _actions(config: Config, customer_id: str, receipt: Receipt, client: Mapping[str, Any]) -> list[bytes]:
    """Keys of what people did about the customer before the erasure, as far as it is still there."""
    found: dict[bytes, bool] = {}
    topic, partition = config.topics.desk_actions, ledger_partition(customer_id, config.ledger_partitions)
    with reading(config.broker, topic, only=partition, **client) as (_, messages):
        for _, message in messages:
            if message.key is None:
                continue
            try:
                action = Action.of(message.value or b"")
            except ActionError:
                found.pop(message.key, None)
                continue
            found[message.key] = action.customer_id == customer_id and action.ts_ms <= receipt.asked_ms
    return [key for key, is_theirs in found.items() if is_theirs]


def forget_actions(config: Config, customer_id: str, receipt: Receipt, **client: Any) -> int:
    """Take away what people did about the customer on the desk; how many actions there were."""
    keys = _actions(config, customer_id, receipt, client)
    if keys:
        asyncio.run(_take_away(config, keys, ledger_partition(customer_id, config.ledger_partitions)))
    return len(keys)


async def _take_away(config: Config, keys: list[bytes], partition: int) -> None:
    producer = aiokafka.AIOKafkaProducer(**aiokafka_of(config), enable_idempotence=True, acks="all")
    try:
        await producer.start()
        try:
            for key in keys:
                await producer.send_and_wait(config.topics.desk_actions, None, key=key, partition=partition)
        finally:
            await producer.stop()
    except KafkaError as error:
        raise TopicError(
            f"{config.topics.desk_actions} did not take it ({type(error).__name__}): run the same command again"
        ) from error
