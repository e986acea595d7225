"""What can go wrong around a worker: each ends in recovery, or in a refusal with a number and a sentence."""

from __future__ import annotations

import os
import re
import resource
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Producer
from kafka import KafkaAdminClient, TopicPartition
from kafka.structs import OffsetAndMetadata

from streams.exits import Exit
from streams.topics import apply, describe
from tests.broker.deployment import Deployment
from tests.broker.kafka import Kafka
from tests.worlds import DAY, HOUR, START_MS, world

SOON_S = 60.0
"""Nothing may stand still for longer without a word."""

END_MS = START_MS + 130 * DAY
FULL_BYTES = 2 << 20
OUTAGE_S = float(os.environ.get("OUTAGE_S", "10"))


@pytest.fixture(scope="module")
def kafka(kafka_jars: Path) -> Iterator[Kafka]:
    """A Kafka for these tests alone, to kill and bring back."""
    with Kafka(kafka_jars) as kafka:
        yield kafka


@pytest.fixture
def deployment(kafka: Kafka, topic_prefix: str, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment of one ledger partition; the broker runs when it begins."""
    kafka.start()
    with Deployment(kafka.bootstrap, topic_prefix, tmp_path, ledger_partitions="1", source_partitions="1") as one:
        yield one


def rude(number: int, customer: str = "C1") -> tuple[str, dict[str, object]]:
    """An event that leads to an alert."""
    at_ms = START_MS + number * DAY
    told = {"kind": "rude_call", "ts_ms": at_ms, "customer_id": customer, "event_id": f"e{number}"}
    return "support", {**told, "observer": "qa"}


def judged(deployment: Deployment, count: int) -> None:
    """Wait for so many alerts."""
    deployment.until(f"{count} alerts", lambda: len(deployment.alerts()) >= count)


def refused(deployment: Deployment, worker: subprocess.Popen[bytes], code: Exit) -> str:
    """The worker ends soon, with this code; what it said last."""
    assert worker.wait(timeout=SOON_S) == code, deployment.log()
    return deployment.log().strip().splitlines()[-1]


def stopped(deployment: Deployment) -> None:
    """One event is judged, and the worker stopped in order."""
    worker = deployment.start()
    deployment.send([rude(0)])
    deployment.progress(START_MS + HOUR)
    judged(deployment, 1)
    worker.terminate()
    assert worker.wait(timeout=SOON_S) == 0, deployment.log()


def test_a_flood_of_bad_records_stops_the_worker_and_not_the_feed(deployment: Deployment) -> None:
    """Three hundred bad records: at most a hundred are drained; a person may decide to take them all."""
    for number in range(300):
        deployment.send_bytes("support", f"k{number}", b"\xc1 no event")
    deployment.send([rude(0)])
    deployment.progress(START_MS + HOUR)
    assert "support-calls/0" in refused(deployment, deployment.start(), Exit.FLOOD)
    assert len(deployment.read(deployment.config.topics.dead_letters)) <= 100
    deployment.environment["WHALELINE_REFUSED_PERCENT"] = "100"
    deployment.forgiven = {int(Exit.FLOOD)}
    deployment.start()
    judged(deployment, 1)
    letters = deployment.read(deployment.config.topics.dead_letters)
    assert len({letter.key() for letter in letters}) == 300


def test_a_worker_asked_to_stop_during_an_outage_stops(deployment: Deployment, kafka: Kafka) -> None:
    """SIGTERM with a dead broker: ten seconds and the time to notice, not for ever."""
    worker = deployment.start()
    deployment.send([rude(0)])
    deployment.progress(START_MS + HOUR)
    judged(deployment, 1)
    kafka.kill()
    begun = time.monotonic()
    worker.terminate()
    assert worker.wait(timeout=SOON_S) in {0, int(Exit.NO_PROGRESS), int(Exit.WRITE_FAILED)}, deployment.log()
    assert time.monotonic() - begun < 20


def test_an_outage_ends_in_recovery(deployment: Deployment, kafka: Kafka) -> None:
    """Ten seconds without a broker, or minutes: the same worker goes on, and everything is judged once."""
    events = world(21, 400, customers=8)
    deployment.start()
    deployment.send(events[:200])
    deployment.progress(events[199][1]["ts_ms"])
    judged(deployment, 1)
    kafka.kill()
    with pytest.raises(subprocess.TimeoutExpired):
        deployment.workers[0].wait(timeout=OUTAGE_S)
    kafka.start()
    begun = time.monotonic()
    deployment.send(events[200:])
    deployment.progress(END_MS)
    deployment.until("all judged", lambda: deployment.settled(END_MS))
    print(f"all judged {time.monotonic() - begun:.1f} s after an outage of {OUTAGE_S:g} s")
    verdict = deployment.verdict()
    assert {name for name, count in verdict.items() if count} == {"rows", "alerts", "events_in_ledger"}


def test_a_full_disk_ends_in_recovery(deployment: Deployment, kafka: Kafka) -> None:
    """The broker cannot write on and gives up, as on a full disk; with room again everything is judged once."""
    events = world(22, 400, customers=8)
    deployment.start()
    deployment.send(events[:200])
    deployment.progress(events[199][1]["ts_ms"])
    judged(deployment, 1)
    # No file may grow further: the broker gets the same error from its writes as without space.
    assert kafka.pid is not None
    resource.prlimit(kafka.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, FULL_BYTES))
    filler = Producer({"bootstrap.servers": deployment.broker, "message.timeout.ms": 5_000, "log_level": 0})
    name = deployment.config.topics.incidents

    def given_up() -> bool:
        filler.produce(name, secrets.token_bytes(FULL_BYTES // 4), b"filler", 0)
        filler.poll(0.1)
        return kafka.pid is None

    deployment.until("the broker gives up", given_up)
    begun = time.monotonic()
    kafka.start()
    deployment.send(events[200:])
    deployment.progress(END_MS)
    deployment.forgiven = {int(one) for one in (Exit.WRITE_FAILED, Exit.STUCK, Exit.NO_PROGRESS)}
    if deployment.workers[0].poll() is not None:
        deployment.start()
    deployment.until("all judged", lambda: deployment.settled(END_MS))
    assert time.monotonic() - begun < SOON_S, deployment.log()
    verdict = deployment.verdict()
    assert {name for name, count in verdict.items() if count} == {"rows", "alerts", "events_in_ledger"}


def test_a_committed_offset_past_the_end_is_refused(deployment: Deployment) -> None:
    """As after a restore of an older disk: what would come at these offsets would be skipped in silence."""
    stopped(deployment)
    place = TopicPartition(deployment.config.topics.support_calls, 0)
    with closing(KafkaAdminClient(bootstrap_servers=deployment.broker)) as admin:
        admin.alter_group_offsets(deployment.config.app_id, {place: OffsetAndMetadata(1_000, "", -1)})
        said = refused(deployment, deployment.start(), Exit.MISSING)
        assert f"{place.topic}/0: offset 1000 comes next, the log holds 0 to 2; make {place.topic} anew" in said
        # As it says: the new topic is another source, and is read from its beginning.
        admin.delete_topics([place.topic])
    deployment.until("gone", lambda: place.topic not in describe(deployment.broker, [place.topic]))
    apply(deployment.broker, deployment.config.plan())
    deployment.forgiven = {int(Exit.MISSING)}
    deployment.start()
    deployment.send([rude(9, "C9")])
    deployment.progress(START_MS + 10 * DAY)
    judged(deployment, 2)


@pytest.mark.parametrize("topic", ["support_calls", "ledger"])
def test_a_log_that_begins_past_the_position_is_refused_until_a_person_lets_go_what_is_lost(
    deployment: Deployment, topic: str
) -> None:
    """As after a retention that was too short. Exactly what is lost must be named; then work goes on behind it."""
    stopped(deployment)
    name = getattr(deployment.config.topics, topic)
    others = deployment.start()
    others.kill()
    others.wait()
    position = max(one.offset() for one in deployment.read(name)) + 1
    producer = Producer({"bootstrap.servers": deployment.broker})
    for _ in range(5):
        producer.produce(name, b"never judged", None, 0)
    producer.flush(10)
    begin = position + 3
    with closing(KafkaAdminClient(bootstrap_servers=deployment.broker)) as admin:
        admin.delete_records({TopicPartition(name, 0): begin + 2})
    said = refused(deployment, deployment.start(), Exit.MISSING)
    found = re.search(rf"set accept_lost to ({re.escape(name)}/0:(\d+)-{begin + 1})", said)
    assert found is not None, said
    assert position - 1 <= int(found[2]) <= position
    short = f"{name}/0:{found[2]}-{begin}"
    deployment.environment["WHALELINE_ACCEPT_LOST"] = f"other/0:0-9, {short}"
    assert found[1] in refused(deployment, deployment.start(), Exit.MISSING)
    deployment.environment["WHALELINE_ACCEPT_LOST"] = f"other/0:0-9, {found[1]}"
    deployment.forgiven = {int(Exit.MISSING)}
    deployment.start()
    deployment.send([rude(9, "C9")])
    deployment.progress(START_MS + 10 * DAY)
    judged(deployment, 2)
    assert f"{found[1]} is passed over: it was let go" in deployment.log()


def test_a_deleted_source_ends_in_a_sentence(deployment: Deployment) -> None:
    """Deleted while a worker reads it, and not made anew."""
    worker = deployment.start()
    deployment.send([rude(0)])
    deployment.progress(START_MS + HOUR)
    judged(deployment, 1)
    name = deployment.config.topics.purchases
    with closing(KafkaAdminClient(bootstrap_servers=deployment.broker)) as admin:
        admin.delete_topics([name])
    worker.terminate()
    worker.wait(timeout=SOON_S)
    assert f"topic {name}" in refused(deployment, deployment.start(), Exit.CONFIGURATION)


def test_a_source_that_ends_in_transactions_is_read_to_its_end(deployment: Deployment) -> None:
    """Committed, aborted, and at last only markers: what was committed is judged, and nothing waits for more."""
    name = deployment.config.topics.support_calls
    producer = Producer({"bootstrap.servers": deployment.broker, "transactional.id": name})
    producer.init_transactions(30)
    from schemas.codec import encode

    for number, commits in enumerate((True, False, True, False)):
        producer.begin_transaction()
        _, fields = rude(number, f"C{number}")
        producer.produce(name, encode(fields), fields["customer_id"], 0)
        producer.produce(name, encode({"kind": "progress", "ts_ms": fields["ts_ms"] + HOUR}), None, 0)
        producer.flush(30)
        (producer.commit_transaction if commits else producer.abort_transaction)(30)
    deployment.progress(END_MS, only="purchases")
    deployment.start()
    judged(deployment, 2)
    assert {one["customer_id"] for one in deployment.alerts()} == {"C0", "C2"}


def test_a_strangers_record_in_the_changelog_hangs_nobody(deployment: Deployment) -> None:
    """One that is not ours is passed over, and said so."""
    stopped(deployment)
    offset_of_written(deployment, b"zzz")
    deployment.start()
    deployment.send([rude(9)])
    deployment.progress(START_MS + 10 * DAY)
    judged(deployment, 2)
    assert "1 records on" in deployment.log()


@pytest.mark.parametrize("key", [b"p", b"cC1"], ids=["a position", "a row"])
def test_a_broken_record_in_the_changelog_is_refused_until_a_person_lets_it_go(
    deployment: Deployment, key: bytes
) -> None:
    """The worker names it; let go, it is put aside and counted, and what it was about stands as before it."""
    stopped(deployment)
    offset = offset_of_written(deployment, key)
    topic = deployment.config.topics.customers
    code = Exit.POISON if key == b"p" else Exit.NEWER_LAYOUT
    said = refused(deployment, deployment.start(), code)
    assert f"its changelog {topic}/0 at offset {offset} cannot be read" in said
    assert f"set accept_lost to {topic}/0:{offset}:" in said
    deployment.environment["WHALELINE_ACCEPT_LOST"] = f"{topic}/0:{offset + 1}"
    refused(deployment, deployment.start(), code)
    deployment.environment["WHALELINE_ACCEPT_LOST"] = f"{topic}/0:{offset}"
    deployment.forgiven = {int(code)}
    worker = deployment.start()
    deployment.send([rude(9, "C9")])
    deployment.progress(START_MS + 10 * DAY)
    judged(deployment, 2)
    (letter,) = deployment.read(deployment.config.topics.dead_letters)
    assert (letter.value(), dict(letter.headers())["reason"]) == (BROKEN, b"let_go")
    assert dict(letter.headers())["source-offset"] == str(offset).encode()
    worker.terminate()
    assert worker.wait(timeout=SOON_S) == 0, deployment.log()
    if key == b"cC1":
        # C1 has not been heard of since: its row is not written anew, so that the setting has to stay.
        del deployment.environment["WHALELINE_ACCEPT_LOST"]
        refused(deployment, deployment.start(), code)


BROKEN = b"\xc1 no state"


def offset_of_written(deployment: Deployment, key: bytes) -> int:
    """A stranger writes a broken record to the customers topic; where it stands."""
    found: list[int] = []
    producer = Producer({"bootstrap.servers": deployment.broker})
    producer.produce(
        deployment.config.topics.customers, BROKEN, key, 0, on_delivery=lambda _, sent: found.append(sent.offset())
    )
    producer.flush(10)
    return found[0]


def test_a_source_that_is_deleted_under_a_running_worker_ends_in_a_sentence(deployment: Deployment) -> None:
    """Not made anew, and nobody restarts anything: the worker itself says so, soon."""
    worker = deployment.start()
    deployment.send([rude(0)])
    deployment.progress(START_MS + HOUR)
    judged(deployment, 1)
    name = deployment.config.topics.purchases
    with closing(KafkaAdminClient(bootstrap_servers=deployment.broker)) as admin:
        admin.delete_topics([name])
    said = refused(deployment, worker, Exit.CONFIGURATION)
    assert f"Topic {name} was deleted while this worker read it." in said


def test_an_open_transaction_in_the_changelog_does_not_hang_a_restore(deployment: Deployment) -> None:
    """As a crashed tool or a stranger leaves one: the worker waits until it times out, and goes on."""
    stopped(deployment)
    settings = {
        "bootstrap.servers": deployment.broker,
        "transactional.id": "stranger",
        "transaction.timeout.ms": 10_000,
    }
    producer = Producer(settings)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(deployment.config.topics.customers, BROKEN, b"zzz", 0)
    producer.flush(10)
    deployment.start()
    deployment.send([rude(9)])
    deployment.progress(START_MS + 10 * DAY)
    judged(deployment, 2)
