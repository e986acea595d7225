"""Follows what a shadow and the live judge publish, for the shadow's own metrics and for the desk.

A worker of the shadow looks at the partitions that it judges, and tells there since when it does; a desk looks
at all of them. Nothing here can end a process: whoever only watches disturbs nobody.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiokafka
import msgpack
from aiokafka.errors import KafkaError

from schemas.codes import ALERT_NAMES
from schemas.policy import Policy
from streams import shadowed
from streams.clock import monotonic_s
from streams.config import Config, ConfigError
from streams.connection import aiokafka_of
from streams.metrics import Metrics
from streams.pipeline import Pipeline
from streams.shadowed import ENTERED, LIVE, SHADOW, Begun, Shadowed
from streams.topics import TopicNames

log = logging.getLogger("whaleline")

AGAIN_S = 5.0
"""So often somebody looks whether there is a shadow, and whether its topics are still the same."""
TURN_MS = 500
MOST_AT_ONCE = 500
TELL_S = 5.0
"""So often at most a shadow tells how far it is."""
SIDES = ("live", "shadow")
BROKEN = (ValueError, KeyError, TypeError, AttributeError, msgpack.UnpackException)
"""What a record raises that is not ours, or of another version; it is passed over."""


class Follower:
    """Folds both sides' alerts of some partitions into ``fold`` for ever; None while there is no shadow.

    ``partitions`` says which ones now; ``turn`` is awaited after each look.
    """

    def __init__(
        self, live: Config, own: TopicNames, partitions: Callable[[], set[int]],
        turn: Callable[[Shadowed], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._config, self._own = live, own
        self._partitions, self._turn = partitions, turn
        self.fold: Shadowed | None = None

    async def run(self) -> None:
        """Follow until cancelled; a broker that is away, or a record that cannot be read, is tried again."""
        while True:
            try:
                await self._follow()
            except (KafkaError, ConfigError) as error:
                log.debug("the shadow cannot be followed: %s", type(error).__name__)
            except Exception as error:
                log.warning("the shadow's comparison begins anew: %s", type(error).__name__)
            await asyncio.sleep(AGAIN_S)

    async def _is_there(self, consumer: Any) -> bool:
        """Whether there are a shadow's topics; any that is made anew is read anew, from its oldest record."""
        found: set[str] = await consumer.topics()
        return {self._own.alerts, self._own.insights} <= found

    async def _follow(self) -> None:
        mine = self._partitions()
        if not mine:
            self.fold = None
            return
        consumer = aiokafka.AIOKafkaConsumer(
            **aiokafka_of(self._config),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100 if self._config.embedded_broker else 500,
            check_crcs=not self._config.embedded_broker,
        )
        await consumer.start()
        try:
            while not await self._is_there(consumer):
                self.fold = None
                await asyncio.sleep(AGAIN_S)
                if self._partitions() != mine:
                    return
            begins, alerts = self._places(mine)
            consumer.assign([*begins, *alerts])
            await consumer.seek_to_beginning(*begins, *alerts)
            consumer.pause(*alerts)  # what they are compared from is known first
            ends = await consumer.end_offsets(begins)
            fold, looked_s = Shadowed(), monotonic_s()
            while self._partitions() == mine:
                found = await consumer.getmany(timeout_ms=TURN_MS, max_records=MOST_AT_ONCE)
                if self._take(fold, found, alerts):
                    await consumer.seek_to_beginning(*alerts)
                if consumer.paused() and all([await consumer.position(one) >= ends[one] for one in begins]):
                    consumer.resume(*alerts)
                self.fold = fold
                await self._turn(fold)
                if monotonic_s() - looked_s >= AGAIN_S:
                    looked_s = monotonic_s()
                    if not await self._is_there(consumer):
                        return
        finally:
            await consumer.stop()

    def _places(self, mine: set[int]) -> tuple[list[Any], dict[Any, int]]:
        """Where partitions are told of, and where the alerts of each side are."""
        sides = ((LIVE, self._config.topics.alerts), (SHADOW, self._own.alerts))
        begins = [aiokafka.TopicPartition(self._own.insights, one) for one in sorted(mine)]
        alerts = {aiokafka.TopicPartition(name, one): side for side, name in sides for one in sorted(mine)}
        return begins, alerts

    def _take(self, fold: Shadowed, found: dict[Any, list[Any]], alerts: Mapping[Any, int]) -> bool:
        """Fold what was read; whether the alerts have to be read anew."""
        anew = False
        for place, messages in found.items():
            if place not in alerts:
                for one in messages:
                    if one.key == shadowed.KEY and one.value:
                        with suppress(*BROKEN):
                            anew |= fold.begin(place.partition, one.value)
        for place, messages in found.items() if not anew else ():
            for one in messages if place in alerts else ():
                with suppress(*BROKEN):
                    fold.take(alerts[place], place.partition, msgpack.unpackb(one.value or b""))
        return anew


class Watch:
    """A shadow's worker looks at itself: sets its gauges, and tells of each partition that it judges."""

    def __init__(
        self, config: Config, policy: Policy, metrics: Metrics, ready: Callable[[], Mapping[int, Pipeline]]
    ) -> None:
        assert config.shadow_of is not None
        self._config, self._policy, self._metrics, self._ready = config, policy, metrics, ready
        self._producer: Any = None
        self._told_s: dict[int, float] = {}
        self._follower = Follower(config.shadow_of, config.topics, lambda: set(ready()), self._look)

    async def run(self) -> None:
        """Look for ever."""
        try:
            await self._follower.run()
        finally:
            if self._producer is not None:
                await self._producer.stop()

    async def _look(self, fold: Shadowed) -> None:
        self._show(fold)
        for partition, pipeline in self._ready().items():
            begun = self._begun(fold.begun.get(partition), pipeline)
            due = monotonic_s() - self._told_s.get(partition, float("-inf")) >= TELL_S
            if begun != fold.begun.get(partition) and due:
                self._told_s[partition] = monotonic_s()
                await self._tell(partition, begun)

    def _begun(self, known: Begun | None, pipeline: Pipeline) -> Begun:
        """What is to be told of a partition, given what was told last."""
        policy, arena = self._policy, pipeline.arena
        if known is not None and (known.version, known.digest) == (policy.version, policy.digest):
            return known._replace(until_ms=max(known.until_ms, pipeline.last_tick_ms))
        # Whatever both judges may have said of what is in the rows already is older than this.
        newest_ms = int(arena.rows["last_event_ms"][: len(arena)].max(initial=-1))
        since_ms = max(newest_ms, pipeline.last_tick_ms) + 1
        return Begun(
            since_ms if known is None else known.first_ms, since_ms, pipeline.last_tick_ms,
            Path(self._config.policy).name, policy.version, policy.digest,
            int(policy.record["service_budget_per_day"][0]),
        )  # fmt: skip

    def _show(self, fold: Shadowed) -> None:
        metrics = self._metrics
        for kind in ALERT_NAMES.values():
            for which in ENTERED:
                metrics.shadow_entered.labels(kind, which).set(fold.entered[kind, which])
            metrics.shadow_differs.labels(kind).set(fold.differs[kind])
        for name, count in zip(SIDES, fold.asked, strict=True):
            metrics.shadow_alerts.labels(name).set(count)

    async def _tell(self, partition: int, begun: Begun) -> None:
        if self._producer is None:
            producer = aiokafka.AIOKafkaProducer(**aiokafka_of(self._config), acks="all")
            await producer.start()
            self._producer = producer
        topic = self._config.topics.insights
        await self._producer.send_and_wait(topic, begun.to_msgpack(), key=shadowed.KEY, partition=partition)
