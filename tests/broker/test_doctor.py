"""``whaleline doctor`` on a real Kafka: quick and content with the healthy, and what is planted is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.structs import OffsetAndMetadata

from tests.broker.deployment import ROOT, Deployment

QUICK_S = 10.0


@pytest.fixture
def deployment(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(kafka_broker, topic_prefix, tmp_path, source_clock="wall") as deployment:
        yield deployment


@pytest.fixture
def admin(kafka_broker: str) -> Iterator[KafkaAdminClient]:
    with KafkaAdminClient(bootstrap_servers=kafka_broker) as admin:
        yield admin


def asked(deployment: Deployment, **settings: str) -> tuple[int, list[dict[str, Any]], float]:
    """The doctor's exit code, findings and how long it took."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WHALELINE_")}
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "doctor", "--json"],
        env={**kept, **deployment.environment, **settings, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], time.monotonic() - begun


def faults(found: list[dict[str, Any]]) -> str:
    return " | ".join(f"{one['what']} -> {one['remedy']}" for one in found if one["gravity"] != "note")


def test_the_doctor_is_quick_with_the_healthy_and_names_what_is_planted(
    deployment: Deployment, admin: KafkaAdminClient
) -> None:
    names = deployment.config.topics
    deployment.start()
    deployment.until("judging", lambda: deployment.log().count("records restored") == 3)
    deployment.until("healthy", lambda: asked(deployment)[0] == 0)
    code, found, seconds = asked(deployment)
    assert (code, faults(found)) == (0, "")
    assert [one["what"] for one in found] == ["brokers: 1, fewer than 3: the loss of a disk loses data"]
    assert seconds < QUICK_S

    code, found, _ = asked(deployment, WHALELINE_SESSION_TIMEOUT_S="2", WHALELINE_LEDGER_PARTITIONS="5")
    assert code == 76
    assert "3 partitions where the plan says 5 -> These topics keep their partitions" in faults(found)

    changed = ConfigResource(ConfigResourceType.TOPIC, names.customers, {"cleanup.policy": "delete"})
    admin.alter_configs([changed])
    code, found, _ = asked(deployment)
    assert code == 76
    assert f"--entity-name {names.customers} --add-config cleanup.policy=compact" in faults(found)

    deployment.workers[0].terminate()
    assert deployment.workers[0].wait(30) == 0
    group = deployment.config.app_id
    far = {TopicPartition(names.support_calls, 0): OffsetAndMetadata(9_000, "", -1)}
    admin.alter_group_offsets(group, far)
    admin.delete_topics([names.insights])
    deployment.until("deleted", lambda: names.insights not in admin.list_topics())
    code, found, _ = asked(deployment, WHALELINE_POLICY="nowhere.toml")
    assert code == 76
    said = faults(found)
    assert f"the group {group} has no member: nothing is judged -> Start workers" in said
    assert (
        f"topic {names.insights} (the whale curve and the problems behind it) does not exist -> Run `whale" in said
    )
    assert f"{names.support_calls}/0: offset 9000 comes next, but the log holds 0 to 0" in said
    assert "nowhere.toml: the policy cannot be read" in said


def test_a_broker_that_is_away_is_named_with_its_address(tmp_path: Path) -> None:
    environment = {"WHALELINE_BROKER": "127.0.0.1:1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "doctor"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 76
    assert done.stdout.startswith("must change: no Kafka broker can be reached (127.0.0.1:1")
    assert "it is 127.0.0.1:1 now" in done.stdout
