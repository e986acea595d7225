"""Two desks on a real Kafka over a real worker: they show the same, across kills; what is done is done once."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.desk.labelread import read, read_labels
from streams.desk.labels import Label
from tests.broker.deployment import Deployment
from tests.command import whaleline
from tests.desks import DeskProcess
from tests.worlds import HOUR, START_MS

CUSTOMERS = 60
CLICKS = 24


@pytest.fixture
def deployment(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(kafka_broker, topic_prefix, tmp_path, ledger_partitions="1") as deployment:
        yield deployment


def wave(deployment: Deployment) -> None:
    """Sixty customers who cannot log in, each of whom an agent was rude to: nine alerts, and an incident."""
    for number in range(CUSTOMERS):
        about = {"version": 1, "customer_id": f"C{number}", "ts_ms": START_MS + number * 1_000}
        chat = {**about, "kind": "chat", "event_id": "1", "case_id": f"T{number}", "reason": "no login"}
        rude = {**about, "kind": "rude_call", "event_id": "2", "observer": "qa"}
        deployment.send([("support", chat), ("support", rude)])
    deployment.progress(START_MS + HOUR)


def shown(desk: DeskProcess) -> Any:
    """Everything that a desk shows of its cards, but for the clock."""
    return [desk.get(f"/v1/cards?states={states}&limit=500") for states in ("live", "asleep", "done")]


def test_two_desks_show_the_same_across_kills_and_every_click_counts_once(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.start()
    wave(deployment)
    with (
        DeskProcess(deployment.environment, tmp_path / "one.log").ready() as one,
        DeskProcess(deployment.environment, tmp_path / "two.log").ready() as two,
    ):
        for desk in (one, two):
            (incident,) = desk.until("it is held", lambda desk=desk: desk.get("/v1/incidents")["incidents"])
            desk.until("nine are out", lambda desk=desk: desk.get("/v1/cards")["total"] == 9)
        assert one.act("release", incident_id=incident["incident_id"], reason="known outage").status == 200
        for desk in (one, two):
            desk.until("all are out", lambda desk=desk: desk.get("/v1/cards")["total"] == CUSTOMERS)
        clicks = [
            {"action_id": uuid.uuid4().hex, "verb": verb, "customer_id": f"C{at}", "reason": "why",
             "alert_id": two.card(f"C{at}")["alert"]}
            for at, verb in zip(range(CLICKS), ("acknowledge", "resolve", "disagree") * CLICKS, strict=False)
        ]  # fmt: skip
        answered = click_and_kill(one, clicks)
        with DeskProcess(deployment.environment, tmp_path / "three.log").ready() as three:
            # Whoever got no answer sends it again, to another desk; whoever got one may send it again too.
            assert [three.ask("POST", "/v1/actions", body).status for body in clicks] == [200] * CLICKS
            taken = [action for at in range(CLICKS) for action in three.get(f"/v1/card?customer=C{at}")["actions"]]
            assert sorted(action["action_id"] for action in taken) == sorted(body["action_id"] for body in clicks)
            assert not [action for action in taken if action["refused"]]
            two.until("two is as far", lambda: shown(two) == shown(three))
        assert answered < CLICKS
        caused = two.act("cause", "C30", case_id="T30", cause="company")
        assert caused.status == 200, caused
    labels = read(deployment.config)
    assert {(label.customer_id, label.right) for label in labels} == {
        (body["customer_id"], body["verb"] == "resolve") for body in clicks if body["verb"] != "acknowledge"
    }
    deployment.until("the judge has the cause", lambda: cause_of(deployment, "C30") == 1)
    put_to_use(deployment, tmp_path, labels)


def put_to_use(deployment: Deployment, folder: Path, labels: list[Label]) -> None:
    """What was said on the desk comes out as a file, and is laid beside the alerts of the ledger judged again."""
    said, ledger, policy, told = (folder / name for name in ("said", "ledger", "policy", "told"))
    said.write_text(whaleline("labels", "export", **deployment.environment).stdout)
    assert read_labels(said) == labels
    assert whaleline("ledger", "dump", "--out", ledger, **deployment.environment).exit_code == 0
    policy.write_text("")
    result = whaleline("backtest", ledger, "--against", policy, "--labels", said, "--json", told)
    assert result.exit_code == 0, result.output
    figures = json.loads(told.read_text())["b"]["figures"]
    assert (figures["labelled"], figures["label_kept"], figures["label_dropped"]) == (len(labels), 1.0, 0.0)
    assert figures["label_precision"] == sum(one.right for one in labels) / len(labels)


def click_and_kill(desk: DeskProcess, clicks: list[dict[str, Any]]) -> int:
    """Send the clicks from four sides at once, and end the desk when a third is answered; how many were."""
    answered: list[int] = []
    enough = threading.Event()

    def click(some: list[dict[str, Any]]) -> None:
        for body in some:
            try:
                answered.append(desk.ask("POST", "/v1/actions", body).status)
            except OSError:
                return
            if len(answered) >= CLICKS // 3:
                enough.set()

    sides = [threading.Thread(target=click, args=(clicks[at::4],)) for at in range(4)]
    for side in sides:
        side.start()
    assert enough.wait(60)
    desk.kill()
    for side in sides:
        side.join()
    return len(answered)


def cause_of(deployment: Deployment, customer: str) -> int:
    """Who caused the customer's first case, as the judge has it."""
    (pipeline,) = deployment.state()
    return int(pipeline.settled_rows()[customer.encode()]["case_cause"][0, 0])
