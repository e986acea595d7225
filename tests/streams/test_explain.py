"""How a customer stood at a time is told as it was, with reasons that add up and events that are there."""

from __future__ import annotations

import json
from math import exp
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from schemas.block import Block, decode, policy_entry, sources_entry
from schemas.codes import Control
from schemas.events import DAY_MS
from streams import ledgerfile
from streams.accounts import as_map, lines
from streams.ledgerfile import Frame, Head
from streams.past import read_past
from streams.rejudge import CALLS, SALES
from streams.replay import Outputs, run_replay
from streams.simulate import END_MS
from streams.witness import Account, explain
from tests.command import stories_file, whaleline

WHO = "story-wrong-part-twice"
AT_MS = 1_764_547_200_000
"""2025-12-01, when that story is in the midst of its trouble."""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stories_file(tmp_path_factory.mktemp("explain") / "events.jsonl", customers=3)


@pytest.fixture(scope="module")
def account(events: Path) -> Account:
    return explain(WHO, events, as_of_ms=AT_MS)


def test_the_state_is_that_of_a_replay_up_to_then(events: Path, account: Account, tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "alerts", tmp_path / "states", held=tmp_path / "held")
    run_replay(events, outputs, as_of_ms=AT_MS)
    states = [json.loads(line) for line in (tmp_path / "states").read_text().splitlines()]
    (row,) = (one for one in states if one.pop("customer_id") == WHO)
    assert as_map(account)["row"] == row
    told = [json.loads(line) for line in (tmp_path / "alerts").read_text().splitlines()]
    ours = [one["alert_id"] for one in told if one["customer_id"] == WHO]
    assert [one.alert_id for one in account.alerts] == ours
    assert len(ours) >= 5


@pytest.mark.parametrize("customer", [WHO, "story-value-destroyer"])
def test_every_transition_adds_up_and_points_at_events_that_happened(events: Path, customer: str) -> None:
    found = explain(customer, events)
    digests = {one.digest for one in found.events}
    assert found.alerts
    for alert in found.alerts:
        total = sum(one.contribution for one in alert.evidence)
        if alert.kind.startswith("churn_risk"):
            assert 1 / (1 + exp(-total)) == pytest.approx(alert.risk_ppm / 1e6, abs=1e-4)
        if alert.kind.startswith("value_destroyer"):
            assert total == pytest.approx(alert.net_year_cents, abs=2)
        named = {one for evidence in alert.evidence for one in evidence.event_digests}
        assert named <= digests
    text = "\n".join(lines(found, "USD"))
    assert "in all" in text
    assert text.count("it went out") == len(found.alerts)


def test_the_days_tell_the_risk_that_an_alert_of_their_midnight_told(events: Path) -> None:
    """What is drawn was concluded: an alert of a midnight names the very figures of that day."""
    compared = 0
    for customer in (WHO, "story-value-destroyer", "story-thirty-five-calls"):
        found = explain(customer, events)
        days = {one.ts_ms: one for one in found.days}
        for alert in found.alerts:
            if alert.ts_ms % DAY_MS == 0 and alert.ts_ms in days:
                day = days[alert.ts_ms]
                told = (alert.risk_ppm, alert.gone_ppm, alert.expected_year_cents, alert.worth_cents)
                assert (day.risk_ppm, day.gone_ppm, day.year_cents, day.worth_cents) == told
                compared += 1
    assert compared >= 3


def test_what_clears_a_state_is_told_from_how_they_stand(account: Account) -> None:
    assert {"churn_risk", "service_failure"} <= set(account.paths)
    text = "\n".join(lines(account, "USD"))
    assert "What would clear it" in text
    assert "the open case settled" in text
    assert "send no advertising" in text


def _ledger(path: Path, events: Path, append: bool) -> Path:
    """The events as a recorded ledger, each record appended when the newest event in it happened, if so asked."""
    past = read_past(events, "USD", None)
    values = [policy_entry("", 1), sources_entry([("support", CALLS.topic, 1), ("purchases", SALES.topic, 1)])]
    values += [record.value for record in past.records[0]][1:]
    newest, frames = 0, []
    for offset, value in enumerate(values):
        newest = max(newest, _time_of(value))
        frames.append(Frame(0, offset, newest if append else None, value))
    ledgerfile.write(path, Head("ledger", 1), frames)
    return path


def _time_of(value: bytes) -> int:
    content = decode(value)
    if isinstance(content, Block):
        return int(content.column("ts_ms").max())
    return max((one[2] for one in content.body["until"]), default=0) if content.control is Control.PROGRESS else 0


def test_a_recorded_ledger_tells_the_same(events: Path, account: Account, tmp_path: Path) -> None:
    found = explain(WHO, _ledger(tmp_path / "l.wll", events, append=True), as_of_ms=AT_MS)
    assert [one.alert_id for one in found.alerts] == [one.alert_id for one in account.alerts]
    assert [one.digest for one in found.events] == [one.digest for one in account.events]
    assert {name: one[0] for name, one in found.states.items()} == {
        name: one[0] for name, one in account.states.items()
    }


def test_without_append_times_nobody_can_say_what_was_known_when(events: Path, tmp_path: Path) -> None:
    ledger = _ledger(tmp_path / "l.wll", events, append=False)
    result = whaleline("explain", WHO, ledger, "--at", "2025-12-01")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "append time" in result.stderr
    assert whaleline("explain", WHO, ledger).exit_code == 0


def test_the_picture_stands_alone_and_escapes_what_it_is_told(tmp_path: Path) -> None:
    customer = 'a<b>&"c'
    sent: list[dict[str, Any]] = [
        {"kind": "purchase", "ts_ms": END_MS + day * DAY_MS, "event_id": f"p{day}", "amount_cents": 9_000}
        for day in (0, 30, 60)
    ]
    sent += [{"kind": "rude_call", "ts_ms": END_MS + 61 * DAY_MS, "event_id": "r", "observer": "qa"}]
    sent += [{"kind": "ticket_opened", "ts_ms": END_MS + 62 * DAY_MS, "event_id": "t", "case_id": "K"}]
    sent += [{"kind": "chat", "ts_ms": END_MS + 90 * DAY_MS, "event_id": "c"}]
    file, picture = tmp_path / "events.jsonl", tmp_path / "picture.svg"
    file.write_text("".join(json.dumps({"version": 1, "customer_id": customer, **one}) + "\n" for one in sent))
    result = whaleline("explain", customer, file, "--svg", picture, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert {one["kind"] for one in told["transitions"]} >= {"service_failure_entered"}
    assert len(told["days"]) > 85, "a day without events is a day too"
    root = ET.fromstring(picture.read_text())
    assert customer in root.attrib["aria-label"]
    assert picture.read_text().count("http") == 1, "the name space alone"
    assert "prefers-color-scheme" in picture.read_text()


@pytest.mark.parametrize("how", [[], ["--at", "2020-01-01"]])
def test_somebody_who_is_not_there_is_one_sentence(how: list[str], events: Path, tmp_path: Path) -> None:
    who = "nobody" if not how else WHO
    result = whaleline("explain", who, events, "--svg", tmp_path / "x.svg", *how)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no event of customer" in result.stderr
    assert list(tmp_path.iterdir()) == []
    assert "different files" in whaleline("explain", WHO, events, "--svg", events).stderr
