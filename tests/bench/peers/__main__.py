"""``make peers``: the same events through whaleline, Flink and Kafka Streams, in one run on one machine.

The broker has one core and the engine the other, where there are two. whaleline does its whole judgement, with
ledger and transactions; the others do the smaller job of ``job.py``. A result that is not the job's fails the run.
Figures go to ``build/peers.json``; each is the median of its runs.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.load import load
from tests.bench.peers.engine import ENGINES, Wrong, built, measured, produce
from tests.bench.results import PEERS, keep
from tests.bench.worker import bench, worked_off
from tests.broker.kafka import Kafka, Unavailable

NAMES = ("whaleline", *(engine.name for engine in ENGINES))
FIGURES = ("eps", "eps_committed", "rss_mb")
# The load's times are its own, and must be taken wherever they lie from now.
ANY_TIME = "log.message.timestamp.after.max.ms=9223372036854775807\n"


def ours(kafka: Kafka, logs: Path, run: int, events: int, customers: int) -> dict[str, Any]:
    """One whaleline worker: every event in the ledger once, and judged."""
    with bench(kafka, f"peer-whaleline{run}", logs, source_clock="wall") as one:
        found: dict[str, Any] = worked_off(one, events, customers)
        judged = one.metric("whaleline_judged_events_total")
        one.stop()
        taken = one.deployment.taken()
        topics = one.deployment.config.topics
        dead = len(one.deployment.read(topics.dead_letters))
        if not judged == len(taken) == events or dead:
            raise Wrong(
                f"whaleline: {events} events were sent, {len(taken)} are in the ledger, {judged:.0f} were judged, "
                f"{dead} were no events"
            )
        found["alerts"] = len(one.deployment.read(topics.alerts)) + len(one.deployment.read(topics.alerts_held))
    return {**found, "rss_mb": found.pop("peak_rss_mb")}


def side_by_side(said: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """The runs of each engine, one after the other in turn, so that all meet the same machine."""
    others = {engine.name: (engine, built(engine)) for engine in ENGINES if engine.name in said.engines}
    of = load(said.events, said.customers)
    runs: dict[str, list[dict[str, Any]]] = {}
    with (
        Kafka(more=ANY_TIME, measured=True) as kafka,
        tempfile.TemporaryDirectory(prefix="whaleline-peers-") as logs,
    ):
        if others:
            print(f"Sending {said.events:,} events of {said.customers:,} customers", flush=True)
            produce(kafka, of)
        for run in range(said.runs):
            for name in said.engines:
                begun = time.perf_counter()
                if name in others:
                    one = measured(*others[name], kafka, run, said.passes, of)
                else:
                    one = ours(kafka, Path(logs), run, said.events, said.customers)
                runs.setdefault(name, []).append(one)
                told(f"run {run + 1} of {said.runs}: {name}", one, time.perf_counter() - begun)
    return runs


def told(which: str, one: dict[str, Any], took_s: float) -> None:
    print(
        f"{which:27} {one['eps']:9,.0f} events/s, {one['eps_committed']:9,.0f} until committed, "
        f"{one['rss_mb']:6,.0f} MB, {one['alerts']:,} alerts; checked, {took_s:.0f} s in all",
        flush=True,
    )


def main() -> int:
    """Measure the engines side by side; ends with 1 where one cannot be had here, or is wrong."""
    asked = argparse.ArgumentParser(
        prog="make peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    asked.add_argument("--events", type=int, default=1_000_000, help="events of the backlog")
    asked.add_argument("--customers", type=int, default=100_000, help="customers they belong to")
    asked.add_argument("--runs", type=int, default=3, help="runs of each, of which the median counts")
    asked.add_argument("--passes", type=int, default=3, help="times a JVM works the backlog off; the last counts")
    asked.add_argument("--engines", default=",".join(NAMES), help="which of them, in this order")
    said = asked.parse_args()
    said.engines = said.engines.split(",")
    if unknown := set(said.engines) - set(NAMES):
        asked.error(f"no engine {', '.join(sorted(unknown))} is known here, but {', '.join(NAMES)}")
    for name in ("events", "customers", "runs", "passes"):
        if getattr(said, name) < 1:
            asked.error(f"--{name} must be at least 1")
    try:
        runs = side_by_side(said)
    except (Unavailable, Wrong) as reason:
        print(f"No figures: {reason}", file=sys.stderr)
        return 1
    for name, of in runs.items():
        medians = {figure: round(statistics.median(one[figure] for one in of), 1) for figure in FIGURES}
        keep(name, {"events": said.events, "customers": said.customers, **medians, "runs": of}, PEERS)
        print(f"{name:13} {medians['eps']:11,.0f} events/s, {medians['eps_committed']:11,.0f} until committed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
