"""The demo: true stories and a small crowd run through a real worker, and each alert is read out as it comes.

Without ``--broker`` the demo brings its own: in memory, on loopback, gone afterwards. The worker is the real one,
in a process of its own. Time is the simulated history's (``source_clock = "source"``), so the same seed gives
the same alerts at any speed.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import webbrowser
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import msgpack

from schemas.alerts import Alert
from schemas.events import DAY_MS
from streams.clock import monotonic_s
from streams.config import ENVIRONMENT, Config, load
from streams.connection import client_of, librdkafka_of
from streams.embedded import INSTALL, EmbeddedBroker
from streams.screen import Screen
from streams.simulate import Fed, Simulation
from streams.stories import Story
from streams.topics import apply

LEDGER_PARTITIONS, SOURCE_PARTITIONS = 4, 2
HEAD_START_DAYS = 60
"""So much of the history is sent at once: it waits for the worker, not the worker for it."""

HURRY = 0.5
"""With a deadline the history is sent within this share of the time left, even if that is faster than asked."""

PATIENCE_S, SHOWN_S = 120.0, 10.0
"""A deadline waits so long for the first alert, and so long after it."""
FEED_AT_ONCE = 2_000
WORKER_STOPS_S = 3.0
SECURITY = f"{ENVIRONMENT}KAFKA_"
POSITION_KEY = b"p"
"""Key of the customers topic under which a judge publishes how far it has come."""
HOW_TOLD = {"told": "green", "not yet": "yellow", "silent": "red"}


class DemoError(RuntimeError):
    """The demo cannot run; the message is one sentence."""


@dataclass(slots=True)
class Seen:
    """What has come out so far."""

    alerts: dict[str, Alert] = field(default_factory=dict)
    dead_letters: set[bytes] = field(default_factory=set)
    ticks: dict[int, int] = field(default_factory=dict)
    first_alert_s: float | None = None


class Child:
    """One ``whaleline`` command in a process of its own; its log is kept to say why it ended, should it end."""

    def __init__(self, environment: Mapping[str, str], *command: str) -> None:
        self._name = command[0]
        root = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._folder = tempfile.TemporaryDirectory(
            prefix="whaleline-demo-"
        )  # Faust makes a folder where it stands
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the worker
        self._process = subprocess.Popen(
            # -P keeps the working directory off the path: a folder called "streams" there is not ours.
            [sys.executable, "-P", "-m", "streams.cli", *command],
            cwd=self._folder.name,
            env={**_without_settings(os.environ), "PYTHONPATH": path, **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the terminal's Ctrl-C is ours: the worker is stopped in order
        )

    def check(self) -> None:
        """Raise ``DemoError`` with its last words if it has ended."""
        code = self._process.poll()
        if code is None:
            return
        words = self.said()
        raise DemoError(f"the {self._name} ended with code {code}: {words[-1] if words else 'without a word'}")

    def said(self) -> list[str]:
        """The lines of its log so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace").strip().splitlines()

    def stop(self) -> None:
        """Ask it to stop; it keeps nothing that is lost by ending it sooner than it likes."""
        self._process.terminate()
        try:
            self._process.wait(WORKER_STOPS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._folder.cleanup()


class Feeder:
    """Sends the history, some days of it a second, in its order."""

    def __init__(self, producer: Any, config: Config, simulation: Simulation, days_per_s: float) -> None:
        self.events = 0
        self.until_ms = simulation.start_ms
        self._producer, self._config, self._speed = producer, config, days_per_s
        self._end_ms = simulation.end_ms
        self._feed: Iterator[Fed] = simulation.feed()
        self._next: Fed | None = next(self._feed, None)

    @property
    def done(self) -> bool:
        """Whether the whole history has been sent."""
        return self._next is None

    def advance(self, elapsed_s: float, left_s: float | None) -> None:
        """Let time pass: so many seconds went by, and so many are left before the deadline, if there is one."""
        days = (self._end_ms - self.until_ms) / DAY_MS
        speed = self._speed or float("inf")
        if left_s is not None:
            speed = max(speed, days / max(0.001, left_s * HURRY))
        self.until_ms += int(min(days, speed * elapsed_s) * DAY_MS) if elapsed_s > 0 else 0
        if self.until_ms >= self._end_ms - 1:
            self.until_ms = self._end_ms

    def send(self) -> None:
        """Send what is due, a bounded number of records at a time."""
        for _ in range(FEED_AT_ONCE):
            fed = self._next
            if fed is None or fed.ts_ms > self.until_ms:
                break
            names = self._config.topics
            topic = names.purchases if fed.topic == "purchases" else names.support_calls
            if fed.everywhere:
                for partition in range(self._config.source_partitions):
                    self._producer.produce(topic, fed.value, fed.key, partition)
            else:
                self._producer.produce(topic, fed.value, fed.key)
                self.events += 1
            self._next = next(self._feed, None)
        self._producer.poll(0)


class Watcher:
    """Reads what the worker publishes: alerts, dead letters, and how far time has come."""

    def __init__(self, consumer: Any, config: Config, seen: Seen) -> None:
        from confluent_kafka import OFFSET_BEGINNING, TopicPartition

        self._consumer, self._names, self._seen = consumer, config.topics, seen
        names = config.topics
        read = (names.alerts, names.customers, names.dead_letters)
        owned = [(topic, partition) for topic in read for partition in range(config.ledger_partitions)]
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in owned])

    def read(self, started_s: float) -> list[Alert]:
        """New alerts since the last call; waits a moment for some."""
        fresh = []
        for message in self._consumer.consume(500, 0.05):
            if message.error():
                continue
            if message.topic() == self._names.alerts:
                alert = alert_of(message.value())
                if alert.alert_id not in self._seen.alerts:
                    self._seen.alerts[alert.alert_id] = alert
                    fresh.append(alert)
            elif message.topic() == self._names.dead_letters:
                self._seen.dead_letters.add(message.key())
            elif message.key() == POSITION_KEY:
                self._seen.ticks[message.partition()] = msgpack.unpackb(message.value())["tick"]
        if fresh and self._seen.first_alert_s is None:
            self._seen.first_alert_s = monotonic_s() - started_s
        return sorted(fresh, key=lambda one: one.ts_ms)


