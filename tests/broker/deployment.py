"""A whole deployment seen from outside: its workers are processes, its state is what is in the topics."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from schemas.alerts import VERSION
from schemas.block import erase_entry
from schemas.codec import encode
from streams.config import Config, load
from streams.intake import ledger_partition
from streams.pipeline import Pipeline, Record
from streams.secret import load_key
from streams.topics import apply
from tests.oracle.judge import Oracle

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 240.0
LOG_APPEND_TIME = 2
Message = Any


class Deployment:
    """Topics under a prefix, and workers over them. Ends every worker it started."""

    def __init__(self, broker: str, prefix: str, logs: Path, *, embedded: bool = False, **settings: str) -> None:
        self.environment = {
            "WHALELINE_BROKER": broker,
            "WHALELINE_APP_ID": prefix.rstrip("-") or "whaleline",
            "WHALELINE_TOPICS_PREFIX": prefix,
            "WHALELINE_LEDGER_PARTITIONS": "3",
            "WHALELINE_SOURCE_PARTITIONS": "2",
            "WHALELINE_SOURCE_CLOCK": "source",
            "WHALELINE_SESSION_TIMEOUT_S": "6",
            "WHALELINE_EMBEDDED_BROKER": "true" if embedded else "false",
            **{f"WHALELINE_{key.upper()}": value for key, value in settings.items()},
        }
        self.config: Config = load(None, self.environment)
        self.broker, self._logs = broker, logs
        self.workers: list[subprocess.Popen[bytes]] = []
        self.forgiven: set[int] = set()
        if not embedded:
            apply(broker, self.config.plan())
        self._producer = Producer(
            {
                "bootstrap.servers": broker,
                "enable.idempotence": not embedded,
                "linger.ms": 5,
                "log_level": 0,
                "message.max.bytes": 6_000_000,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()

    def start(
        self, module: str = "streams.cli", command: Sequence[str] = ("worker",), **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start one more worker, of another ``module``, ``command`` or environment where a test wants one."""
        log = (self._logs / f"worker-{len(self.workers)}.log").open("wb")
        kept = {key: value for key, value in os.environ.items() if not key.startswith("WHALELINE_")}
        with log:
            worker = subprocess.Popen(
                [sys.executable, "-m", module, *command],
                env={**kept, "PYTHONPATH": str(ROOT), **self.environment, **environment},
                cwd=self._logs,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.workers.append(worker)
        return worker

    def log(self) -> str:
        """What the workers have logged, for a failing test to show."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self._logs.glob("worker-*.log")))

    def log_of(self, number: int) -> str:
        """What one worker has logged, the first started being 0."""
        return (self._logs / f"worker-{number}.log").read_text(errors="replace")

    def send(self, events: Iterable[tuple[str, dict[str, Any]]], *, flush: bool = True) -> None:
        """Produce events ("support" | "purchases", fields), each topic's partition by customer."""
        for topic, fields in events:
            self.send_bytes(topic, fields["customer_id"], encode(fields))
        if flush:
            self._producer.flush(30)

    def send_bytes(self, topic: str, key: str, value: bytes) -> None:
        """Produce raw bytes by key; ``flush`` comes with the next ``send``."""
        name = self.config.topics.support_calls if topic == "support" else self.config.topics.purchases
        partition = ledger_partition(key, self.config.source_partitions)
        self._producer.poll(0)
        while True:
            try:
                self._producer.produce(name, value, key.encode(), partition)
                return
            except BufferError:
                self._producer.poll(1.0)  # more than the client holds: wait until some have arrived

    def erase(self, customer: str) -> None:
        """Have a customer erased, as the command line does."""
        partition = ledger_partition(customer, self.config.ledger_partitions)
        entry = erase_entry(customer, 0, "dpo", "asked")
        self._producer.produce(self.config.topics.ledger, entry, None, partition)
        self._producer.flush(30)

    def progress(self, until_ms: int, only: str = "", *, flush: bool = True) -> None:
        """Let every source partition (or those of one topic only) say that all before a time has been sent."""
        value = encode({"kind": "progress", "ts_ms": until_ms})
        names = {"support": self.config.topics.support_calls, "purchases": self.config.topics.purchases}
        for name in [names[only]] if only else names.values():
            for partition in range(self.config.source_partitions):
                self._producer.produce(name, value, None, partition)
        if flush:
            self._producer.flush(30)

    def read(self, topic: str) -> list[Message]:
        """Every committed message of a topic as it stands, in the order of partition and offset."""
        found = list(to_the_end(self.broker, topic))
        return sorted(found, key=lambda message: (message.partition(), message.offset()))

    def ledger(self) -> list[list[Record]]:
        """The ledger's records by partition."""
        out: list[list[Record]] = [[] for _ in range(self.config.ledger_partitions)]
        for message in self.read(self.config.topics.ledger):
            kind, stamp = message.timestamp()
            append_ms = stamp if kind == LOG_APPEND_TIME else None
            out[message.partition()].append(Record(message.offset(), append_ms, message.value()))
        return out

    def taken(self) -> set[tuple[str, int, int]]:
        """(topic, partition, offset) of each event in the ledger; that one is there twice fails."""
        found: set[tuple[str, int, int]] = set()
        number = 0
        for record in (record for log in self.ledger() for record in log):
            sources = _sources(record.value)
            number += len(sources)
            found |= sources
        assert number == len(found), f"{number - len(found)} events are twice in the ledger"
        return found

    def state(self) -> list[Pipeline]:
        """Each ledger partition's durable state, restored by what the customers topic holds."""
        pipelines = [
            Pipeline(self.config.app_id, at, self.config.ledger_partitions, erasure_key=load_key(self.config))
            for at in range(self.config.ledger_partitions)
        ]
        for message in self.read(self.config.topics.customers):
            pipelines[message.partition()].restore(message.key(), message.value())
        for pipeline in pipelines:
            pipeline.restored()
        return pipelines

    def alerts(self) -> list[dict[str, Any]]:
        """Every committed alert."""
        import msgpack

        found = [msgpack.unpackb(message.value()) for message in self.read(self.config.topics.alerts)]
        assert all(one["version"] == VERSION for one in found)
        return found

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Look at the topics again and again until something holds; fail with the logs after the deadline."""
        end = time.monotonic() + DEADLINE_S
        while not holds():
            ended = {worker.poll() for worker in self.workers}
            gone = ended - {None, 0, -signal.SIGKILL, *self.forgiven}
            assert time.monotonic() < end, f"not {what} after {DEADLINE_S:.0f} s\n{self.log()}"
            assert not gone, f"a worker ended with {gone} before {what}\n{self.log()}"

    def settled(self, tick_ms: int) -> bool:
        """Whether every partition has judged its ledger to the end, and time has come to ``tick_ms``."""
        ends = [len(log) for log in self.ledger()]
        states = self.state()
        return all(one.next_offset == end for one, end in zip(states, ends, strict=True)) and all(
            one.last_tick_ms >= tick_ms for one in states
        )

    def verdict(self) -> dict[str, Any]:
        """Compare the topics with the pure-Python oracle over the ledger; every count should be zero."""
        from streams.arena import as_dict
        from tests.laws.test_oracle import differing

        expected: list[str] = []
        wrong = rows = 0
        seen: set[tuple[str, int, int]] = set()
        for log, state in zip(self.ledger(), self.state(), strict=True):
            oracle = Oracle(self.config.app_id, self.config.ledger_partitions)
            for record in log:
                expected += [one["alert_id"] for one in oracle.step(record.value, record.offset, record.append_ms)]
                seen |= _sources(record.value)
            theirs = oracle.settled(state.last_tick_ms // 86_400_000)
            mine = state.settled_rows()
            rows += len(mine)
            wrong += len(mine.keys() ^ theirs.keys())
            wrong += sum(
                bool(differing(as_dict(row), theirs[name])) for name, row in mine.items() if name in theirs
            )
        # Every alert is out, or waits, or is held: what is kept is no loss.
        alerts = [one["alert_id"] for one in self.alerts()]
        alerts += [alert.alert_id for state in self.state() for alert in state.kept()]
        return {
            "rows": rows,
            "alerts": len(expected),
            "rows_wrong": wrong,
            "alerts_missing": len(set(expected) - set(alerts)),
            "alerts_phantom": len(set(alerts) - set(expected)),
            "alerts_doubled": len(alerts) - len(set(alerts)),
            "events_in_ledger": len(seen),
        }


def _sources(value: bytes) -> set[tuple[str, int, int]]:
    from schemas.block import Block, decode

    content = decode(value)
    if not isinstance(content, Block):
        return set()
    return {
        (str(content.sources[int(content.source[at])].topic), content.sources[int(content.source[at])].partition,
         int(content.offset[at]))
        for at in range(content.n)
    }  # fmt: skip


def to_the_end(broker: str, topic: str) -> Iterator[Message]:
    """Every committed message of a topic as it stands, a partition's in its order."""
    consumer = Consumer({
        "bootstrap.servers": broker,
        "group.id": "looks-on",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 20,
            "check.crcs": False,
    })  # fmt: skip
    try:
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        left = set(partitions)
        while left:
            for message in consumer.consume(5_000, 1.0):
                if message.error() is None:
                    yield message
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                else:
                    raise RuntimeError(message.error())
    finally:
        consumer.close()
