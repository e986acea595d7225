"""A real Kafka for tests and for trying out: one KRaft node on loopback, gone when its owner is.

``python -m tests.broker.kafka fetch`` gets its jars, ``python -m tests.broker.kafka run`` runs one until
Ctrl-C.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
LIBS = ROOT / "build" / "kafka" / "libs"
POM = Path(__file__).with_name("pom.xml")
HOST = "127.0.0.1"
START_S = 60.0
STOP_S = 20.0
FETCH_S = 600.0
POLL_S = 0.05

# Old event times must not expire, one disk must do, and nothing may wait for company that never comes.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={logs}
num.partitions=1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=1
background.threads=2
log.retention.ms=-1
log.retention.bytes=-1
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.backoff.ms=1000
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""


class Unavailable(Exception):
    """No broker can be had here; the message is one sentence that says what is missing and how to get it."""


class Kafka:
    """One Kafka broker on free loopback ports; its data survives ``kill`` and ``restart``, not ``close``.

    ``bootstrap`` is ``host:port`` and stays the same through restarts. Use it as a context manager, or call
    ``start`` and ``close``. Raises ``Unavailable`` where Java or the jars are missing, ``RuntimeError`` with
    the end of the broker's own log where it does not come up.
    """

    def __init__(
        self,
        libs: Path | None = None,
        port: int | None = None,
        *,
        controller_port: int | None = None,
        cluster: str | None = None,
        more: str = "",
        users: Mapping[str, str] | None = None,
        measured: bool = False,
    ) -> None:
        """``more`` properties overrule ours; ``cluster`` is the id that several brokers of one cluster share.

        ``users`` are known from the beginning, each with a password by SCRAM-SHA-512. One that is ``measured``
        has the memory and the compilers of a broker that runs for long.
        """
        self._users = users or {}
        self._memory = ("-Xms1g", "-Xmx1g") if measured else ("-Xms256m", "-Xmx512m")
        self._compilers = () if measured else ("-XX:TieredStopAtLevel=1",)
        self._cluster = cluster or cluster_id()
        self._java = find_java()
        self._libs = libs or fetch_jars()
        self.port = port or free_port()
        self.bootstrap = f"{HOST}:{self.port}"
        self._home = Path(tempfile.mkdtemp(prefix="whaleline-kafka-"))
        self._log = self._home / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._properties = self._home / "server.properties"
        self._properties.write_text(
            PROPERTIES.format(
                host=HOST,
                port=self.port,
                controller_port=controller_port or free_port(self.port),
                logs=self._home / "data",
            )
            + more,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def home(self) -> Path:
        """Where everything of this broker lies on disk; its logs are under ``data``."""
        return self._home

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the broker and return once it serves requests; one that already runs is left alone."""
        if self.pid is not None:
            return
        if not (self._home / "data" / "meta.properties").exists():
            self._format()
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal must reach the tests first, the broker last.
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", str(self._properties), memory=self._memory),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._home,
                start_new_session=True,
            )
        self._await_ready(self._process)

    def stop(self) -> None:
        """End the broker in order (SIGTERM), so that a restart finds clean logs; by force when it lingers."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the broker at once (SIGKILL), as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop if it runs, then start again on the same port and data."""
        self.stop()
        self.start()

    def wait(self) -> None:
        """Block until the broker ends, whoever ends it."""
        if self._process is not None:
            self._process.wait()

    def close(self) -> None:
        """End the broker and delete its data."""
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def log_tail(self, lines: int = 30) -> str:
        """Return the last lines that the broker wrote."""
        if not self._log.exists():
            return "(no log)"
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _command(self, main: str, *args: str, memory: tuple[str, ...] = ()) -> list[str]:
        # The first compiler tier and the serial collector: a test broker lives for seconds, on few cores.
        return [
            self._java,
            *memory,
            "-XX:+UseSerialGC",
            *self._compilers,
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            f"{self._libs}{os.sep}*",
            main,
            *args,
        ]

    def _format(self) -> None:
        known = [f"SCRAM-SHA-512=[name={name},password={word}]" for name, word in self._users.items()]
        added = [part for one in known for part in ("--add-scram", one)]
        command = self._command(
            "kafka.tools.StorageTool", "format", "-t", self._cluster, "-c", str(self._properties), *added
        )
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False)
        if done.returncode:
            raise RuntimeError(f"Kafka could not format its storage:\n{done.stdout}{done.stderr}")

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_S
        while not answers(HOST, self.port):
            # Waiting on the process is the pause between two attempts, and ends at once if it dies.
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(timeout=POLL_S)
                raise RuntimeError(f"Kafka ended with code {code} while starting:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"Kafka did not answer within {START_S:.0f} s:\n{self.log_tail()}")

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def cluster_id() -> str:
    """Make an id for a new cluster."""
    # A leading dash would read as an option.
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "w")