def alert_of(value: bytes) -> Alert:
    """An alert from its bytes on the alerts topic."""
    return Alert.of(msgpack.unpackb(value))


@dataclass(slots=True)
class Demo:
    """One run of the demo; ``run`` gives the exit code. ``for_s`` None runs until Ctrl-C."""

    broker: str | None
    for_s: float | None
    as_json: bool
    speed: float
    seed: int
    customers: int
    stories: Mapping[str, Story]
    for_floor: bool = False
    with_desk: bool = False
    started_s: float = field(default_factory=monotonic_s)
    seen: Seen = field(default_factory=Seen)
    at_the_end: bool = field(default=False, init=False)
    """Whether the whole history has been judged."""

    def run(self) -> int:
        """Run to the deadline, the end of the history or Ctrl-C, then tidy up and sum up."""
        simulation = Simulation(self.seed, self.customers, stories=self.stories, broken=True)
        heroes = frozenset(customer for story in self.stories.values() for customer in story.endings)
        screen = Screen(sys.stderr if self.as_json else sys.stdout, heroes, self.for_floor)
        feeder = None
        trouble = ""
        with _asked_to_stop() as asked, ExitStack() as stack:
            try:
                environment, config = self._stage(stack, screen)
                children = [Child(environment, "worker")]
                stack.callback(children[0].stop)
                if self.with_desk:
                    children.append(Child(environment, "desk", "--port", "0"))
                    stack.callback(children[1].stop)
                producer, consumer = _clients(config)
                stack.callback(consumer.close)
                feeder = Feeder(producer, config, simulation, self.speed)
                watcher = Watcher(consumer, config, self.seen)
                self._play(screen, simulation, children, feeder, watcher, asked)
            except DemoError as error:
                trouble = str(error)
        summary = self._summary(simulation, feeder.events if feeder else 0)
        self._sum_up(screen, summary)
        if trouble:
            raise DemoError(trouble)
        return 0

    def _stage(self, stack: ExitStack, screen: Screen) -> tuple[dict[str, str], Config]:
        """A broker with topics: our own, or the one that was named. Returns the worker's environment too."""
        environment = {
            "WHALELINE_SOURCE_CLOCK": "source",
            "WHALELINE_LEDGER_PARTITIONS": str(LEDGER_PARTITIONS),
            "WHALELINE_SOURCE_PARTITIONS": str(SOURCE_PARTITIONS),
        }
        if self.broker is None:
            environment["WHALELINE_EMBEDDED_BROKER"] = "true"
            plans = load(None, environment).plan()
            embedded = stack.enter_context(EmbeddedBroker({one.name: one.partitions for one in plans}))
            environment["WHALELINE_BROKER"] = embedded.bootstrap
            screen.say(f"A broker of the demo's own runs at {embedded.bootstrap}.")
            screen.say("It is in memory: nothing outlives the demo, and its speed says nothing about Kafka's.")
        else:
            prefix = f"whaleline-demo-{secrets.token_hex(4)}-"
            environment |= {"WHALELINE_BROKER": self.broker, "WHALELINE_TOPICS_PREFIX": prefix}
            environment["WHALELINE_APP_ID"] = prefix.rstrip("-")
            environment |= {key: value for key, value in os.environ.items() if key.startswith(SECURITY)}
            config = load(None, environment)
            apply(self.broker, config.plan(), **client_of(config))
            screen.say(f"Topics {prefix}* are made on {self.broker}; they stay until you delete them.")
        return environment, load(None, environment)

    def _play(
        self, screen: Screen, simulation: Simulation, children: list[Child], feeder: Feeder, watcher: Watcher,
        asked: Event,
    ) -> None:  # fmt: skip
        """Feed and watch until the deadline, until everything has been told, or until asked to stop."""
        feeder.until_ms += HEAD_START_DAYS * DAY_MS
        opened, last_s, begun_s = False, self.started_s, self.started_s
        while not asked.is_set() and self._left_s() > 0:
            now_s = monotonic_s()
            if self.seen.first_alert_s is not None or self.for_s is not None:
                feeder.advance(now_s - last_s, None if self.for_s is None else self.for_s + begun_s - now_s)
            last_s = now_s
            feeder.send()
            for child in children:
                child.check()
            if len(children) > 1 and not opened:
                opened = self._open_desk(screen, children[1])
            for alert in watcher.read(self.started_s):
                screen.clear_wait()
                screen.read_out(alert)
            if self.seen.first_alert_s is None:
                screen.wait(now_s - self.started_s, "the worker starts; its first start compiles the kernels")
            over = feeder.done and len(self.seen.ticks) == LEDGER_PARTITIONS
            if over and min(self.seen.ticks.values()) >= simulation.end_ms and not self.at_the_end:
                self.at_the_end = True
                if self.for_s is not None or self.as_json:
                    return
                self._sum_up(screen, self._summary(simulation, feeder.events))
                screen.say("Everything has been told. Ctrl-C ends the demo.")

    def _open_desk(self, screen: Screen, desk: Child) -> bool:
        """Say where the desk is as soon as it says so, and open it for whoever sits at a terminal."""
        line = next((one for one in desk.said() if one.startswith("The desk is at ")), None)
        if line is None:
            return False
        screen.clear_wait()
        screen.say(line, "bold")
        if sys.stdout.isatty() and not self.as_json:
            webbrowser.open(line.split()[-1])
        return True

    def _left_s(self) -> float:
        """Seconds until the end; whoever asks for a look gets one, even if the kernels must be compiled first."""
        if self.for_s is None:
            return float("inf")
        elapsed_s, first_s = monotonic_s() - self.started_s, self.seen.first_alert_s
        if first_s is None:
            return max(self.for_s, PATIENCE_S) - elapsed_s
        return max(self.for_s, first_s + min(self.for_s, SHOWN_S)) - elapsed_s

    def _summary(self, simulation: Simulation, events: int) -> dict[str, Any]:
        """What was seen, as the last line of ``--json`` says it."""
        alerts = sorted(self.seen.alerts.values(), key=lambda one: (one.ts_ms, one.kind, one.change))
        first = self.seen.first_alert_s
        untold = "silent" if self.at_the_end else "not yet"
        return {
            "events": events,
            "alerts": len(alerts),
            "alerts_by_kind": dict(sorted(Counter(one.kind for one in alerts).items())),
            "first_alert_s": None if first is None else round(first, 1),
            "dead_letters": len(self.seen.dead_letters),
            "stories": {
                key: "told" if story.told(alerts, simulation.story_start_ms(key)) else untold
                for key, story in self.stories.items()
            },
        }

    def _sum_up(self, screen: Screen, summary: dict[str, Any]) -> None:
        screen.clear_wait()
        screen.say(f"\n{summary['events']} events, {summary['alerts']} alerts:", "bold")
        for kind, count in summary["alerts_by_kind"].items():
            screen.say(f"  {count:5d}  {kind.replace('value_destroyer', 'costs_exceed_margin')}")
        if summary["first_alert_s"] is not None:
            screen.say(f"first alert after {summary['first_alert_s']} s")
        screen.say(f"{summary['dead_letters']} payloads could not be read and were set aside")
        for key, how in summary["stories"].items():
            screen.say(f"  {how:7}  {self.stories[key].title}", HOW_TOLD[how])
        if "not yet" in summary["stories"].values():
            screen.say("The history has not come to its end: a longer look tells the rest.")
        if self.as_json:
            print(json.dumps(summary), flush=True)


def _clients(config: Config) -> tuple[Any, Any]:
    """A producer and a consumer of the same library that plays the broker."""
    try:
        from confluent_kafka import Consumer, Producer
    except ImportError:
        raise DemoError(f"the demo needs confluent-kafka, which is not installed: {INSTALL}") from None
    common: dict[str, Any] = {**librdkafka_of(config), "log_level": 0}
    producer = Producer(
        {
            **common,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "max.in.flight.requests.per.connection": 1,  # progress must never overtake an event
        }
    )
    consumer = Consumer(
        {
            **common,
            "group.id": f"{config.app_id}-demo",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 20,
        }
    )
    return producer, consumer


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment but for its whaleline settings, which are meant for another deployment."""
    return {key: value for key, value in environment.items() if not key.startswith(ENVIRONMENT)}


@contextmanager
def _asked_to_stop() -> Iterator[Event]:
    """An event that Ctrl-C or SIGTERM sets; the second of them interrupts wherever we are.

    An interrupt in the middle of starting a process would leave it behind, so the first one is only noted.
    """
    asked = Event()

    def note(_signal: int, _frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {which: signal.signal(which, note) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
