"""``make bench-worker``: one whole worker on a real Kafka, from a topic's bytes to committed alerts.

The broker has one core and the worker the other, where there are two. Figures go to ``build/bench.json``; each is
the median of its runs, with the least and the greatest.
"""

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from streams.intake import ledger_partition
from tests.bench.load import events, load
from tests.bench.results import RESULTS, held, keep
from tests.broker.deployment import Deployment
from tests.broker.kafka import Kafka

PARTITIONS = 4
LOOK_S = 0.01
DEADLINE_S = 600.0
POLICY = """
[policy]
version = 1
[service]
budget_per_day = 1000000
[breaker]
same_cause = 1000000
churn_share_per_hour = 1.0
entries_per_hour = 1000000
entries_per_day = 1000000
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def pinned(pid: int, core: int) -> None:
    """Keep a process on one core, where there are two."""
    if (os.cpu_count() or 1) > 1:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), {core})


class Bench:
    """A deployment whose only worker is measured from outside, by its own metrics and by what is in the topics."""

    def __init__(self, kafka: Kafka, name: str, logs: Path, **settings: str) -> None:
        self.port = free_port()
        self.logs = logs / name
        self.logs.mkdir()
        self.deployment = Deployment(
            kafka.bootstrap, f"{name}-", self.logs, ledger_partitions=str(PARTITIONS),
            source_partitions=str(PARTITIONS), session_timeout_s="30", metrics_port=str(self.port), **settings,
        )  # fmt: skip
        self.kafka = kafka
        self.worker: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> float:
        """Start the worker; when it was started."""
        begun = time.perf_counter()
        self.worker = self.deployment.start(WHALELINE_METRICS_PORT=str(self.port), **environment)
        pinned(self.worker.pid, 1)
        assert self.kafka.pid is not None
        pinned(self.kafka.pid, 0)
        return begun

    def stop(self) -> None:
        assert self.worker is not None
        self.worker.terminate()
        self.worker.wait(60)

    def another(self) -> "Bench":
        """A second worker of the same deployment; it is not started."""
        one = copy(self)
        one.port, one.worker = free_port(), None
        return one

    def page(self, path: str) -> str:
        """What the worker answers there; nothing if it does not."""
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer,
        ):
            return str(answer.read().decode())
        return ""

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        found = re.findall(rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+-]+)$", self.page("/metrics"), re.MULTILINE)
        return sum(map(float, found))

    def until(self, what: str, holds: Any) -> float:
        """When it first holds."""
        end = time.perf_counter() + DEADLINE_S
        while not holds():
            assert self.worker is not None
            assert time.perf_counter() < end, f"not {what}"
            with suppress(subprocess.TimeoutExpired):
                self.worker.wait(LOOK_S)
                raise AssertionError(f"the worker ended before {what}:\n{self.deployment.log()[-2000:]}")
        return time.perf_counter()

    def rss_mb(self, which: str = "VmRSS") -> float:
        assert self.worker is not None
        status = Path(f"/proc/{self.worker.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"^{which}:\s+(\d+) kB", status, re.MULTILINE)[1]) / 1024  # type: ignore[index]

    def cpu_s(self) -> float:
        """Processor time that the worker has taken."""
        assert self.worker is not None
        fields = Path(f"/proc/{self.worker.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def committed(self) -> bool:
        """Whether the group has committed the ledger to its end."""
        names = self.deployment.config.topics
        asked = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": self.deployment.config.app_id})
        try:
            places = [TopicPartition(names.ledger, at) for at in range(PARTITIONS)]
            said = {one.partition: one.offset for one in asked.committed(places, 10)}
            return all(said[one.partition] >= asked.get_watermark_offsets(one, 10)[1] for one in places)
        finally:
            asked.close()


@contextmanager
def bench(kafka: Kafka, name: str, logs: Path, **settings: str) -> Iterator[Bench]:
    one = Bench(kafka, name, logs, **settings)
    with one.deployment:
        yield one


def produce(one: Bench, count: int, customers: int, *, everyone: bool = False) -> None:
    """The load into the source topics, in order of time."""
    producer = Producer(
        {"bootstrap.servers": one.kafka.bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
    )
    topics = one.deployment.config.topics
    for number, (bought, key, value) in enumerate(events(load(count, customers, everyone=everyone))):
        topic = topics.purchases if bought else topics.support_calls
        while True:
            try:
                producer.produce(topic, value, key, ledger_partition(key.decode(), PARTITIONS))
                break
            except BufferError:
                producer.poll(0.05)
        if number % 1_000 == 0:
            producer.poll(0)
    producer.flush(120)


def worked_off(one: Bench, count: int, customers: int, *, everyone: bool = False) -> dict[str, float]:
    """A backlog of 90 days worked off: judged, and committed. The worker goes on."""
    produce(one, count, customers, everyone=everyone)
    started = one.start()
    first = one.until("begun", lambda: one.metric("whaleline_judged_events_total") > 0)
    before_s = one.cpu_s()
    judged = one.until("judged", lambda: one.metric("whaleline_judged_events_total") >= count)
    found = {"eps": count / (judged - first), "start_to_first_event_s": first - started}
    found["eps_per_cpu_s"] = count / (one.cpu_s() - before_s)
    committed = one.until("committed", one.committed)
    found["eps_committed"] = count / (committed - first)
    found["peak_rss_mb"] = one.rss_mb("VmHWM")
    return found


def throughput(kafka: Kafka, logs: Path, run: int, count: int, customers: int) -> dict[str, float]:
    """A backlog worked off; then the same state taken up by a new process."""
    with bench(kafka, f"load{run}", logs, source_clock="wall") as one:
        found = worked_off(one, count, customers)
        one.stop()
        found |= started_again(one)
        one.stop()
        return found


def started_again(one: Bench) -> dict[str, float]:
    """A new process takes up the state that another has left."""
    started = one.start()
    ready = one.until("ready again", lambda: "ok" in one.page("/readyz").lower())
    restored = [
        (int(rows), float(seconds))
        for rows, seconds in re.findall(r"(\d+) records restored in ([0-9.]+) s", one.deployment.log())
    ][-PARTITIONS:]
    records, longest_s = sum(rows for rows, _ in restored), max(seconds for _, seconds in restored)
    return {
        "restart_to_ready_s": ready - started,
        "restored_s": longest_s,
        "rss_after_restart_mb": one.rss_mb(),
        "restored_records": records,
        "restored_records_per_s": records / longest_s,
    }


def base(kafka: Kafka, logs: Path, run: int, customers: int) -> dict[str, float]:
    """A base of so many customers: its memory, a restart, and a planned takeover by a worker that stood by."""
    with bench(kafka, f"base{run}-{customers}", logs, source_clock="wall") as one:
        count = customers + customers // 2
        found = worked_off(one, count, customers, everyone=True)
        found["customers"] = one.metric("whaleline_customers")
        one.stop()
        found |= started_again(one)
        found["rss_bytes_a_customer"] = found["rss_after_restart_mb"] * 2**20 / customers
        other = one.another()
        other.start(WHALELINE_STANDBY="true")
        half = PARTITIONS // 2
        other.until("half of it is judged there", lambda: other.metric("whaleline_partitions_ready") == half)
        other.until("followed", lambda: followed(other) == half)
        gone = time.perf_counter()
        one.worker.terminate()  # type: ignore[union-attr]
        ready = other.until("all of it is judged there", lambda: taken_over(other) == PARTITIONS)
        found["planned_takeover_s"] = ready - gone
        one.worker.wait(60)  # type: ignore[union-attr]
        other.stop()
        return found


def taken_over(one: Bench) -> int:
    """How many partitions the newest worker has taken over, by its log: its gauges are a second old."""
    return one.deployment.log_of(len(one.deployment.workers) - 1).count(" records restored in ")


def followed(one: Bench) -> int:
    """How many partitions a worker follows to their end."""
    left = re.findall(r"^whaleline_standby_left_records\{[^}]*\} ([0-9.e+]+)$", one.page("/metrics"), re.MULTILINE)
    return sum(float(each) == 0 for each in left)


def latency(kafka: Kafka, logs: Path, run: int, rate: int, seconds: float) -> dict[str, float]:
    """From the producer's send to the alert at a reader of committed records, at a steady rate."""
    policy = logs / "quiet-breaker.toml"
    policy.write_text(POLICY, encoding="utf-8")
    name = f"lat{run}-{rate}"
    with bench(kafka, name, logs, source_clock="wall", policy=str(policy)) as one:
        one.start()
        one.until("ready", lambda: "ok" in one.page("/readyz").lower())
        sender = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.pace", kafka.bootstrap, f"{name}-",
             str(rate), str(seconds)],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        out, _ = sender.communicate(timeout=seconds + 120)
        found: dict[str, float] = json.loads(out)
        found["rss_mb"] = one.rss_mb()
        one.stop()
        return found