def answers(host: str, port: int, timeout_s: float = 2.0) -> bool:
    """Tell whether a Kafka broker at ``host:port`` answers an ApiVersions request without an error."""
    api_versions, version, correlation, no_client = 18, 0, 1, -1
    request = struct.pack(">hhih", api_versions, version, correlation, no_client)
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as reply:
                head = reply.read(10)
    except OSError:
        return False
    if len(head) < 10:
        return False
    _, echoed, error = struct.unpack(">iih", head)
    return bool(echoed == correlation and error == 0)


def free_port(*taken: int) -> int:
    """Return a loopback port nobody listens on, outside the range that outgoing connections draw from.

    A client that keeps trying a dead port inside that range can end up connected to itself, and then
    holds the port against the very broker it is waiting for.
    """
    for port in random.SystemRandom().sample(range(20_000, 30_000), 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((HOST, port))
                if port not in taken:
                    return port
    raise RuntimeError("found no free loopback port between 20000 and 30000")


def find_java() -> str:
    """Return the path of a Java launcher (JAVA_HOME first); raises ``Unavailable`` where there is none."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin") if home else None) or shutil.which("java")
    if java is None:
        raise Unavailable(
            "A real Kafka needs Java 17 or newer: install one (Debian: apt-get install default-jre-headless)."
        )
    return java


def fetch_jars(libs: Path = LIBS, pom: Path = POM) -> Path:
    """Return the folder with a pom's jars; Maven fetches them once. Raises ``Unavailable`` if it cannot.

    They are fetched beside the folder and moved in whole, so a broken download never looks like a complete
    one; a changed pom.xml fetches anew.
    """
    wanted = hashlib.sha256(pom.read_bytes()).hexdigest()
    stamp = libs / "pom.sha256"
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return libs
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("Maven fetches the jars: install it (Debian: apt-get install maven), then try again.")
    libs.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=libs.parent) as work:
        fresh = Path(work) / "libs"
        command = [
            maven,
            "-q",
            "-B",
            "-f",
            str(pom),
            "dependency:copy-dependencies",
            f"-DoutputDirectory={fresh}",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"Maven did not fetch the jars within {FETCH_S:.0f} s: is the network there?"
            ) from None
        if done.returncode:
            reason = next((line for line in done.stdout.splitlines() if "ERROR" in line), "no reason given")
            raise Unavailable(f"Maven could not fetch the jars ({reason.strip()}).")
        (fresh / stamp.name).write_text(wanted, encoding="ascii")
        shutil.rmtree(libs, ignore_errors=True)
        with suppress(OSError):  # another run was quicker: the same jars are there already
            fresh.rename(libs)
    return libs


def _fetch() -> int:
    """Fetch the jars where that can be done, else say why not; what that means is for the tests to decide."""
    try:
        find_java()
        fetch_jars()
    except Unavailable as reason:
        print(f"No real Kafka for the tests: {reason}", file=sys.stderr)
    return 0


def _run(port: int) -> int:
    # SIGTERM as Ctrl-C, so that either way the broker ends before we do.
    # Both by name: a shell starts its background jobs with SIGINT ignored, and Python leaves that as it is.
    for how in (signal.SIGINT, signal.SIGTERM):
        signal.signal(how, signal.default_int_handler)
    try:
        with Kafka(port=port) as kafka:
            print(f"Kafka answers at {kafka.bootstrap}; its topics end with it. Ctrl-C stops it.", flush=True)
            kafka.wait()
            print(f"Kafka ended by itself:\n{kafka.log_tail()}", file=sys.stderr)
            return 1
    except KeyboardInterrupt:
        return 0
    except (Unavailable, RuntimeError) as reason:
        print(reason, file=sys.stderr)
        return 1


def main() -> int:
    """Read the command line: fetch the jars, or run a broker in the foreground."""
    parser = argparse.ArgumentParser(prog="python -m tests.broker.kafka", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="get the jars with Maven, once")
    run = commands.add_parser("run", help="run a broker until Ctrl-C")
    run.add_argument("--port", type=int, default=9092)
    chosen = parser.parse_args()
    return _fetch() if chosen.command == "fetch" else _run(chosen.port)


if __name__ == "__main__":
    sys.exit(main())
