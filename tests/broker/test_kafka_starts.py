"""The broker the other tests lean on: it starts, it honours transactions, it comes back with what it had."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import ProducerFenced

from tests.broker.kafka import ROOT, Kafka, Unavailable, answers, fetch_jars, find_java, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DEADLINE_S = 30


async def create_topic(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


@asynccontextmanager
async def transactional(bootstrap: str, name: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def read(bootstrap: str, topic: str, isolation: str) -> list[bytes]:
    """Everything a reader of this isolation level sees up to the log's end."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level=isolation, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        values: list[bytes] = []
        while await consumer.position(partition) < end:
            batches = await consumer.getmany(timeout_ms=200)
            values += [record.value for records in batches.values() for record in records]
        return values
    finally:
        await consumer.stop()


async def write_one_commit_one_abort(bootstrap: str, topic: str) -> None:
    await create_topic(bootstrap, topic)
    async with transactional(bootstrap, f"{topic}-writer") as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"kept")
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"taken back")
        await producer.abort_transaction()


def test_a_reader_of_committed_records_never_sees_an_aborted_one(kafka_broker: str, topic_prefix: str) -> None:
    topic = topic_prefix + "ledger"

    async def story() -> tuple[list[bytes], list[bytes]]:
        await write_one_commit_one_abort(kafka_broker, topic)
        return (
            await read(kafka_broker, topic, "read_committed"),
            await read(kafka_broker, topic, "read_uncommitted"),
        )

    committed, all_of_them = asyncio.run(asyncio.wait_for(story(), DEADLINE_S))
    assert committed == [b"kept"]
    assert all_of_them == [b"kept", b"taken back"]  # so the line above had something to hide


def test_a_second_owner_fences_the_first(kafka_broker: str, topic_prefix: str) -> None:
    topic = topic_prefix + "ledger"

    async def story() -> None:
        await create_topic(kafka_broker, topic)
        async with transactional(kafka_broker, topic) as first:
            await first.begin_transaction()
            await first.send_and_wait(topic, b"of the first")
            async with transactional(kafka_broker, topic) as second:
                with pytest.raises(ProducerFenced):
                    await first.commit_transaction()
                async with second.transaction():
                    await second.send_and_wait(topic, b"of the second")
        assert await read(kafka_broker, topic, "read_committed") == [b"of the second"]

    asyncio.run(asyncio.wait_for(story(), DEADLINE_S))


def test_a_killed_broker_returns_on_its_port_with_its_records(kafka_of_its_own: Kafka, topic_prefix: str) -> None:
    kafka, topic = kafka_of_its_own, topic_prefix + "ledger"
    asyncio.run(asyncio.wait_for(write_one_commit_one_abort(kafka.bootstrap, topic), DEADLINE_S))
    before = kafka.pid

    kafka.kill()
    assert kafka.pid is None
    assert not answers("127.0.0.1", kafka.port)

    kafka.start()
    assert kafka.pid not in {None, before}
    seen = asyncio.run(asyncio.wait_for(read(kafka.bootstrap, topic, "read_committed"), DEADLINE_S))
    assert seen == [b"kept"]


def test_a_port_where_nobody_listens_does_not_answer() -> None:
    assert not answers("127.0.0.1", free_port(), timeout_s=0.5)


def test_without_java_or_maven_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(Unavailable, match="apt-get install default-jre-headless"):
        find_java()
    with pytest.raises(Unavailable, match="apt-get install maven"):
        fetch_jars(tmp_path / "libs")


def test_a_broken_download_never_looks_like_a_complete_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] the network went away'\nexit 1\n", encoding="utf-8")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="the network went away"):
        fetch_jars(tmp_path / "kafka" / "libs")
    assert list((tmp_path / "kafka").iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("kafka_jars")
def test_a_broker_in_the_foreground_ends_with_its_command(how: signal.Signals) -> None:
    port = free_port()
    command = [sys.executable, "-m", "tests.broker.kafka", "run", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as foreground:
        assert foreground.stdout is not None
        assert f"127.0.0.1:{port}" in foreground.stdout.readline()
        assert answers("127.0.0.1", port)
        foreground.send_signal(how)
        try:
            assert foreground.wait(timeout=DEADLINE_S) == 0
        finally:
            foreground.kill()
    assert not answers("127.0.0.1", port)
