"""A Kafka behind TLS and passwords: everything of ours comes in, and who may not is told why at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.cli import main
from tests.broker.deployment import ROOT, Deployment
from tests.broker.secure import Authority, SecureKafka
from tests.worlds import HOUR, START_MS

PASSWORD = "tr0ub4dor-root"
SOON_S = 30.0


@pytest.fixture(scope="module")
def kafka(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    with SecureKafka(kafka_jars, tmp_path_factory.mktemp("secure"), {"root": PASSWORD}) as kafka:
        yield kafka


@pytest.fixture
def deployment(kafka: SecureKafka, topic_prefix: str, tmp_path: Path) -> Iterator[Deployment]:
    """Its workers come in by the door with the password; the test itself by the open one."""
    with Deployment(kafka.bootstrap, topic_prefix, tmp_path, ledger_partitions="1", source_partitions="1") as one:
        one.environment |= kafka.settings("root")
        yield one


def ran(deployment: Deployment, *command: str, **changed: object) -> Result:
    settings = {f"WHALELINE_{key.upper()}": str(value) for key, value in changed.items()}
    return CliRunner().invoke(main, list(command), env={**deployment.environment, **settings})


def test_a_worker_behind_tls_and_a_password_works(deployment: Deployment, tmp_path: Path) -> None:
    """From the source to the alert; then every command reads or writes what it is for."""
    worker = deployment.start()
    told = {"kind": "rude_call", "ts_ms": START_MS, "customer_id": "C1", "event_id": "e1", "observer": "qa"}
    deployment.send([("support", told)])
    deployment.progress(START_MS + HOUR)
    deployment.until("an alert", lambda: len(deployment.alerts()) >= 1)
    assert listening(worker.pid) == set(), "a worker without metrics_port listens nowhere, Faust's server included"
    assert ran(deployment, "doctor").exit_code == 0, ran(deployment, "doctor").output
    for command, said in (
        ("topics check", "all topics are as planned"),
        ("topics apply", "is there already"),
        ("dlq list", ""),
        ("incidents list --all", ""),
        ("labels export --summary", ""),
        ("problems", ""),
        (f"ledger dump --out {tmp_path / 'ledger.wll'}", "records of"),
        (
            "ledger retire purchases --id 7b0f5c0e-6f0a-5f8e-9a55-3d1c2b7e9a41 --author jo --reason test",
            "is retired",
        ),
        ("simulate --rate 20 --for 500ms --yes", "events were sent"),
    ):
        done = ran(deployment, *command.replace("500ms", "1s").split())
        assert said in done.output, (command, done.output)
        assert done.exit_code in {0, 1}, (command, done.output)
    worker.terminate()
    assert worker.wait(timeout=SOON_S) == 0, deployment.log()
    assert PASSWORD not in deployment.log()


def test_who_listens_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        place = f"0100007F:{door.getsockname()[1]:04X}"
        assert place in listening(os.getpid())
    assert place not in listening(os.getpid())


def listening(pid: int) -> set[str]:
    """The addresses on which a process takes connections, from the kernel's own list."""
    sockets = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(str(one.readlink()))
        except OSError:
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in sockets:
                found.add(local)
    return found


def test_a_certificate_instead_of_a_password(deployment: Deployment, kafka: SecureKafka) -> None:
    """Both kinds of clients show it; the broker knows its name and that it has no rights."""
    cert, key = kafka.authority.issue("feed")
    known = {
        "broker": kafka.known, "kafka_security": "ssl", "kafka_cert_file": cert, "kafka_key_file": key,
        "kafka_sasl_username": "", "kafka_sasl_password_file": "",
    }  # fmt: skip
    done = ran(deployment, "topics", "check", **known)
    assert "cannot be read: TopicAuthorizationFailed" in done.output
    without = ran(deployment, "topics", "check", **{**known, "kafka_cert_file": "", "kafka_key_file": ""})
    assert "wants a certificate that it believes" in without.output


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        *(("worker", fault) for fault in ("password", "user", "authority", "host", "clear", "mechanism")),
        *((command, "password") for command in ("doctor", "desk", "canary", "simulate --yes", "dlq list")),
    ],
)
def test_who_may_not_come_in_is_told_why_at_once(
    fault: str, command: str, deployment: Deployment, kafka: SecureKafka, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("wrong", encoding="utf-8")
    changed, said = {
        "password": ({"kafka_sasl_password_file": tmp_path / "password"}, "does not let root in by SCRAM-SHA-512"),
        "user": ({"kafka_sasl_username": "nobody"}, "does not let nobody in"),
        "authority": ({"kafka_ca_file": Authority(tmp_path, "others").ca}, "does not vouch for"),
        "host": ({"broker": kafka.secured.replace("localhost", "127.0.0.1")}, "certificate of another host"),
        "clear": (
            {"kafka_security": "plaintext", **dict.fromkeys(
                ("kafka_ca_file", "kafka_sasl_username", "kafka_sasl_password_file"), "")},
            "speaks TLS on this port",
        ),
        "mechanism": ({"kafka_sasl_mechanism": "PLAIN"}, "does not know kafka_sasl_mechanism = PLAIN"),
    }[fault]  # fmt: skip
    settings = {f"WHALELINE_{key.upper()}": str(value) for key, value in changed.items()}
    environment = {**deployment.environment, "WHALELINE_SOURCE_CLOCK": "wall", **settings}
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *command.split()],
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path, capture_output=True, text=True, timeout=SOON_S, check=False,
    )  # fmt: skip
    told = done.stdout + done.stderr
    assert said in told, told
    assert done.returncode == (2 if command in {"simulate --yes", "dlq list"} else 76), told
    assert "Traceback" not in told
    assert PASSWORD not in told
    assert time.monotonic() - begun < SOON_S
