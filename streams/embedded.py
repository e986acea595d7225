"""A Kafka-speaking broker without Java, for the demo and for fast tests.

librdkafka carries a mock cluster, and the confluent-kafka wheel (extra ``demo``) carries
librdkafka. Here it runs in a process of its own, listening on loopback only:

    with EmbeddedBroker({"support-calls": 4, "purchases": 4}) as broker:
        connect_to(broker.bootstrap)

It is a stage, not a theatre. What differs from a real broker, and bites:

* **Transactions are not real.** They are accepted, but ``read_committed`` reads aborted
  records too, and an old producer is not fenced. Nothing seen here proves exactly-once.
* **Each partition keeps a bounded tail**, of the order of 100,000 records, and drops the
  oldest without compaction, so a changelog can lose its oldest keys. There is no disk.
* **Topics are made here, at the start.** CreateTopics and DescribeConfigs are not spoken.
* **A fetch is not woken by new data**: it waits out the consumer's ``fetch_max_wait_ms``.
  Use 20 ms or so, and never show a latency measured here as the product's.
* kafka-python understands it only with ``api_version=KAFKA_PYTHON_API_VERSION``.
* Stop the clients before the broker.
"""

import argparse
import contextlib
import ctypes
import importlib.util
import os
import select
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

KAFKA_PYTHON_API_VERSION = (2, 3)

INSTALL = "pip install 'whaleline[demo]'"
_LOOPBACK = "127.0.0.1:"
_PARENT_CHECK_S = 1.0
_PRODUCER = 0  # rd_kafka_type_t; a mock cluster hangs on any client handle
_NAMES = ("librdkafka*.so*", "librdkafka*.dylib", "librdkafka*.dll")
_ERROR_BYTES = 512


class EmbeddedBrokerError(RuntimeError):
    """The embedded broker cannot run; the message is one sentence for the user."""


