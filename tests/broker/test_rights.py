"""Least rights on a real Kafka: with exactly them everything works, and each that is taken away is named."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

from streams.app import check_topics
from streams.cli import main
from streams.config import Config, ConfigError, load
from streams.rights import Right, commands, rights
from streams.topics import TopicNames
from tests.broker.deployment import ROOT, Deployment
from tests.broker.secure import SecureKafka
from tests.worlds import DAY, HOUR, START_MS

PROCESSES = list(rights(TopicNames(), "whaleline"))
SOON_S = 60.0


@pytest.fixture(scope="module")
def kafka(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    users = {f"whaleline-{process}": f"word-{process}" for process in PROCESSES}
    with SecureKafka(kafka_jars, tmp_path_factory.mktemp("rights"), users) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def admin(kafka: SecureKafka) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap)) as admin:
        yield admin


@pytest.fixture
def deployment(
    kafka: SecureKafka, admin: KafkaAdminClient, topic_prefix: str, tmp_path: Path
) -> Iterator[Deployment]:
    """Its users have the rights of ``whaleline topics rights`` and none else."""
    with Deployment(kafka.bootstrap, topic_prefix, tmp_path, ledger_partitions="1", source_partitions="1") as one:
        names = one.config.topics
        given = [acl for line in commands(names, one.config.app_id) for acl in as_acls(line)]
        assert not admin.create_acls(given)["failed"]
        one.environment |= kafka.settings("whaleline-worker")
        eventually(lambda: refusal(load(None, one.environment)) == "", "given")  # after a moment
        yield one


def as_acls(line: str) -> list[ACL]:
    """What a line for kafka-acls.sh asks for."""
    words = shlex.split(line)
    assert words[:4:2] == ["kafka-acls.sh", "--allow-principal"]
    operations = [words[at + 1] for at, word in enumerate(words) if word == "--operation"]
    prefixed = words[-2:] == ["--resource-pattern-type", "prefixed"]
    kinds = {"--topic": ResourceType.TOPIC, "--group": ResourceType.GROUP,
             "--transactional-id": ResourceType.TRANSACTIONAL_ID}  # fmt: skip
    if "--cluster" in words:
        pattern = ResourcePattern(ResourceType.CLUSTER, "kafka-cluster")
    else:
        (at,) = [at for at, word in enumerate(words) if word in kinds]
        how = ACLResourcePatternType.PREFIXED if prefixed else ACLResourcePatternType.LITERAL
        pattern = ResourcePattern(kinds[words[at]], words[at + 1], how)
    return [ACL(words[3], "*", ACLOperation[snake(one)], ACLPermissionType.ALLOW, pattern) for one in operations]


def snake(operation: str) -> str:
    return {"DescribeConfigs": "DESCRIBE_CONFIGS"}.get(operation, operation.upper())


def ran(deployment: Deployment, kafka: SecureKafka, process: str, *command: str) -> Result:
    environment = {**deployment.environment, **kafka.settings(f"whaleline-{process}")}
    return CliRunner().invoke(main, list(command), env=environment)


def spoken(environment: dict[str, str], *command: str, until: str, folder: Path) -> str:
    """What a process that runs until stopped says, until it has said this."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "streams.cli", *command], cwd=folder, text=True,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT), "FLOOR_SECRET": "s" * 32},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            said += line
            if until in line:
                return said
        return said
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.close()
        process.wait(timeout=SOON_S)


