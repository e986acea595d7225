"""``make rolling-check``: three workers under load are restarted one by one, then again with a newer policy.

Each is told to stop, comes back, and is ready before the next one is asked. The verdict comes from the topics: one
alert for each failure that was sent, none late, rows and alerts as the oracle has them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgpack

from schemas.codec import encode
from schemas.policy import default_toml
from streams.clock import now_ms
from tests.broker.deployment import ROOT, Deployment
from tests.broker.kafka import HOST, Kafka, Unavailable, fetch_jars, find_java, free_port
from tests.monitoring.watchers import until

WORKERS = 3
LATEST_S = 10.0
READY_S = 60.0
PAUSE_S = 0.05
ORDINARY = 3
"""Chats beside each failure."""

WRONG = ("rows_wrong", "alerts_missing", "alerts_phantom", "alerts_doubled")


class Load(threading.Thread):
    """A failure of ours every few ms, each to another customer, among ordinary chats."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(daemon=True)
        self.failures = 0
        self._deployment, self._stopping, self.sent = deployment, threading.Event(), 0

    def run(self) -> None:
        while not self._stopping.is_set():
            self._send(f"F{self.failures}", {"kind": "rude_call", "observer": "qa"})
            self.failures += 1
            for _ in range(ORDINARY):
                self._send(f"C{self.sent % 500}", {"kind": "chat", "handle_ms": 60_000})
            self._stopping.wait(PAUSE_S)

    def _send(self, customer: str, fields: dict[str, Any]) -> None:
        self.sent += 1
        about = {"customer_id": customer, "event_id": f"e{self.sent}", "ts_ms": now_ms()}
        self._deployment.send_bytes("support", customer, encode({**about, **fields}))

    def stop(self) -> None:
        """Send no more; what was sent is in the topics."""
        self._stopping.set()
        self.join(10)
        self._deployment.send([])


class Fleet:
    """Workers by name, each with its port."""

    def __init__(self, deployment: Deployment, static: bool) -> None:
        self._deployment, self._static = deployment, static
        self._ports = [free_port() for _ in range(WORKERS)]
        self._running: dict[int, Any] = {}

    def start(self, number: int, wait: bool = True, tree: Path = ROOT) -> None:
        """Start one under its name, of the code of a ``tree``, and wait until it is ready."""
        environment = self._deployment.environment
        environment["WHALELINE_METRICS_PORT"] = str(self._ports[number])
        if self._static:
            environment["WHALELINE_INSTANCE_ID"] = f"worker-{number}"
        self._running[number] = self._deployment.start(PYTHONPATH=str(tree))
        if wait:
            until(f"worker {number} ready", lambda: self.ready(number), READY_S, self._deployment.log)

    def ready(self, number: int) -> bool:
        """What its readiness says."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self._ports[number]}/readyz", timeout=2):
                return True
        except (OSError, urllib.error.URLError):
            return False

    def stop(self, number: int) -> None:
        """Ask one to stop; it must, in order."""
        self._running[number].terminate()
        assert self.ended(number, 30) == 0, self._deployment.log()

    def ended(self, number: int, seconds: float = 0.0) -> int | None:
        """The exit code of one; None if it still runs after so long."""
        try:
            code: int = self._running[number].wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return code

    def roll(self) -> None:
        """One after the other."""
        for number in range(WORKERS):
            self.stop(number)
            self.start(number)


def newer_policy(home: Path) -> str:
    """A policy of a later version, as an upgrade brings it."""
    text = default_toml()
    assert "version = 1\n" in text
    path = home / "policy.toml"
    path.write_text(text.replace("version = 1\n", "version = 2\n", 1), encoding="utf-8")
    return str(path)


def late(deployment: Deployment) -> tuple[list[float], int]:
    """Seconds from each failure until its alert was written, and how many alerts name another customer."""
    seconds, others = [], 0
    for message in deployment.read(deployment.config.topics.alerts):
        alert = msgpack.unpackb(message.value())
        if alert["kind"] == "service_failure_entered" and alert["customer_id"].startswith("F"):
            seconds.append((message.timestamp()[1] - alert["ts_ms"]) / 1_000)
        else:
            others += 1
    return sorted(seconds), others


def rehearse(static: bool) -> dict[str, Any]:
    """All of it; what was measured."""
    find_java()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whaleline-rolling-")))
        kafka = stack.enter_context(Kafka(fetch_jars()))
        settings = {"source_clock": "wall", "ledger_partitions": "6", "session_timeout_s": "10"}
        deployment = stack.enter_context(Deployment(kafka.bootstrap, "rolling-", home, **settings))
        fleet = Fleet(deployment, static)
        for number in range(WORKERS):
            fleet.start(number, wait=False)
        until("all ready", lambda: all(map(fleet.ready, range(WORKERS))), READY_S, deployment.log)
        load = Load(deployment)
        load.start()
        stack.callback(load.stop)
        begun = time.monotonic()
        fleet.roll()
        restarted_s = time.monotonic() - begun
        deployment.environment["WHALELINE_POLICY"] = newer_policy(home)
        fleet.roll()
        load.stop()
        until("every alert out", lambda: len(late(deployment)[0]) >= load.failures, READY_S, deployment.log)
        policies = {state.policy.version for state in deployment.state() if state.policy is not None}
        return {
            "static": static,
            "restart_s": round(restarted_s / WORKERS, 1),
            "policy_versions": sorted(policies),
            **judged(deployment, load),
        }


def judged(deployment: Deployment, load: Load) -> dict[str, Any]:
    """What the topics say: how many alerts, how late, and what of them and of the rows is not the oracle's."""
    seconds, _ = late(deployment)
    verdict = deployment.verdict()
    return {
        "failures": load.failures,
        "alerts": len(seconds),
        "p50_s": seconds[len(seconds) // 2],
        "p99_s": seconds[int(0.99 * len(seconds))],
        "latest_s": seconds[-1],
        **{name: verdict[name] for name in WRONG},
    }


def is_fine(found: dict[str, Any]) -> bool:
    """Whether there is one alert for each failure, none late, and everything is the oracle's."""
    return (
        found["alerts"] == found["failures"]
        and found["latest_s"] <= LATEST_S
        and not any(found[name] for name in WRONG)
    )


def main() -> int:
    """Rehearse; end with 1 if an alert was late, lost, doubled or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.broker.rolling", description=__doc__)
    parser.add_argument("--static", action="store_true", help="members by name: nobody takes over meanwhile")
    try:
        found = rehearse(static=parser.parse_args().static)
    except Unavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0 if is_fine(found) and found["policy_versions"] == [2] else 1


if __name__ == "__main__":
    sys.exit(main())
