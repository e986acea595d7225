"""The post office: reads the alerts, lets each target's courier bring them, remembers in Kafka how far each is.

One alert after the other to each target, in the order of the topic's partitions. Behind each that has arrived
stands a record on the compacted topic ``deliveries``; whoever starts anew goes on behind it. Only a crash between
the two sends an alert again, under the same id.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import aiohttp
import aiokafka
import msgpack
from aiokafka.errors import KafkaError

from schemas.alerts import Alert
from streams.clock import now_ms
from streams.config import Config
from streams.connection import aiokafka_of
from streams.desk.broker import consumer_of
from streams.notify import guard, message
from streams.notify.courier import Courier, tries_again
from streams.notify.metrics import DeliveryMetrics
from streams.notify.targets import Target
from streams.reading import latest
from streams.topics import agree

log = logging.getLogger("whaleline.notify")

VERSION = 1
AGAIN_S = 2.0


def key_of(target: str, partition: int) -> bytes:
    """Under which the memory of a target stands, for one partition of alerts."""
    return f"{target}/{partition}".encode()


def remembered(told: dict[bytes, bytes | None]) -> dict[bytes, int]:
    """The next offset of each target and partition, from the deliveries topic."""
    return {key: int(msgpack.unpackb(value)["next"]) for key, value in told.items() if value and b"!" not in key}


class Office:
    """Tells the targets of a deployment its alerts, until it is cancelled."""

    def __init__(
        self, config: Config, targets: Iterable[Target], client: dict[str, Any], metrics: DeliveryMetrics
    ) -> None:
        self._config, self._targets, self._client, self._metrics = config, list(targets), client, metrics
        self._producer: Any = None
        self._last: dict[str, str] = {}
        """What each target answered last, or why it was not reached."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Read what was told, then tell what was not; ``ready`` is called once every target is listened for."""
        config = self._config
        asked = partial(agree, config.broker, config.topics.alerts, config.ledger_partitions, **self._client)
        await asyncio.to_thread(asked)
        told = await asyncio.to_thread(latest, config.broker, config.topics.deliveries, **self._client)
        self._producer = aiokafka.AIOKafkaProducer(**aiokafka_of(config), enable_idempotence=True, acks="all")
        await self._producer.start()
        begun = [asyncio.Event() for _ in self._targets]
        try:
            async with asyncio.TaskGroup() as group:
                for target, event in zip(self._targets, begun, strict=True):
                    group.create_task(self._serve(target, remembered(told), event))
                for event in begun:
                    await event.wait()
                ready()
        finally:
            await self._producer.stop()

    async def _serve(self, target: Target, next_offsets: dict[bytes, int], begun: asyncio.Event) -> None:
        """Bring one target its alerts, for ever; a broker that is away is waited for."""
        async with guard.session(target.inside) as client:
            courier = Courier(
                self._sender(target, client),
                asyncio.sleep,
                lambda is_open: self._fuse(target, is_open),
                random.random,
            )
            while True:
                consumer = consumer_of(self._config)
                try:
                    await consumer.start()
                    await self._place(consumer, target, next_offsets)
                    begun.set()
                    await self._bring(consumer, target, courier, next_offsets)
                except KafkaError as error:
                    log.warning("Kafka does not answer (%s): %s waits", type(error).__name__, target.name)
                finally:
                    await consumer.stop()
                await asyncio.sleep(AGAIN_S)

    async def _place(self, consumer: Any, target: Target, next_offsets: dict[bytes, int]) -> None:
        """Stand where the target was left; one that is new begins with what comes from now on."""
        topic = self._config.topics.alerts
        owned = [aiokafka.TopicPartition(topic, one) for one in range(self._config.ledger_partitions)]
        consumer.assign(owned)
        ends = await consumer.end_offsets(owned)
        for one in owned:
            key = key_of(target.name, one.partition)
            if key not in next_offsets:
                await self._remember(key, ends[one], "", "begun")
                next_offsets[key] = ends[one]
            consumer.seek(one, next_offsets[key])

    async def _bring(
        self, consumer: Any, target: Target, courier: Courier, next_offsets: dict[bytes, int]
    ) -> None:
        while True:
            record = await consumer.getone()
            key = key_of(target.name, record.partition)
            if record.offset < next_offsets[key]:
                continue
            outcome, alert_id = "", ""
            alert = _alert_of(record.value)
            if alert is not None and target.wants(alert):
                outcome, alert_id = await courier.deliver(alert), alert.alert_id
                self._metrics.deliveries.labels(target.name, outcome.split()[0]).inc()
                if outcome != "delivered":
                    log.error("%s will not take alert %s: %s; it is put aside", target.name, alert_id, outcome)
                    await self._remember(f"{target.name}!{alert_id}".encode(), record.offset, alert_id, outcome)
            next_offsets[key] = record.offset + 1
            if outcome:
                await self._remember(key, record.offset + 1, alert_id, outcome)

    async def _remember(self, key: bytes, next_offset: int, alert_id: str, outcome: str) -> None:
        """Write down how far a target is; nothing more is brought before that has been acknowledged."""
        value = {
            "version": VERSION,
            "next": next_offset,
            "alert_id": alert_id,
            "outcome": outcome,
            "at_ms": now_ms(),
        }
        while True:
            try:
                await self._producer.send_and_wait(
                    self._config.topics.deliveries, bytes(msgpack.packb(value)), key=key, partition=0
                )
                return
            except KafkaError as error:
                log.warning("Kafka does not take what was delivered (%s): trying again", type(error).__name__)
                await asyncio.sleep(AGAIN_S)

    def _sender(self, target: Target, client: aiohttp.ClientSession) -> Callable[[Alert], Awaitable[int]]:
        failed = self._metrics.deliveries.labels(target.name, "failed")

        async def bring(alert: Alert) -> int:
            status = 0
            try:
                status = await send(alert, target, client, self._config.currency)
                self._last[target.name] = f"it answers {status}"
            except Exception as error:
                self._last[target.name] = _in_words(error)
                raise
            finally:
                if tries_again(status):
                    failed.inc()
            return status

        return bring

    def _fuse(self, target: Target, is_open: bool) -> None:
        self._metrics.fuse_open.labels(target.name).set(is_open)
        if is_open:
            log.warning(
                "%s failed again and again (%s): it is left alone, and tried from time to time",
                *(target.name, self._last.get(target.name, "")),
            )
        else:
            log.info("%s is well again", target.name)


def _in_words(error: Exception) -> str:
    """Why a target was not reached: our own sentence where the guard has one, else the kind of error."""
    of_guard = (one for one in (error, getattr(error, "os_error", None)) if isinstance(one, guard.Inside))
    return next(map(str, of_guard), type(error).__name__)


async def send(alert: Alert, target: Target, client: aiohttp.ClientSession, currency: str) -> int:
    """Send one alert to one target; the status it answers with."""
    body = message.body_of(alert, target, currency)
    headers = message.headers_of(alert.alert_id, body, target, now_ms() // 1_000)
    return await guard.post(client, target.url, body, headers, target.inside)


def _alert_of(value: bytes | None) -> Alert | None:
    try:
        return Alert.of(msgpack.unpackb(value or b""))
    except (ValueError, KeyError, TypeError, AttributeError, msgpack.UnpackException):
        log.warning("a record of the alerts topic cannot be read, and is passed over")
        return None