class EmbeddedBroker:
    """A mock Kafka broker with the given topics, alive between ``start`` and ``stop``.

    topics              name -> partition count (at least 1)
    rebalance_delay_ms  how long a new consumer group waits for more members; a real
                        broker waits 3,000 ms, here a group starts at once by default
    start_timeout_s     how long to wait for the address line (usually well under 1 s)

    The process ends when ``stop`` is called, when the ``with`` block ends, or when this
    process dies, however it dies. It does not see the terminal's Ctrl-C, so that the
    workers can leave before their broker does.
    """

    def __init__(
        self, topics: Mapping[str, int], rebalance_delay_ms: int = 0, start_timeout_s: float = 15.0
    ) -> None:
        for name, partitions in topics.items():
            if partitions < 1 or not name or ":" in name:
                raise EmbeddedBrokerError(
                    f"topic {name!r} with {partitions} partitions cannot be made: "
                    "a topic needs a name without a colon and at least one partition"
                )
        self._topics = dict(topics)
        self._rebalance_delay_ms = rebalance_delay_ms
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._bootstrap = ""

    @property
    def bootstrap(self) -> str:
        """``host:port`` of the running broker."""
        if self._process is None:
            raise EmbeddedBrokerError("the embedded broker is not running: start it before asking its address")
        return self._bootstrap

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        if self._process is None:
            raise EmbeddedBrokerError("the embedded broker is not running: it has no process id")
        return self._process.pid

    def start(self) -> None:
        """Start the process and wait for its address; raise EmbeddedBrokerError if there is none."""
        if self._process is not None:
            return
        library_path()  # the commonest trouble, a missing extra, is told without a child
        with tempfile.TemporaryFile() as complaints:
            process = subprocess.Popen(
                self._command(),
                env=_child_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,
            )
            assert process.stdout is not None
            address = _first_line(process.stdout, self._start_timeout_s)
            if not address.startswith(_LOOPBACK):
                _end(process)
                complaints.seek(0)
                reason = complaints.read().decode(errors="replace").strip().splitlines()
                raise EmbeddedBrokerError(
                    reason[-1] if reason else f"the embedded broker gave no address in {self._start_timeout_s:g} s"
                )
        self._process, self._bootstrap = process, address

    def stop(self) -> None:
        """End the process and every connection to it; calling it twice is harmless."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self) -> list[str]:
        # -P keeps the working directory off the path: a folder called "streams" there is not ours.
        command = [sys.executable, "-P", "-m", "streams.embedded"]
        command += ["--rebalance-delay-ms", str(self._rebalance_delay_ms), "--topics"]
        return command + [f"{name}:{partitions}" for name, partitions in self._topics.items()]


def _child_environment() -> dict[str, str]:
    """Copy the parent's environment, with this very package findable by ``-m``."""
    root = str(Path(__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": root + (os.pathsep + inherited if inherited else "")}


def _first_line(pipe: IO[bytes], timeout_s: float) -> str:
    """Read the child's first line, or "" if it ended or stayed silent for ``timeout_s``."""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        if not selector.select(timeout_s):
            return ""
    return pipe.readline().decode().strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the child to leave by closing its stdin; kill it if it has not left in 5 s."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def library_path() -> Path:
    """Where the installed confluent-kafka keeps librdkafka.

    Wheels put it beside the package on Linux (``confluent_kafka.libs``) and inside it on
    macOS (``.dylibs``). A build against the system's librdkafka has no copy; then the
    extension module itself is returned, since looking a symbol up through it also
    searches the libraries it is linked with. Raises EmbeddedBrokerError if neither is there.
    """
    found = importlib.util.find_spec("confluent_kafka")  # found, not imported: nothing is loaded yet
    if found is None or not found.submodule_search_locations:
        raise EmbeddedBrokerError(f"the embedded broker needs confluent-kafka, which is not installed: {INSTALL}")
    for place in found.submodule_search_locations:
        package = Path(place)
        homes = (package.parent / "confluent_kafka.libs", package / ".dylibs", package / ".libs", package)
        for candidate in _candidates(homes):
            return candidate
    raise EmbeddedBrokerError(
        f"confluent-kafka is installed but its librdkafka cannot be found, so install its wheel: {INSTALL}"
    )


def _candidates(homes: Iterable[Path]) -> Iterator[Path]:
    homes = tuple(homes)
    for home in homes:
        for name in _NAMES:
            yield from (path for path in sorted(home.glob(name)) if "++" not in path.name)
    for home in homes:
        yield from sorted(home.glob("cimpl*.so"))


class MockCluster:
    """librdkafka's mock cluster of one broker in this process, through ctypes.

    ``library`` is the shared library to use. Raises EmbeddedBrokerError if it cannot be
    loaded, has no mock functions, or refuses the cluster. Most callers want
    ``EmbeddedBroker``: its process can be killed, and its topics outlive no one.
    """

    def __init__(self, library: Path) -> None:
        self._calls = _declare(library)
        why = ctypes.create_string_buffer(_ERROR_BYTES)
        settings = self._calls.rd_kafka_conf_new()
        # Level 0 silences the notice that this client knows no broker: it is the broker.
        if self._calls.rd_kafka_conf_set(settings, b"log_level", b"0", why, _ERROR_BYTES) != 0:
            raise EmbeddedBrokerError(f"librdkafka refused its settings: {why.value.decode()}")
        client = self._calls.rd_kafka_new(_PRODUCER, settings, why, _ERROR_BYTES)
        if not client:
            raise EmbeddedBrokerError(f"librdkafka could not be started: {why.value.decode()}")
        self._cluster = self._calls.rd_kafka_mock_cluster_new(client, 1)
        if not self._cluster:
            raise EmbeddedBrokerError("librdkafka could not open a listening socket on loopback")
        self.bootstrap: str = self._calls.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        if not self.bootstrap.startswith(_LOOPBACK):
            self.close()
            raise EmbeddedBrokerError(f"the mock cluster listens on {self.bootstrap}, which is not loopback")

    def create_topic(self, name: str, partitions: int) -> None:
        """Make a topic of ``partitions`` empty partitions, or raise EmbeddedBrokerError."""
        code = self._calls.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        if code != 0:
            reason = self._calls.rd_kafka_err2str(code).decode()
            raise EmbeddedBrokerError(f"the embedded broker refused topic {name!r}: {reason}")

    def set_rebalance_delay(self, delay_ms: int) -> None:
        """Let a new consumer group wait ``delay_ms`` for more members before its first assignment."""
        self._calls.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, delay_ms)

    def close(self) -> None:
        """Cut every connection and free the records. The object is of no use afterwards."""
        self._calls.rd_kafka_mock_cluster_destroy(self._cluster)


def _declare(library: Path) -> ctypes.CDLL:
    """Load ``library`` and give each function we call its C signature."""
    pointer, text, size, int_ = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
    signatures: dict[str, tuple[type | None, list[type]]] = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (int_, [pointer, text, text, text, size]),
        "rd_kafka_new": (pointer, [int_, pointer, text, size]),
        "rd_kafka_err2str": (text, [int_]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, int_]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_topic_create": (int_, [pointer, text, int_, int_]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
    }
    try:
        calls = ctypes.CDLL(str(library))
    except OSError as error:
        raise EmbeddedBrokerError(
            f"{library.name} cannot be loaded ({error}), so reinstall it: {INSTALL}"
        ) from error
    for name, (result, arguments) in signatures.items():
        try:
            function = getattr(calls, name)
        except AttributeError:
            raise EmbeddedBrokerError(
                f"{library.name} lacks {name}, so it cannot play a broker; a newer wheel can: {INSTALL}"
            ) from None
        function.restype, function.argtypes = result, arguments
    return calls


def serve(topics: Mapping[str, int], rebalance_delay_ms: int) -> None:
    """Play a broker on loopback, print its address as one line, and stay until no one needs it.

    No one needs it once stdin is closed or the parent process has changed: a parent that
    is killed closes our stdin, unless it had forked a child that still holds the other end.
    """
    parent = os.getppid()
    cluster = MockCluster(library_path())
    cluster.set_rebalance_delay(rebalance_delay_ms)
    for name, partitions in topics.items():
        cluster.create_topic(name, partitions)
    print(cluster.bootstrap, flush=True)
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], _PARENT_CHECK_S)
        if readable and not os.read(sys.stdin.fileno(), 1024):
            break
    cluster.close()


def _topic(text: str) -> tuple[str, int]:
    """``name:partitions`` as a pair; a bare name has one partition."""
    name, _, partitions = text.partition(":")
    if not name or (partitions and not (partitions.isdecimal() and int(partitions) > 0)):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME or NAME:PARTITIONS")
    return name, int(partitions or 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m streams.embedded --topics NAME:PARTITIONS ...``; lives until its stdin closes."""
    parser = argparse.ArgumentParser(description="A mock Kafka broker on loopback; lives until its stdin closes.")
    parser.add_argument("--topics", nargs="*", type=_topic, default=[], metavar="NAME:PARTITIONS")
    parser.add_argument("--rebalance-delay-ms", type=int, default=0, metavar="MS")
    wanted = parser.parse_args(arguments)
    try:
        serve(dict(wanted.topics), wanted.rebalance_delay_ms)
    except EmbeddedBrokerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
