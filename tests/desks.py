"""A desk seen from outside: a process of its own, spoken to over HTTP; and stories on a broker for it to show."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from confluent_kafka import Producer

from schemas.alerts import Alert
from streams.config import Config, load
from streams.embedded import EmbeddedBroker
from streams.intake import ledger_partition
from streams.shadow import shadow_of
from streams.shadowed import KEY as SHADOW_KEY
from streams.shadowed import Begun
from streams.stories import STORIES
from tests.stories.telling import tell

ROOT = Path(__file__).resolve().parents[1]
DEADLINE_S = 60.0
SETTINGS = {
    "WHALELINE_LEDGER_PARTITIONS": "4",
    "WHALELINE_SOURCE_PARTITIONS": "2",
    "WHALELINE_SOURCE_CLOCK": "source",
    "WHALELINE_EMBEDDED_BROKER": "true",
}
OWN_PAGE = {"Content-Type": "application/json", "X-Desk": "1"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]


class DeskProcess:
    """``whaleline desk`` on a free port, for as long as the block lasts."""

    def __init__(self, environment: Mapping[str, str], log: Path, *arguments: str) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("WHALELINE_")}
        self._log = log.open("ab")
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "desk", "--port", "0", *arguments],
            env={**kept, **environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            cwd=log.parent,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline().decode()
        assert "The desk is at http://" in first, (first, log.read_text())
        self.url = first.split()[-1]
        self.host = self.url.removeprefix("http://")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """Stop it in order; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self._close()

    def kill(self) -> None:
        """End it where it stands."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request; a body that is no bytes is sent as JSON, as the desk's own page sends it."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            sent = OWN_PAGE if headers is None and method == "POST" else headers or {}
            connection.request(method, path, data, dict(sent))
            answer = connection.getresponse()
            text = answer.read()
            told = answer.headers.get_content_type() == "application/json"
            return Answer(answer.status, json.loads(text) if told else text, dict(answer.headers))
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Any:
        """What a GET answers, which must succeed."""
        found = self.ask("GET", path, headers=headers)
        assert found.status == 200, found
        return found.body

    def act(self, verb: str, customer: str | None = None, *, name: str = "ada", **fields: Any) -> Answer:
        """Take an action on the newest alert of a customer's card."""
        body: dict[str, Any] = {"action_id": uuid.uuid4().hex, "verb": verb, **fields}
        if customer is not None:
            body = {"customer_id": customer, "alert_id": self.card(customer)["alert"], **body}
        return self.ask("POST", "/v1/actions", body, {**OWN_PAGE, "X-Desk-Name": name})

    def card(self, customer: str) -> dict[str, Any]:
        """A customer's card."""
        found: dict[str, Any] = self.get(f"/v1/card?customer={customer}")["card"]
        return found

    def until(self, what: str, holds: Any) -> Any:
        """Ask again and again until something holds; give it back."""
        end = time.monotonic() + DEADLINE_S
        while not (found := holds()):
            assert time.monotonic() < end, f"not {what} after {DEADLINE_S:g} s\n{self.log.read_text()}"
            assert self.process.poll() is None, f"the desk ended before {what}\n{self.log.read_text()}"
        return found

    def ready(self) -> Self:
        """Wait until it has read everything."""
        self.until("ready", lambda: self.ask("GET", "/readyz").status == 200)
        return self

    @contextmanager
    def stream(self, last_id: str = "", **headers: str) -> Iterator[Iterator[tuple[str, str, Any]]]:
        """Server-sent events as (event, id, data)."""
        connection = http.client.HTTPConnection(self.host, timeout=DEADLINE_S)
        try:
            given = {"Last-Event-ID": last_id} if last_id else {}
            connection.request("GET", "/v1/stream", headers={**given, **headers})
            yield _events(connection.getresponse())
        finally:
            connection.close()


def _events(answer: http.client.HTTPResponse) -> Iterator[tuple[str, str, Any]]:
    fields: dict[str, str] = {}
    for raw in answer:
        line = raw.decode().rstrip("\n")
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields["event"], fields["id"], json.loads(fields["data"])
            fields = {}


@cache
def story_alerts(key: str) -> tuple[Alert, ...]:
    """The alerts of a story, in order."""
    return tuple(tell(key).alerts)


@dataclass
class Stage:
    """A broker in memory with our topics, on which alerts and all else can be put."""

    environment: dict[str, str]
    config: Config = field(init=False)

    def __post_init__(self) -> None:
        self.config = load(None, self.environment)
        self._producer = Producer({"bootstrap.servers": self.config.broker, "linger.ms": 0, "log_level": 0})

    def put(self, role: str, key: str, value: bytes, partition: int | None = None) -> None:
        """One record on the topic of a role, in its customer's partition."""
        at = ledger_partition(key, self.config.ledger_partitions) if partition is None else partition
        self.put_raw(role, key.encode(), value, at)

    def put_raw(
        self, role: str, key: bytes, value: bytes | None, partition: int, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """One record of any bytes; None takes away what stands under the key."""
        self._producer.produce(getattr(self.config.topics, role), value, key, partition, headers=list(headers))

    def in_shadow(self, begun: Begun, *told: Alert) -> None:
        """A shadow that has begun in every partition, and its alerts, as its workers publish them."""
        names, partitions = shadow_of(self.config, "").topics, self.config.ledger_partitions
        for partition in range(partitions):
            self._producer.produce(names.insights, begun.to_msgpack(), SHADOW_KEY, partition)
        for one in told:
            partition = ledger_partition(one.customer_id, partitions)
            self._producer.produce(names.alerts, one.to_msgpack(), one.customer_id.encode(), partition)
        self.flush()

    def alerts(self, *told: Alert) -> None:
        """Alerts, as a judge publishes them."""
        for one in told:
            self.put("alerts", one.customer_id, one.to_msgpack())
        self.flush()

    def stories(self, *keys: str) -> None:
        """All alerts of these stories, or of every one."""
        for key in keys or STORIES:
            self.alerts(*story_alerts(key))

    def flush(self) -> None:
        """Wait until everything is on the broker."""
        assert self._producer.flush(30) == 0


@contextmanager
def stage(shadow: bool = False, **settings: str) -> Iterator[Stage]:
    """A broker in memory for a test; with the topics of a shadow, where a test wants one."""
    environment = {**SETTINGS, **settings}
    config = load(None, environment)
    plans = config.plan() + (shadow_of(config, "").plan() if shadow else [])
    with EmbeddedBroker({one.name: one.partitions for one in plans}) as broker:
        yield Stage({**environment, "WHALELINE_BROKER": broker.bootstrap})
