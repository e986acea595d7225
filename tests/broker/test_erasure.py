"""The proof: after erasure, retention and compaction no byte of a customer's id is left on the broker's disk."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from streams.desk.action import Action
from streams.intake import ledger_partition
from tests.broker.deployment import Deployment
from tests.broker.kafka import Kafka
from tests.command import whaleline
from tests.desks import DeskProcess
from tests.worlds import DAY, HOUR, START_MS

QUICK = """\
log.retention.check.interval.ms=300
log.initial.task.delay.ms=300
log.cleaner.backoff.ms=200
"""
FORGET_AT_ONCE = {
    "segment.ms": "1000",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "1000",
    "delete.retention.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
    "file.delete.delay.ms": "100",
}
RETENTION_MS = "4000"
DEADLINE_S = 40.0
ERASED, STAYS = (f"canary-{name}-{uuid.uuid4().hex}" for name in ("erased", "stays"))
GO_OUT = 9
"""So many alerts of one cause go out before the rest are held."""


@pytest.fixture
def kafka(kafka_jars: Path) -> Iterator[Kafka]:
    with Kafka(kafka_jars, more=QUICK) as kafka:
        yield kafka


@pytest.fixture
def deployment(kafka: Kafka, topic_prefix: str, tmp_path: Path) -> Iterator[Deployment]:
    key = tmp_path / "erasure.key"
    assert whaleline("erase", "--new-key", key).exit_code == 0
    settings = {"ledger_partitions": "1", "source_partitions": "1", "erasure_key": str(key)}
    with Deployment(kafka.bootstrap, topic_prefix, tmp_path, **settings) as deployment:
        yield deployment


def found_on_disk(kafka: Kafka, customer: str) -> set[str]:
    """Topics whose files hold the id, as it is, in hex or in base64; of the broker's own topics too."""
    forms = (customer.encode(), customer.encode().hex().encode(), base64.b64encode(customer.encode()).rstrip(b"="))
    topics = set()
    for path in (kafka.home / "data").rglob("*"):
        try:
            data = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            continue  # deleted since the folder was listed
        if any(form in data for form in forms):
            topics.add(path.parent.name.rpartition("-")[0])
    return topics


def live(deployment: Deployment) -> None:
    """Both customers buy, praise, are refused once, and are among those whose alerts an incident holds."""
    events = []
    for at, customer in enumerate((ERASED, STAYS)):
        about = {"version": 1, "customer_id": customer, "ts_ms": START_MS + at}
        events += [
            ("purchases", {**about, "kind": "purchase", "event_id": "1", "amount_cents": 9_000}),
            ("purchases", {**about, "kind": "purchase", "event_id": "2", "amount_cents": 1, "currency": "EUR"}),
            ("support", {**about, "kind": "praise", "event_id": "3", "observer": "qa"}),
        ]
    for number, customer in enumerate([*(f"C{at}" for at in range(GO_OUT)), ERASED, STAYS, "C98", "C99"]):
        about = {"version": 1, "customer_id": customer, "ts_ms": START_MS + HOUR + number}
        events += [
            ("support", {**about, "kind": "chat", "event_id": "4", "case_id": "T", "reason": "no login"}),
            ("support", {**about, "kind": "rude_call", "event_id": "5", "observer": "qa"}),
        ]
    deployment.send(events)
    deployment.progress(START_MS + DAY)


def act(deployment: Deployment, customer: str) -> None:
    """A person's action as a desk writes it, about an alert of long ago."""
    action = Action(uuid.uuid4().hex, "acknowledge", "ada", "agent", START_MS, customer, "alert")
    partition = ledger_partition(customer, 1)
    deployment._producer.produce(
        deployment.config.topics.desk_actions, action.to_msgpack(), uuid.uuid4().bytes, partition
    )
    deployment._producer.flush(10)


def shorten(deployment: Deployment) -> None:
    """From now on the broker forgets within seconds; the plan's months would be too long for a test."""
    with closing(KafkaAdminClient(bootstrap_servers=deployment.broker)) as admin:
        changes = []
        for one in deployment.config.plan():
            deletes = "delete" in one.config.get("cleanup.policy", "delete")
            said = {**one.config, **FORGET_AT_ONCE, **({"retention.ms": RETENTION_MS} if deletes else {})}
            if one.name == deployment.config.topics.erasures:
                said.pop("retention.ms")
            changes.append(ConfigResource(ConfigResourceType.TOPIC, one.name, said))
        admin.alter_configs(changes)


def ticked(deployment: Deployment) -> int:
    """How far time has come, as far as it is published."""
    (state,) = deployment.state()
    return state.last_tick_ms


def test_no_byte_of_the_id_is_left_after_erasure_retention_and_compaction(
    kafka: Kafka, deployment: Deployment, tmp_path: Path
) -> None:
    deployment.start()
    live(deployment)
    deployment.until("all is judged", lambda: deployment.settled(START_MS + DAY))
    for customer in (ERASED, STAYS):
        act(deployment, customer)
    with DeskProcess(deployment.environment, tmp_path / "desk.log").ready() as desk:
        assert desk.get(f"/v1/customer?customer={ERASED}")["row"] is not None
        names = deployment.config.topics
        here = {names.support_calls, names.purchases, names.ledger, names.customers, names.alerts, names.holds}
        here |= {names.desk_actions, names.dead_letters, names.alerts_held, names.incidents}
        # The dump sees what there is to see: a check that finds nothing anywhere proves nothing.
        assert here <= found_on_disk(kafka, ERASED)
        assert here <= found_on_disk(kafka, STAYS)

        result = whaleline(
            "erase", ERASED, "--author", "jo", "--reason", "asked", "--yes", **deployment.environment
        )
        assert result.exit_code == 0, result.output
        assert "a row was deleted" in result.stdout
        assert "1 actions on the desk are deleted" in result.stdout
        desk.until("the desk forgets", lambda: desk.ask("GET", f"/v1/customer?customer={ERASED}").status == 404)
    shorten(deployment)
    # Alerts of before are still there, and a desk that starts now does not bring them back.
    with DeskProcess(deployment.environment, tmp_path / "again.log").ready() as again:
        assert again.ask("GET", f"/v1/customer?customer={ERASED}").status == 404
        assert again.ask("GET", f"/v1/customer?customer={STAYS}").status == 200
        assert ERASED not in str(again.get("/v1/incidents"))
    left, end, day = found_on_disk(kafka, ERASED), time.monotonic() + DEADLINE_S, 1
    while left:
        assert time.monotonic() < end, f"{left} still hold the id\n{deployment.log()}"
        # Time goes on: each midnight writes to every compacted topic, and the sources' segments roll.
        day += 1
        deployment.send([("support", {"version": 1, "customer_id": "C1", "kind": "praise", "event_id": f"p{day}",
                                      "observer": "qa", "ts_ms": START_MS + day * DAY - 1})])  # fmt: skip
        deployment.progress(START_MS + day * DAY)
        deployment.until("a day is judged", lambda day=day: ticked(deployment) >= START_MS + day * DAY)
        left = found_on_disk(kafka, ERASED)
    # Who was not erased is still in everything that is not kept by age.
    assert {names.customers, names.holds} <= found_on_disk(kafka, STAYS)
    (state,) = deployment.state()
    assert STAYS.encode() in state.settled_rows()
    assert ERASED not in deployment.log()
