"""From the source topics into the ledger: at least once, in one order, without a gap.

Every ledger event carries the source offset it came from, and the judge skips what it already has. So a
record may be written twice but never left out: an offset counts as durable once everything up to it is
acknowledged, and the first write that fails ends the process.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

import aiokafka
from faust.types import TP

from kernels.merge import FOREVER, SKEW_MS
from schemas.alerts import DeadLetter
from schemas.block import Source
from schemas.policy import Policy
from streams.clock import monotonic_s, now_ms
from streams.config import Config
from streams.connection import aiokafka_of
from streams.exits import Exit, stop_now
from streams.flood import SPAN, Flood
from streams.intake import Batch, Clock, Intake, opening
from streams.metrics import Metrics
from streams.topics import MAX_RECORD_BYTES, TopicInfo
from streams.transport import Chunk, Consumer
from streams.waiting import sheaf_of

log = logging.getLogger("whaleline")

TICK_S = 0.05
LOG_APPEND_TIME = 1
CLOCK_OFF_MS = 600_000
"""A clock that is further from the broker's would stop time, or be ignored."""

REQUEST_TIMEOUT_MS = 30_000
BATCH_BYTES = 1_000_000


class Ingest:
    """One worker's way into the ledger; lives on the event loop."""

    def __init__(
        self, config: Config, policy: Policy, metrics: Metrics, passed_ms: Callable[[], int | None]
    ) -> None:
        self._passed_ms = passed_ms
        self._alone = True
        self._config = config
        self._policy = policy
        self._metrics = metrics
        self._intake = Intake(
            config.ledger_partitions,
            clock=Clock(config.source_clock),
            currency=config.currency,
            grace_ms=config.grace_ms,
        )
        self._purchases = config.topics.purchases
        self._flood = Flood(config.refused_percent)
        self._sources: dict[TP, Source] = {}
        self._places: dict[Source, TP] = {}
        self._expected: dict[TP, int] = {}
        self._opening: list[bytes] = []
        self._held: set[TP] = set()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._consumer: Consumer | None = None
        self._producer: Any = None
        self._task: asyncio.Task[None] | None = None

    # ---------------------------------------------------------------- partitions come and go

    async def settle(self, consumer: Consumer, starts: Mapping[TP, int], infos: Mapping[str, TopicInfo]) -> None:
        """Exactly these source partitions are ours now, each to be read from its offset."""
        self._consumer = consumer
        if starts:
            await self._start()
        async with self._writing:
            # Events of equal time are taken in this order: support before purchases.
            order = sorted(starts, key=lambda tp: (tp.topic == self._purchases, tp.partition))
            self._sources = {tp: Source(infos[tp.topic].topic_id, tp.partition) for tp in order}
            self._places = {source: tp for tp, source in self._sources.items()}
            self._expected = dict(starts)
            self._held = set()
            self._intake.assign(list(self._places))
            names = (self._config.topics.support_calls, self._config.topics.purchases)
            topics = [(name, infos[name].topic_id, infos[name].partitions) for name in names]
            self._alone = len(starts) == sum(partitions for _, _, partitions in topics)
            clock = Clock(self._config.source_clock)
            self._opening = opening(topics, self._policy, clock) if starts else []
        self._wake.set()

    async def _start(self) -> None:
        if self._task is not None:
            return
        self._producer = aiokafka.AIOKafkaProducer(
            **aiokafka_of(self._config),
            enable_idempotence=True,
            acks="all",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_RECORD_BYTES,
        )
        await self._producer.start()
        self._task = asyncio.create_task(self._flushing(), name="whaleline-ingest")

    async def give_up(self) -> None:
        """Wait for the write under way, so that its offsets can be committed with the partitions."""
        async with self._writing:
            self._expected = {}

    async def finish(self) -> None:
        """Stop writing; what was not written is read again by whoever comes next."""
        await self.give_up()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._producer is not None:
            await self._producer.stop()

    # ---------------------------------------------------------------- in

    def hear(self, tp: TP, chunk: Chunk) -> None:
        """Take one chunk of a source partition; a chunk of an older assignment is passed over."""
        expected = self._expected.get(tp)
        if expected is None:
            return
        if chunk.first != expected:
            stop_now(
                Exit.MISSING,
                f"{tp.topic}/{tp.partition}: reading went from offset {expected} to {chunk.first}.",
            )
        sheaf = chunk.sheaf
        if sheaf is None:
            sheaf = sheaf_of([(one.offset, one.key, one.value) for one in chunk.records])
        self._intake.hear(self._sources[tp], tp.topic, sheaf, purchases=tp.topic == self._purchases)
        self._expected[tp] = chunk.next
        self._metrics.events.labels(tp.topic, "read").inc(sheaf.offsets.size)
        self._hold_back()
        self._wake.set()

    def _hold_back(self) -> None:
        """Hold the sources whose buffer is full and let go of those with room again.

        Pulling from the stream must go on: behind the full source's chunks stand those of the source that
        the merge is waiting for.
        """
        consumer = self._consumer
        assert consumer is not None
        full = {self._places[source] for source in self._intake.full() if source in self._places}
        if full - self._held:
            consumer.hold(full - self._held)
        if self._held - full:
            consumer.release(self._held - full)
        self._held = full

    def places(self) -> dict[TP, int]:
        """What comes next of each source partition that is taken in now."""
        return {tp: at for tp, at in list(self._expected.items()) if tp not in self._held}

    # ---------------------------------------------------------------- out

    async def _flushing(self) -> None:
        """Write whatever has its order, a few ms after the first event and at least at every tick."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._wake.wait()
                    await asyncio.sleep(self._config.linger_ms / 1_000)
                self._wake.clear()
                async with self._writing:
                    if self._expected:
                        await self._flush()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            stop_now(Exit.WRITE_FAILED, f"Writing to the ledger ended: {type(error).__name__}.")

    async def _flush(self) -> None:
        now = now_ms()
        if self._opening:
            await self._open()
        self._mark_ends(now)
        batch = self._intake.take(now, self._not_after_ms())
        self._stop_a_flood(batch.dead_letters)
        if batch.records or batch.dead_letters or batch.done:
            await self._write(batch)
            self._wake.set()
        self._hold_back()

    def _stop_a_flood(self, letters: Iterable[DeadLetter]) -> None:
        """End before a source that has gone wrong is drained into the dead letters."""
        source = self._flood.hear((Source(UUID(one.topic_id), one.partition), one.offset) for one in letters)
        if source is not None:
            tp = self._places.get(source)
            where = f"{tp.topic}/{tp.partition}" if tp is not None else str(source.topic)
            stop_now(
                Exit.FLOOD, f"{where}: more than {self._config.refused_percent} % of its last {SPAN} records."
            )

    def _not_after_ms(self) -> int:
        """How far a backlog may be worked off before the other workers' sources have come as far.

        What they have done is known from the ledger; a worker that judges none of it is not held back.
        """
        passed = None if self._alone else self._passed_ms()
        return FOREVER if passed is None else passed + SKEW_MS

    async def _open(self) -> None:
        """Tell every ledger partition which sources there are and what the policy is, before any event."""
        partitions, begun = range(self._config.ledger_partitions), now_ms()
        heard = await self._acknowledged([await self._send(p, one) for p in partitions for one in self._opening])
        off_ms = clock_off_ms(heard, begun, now_ms())
        # The demo's broker in memory has no clock: it stamps the same on every record.
        if abs(off_ms) > CLOCK_OFF_MS and not self._config.embedded_broker:
            minutes, way = abs(off_ms) // 60_000, "ahead of" if off_ms > 0 else "behind"
            stop_now(
                Exit.CONFIGURATION,
                f"This machine's clock is {minutes} minutes {way} the broker's: set one of them right.",
            )
        self._metrics.blocks.inc(len(partitions) * len(self._opening))
        self._opening = []

    def _mark_ends(self, now: int) -> None:
        """Tell the intake of the sources that stand at their log's end, and when the broker last said so."""
        consumer = self._consumer
        assert consumer is not None
        for tp, source in self._sources.items():
            end = consumer.thread.end(tp)
            if end is not None and end.position >= end.end and self._expected.get(tp) == end.position:
                self._intake.at_end(source, min(now, end.heard_ms))

    async def _write(self, batch: Batch) -> None:
        begun = monotonic_s()
        heard = [await self._send(partition, value) for partition, value in batch.records]
        heard += [await self._send_dead(letter) for letter in batch.dead_letters]
        await self._acknowledged(heard)
        consumer = self._consumer
        assert consumer is not None
        for source, offset in batch.done.items():
            if source in self._places:
                consumer.durable[self._places[source]] = offset + 1
        self._metrics.write_seconds.observe(monotonic_s() - begun)
        self._metrics.blocks.inc(len(batch.records))
        self._metrics.rekeyed.inc(batch.rekeyed)
        for letter in batch.dead_letters:
            self._metrics.events.labels(letter.topic, "refused").inc()
            self._metrics.dead_letters.labels(letter.topic, letter.reason).inc()

    async def _send(self, partition: int, value: bytes) -> Awaitable[Any]:
        sent: Awaitable[Any] = await self._producer.send(self._config.topics.ledger, value, partition=partition)
        return sent

    async def _send_dead(self, letter: DeadLetter) -> Awaitable[Any]:
        topic = self._config.topics.dead_letters
        sent: Awaitable[Any] = await self._producer.send(
            topic, letter.record_value, letter.record_key, headers=letter.headers()
        )
        return sent

    @staticmethod
    async def _acknowledged(heard: list[Awaitable[Any]]) -> list[Any]:
        """Wait until the broker has each record, and give its word on each; the first that it has not raises."""
        return await asyncio.gather(*heard) if heard else []


def clock_off_ms(heard: Iterable[Any], begun_ms: int, ended_ms: int) -> int:
    """How far this clock is ahead of the broker's, by its stamps on records sent between two moments."""
    stamps: list[int] = [one.timestamp for one in heard if one.timestamp_type == LOG_APPEND_TIME]
    if not stamps:
        return 0
    return max(0, begun_ms - max(stamps)) or min(0, ended_ms - min(stamps))
