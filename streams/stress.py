"""``whaleline simulate`` and ``whaleline stress``: made-up customers at a rate, and an event's time meanwhile.

The measure is the canary's: from the source topic to a reader of what the judge says, through everything that the
crowd's events go through.
"""

import asyncio
import json
import secrets
import signal
from collections.abc import Awaitable
from dataclasses import asdict, dataclass

import aiokafka
from aiokafka.errors import KafkaError

from schemas.codec import encode
from streams.canary import Canary, started
from streams.clock import monotonic_s, now_ms
from streams.config import Config
from streams.connection import aiokafka_of, client_of
from streams.crowd import Crowd
from streams.topics import BrokerUnreachable, reach

TURN_S = 0.02
ANSWERS_EVERY_S = 0.25
LAST_ANSWERS_S = 30.0
REACHED = 0.95
"""A load that was offered at less than this share of its rate has measured something else."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a stress found. Times are seconds from sending an event until the judge's answer was read."""

    offered_per_s: float
    sent_per_s: float
    events: int
    answers: int
    lost: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None

    def breaches(self, p99_s: float) -> list[str]:
        """What is not as it must be, a sentence each; none if all is well."""
        found = []
        if self.p99_s is None:
            found.append("no event was answered: is a worker running with the same settings?")
        elif self.p99_s > p99_s:
            found.append(f"p99 is {self.p99_s:.2f} s, allowed are {p99_s:g} s")
        if self.lost:
            found.append(f"{self.lost} events were not answered within {LAST_ANSWERS_S:g} s")
        if self.sent_per_s < REACHED * self.offered_per_s:
            found.append(f"only {self.sent_per_s:.0f} of {self.offered_per_s:.0f} events a second could be sent")
        return found

    def line(self) -> str:
        """One line for a person."""
        times = ", ".join(
            f"{name} {'-' if value is None else f'{value * 1000:.0f} ms'}"
            for name, value in (("p50", self.p50_s), ("p95", self.p95_s), ("p99", self.p99_s))
        )
        sent = f"{self.events} events, {self.sent_per_s:.0f} a second"
        return f"{sent}; {times} of {self.answers} answers, {self.lost} lost"


def quantile(ordered: list[float], share: float) -> float | None:
    """The value that this share of an ascending list does not exceed; None of an empty one."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


class Load:
    """Sends a crowd's events at a steady rate."""

    def __init__(self, config: Config, rate: float, customers: int) -> None:
        self.sent = 0
        self._config, self._rate = config, rate
        self._crowd = Crowd(customers, secrets.token_hex(4))

    async def run(self, stopping: asyncio.Event, for_s: float | None) -> float:
        """Send until ``stopping`` or for so long; return for how many seconds it was."""
        topics = {"support": self._config.topics.support_calls, "purchases": self._config.topics.purchases}
        sending = aiokafka.AIOKafkaProducer(**aiokafka_of(self._config), acks="all", linger_ms=5)
        async with started(sending) as producer:
            begun = monotonic_s()
            while not stopping.is_set() and (for_s is None or monotonic_s() - begun < for_s):
                due = int((monotonic_s() - begun) * self._rate)
                while self.sent < due:
                    topic, fields = self._crowd.event(now_ms())
                    await producer.send(topics[topic], encode(fields), key=fields["customer_id"].encode())
                    self.sent += 1
                await asyncio.sleep(TURN_S)
            await producer.flush()
            return monotonic_s() - begun


async def _stress(config: Config, rate: float, customers: int, for_s: float) -> Measured:
    took_s: list[float] = []
    lost: list[None] = []
    canary = Canary(config, took_s.append, lambda: lost.append(None), ANSWERS_EVERY_S, LAST_ANSWERS_S)
    load = Load(config, rate, customers)
    sent, stopping = asyncio.Event(), asyncio.Event()
    singing = asyncio.create_task(canary.run(stopping, until=sent))
    try:
        seconds = await _first(load.run(stopping, for_s), singing)
        sent.set()
        await singing
    finally:
        stopping.set()
        await asyncio.gather(singing, return_exceptions=True)
    took_s.sort()
    shares = (quantile(took_s, share) for share in (0.50, 0.95, 0.99))
    return Measured(rate, load.sent / seconds, load.sent, len(took_s), len(lost), *shares)


async def _first(work: Awaitable[float], watched: asyncio.Task[None]) -> float:
    """The result of the work; what ends the watched task before it is raised here."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task, watched}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        watched.result()
    return await task


def stress(
    config: Config, rate: float, customers: int, for_s: float, p99_s: float, as_json: bool
) -> tuple[str, list[str]]:
    """Load the deployment; return what was measured, as a line or JSON, and what is not as it must be.

    Raises ``TopicError`` with one sentence.
    """
    reach(config.broker, **client_of(config))
    try:
        found = asyncio.run(_stress(config, rate, customers, for_s))
    except KafkaError as error:
        raise _unreachable(config, error) from error
    breaches = found.breaches(p99_s)
    return json.dumps({**asdict(found), "breaches": breaches}) if as_json else found.line(), breaches


def _unreachable(config: Config, error: KafkaError) -> BrokerUnreachable:
    return BrokerUnreachable(f"the broker at {config.broker} does not answer: {type(error).__name__}")


def simulate(config: Config, rate: float, customers: int, for_s: float | None) -> int:
    """Send a crowd's events until the time is over or SIGTERM or Ctrl-C comes; return how many.

    Raises ``TopicError`` with one sentence.
    """
    load = Load(config, rate, customers)

    async def run() -> None:
        stopping = asyncio.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, stopping.set)
        await load.run(stopping, for_s)

    reach(config.broker, **client_of(config))
    try:
        asyncio.run(run())
    except KafkaError as error:
        raise _unreachable(config, error) from error
    return load.sent
