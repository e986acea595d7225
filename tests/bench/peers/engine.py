"""Another engine as a process on a core of its own: compiled from ``java/``, with the jars that its pom names."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import numpy as np
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.intake import ledger_partition
from tests.bench.load import Load, peer_events
from tests.bench.peers.job import Alert, faults, golden
from tests.bench.worker import DEADLINE_S, PARTITIONS, pinned
from tests.broker.deployment import to_the_end
from tests.broker.kafka import ROOT, Kafka, Unavailable, fetch_jars, find_java

HERE = Path(__file__).parent
BUILD = ROOT / "build" / "peers"
CALLS, PURCHASES = "peer-calls", "peer-purchases"
FAULTS_SHOWN = 5


class Wrong(Exception):
    """An engine's result is not the job's, or it gave none: no figure of it counts."""


class Engine(NamedTuple):
    """How one is named, built and started."""

    name: str
    folder: str
    main: str
    options: tuple[str, ...] = ()


ENGINES = (
    Engine(
        "flink", "flink", "peers.FlinkPeer",
        ("--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED"),
    ),
    Engine("kafka_streams", "kstreams", "peers.KafkaStreamsPeer"),
)  # fmt: skip


def built(engine: Engine) -> str:
    """The class path of an engine, its jars fetched and our part of it compiled."""
    libs = fetch_jars(BUILD / engine.folder / "libs", HERE / engine.folder / "pom.xml")
    compiler = shutil.which("javac", path=str(Path(find_java()).resolve().parent)) or shutil.which("javac")
    if compiler is None:
        raise Unavailable(
            "The other engines are compiled: install a JDK (Debian: apt-get install default-jdk-headless)."
        )
    classes = BUILD / engine.folder / "classes"
    shutil.rmtree(classes, ignore_errors=True)
    source = HERE / "java" / f"{engine.main.replace('.', '/')}.java"
    subprocess.run(
        [compiler, "-d", str(classes), "-cp", f"{libs}{os.sep}*", "-sourcepath", str(HERE / "java"), str(source)],
        check=True,
    )
    return f"{classes}{os.pathsep}{libs}{os.sep}*"


def produce(kafka: Kafka, of: Load) -> None:
    """The load in the peers' words, into topics that each engine reads from the beginning."""
    created(kafka, [CALLS, PURCHASES])
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
    )
    for number, (bought, key, value, ts_ms) in enumerate(peer_events(of)):
        at = ledger_partition(key.decode(), PARTITIONS)
        while True:
            try:
                producer.produce(PURCHASES if bought else CALLS, value, key, at, timestamp=ts_ms)
                break
            except BufferError:
                producer.poll(0.05)
        if number % 1_000 == 0:
            producer.poll(0)
    if left := producer.flush(120):
        raise Wrong(f"{left} events could not be sent")


def created(kafka: Kafka, names: list[str]) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for one in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
        one.result(30)


def dropped(kafka: Kafka, prefix: str) -> None:
    """Delete the topics whose names begin so: alerts, and what an engine made for itself."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    for one in admin.delete_topics(names).values() if names else ():
        one.result(30)


def measured(engine: Engine, classes: str, kafka: Kafka, run: int, passes: int, of: Load) -> dict[str, Any]:
    """One process that works the load off ``passes`` times: the last pass is warm, and each is checked.

    Its memory is that of the first pass, since what later ones leave behind is no need of the job.
    """
    count, name = len(of.ts_ms), f"peer-{engine.folder}{run}"
    alerts = [f"{name}-alerts-{at}" for at in range(passes)]
    created(kafka, alerts)
    assert kafka.pid is not None
    pinned(kafka.pid, 0)
    with tempfile.TemporaryDirectory(prefix="whaleline-peer-") as home:
        asked = {
            "broker": kafka.bootstrap, "calls": CALLS, "purchases": PURCHASES, "alerts": f"{name}-alerts",
            "group": f"{name}-group", "events": count, "passes": passes, "home": home,
            "org.slf4j.simpleLogger.defaultLogLevel": "warn",
        }  # fmt: skip
        log = Path(home) / "log"
        command = [
            *_on_its_core(), find_java(), "-Xmx2g", "-XX:+UseSerialGC", *engine.options,
            *(f"-D{key}={value}" for key, value in asked.items()), "-cp", classes, engine.main,
        ]  # fmt: skip
        with log.open("wb") as told:
            try:
                done = subprocess.run(
                    command, stdout=subprocess.PIPE, stderr=told, cwd=home, timeout=DEADLINE_S, check=False
                )
            except subprocess.TimeoutExpired:
                raise Wrong(f"{engine.name} was not done after {DEADLINE_S:.0f} s:\n{_end_of(log)}") from None
        figures = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
        if done.returncode or len(figures) != passes:
            raise Wrong(f"{engine.name} ended with {done.returncode}:\n{_end_of(log)}")
        for at, topic in enumerate(alerts):
            order = np.fromfile(Path(home) / f"order-{at}", ">i4")
            figures[at]["alerts"] = checked(f"{engine.name}, pass {at}", kafka, topic, order, of)
    dropped(kafka, name)
    return {**figures[-1], "rss_mb": figures[0]["rss_mb"], "cold": figures[0]}


def checked(who: str, kafka: Kafka, topic: str, order: np.ndarray[Any, Any], of: Load) -> int:
    """How many alerts a topic holds: those of the job, for events that came once each and in this order."""
    all_came(who, order, len(of.ts_ms))
    told = [_alert(message.value()) for message in to_the_end(kafka.bootstrap, topic)]
    if found := faults(golden(of, order.tolist()), told):
        some = "\n".join(found[:FAULTS_SHOWN])
        raise Wrong(f"{who}: {len(found)} of {len(told)} alerts are not the job's:\n{some}")
    return len(told)


def all_came(who: str, order: np.ndarray[Any, Any], count: int) -> None:
    """Each event once, in whatever order."""
    if not np.array_equal(np.sort(order), np.arange(count)):
        raise Wrong(f"{who}: an event was lost or came twice")


def _alert(value: bytes) -> Alert:
    said = msgpack.unpackb(value)
    return Alert(said.pop("id"), **said)


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]


def _on_its_core() -> list[str]:
    return ["taskset", "-c", "1"] if (os.cpu_count() or 1) > 1 else []
