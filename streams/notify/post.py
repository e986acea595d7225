"""The post office: reads the alerts, lets each target's courier bring them, remembers in Kafka how far each is.

One alert after the other to each target, in the order of the topic's partitions. Behind each that has arrived
stands a record on the compacted topic ``deliveries``; whoever starts anew goes on behind it. Only a crash between
the two sends an alert again, under the same id. An alerts topic that was deleted and made anew is told from its
beginning: its offsets are other alerts'.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

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
from streams.topics import TopicError, agree, describe

log = logging.getLogger("whaleline.notify")

VERSION = 1
AGAIN_S = 2.0
LOOK_S = 10.0
"""So often it is looked whether the alerts topic is still the same."""
TURN_MS = 1_000


class Told(NamedTuple):
    """How far a target is in a partition: the next offset, of the topic with this id; old memories have none."""

    next: int
    topic_id: str


def key_of(target: str, partition: int) -> bytes:
    """Under which the memory of a target stands, for one partition of alerts."""
    return f"{target}/{partition}".encode()


def remembered(told: dict[bytes, bytes | None]) -> dict[bytes, Told]:
    """How far each target is in each partition, from the deliveries topic."""
    found = {key: msgpack.unpackb(value) for key, value in told.items() if value and b"!" not in key}
    return {key: Told(int(one["next"]), str(one.get("topic_id", ""))) for key, one in found.items()}


def begins(told: Told | None, topic_id: str, end: int) -> int:
    """Where to go on in a partition that ends at ``end`` now: where it was left, or with what comes from now on.

    Of a topic made anew nothing was told yet, so it begins with the oldest. Its id says that it is another; where
    nobody noted the id, that it ends before the place that was reached.
    """
    if told is None:
        return end
    return 0 if told.next > end or topic_id != (told.topic_id or topic_id) else told.next


class Office:
    """Tells the targets of a deployment its alerts, until it is cancelled."""

    def __init__(
        self, config: Config, targets: Iterable[Target], client: dict[str, Any], metrics: DeliveryMetrics
    ) -> None:
        self._config, self._targets, self._client, self._metrics = config, list(targets), client, metrics
        self._producer: Any = None
        self._topic_id = ""
        self._last: dict[str, str] = {}
        """What each target answered last, or why it was not reached."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Read what was told, then tell what was not; ``ready`` is called once every target is listened for."""
        config = self._config
        asked = partial(agree, config.broker, config.topics.alerts, config.ledger_partitions, **self._client)
        await asyncio.to_thread(asked)
        await self._look()
        told = await asyncio.to_thread(latest, config.broker, config.topics.deliveries, **self._client)
        self._producer = aiokafka.AIOKafkaProducer(**aiokafka_of(config), enable_idempotence=True, acks="all")
        await self._producer.start()
        begun = [asyncio.Event() for _ in self._targets]
        try:
            async with asyncio.TaskGroup() as group:
                for target, event in zip(self._targets, begun, strict=True):
                    group.create_task(self._serve(target, remembered(told), event))
                group.create_task(self._keep_looking())
                for event in begun:
                    await event.wait()
                ready()
        finally:
            await self._producer.stop()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._look_again()

    async def _look_again(self) -> None:
        try:
            await self._look()
        except TopicError as error:
            log.debug("the alerts topic cannot be looked at: %s", type(error).__name__)

    async def _look(self) -> None:
        """Know by its id which topic the alerts are on now; one that is gone is waited for."""
        name = self._config.topics.alerts
        found = (await asyncio.to_thread(describe, self._config.broker, [name], **self._client)).get(name)
        if found is not None:
            self._topic_id = str(found.topic_id)

    async def _serve(self, target: Target, told: dict[bytes, Told], begun: asyncio.Event) -> None:
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
                    topic_id = self._topic_id
                    await self._place(consumer, target, told, topic_id)
                    begun.set()
                    await self._bring(consumer, target, courier, told, topic_id)
                    topic = self._config.topics.alerts
                    log.warning("topic %s was made anew: %s begins with its oldest alert", topic, target.name)
                except KafkaError as error:
                    log.warning("Kafka does not answer (%s): %s waits", type(error).__name__, target.name)
                finally:
                    await consumer.stop()
                await asyncio.sleep(AGAIN_S)

    async def _place(self, consumer: Any, target: Target, told: dict[bytes, Told], topic_id: str) -> None:
        """Stand where the target was left; one that is new begins with what comes from now on."""
        topic = self._config.topics.alerts
        owned = [aiokafka.TopicPartition(topic, one) for one in range(self._config.ledger_partitions)]
        consumer.assign(owned)
        ends = await consumer.end_offsets(owned)
        for one in owned:
            key = key_of(target.name, one.partition)
            known = told.get(key)
            told[key] = Told(begins(known, topic_id, ends[one]), topic_id)
            if known is None:
                await self._remember(key, told[key], "", "begun")
            consumer.seek(one, told[key].next)

    async def _bring(
        self, consumer: Any, target: Target, courier: Courier, told: dict[bytes, Told], topic_id: str
    ) -> None:
        """Bring the alerts of one topic, until it is another under its old name."""
        while self._topic_id == topic_id:
            found = await consumer.getmany(timeout_ms=TURN_MS, max_records=1)
            for record in (one for some in found.values() for one in some):
                key = key_of(target.name, record.partition)
                if record.offset < told[key].next:
                    await self._look_again()
                    return
                outcome, alert_id = "", ""
                alert = _alert_of(record.value)
                if alert is not None and target.wants(alert):
                    outcome, alert_id = await courier.deliver(alert), alert.alert_id
                    self._metrics.deliveries.labels(target.name, outcome.split()[0]).inc()
                told[key] = Told(record.offset + 1, topic_id)
                if outcome not in ("", "delivered"):
                    log.error("%s will not take alert %s: %s; it is put aside", target.name, alert_id, outcome)
                    aside = f"{target.name}!{alert_id}".encode()
                    await self._remember(aside, Told(record.offset, topic_id), alert_id, outcome)
                if outcome:
                    await self._remember(key, told[key], alert_id, outcome)

    async def _remember(self, key: bytes, told: Told, alert_id: str, outcome: str) -> None:
        """Write down how far a target is; nothing more is brought before that has been acknowledged."""
        value = {
            "version": VERSION,
            "next": told.next,
            "topic_id": told.topic_id,
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