def test_everything_works_with_the_least_rights(
    deployment: Deployment, kafka: SecureKafka, tmp_path: Path
) -> None:
    deployment.start()
    deployment.send_bytes("support", "k", b"\xc1 no event")
    for number in range(2):
        told = {
            "kind": "rude_call",
            "ts_ms": START_MS + number * DAY,
            "customer_id": f"C{number}",
            "event_id": f"e{number}",
        }
        deployment.send([("support", {**told, "observer": "qa"})])
    deployment.progress(START_MS + 2 * DAY + HOUR)
    deployment.until("alerts", lambda: len(deployment.alerts()) >= 2)

    doctor = ran(deployment, kafka, "worker", "doctor")
    assert doctor.exit_code == 0, doctor.output
    doctor = ran(deployment, kafka, "operator", "doctor", "--as", "operator")
    assert doctor.exit_code == 0, doctor.output
    letters = ran(deployment, kafka, "operator", "dlq", "list", "--json")
    assert "undecodable" in letters.output
    for process, command in (
        ("operator", "topics check"),
        ("operator", "topics apply"),
        ("operator", "incidents list --all"),
        ("operator", "labels export"),
        ("operator", "problems"),
        ("operator", f"ledger dump --out {tmp_path / 'ledger.wll'}"),
        ("operator", "dlq replay --reason undecodable --yes"),
        ("operator", "ledger retire old --id 7b0f5c0e-6f0a-5f8e-9a55-3d1c2b7e9a41 --author jo --reason test"),
        ("feed", "simulate --rate 20 --for 1s --yes"),
    ):
        done = ran(deployment, kafka, process, *command.split())
        assert done.exit_code == 0, (command, done.output)

    settings = {**deployment.environment, **kafka.settings("whaleline-desk")}
    said = spoken(settings, "desk", "--port", "0", until="The desk is at", folder=tmp_path)
    assert "The desk is at" in said, said
    (tmp_path / "targets.toml").write_text(ran(deployment, kafka, "notify", "notify", "targets").output)
    settings = {**deployment.environment, **kafka.settings("whaleline-notify")}
    said = spoken(settings, "notify", "run", "targets.toml", until="Telling floor", folder=tmp_path)
    assert "Telling floor" in said, said
    assert deployment.workers[0].poll() is None, deployment.log()


def test_each_right_of_a_worker_that_is_missing_is_named_before_it_starts(
    deployment: Deployment, admin: KafkaAdminClient
) -> None:
    config = load(None, deployment.environment)
    granted = rights(config.topics, config.app_id)["worker"]
    taken = 0
    for one in granted:
        for operation in one.operations:
            acls = as_acls(line_of(one, operation, config))
            admin.delete_acls(acls)
            lacks = one.words(operation)
            eventually(lambda lacks=lacks: lacks in refusal(config), lacks)
            assert refusal(config).count(one.name) == refusal(config).count(" on "), "nothing else is missing"
            admin.create_acls(acls)
            eventually(lambda: refusal(config) == "", "given back")
            taken += 1
    assert taken == sum(len(one.operations) for one in granted) > 20


def line_of(one: Right, operation: str, config: Config) -> str:
    only = replace(one, operations=(operation,))
    (line,) = [
        line
        for line in commands(config.topics, config.app_id, only="worker")
        if shlex.split(line)[-1 - 2 * only.prefixed] == only.name
    ]
    words = shlex.split(line)
    kept = [at for at, word in enumerate(words) if word == "--operation" and words[at + 1] != operation]
    return shlex.join(word for at, word in enumerate(words) if at not in kept and at - 1 not in kept)


def refusal(config: Config) -> str:
    try:
        check_topics(config)
    except ConfigError as error:
        return str(error)
    return ""


def eventually(true: Callable[[], bool], what: str) -> None:
    """Rights reach the broker through its log."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, what


def test_a_user_without_rights_is_told_which_by_worker_and_doctor(
    deployment: Deployment, kafka: SecureKafka
) -> None:
    deployment.environment |= kafka.settings("whaleline-feed")
    worker = deployment.start()
    assert worker.wait(timeout=SOON_S) == 76, deployment.log()
    lacks = f"Read on topic {deployment.config.topics.ledger}"
    assert lacks in deployment.log()
    assert "whaleline topics rights" in deployment.log()
    doctor = ran(deployment, kafka, "desk", "doctor", "--as", "desk")
    assert doctor.output == "all is well: this user may do what a desk does\n"
    doctor = ran(deployment, kafka, "canary", "doctor", "--as", "worker")
    assert f"this user may not Read on topic {deployment.config.topics.support_calls}" in doctor.output
    assert doctor.exit_code == 76


def test_the_file_of_rights_is_for_the_default_topics() -> None:
    """Every line can be read back, and names a topic that there is."""
    text = (ROOT / "deploy" / "acls" / "acls.sh").read_text(encoding="utf-8")
    lines = [line.removesuffix(' "$@"') for line in text.splitlines() if line.startswith("kafka-acls.sh")]
    assert lines == commands(TopicNames(), "whaleline")
    named = {acl.resource_pattern.resource_name for line in lines for acl in as_acls(line)}
    assert named - {getattr(TopicNames(), one.name) for one in fields(TopicNames)} == {
        "whaleline", "whaleline-judge-", "kafka-cluster", "shadow-alerts", "shadow-insights"
    }  # fmt: skip
