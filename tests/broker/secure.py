"""A real Kafka behind TLS and passwords, on loopback: its certificates are made here and end with it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.broker.kafka import HOST, Kafka, Unavailable, free_port

LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule"
PROPERTIES = """\
listeners=PLAINTEXT://{host}:{port},SECURE://{host}:{secure_port},KNOWN://{host}:{known_port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port},SECURE://localhost:{secure_port},KNOWN://localhost:{known_port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,KNOWN:SSL
controller.quorum.voters=1@{host}:{controller_port}
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config={login} required;
listener.name.known.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:root
"""
"""Whoever comes by the open listener may do everything, and so may root. Everybody else has a list of rights."""


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder: Path, name: str = "tests") -> None:
        self._folder = folder / name
        self._folder.mkdir(parents=True)
        self.ca = self._folder / "ca.pem"
        self._key = self._folder / "ca.key"
        _openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name} authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", str(self._key), "-out", str(self.ca),
        )  # fmt: skip

    def issue(self, name: str, hosts: str = "") -> tuple[Path, Path]:
        """The files of a new certificate and its key, for ``hosts`` such as ``DNS:localhost``."""
        cert, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        _openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:false",
            *(("-addext", f"subjectAltName={hosts}") if hosts else ()),
            "-CA", str(self.ca), "-CAkey", str(self._key), "-keyout", str(key), "-out", str(cert),
        )  # fmt: skip
        return cert, key

    def lock(self, key: Path) -> Path:
        """The file of a key that wants a password."""
        locked = key.with_suffix(".locked")
        _openssl("pkcs8", "-topk8", "-in", str(key), "-out", str(locked), "-passout", "pass:word")
        return locked


class SecureKafka(Kafka):
    """``bootstrap`` is the open listener, ``secured`` wants a password, ``known`` a certificate of ours.

    Both show a certificate for ``localhost`` alone. ``users`` have their passwords by SCRAM-SHA-512. ``folder``
    keeps the files.
    """

    def __init__(self, libs: Path, folder: Path, users: Mapping[str, str]) -> None:
        self.authority = Authority(folder)
        cert, key = self.authority.issue("broker", "DNS:localhost")
        keystore = folder / "broker-keystore.pem"
        keystore.write_bytes(key.read_bytes() + cert.read_bytes() + self.authority.ca.read_bytes())
        ports: list[int] = []
        for _ in range(4):
            ports.append(free_port(*ports))
        open_port, secure_port, known_port, controller_port = ports
        self.secured, self.known = f"localhost:{secure_port}", f"localhost:{known_port}"
        more = PROPERTIES.format(
            host=HOST, port=open_port, secure_port=secure_port, known_port=known_port, login=LOGIN,
            controller_port=controller_port, keystore=keystore, truststore=self.authority.ca,
        )  # fmt: skip
        super().__init__(libs, open_port, controller_port=controller_port, more=more, users=users)
        self._folder = folder
        for name, password in users.items():
            (folder / f"{name}.password").write_text(f"{password}\n", encoding="utf-8")

    def settings(self, user: str, **changed: object) -> dict[str, str]:
        """The settings by which a user comes in, some of them changed."""
        given: dict[str, object] = {
            "broker": self.secured,
            "kafka_security": "sasl_ssl",
            "kafka_ca_file": self.authority.ca,
            "kafka_sasl_username": user,
            "kafka_sasl_password_file": self._folder / f"{user}.password",
            **changed,
        }
        return {f"WHALELINE_{key.upper()}": str(value) for key, value in given.items()}

    def __enter__(self) -> Self:
        super().__enter__()
        return self


def _openssl(*arguments: str) -> None:
    """Run openssl. Raises ``Unavailable`` where there is none."""
    if shutil.which("openssl") is None:
        raise Unavailable("Certificates need openssl (Debian: apt-get install openssl).")
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
