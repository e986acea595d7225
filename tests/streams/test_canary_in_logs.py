"""No log line, no metric and no error names a customer: every id carries a mark, and nothing said has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.clock import now_ms
from streams.config import load
from streams.connection import client_of
from streams.embedded import EmbeddedBroker
from streams.erasing import ask
from streams.exits import Exit
from tests.broker.deployment import Deployment
from tests.broker.kafka import free_port
from tests.command import whaleline
from tests.desks import OWN_PAGE, DeskProcess
from tests.worlds import DAY, START_MS

MARK = "canary" + uuid.uuid4().hex
ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
SECRET = "whsec_" + "QUJD" * 11
TARGETS = """\
[[targets]]
name = "nobody"
form = "webhook"
url = "https://127.0.0.1:1/hook"
secret = "SECRET"
inside = true
"""


def traces(said: dict[str, str]) -> list[str]:
    """Lines in which the mark stands, in any of the forms in which a line could hold it."""
    forms = {MARK, MARK.encode().hex(), MARK.encode("utf-16-le").hex(), MARK[::-1]}
    return [
        f"{name}: {line}"
        for name, text in said.items()
        for line in text.splitlines()
        if any(f in line for f in forms)
    ]


def ids(number: int) -> str:
    return f"{MARK}-{number}"


def good(number: int, kind: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    sent = {"version": 1, "kind": kind, "customer_id": ids(number), "ts_ms": START_MS + number, **fields}
    return "support", {"event_id": f"{MARK}-{uuid.uuid4().hex[:8]}", **sent}


def send_everything(deployment: Deployment) -> None:
    """Alerts, a wave that is held, repeats, events of the future, and records that are wrong in every way."""
    events = []
    for number in range(20):
        events.append(good(number, "chat", case_id=f"T{MARK}"[:60], reason="no login", resolved=False))
        events.append(good(number, "rude_call", observer="qa"))
    events.append(events[0])
    events.append(good(1, "praise", observer="qa", ts_ms=now_ms() + 900 * DAY))
    deployment.send(events)
    odd = (
        b"\xc1" + MARK.encode(),
        json.dumps({"customer_id": ids(3), "kind": "nothing we know", "event_id": MARK}).encode(),
        json.dumps({"version": 1, "kind": "chat", "customer_id": ids(3), "event_id": MARK, MARK: MARK}).encode(),
        json.dumps({"version": 1, "kind": "chat", "customer_id": ids(3) * 9, "ts_ms": "x"}).encode(),
        MARK.encode() * 30,
    )
    for value in odd:
        deployment.send_bytes("support", ids(3), value)
        deployment.send_bytes("purchases", ids(3), value)
    deployment.progress(START_MS + DAY)


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def until(what: str, holds: Callable[[], Any], deployment: Deployment) -> None:
    end = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < end, f"not {what}\n{deployment.log()}"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Everything that two workers, a desk and a courier said while much went right and much went wrong."""
    folder = tmp_path_factory.mktemp("said")
    key, policy, targets = folder / "erasure.key", folder / "policy.toml", folder / "targets.toml"
    whaleline("erase", "--new-key", key)
    policy.write_text("[policy]\nversion = 1\n[churn]\nenter_probability = 0.41\n")
    targets.write_text(TARGETS)
    port, settings = free_port(), {"ledger_partitions": "1", "source_partitions": "1", "refused_percent": "100"}
    plans = load(None, {f"WHALELINE_{name.upper()}": value for name, value in settings.items()}).plan()
    topics = {f"said-{one.name}": one.partitions for one in plans}
    with (
        EmbeddedBroker(topics) as broker,
        Deployment(
            broker.bootstrap, "said-", folder, embedded=True, **settings, erasure_key=str(key)
        ) as deployment,
    ):
        first = deployment.start(WHALELINE_METRICS_PORT=str(port), WHALELINE_LOG_STYLE="lines")
        send_everything(deployment)
        deployment.until("all is judged", lambda: deployment.settled(START_MS + DAY))
        found = {"metrics of a worker": fetched(f"http://127.0.0.1:{port}/metrics")}
        found |= desk_and_courier(deployment, folder, targets)
        ask(deployment.config, ids(0), "jo", "asked", **client_of(deployment.config))
        deployment.until("it is erased", lambda: ids(0).encode() not in deployment.state()[0].settled_rows())
        first.kill()
        first.wait()
        # Another policy under the same version is a conflict; a ledger record that is none ends the worker.
        second = deployment.start(WHALELINE_POLICY=str(policy), WHALELINE_LOG_STYLE="json")
        until("a conflict", lambda: "written twice" in deployment.log_of(1), deployment)
        deployment._producer.produce(deployment.config.topics.ledger, MARK.encode() * 9, None, 0)
        deployment._producer.flush(10)
        until("its end", lambda: second.poll() is not None, deployment)
        deployment.forgiven.add(int(Exit.POISON))
        assert second.returncode == Exit.POISON
        found |= {"worker one": deployment.log_of(0), "worker two": deployment.log_of(1)}
    return found


def desk_and_courier(deployment: Deployment, folder: Path, targets: Path) -> dict[str, str]:
    """A desk that is asked for much, some of it wrong; a courier whose target does not answer."""
    with DeskProcess(deployment.environment, folder / "desk.log").ready() as desk:
        desk.until("cards are there", lambda: desk.get("/v1/cards")["total"])
        asked = (
            f"/v1/card?customer={ids(1)}",
            f"/v1/customer?customer={ids(99)}",
            f"/{MARK}",
            f"/v1/cards?q={MARK}",
        )
        for path in asked:
            desk.ask("GET", path)
        for body in ({"verb": MARK}, MARK.encode(), {"action_id": MARK, "verb": "resolve", "customer_id": ids(1)}):
            desk.ask("POST", "/v1/actions", body, {**OWN_PAGE, "X-Desk-Name": "ada"})
        assert desk.act("resolve", ids(1)).status == 200
        metrics = desk.ask("GET", "/metrics").body
    log = folder / "courier.log"
    with log.open("wb") as out:
        courier = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "notify", "run", str(targets)],
            env={**os.environ, **deployment.environment, "PYTHONPATH": str(ROOT), "SECRET": SECRET},
            stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deployment.send([good(50, "rude_call", observer="qa", ts_ms=START_MS + DAY)])
        until("a failure", lambda: log.read_text() or courier.poll() is not None, deployment)
    finally:
        courier.terminate()
        courier.wait()
    text = metrics.decode() if isinstance(metrics, bytes) else str(metrics)
    return {"metrics of a desk": text, "desk": (folder / "desk.log").read_text(), "courier": log.read_text()}


def test_nothing_that_is_said_names_a_customer(said: dict[str, str]) -> None:
    assert traces(said) == []


def test_much_was_said(said: dict[str, str]) -> None:
    """Silence would pass as well: what had to be said was said."""
    assert "alerts are held" in said["worker one"]
    assert "exit 77" in said["worker two"]
    assert 'whaleline_dead_letters_total{reason="' in said["metrics of a worker"]
    assert 'whaleline_judged_events_total{outcome="applied"} 4' in said["metrics of a worker"]
    assert "whaleline_desk_cards" in said["metrics of a desk"]
    assert said["courier"]


@pytest.mark.parametrize("form", ["{0}", "{1}", "x{0}-3: refused"])
def test_a_planted_line_is_found(said: dict[str, str], form: str) -> None:
    """The check itself: one line among all of them is enough."""
    form = form.format(MARK, MARK.encode().hex())
    planted = {**said, "worker one": said["worker one"] + f"\nwarning: customer {form} has no case\n"}
    assert len(traces(planted)) == 1
