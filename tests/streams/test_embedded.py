"""The embedded broker speaks Kafka on loopback, and leaves when no one needs it."""

import _ctypes
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from streams.embedded import EmbeddedBroker, EmbeddedBrokerError, MockCluster, library_path, main

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20


def wait_for_end(connection: socket.socket) -> bool:
    """Wait until the other end of a connection is gone, without asking again and again."""
    connection.settimeout(PATIENCE_S)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def connect(bootstrap: str) -> socket.socket:
    host, _, port = bootstrap.rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE_S)


def receive(consumer: Consumer, count: int) -> list[Message]:
    """The next ``count`` records, or fewer if they do not come in time."""
    received: list[Message] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(received) < count and time.monotonic() < deadline:
        received += [record for record in consumer.consume(count, 0.1) if record.error() is None]
    return received


def run_without_packages(place: Path, *topics: str) -> "subprocess.CompletedProcess[str]":
    """Start the broker in a Python that sees ``place`` but no installed package."""
    return subprocess.run(
        [sys.executable, "-S", "-P", "-m", "streams.embedded", "--topics", *topics],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{place}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_each_topic_has_the_partitions_that_were_asked_for():
    wanted = {"support-calls": 4, "purchases": 1, "whaleline-ledger": 7}
    with EmbeddedBroker(wanted) as broker:
        topics = Producer({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=PATIENCE_S).topics
        assert {name: len(topic.partitions) for name, topic in topics.items()} == wanted


def test_a_record_comes_back_whole():
    with EmbeddedBroker({"calls": 2}) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        producer.produce("calls", b"value", b"key", 1, timestamp=1_700_000_000_123, headers=[("h", b"\x00\xff")])
        producer.produce("calls", None, b"key", 1)
        assert producer.flush(PATIENCE_S) == 0
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "readers"})
        consumer.assign([TopicPartition("calls", 1, 0)])
        first, second = receive(consumer, 2)
        consumer.close()
    assert (first.key(), first.value(), first.offset()) == (b"key", b"value", 0)
    assert first.timestamp()[1] == 1_700_000_000_123
    assert first.headers() == [("h", b"\x00\xff")]
    assert second.value() is None


