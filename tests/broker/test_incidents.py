"""A wave on a real Kafka: held in the transaction of its rows, across a killed worker, until a person's word."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from tests.broker.deployment import ROOT, Deployment
from tests.worlds import HOUR, START_MS

CUSTOMERS = 60


@pytest.fixture
def deployment(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(kafka_broker, topic_prefix, tmp_path, ledger_partitions="1") as deployment:
        yield deployment


def whaleline(deployment: Deployment, *arguments: str) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WHALELINE_")}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "incidents", *arguments],
        env={**kept, **deployment.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def held(deployment: Deployment) -> list[str]:
    found = deployment.read(deployment.config.topics.alerts_held)
    return [msgpack.unpackb(message.value())["alert_id"] for message in found]


def test_a_wave_is_held_over_a_kill_and_let_go_by_a_person(deployment: Deployment) -> None:
    """Nine alerts, one incident; the worker dies; the release lets all others go, each once."""
    worker = deployment.start()
    for number in range(CUSTOMERS):
        name, at_ms = f"C{number}", START_MS + number * 1_000
        about = {"version": 1, "customer_id": name, "ts_ms": at_ms}
        chat = {**about, "kind": "chat", "event_id": "1", "case_id": "T", "reason": "no login"}
        rude = {**about, "kind": "rude_call", "event_id": "2", "observer": "qa"}
        deployment.send([("support", chat), ("support", rude)])
    deployment.progress(START_MS + HOUR)
    deployment.until("the wave is held", lambda: len(held(deployment)) == CUSTOMERS - 9)
    assert len(deployment.alerts()) == 9
    worker.kill()
    deployment.start()
    listed = whaleline(deployment, "list").splitlines()
    assert [line.split()[0] for line in listed] == ["common_cause-0-1"]
    assert "51 alerts, reason no login, more than 9 (same_cause)" in listed[0]
    whaleline(deployment, "release", "common_cause-0-1", "--author", "jo", "--reason", "known outage")
    deployment.until("all are out", lambda: len(deployment.alerts()) == CUSTOMERS)
    assert [one["alert_id"] for one in deployment.alerts()][9:] == held(deployment)
    assert whaleline(deployment, "list") == "no incident holds anything\n"
    verdict = deployment.verdict()
    assert {name for name, count in verdict.items() if count} == {"rows", "alerts", "events_in_ledger"}