def spread(runs: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Of each figure the median, the least and the greatest."""
    return {
        name: {
            "median": round(statistics.median(one[name] for one in runs), 2),
            "least": round(min(one[name] for one in runs), 2),
            "greatest": round(max(one[name] for one in runs), 2),
        }
        for name in runs[0]
    }


def show(title: str, figures: dict[str, dict[str, float]]) -> None:
    print(f"\n{title}")
    for name, one in figures.items():
        print(f"  {name:28} {one['median']:14,.1f}   {one['least']:12,.1f} to {one['greatest']:,.1f}")


def main() -> None:
    """Throughput of a backlog, and delay at steady rates; no figure for a machine that did something else."""
    asked = argparse.ArgumentParser(prog="make bench-worker", description=main.__doc__)
    asked.add_argument("--events", type=int, default=1_000_000, help="events of the backlog")
    asked.add_argument("--customers", type=int, default=100_000, help="customers they belong to")
    asked.add_argument("--runs", type=int, default=3, help="runs of each, of which the median counts")
    asked.add_argument(
        "--rates", default="2000,20000", help="events a second to measure the delay at; empty for none"
    )
    asked.add_argument("--seconds", type=float, default=20.0, help="how long each rate goes on")
    asked.add_argument("--base", default="", help="bases of so many customers: memory, restart, takeover")
    said = asked.parse_args()
    with Kafka() as kafka, tempfile.TemporaryDirectory(prefix="whaleline-bench-") as home:
        logs = Path(home)
        if said.events:
            runs = []
            for run in range(said.runs):
                runs.append(throughput(kafka, logs, run, said.events, said.customers))
                print(json.dumps({name: round(value, 1) for name, value in runs[-1].items()}), flush=True)
            show(f"A backlog of {said.events:,} events of {said.customers:,} customers", spread(runs))
            keep("worker", {"events": said.events, "customers": said.customers, **spread(runs)})
        bases = {}
        for customers in map(int, filter(None, said.base.split(","))):
            runs = [base(kafka, logs, run, customers) for run in range(said.runs)]
            bases[str(customers)] = spread(runs)
            show(f"A base of {customers:,} customers", bases[str(customers)])
        if bases:
            keep("bases", {**dict(held(RESULTS).get("bases", {})), **bases})  # sizes add up
        delays = {}
        for rate in map(int, filter(None, said.rates.split(","))):
            runs = [latency(kafka, logs, run, rate, said.seconds) for run in range(said.runs)]
            delays[str(rate)] = spread(runs)
            show(f"From send to alert at {rate:,} events a second", delays[str(rate)])
        if delays:
            keep("latency", delays)


if __name__ == "__main__":
    main()