def test_a_group_gets_all_partitions():
    with EmbeddedBroker({"calls": 3}, rebalance_delay_ms=0) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        for partition in range(3):
            producer.produce("calls", b"%d" % partition, partition=partition)
        assert producer.flush(PATIENCE_S) == 0
        settings = {"bootstrap.servers": broker.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"}
        consumer = Consumer(settings)
        consumer.subscribe(["calls"])
        records = receive(consumer, 3)
        consumer.close()
    assert sorted(record.partition() for record in records) == [0, 1, 2]


def test_it_listens_on_loopback_and_nowhere_else():
    with EmbeddedBroker({"calls": 1}) as broker:
        host, _, port = broker.bootstrap.rpartition(":")
        assert host == "127.0.0.1"
        # Any other address of this machine, even another loopback one, finds no one.
        with pytest.raises(OSError, match=r"refused|unreachable|assign"):
            socket.create_connection(("127.0.0.2", int(port)), PATIENCE_S)


def test_two_brokers_know_nothing_of_each_other():
    with EmbeddedBroker({"one": 1}) as one, EmbeddedBroker({"two": 1}) as two:
        assert one.bootstrap != two.bootstrap
        assert list(Producer({"bootstrap.servers": two.bootstrap}).list_topics(timeout=PATIENCE_S).topics) == [
            "two"
        ]


def test_stopping_ends_the_process_and_starting_again_gives_a_new_one():
    broker = EmbeddedBroker({"calls": 1})
    broker.start()
    first = broker.pid
    with connect(broker.bootstrap) as connection:
        broker.stop()
        assert wait_for_end(connection)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    broker.stop()
    with broker:
        assert broker.pid != first
        broker.start()  # already started: the same one stays
        connect(broker.bootstrap).close()


def test_it_has_no_address_unless_it_runs():
    broker = EmbeddedBroker({"calls": 1})
    with pytest.raises(EmbeddedBrokerError, match="not running"):
        _ = broker.bootstrap
    with pytest.raises(EmbeddedBrokerError, match="not running"):
        _ = broker.pid


PARENT = """
import sys
from streams.embedded import EmbeddedBroker
with EmbeddedBroker({"calls": 1}) as broker:
    print(broker.bootstrap, flush=True)
    sys.stdin.read()
"""

PARENT_WHOSE_OTHER_CHILD_HOLDS_THE_PIPE = """
import os, sys
from streams.embedded import EmbeddedBroker
broker = EmbeddedBroker({"calls": 1})
broker.start()
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
print(broker.bootstrap, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("program", [PARENT, PARENT_WHOSE_OTHER_CHILD_HOLDS_THE_PIPE], ids=["alone", "forked"])
def test_it_dies_with_a_parent_that_is_killed(program):
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        with connect(parent.stdout.readline().strip()) as connection:
            parent.send_signal(signal.SIGKILL)
            assert wait_for_end(connection)


def test_it_does_not_hear_the_interrupt_meant_for_the_terminal():
    with EmbeddedBroker({"calls": 1}) as broker:
        assert os.getpgid(broker.pid) != os.getpgid(0)


def test_a_missing_package_is_one_sentence_that_says_what_to_install(tmp_path):
    ended = run_without_packages(tmp_path, "calls:1")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.strip() == (
        "the embedded broker needs confluent-kafka, which is not installed: pip install 'whaleline[demo]'"
    )


def test_a_package_without_its_library_is_told_apart(tmp_path):
    package = tmp_path / "confluent_kafka"
    package.mkdir()
    (package / "__init__.py").touch()
    ended = run_without_packages(tmp_path, "calls:1")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "its librdkafka cannot be found" in ended.stderr
    assert "pip install 'whaleline[demo]'" in ended.stderr


@pytest.mark.parametrize(
    "place",
    ["confluent_kafka.libs/librdkafka-0123abcd.so.1", "confluent_kafka/.dylibs/librdkafka.1.dylib"],
    ids=["Linux wheel", "macOS wheel"],
)
def test_a_broken_library_is_found_in_either_wheel_and_named(tmp_path, place):
    library = tmp_path / place
    (tmp_path / "confluent_kafka").mkdir()
    (tmp_path / "confluent_kafka" / "__init__.py").touch()
    library.parent.mkdir(exist_ok=True)
    library.with_name("librdkafka++.so.1").write_bytes(b"the C++ wrapper, which has no mock cluster")
    library.write_bytes(b"not a library")
    ended = run_without_packages(tmp_path, "calls:1")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"{library.name} cannot be loaded" in ended.stderr


def test_a_library_without_the_mock_cluster_is_named():
    other = Path(_ctypes.__file__)
    with pytest.raises(EmbeddedBrokerError, match=rf"{other.name} lacks rd_kafka_"):
        MockCluster(other)


def test_the_extension_module_leads_to_the_library_too():
    """A build against the system's librdkafka ships no library of its own."""
    from confluent_kafka import cimpl

    cluster = MockCluster(Path(cimpl.__file__))
    cluster.create_topic("calls", 2)
    with connect(cluster.bootstrap) as connection:
        cluster.close()
        assert wait_for_end(connection)


def test_the_library_is_a_library():
    assert ctypes.CDLL(str(library_path())).rd_kafka_version() > 0x02000000


@pytest.mark.parametrize("topics", [{"calls": 0}, {"": 1}, {"a:b": 1}])
def test_an_impossible_topic_is_refused_before_anything_starts(topics):
    with pytest.raises(EmbeddedBrokerError, match="cannot be made"):
        EmbeddedBroker(topics)


def test_a_topic_made_twice_is_refused():
    cluster = MockCluster(library_path())
    cluster.create_topic("calls", 1)
    with pytest.raises(EmbeddedBrokerError, match="refused topic 'calls'"):
        cluster.create_topic("calls", 1)
    cluster.close()


@pytest.mark.parametrize("words", [["calls:none"], [":4"], ["calls:0"], ["calls:-1"]])
def test_the_command_line_refuses_what_is_not_a_topic(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--topics", *words])
    assert ended.value.code == 2
    assert "NAME:PARTITIONS" in capsys.readouterr().err
