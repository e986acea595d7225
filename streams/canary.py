"""``whaleline canary``: once a minute one event into each ledger partition, and how long its answer takes.

It measures from outside what customers' events go through: the source topic, the ledger, the judge, the
transaction and the topic that is read. What it sends is nobody's (``streams.canaries``).
"""

import asyncio
import itertools
import logging
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiokafka
import msgpack
from prometheus_client import CollectorRegistry, Counter, Histogram

from schemas.codec import encode
from streams.canaries import PREFIX
from streams.clock import monotonic_s, now_ms
from streams.config import Config, ConfigError
from streams.connection import aiokafka_of, client_of
from streams.exits import Exit
from streams.health import Health
from streams.intake import ledger_partition
from streams.metrics import DELAY_SECONDS
from streams.topics import BrokerUnreachable, reach

log = logging.getLogger("whaleline")

EVERY_S = 60.0
LOST_S = 30.0
"""An answer that takes longer counts as lost."""
LOOK_S = 0.5


class CanaryMetrics:
    """What the canary counts, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "whaleline_canary_seconds",
            "From sending a canary event until its answer is read.",
            registry=registry,
            buckets=DELAY_SECONDS,
        )
        self.events = Counter(
            "whaleline_canary_events_total",
            "Canary events, by what became of them: answered, or lost after 30 s.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("answered", "lost"):
            self.events.labels(outcome)

    def answered(self, seconds: float) -> None:
        """Count an answer that came after so long."""
        self.seconds.observe(seconds)
        self.events.labels("answered").inc()

    def lost(self) -> None:
        """Count one that did not come."""
        self.events.labels("lost").inc()


def customers(partitions: int) -> list[str]:
    """A canary's customer id for each ledger partition."""
    found: dict[int, str] = {}
    for number in itertools.count():
        name = f"{PREFIX.decode()}{number}"
        found.setdefault(ledger_partition(name, partitions), name)
        if len(found) == partitions:
            return [found[at] for at in range(partitions)]
    raise AssertionError("unreachable")


@asynccontextmanager
async def started(client: Any) -> AsyncIterator[Any]:
    """A client of aiokafka that is stopped whatever happens, a start that fails included."""
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


class Canary:
    """Sends and listens; ``waiting`` holds what was sent and not answered, by event id.

    ``answered`` hears after how many seconds each answer came, ``lost`` of each that did not.
    """

    def __init__(
        self,
        config: Config,
        answered: Callable[[float], None],
        lost: Callable[[], None],
        every_s: float = EVERY_S,
        lost_s: float = LOST_S,
    ) -> None:
        if config.source_clock != "wall":
            raise ConfigError(
                'a canary needs source_clock = "wall": with a recording\'s clock nothing comes in time'
            )
        self.waiting: dict[str, float] = {}
        self._config, self._answered, self._lost = config, answered, lost
        self._every_s, self._lost_s = every_s, lost_s
        self._customers = customers(config.ledger_partitions)

    async def run(self, stopping: asyncio.Event, until: asyncio.Event | None = None) -> None:
        """Send and listen until ``stopping``, or until all that was sent before ``until`` is answered or lost.

        Raises the client's error if the broker cannot be reached.
        """
        brokers = aiokafka_of(self._config)
        async with started(aiokafka.AIOKafkaProducer(**brokers, acks="all")) as producer:
            consumer = aiokafka.AIOKafkaConsumer(
                self._config.topics.insights, **brokers, isolation_level="read_committed"
            )
            async with started(consumer):
                await consumer.seek_to_end()
                await self._sing(producer, consumer, stopping, until)

    async def _sing(
        self, producer: Any, consumer: Any, stopping: asyncio.Event, until: asyncio.Event | None
    ) -> None:
        next_s = monotonic_s()
        while not stopping.is_set():
            enough = until is not None and until.is_set()
            if enough and not self.waiting:
                return
            if monotonic_s() >= next_s and not enough:
                next_s = monotonic_s() + self._every_s
                await self._send(producer)
            found = await consumer.getmany(timeout_ms=int(min(LOOK_S, self._every_s) * 1_000))
            for record in itertools.chain.from_iterable(found.values()):
                self.hear(record.key, record.value)
            self.give_up_on(monotonic_s() - self._lost_s)

    async def _send(self, producer: Any) -> None:
        topic = self._config.topics.support_calls
        for customer in self._customers:
            event_id = secrets.token_hex(8)
            fields = {
                "kind": "chat",
                "ts_ms": now_ms(),
                "customer_id": customer,
                "event_id": event_id,
                "handle_ms": 0,
            }
            self.waiting[event_id] = monotonic_s()
            await producer.send(topic, encode(fields), key=customer.encode())

    def hear(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record of the insights topic; others' are passed over."""
        if not (key or b"").startswith(b"canary/") or value is None:
            return
        begun = self.waiting.pop(msgpack.unpackb(value)["event_id"], None)
        if begun is not None:
            self._answered(monotonic_s() - begun)

    def give_up_on(self, before_s: float) -> None:
        """Whatever was sent before then and has no answer is lost."""
        for event_id in [one for one, begun in self.waiting.items() if begun < before_s]:
            del self.waiting[event_id]
            self._lost()
            log.warning("a canary event had no answer: look at the workers and at the broker")


def run(config: Config, every_s: float = EVERY_S) -> int:
    """Run a canary until SIGTERM or Ctrl-C; return the exit code."""
    registry = CollectorRegistry()
    health = Health(registry)
    metrics = CanaryMetrics(registry)
    canary = Canary(config, metrics.answered, metrics.lost, every_s)
    health.ready = lambda: None
    try:
        server = health.serve(config.metrics_bind, config.metrics_port)
    except OSError as error:
        log.error("the canary cannot answer on port %d: %s", config.metrics_port, error.strerror)
        return int(Exit.CONFIGURATION)
    try:
        reach(config.broker, **client_of(config))
        asyncio.run(_until_stopped(canary))
    except (aiokafka.errors.KafkaError, BrokerUnreachable) as error:
        said = error if isinstance(error, BrokerUnreachable) else type(error).__name__
        log.error("the canary ended: %s: start it again once the broker answers", said)
        return int(Exit.STUCK)
    finally:
        if server is not None:
            server.shutdown()
    return 0


async def _until_stopped(canary: Canary) -> None:
    stopping = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stopping.set)
    await canary.run(stopping)
