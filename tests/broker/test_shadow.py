"""A shadow on a real Kafka: it judges the live ledger under its own policy, exactly, and disturbs nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.policy import parse
from streams.pipeline import Pipeline, Record, under
from streams.shadow import latest_state, shadow_of
from streams.shadowed import KEY, Begun
from streams.topics import apply
from tests.broker.deployment import Deployment
from tests.command import whaleline
from tests.worlds import START_MS, world

HOUR, DAY = 3_600_000, 86_400_000
END_MS = START_MS + 130 * DAY
CAREFUL = (
    "[policy]\nversion = 7\n[churn]\nenter_probability = 0.9\nhigh_probability = 0.95\nclear_probability = 0.1\n"
)


@pytest.fixture
def live(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Deployment]:
    key = tmp_path / "erasure.key"
    assert whaleline("erase", "--new-key", key).exit_code == 0
    with Deployment(kafka_broker, topic_prefix, tmp_path, erasure_key=str(key)) as one:
        yield one


@pytest.fixture
def shadow(live: Deployment) -> Deployment:
    """The same deployment, looked at through the shadow's topics; its workers are the live one's list."""
    other = object.__new__(Deployment)
    other.__dict__.update(live.__dict__)
    other.config = replace(shadow_of(live.config, ""), app_id=live.config.app_id)
    apply(live.broker, shadow_of(live.config, "").plan())
    return other


def test_a_shadow_beside_a_new_ledger_says_what_its_policy_says(
    live: Deployment, shadow: Deployment, tmp_path: Path
) -> None:
    """Killed on the way; its alerts and rows are those of a judge that knows no other policy."""
    (policy := tmp_path / "careful.toml").write_text(CAREFUL)
    events = world(21, 900, customers=15)
    live.start(command=("shadow", "run", str(policy)))
    live.until("nothing is there to copy", lambda: live.log_of(0).count(": 0 records copied") == 3)
    live.start()
    live.send(events[:450])
    live.progress(events[449][1]["ts_ms"])
    live.until("the shadow says something", lambda: bool(shadow.alerts()))
    live.workers[0].kill()
    live.send(events[450:])
    live.progress(END_MS)
    live.start(command=("shadow", "run", str(policy)))
    live.until("both have judged all", lambda: live.settled(END_MS) and shadow.settled(END_MS))
    alerts, rows = [], {}
    for partition, log in enumerate(live.ledger()):
        judge = Pipeline(live.config.app_id, partition, live.config.ledger_partitions)
        for record in log:
            value = under(parse(CAREFUL), record.value)
            alerts += [one.alert_id for one in judge.step(Record(record.offset, record.append_ms, value)).alerts]
        rows |= {name: row.tobytes() for name, row in judge.settled_rows().items()}
    assert sorted(one["alert_id"] for one in shadow.alerts()) == sorted(alerts)
    assert {one["policy_version"] for one in shadow.alerts()} == {7}
    assert {name: row.tobytes() for one in shadow.state() for name, row in one.settled_rows().items()} == rows
    verdict = live.verdict()
    assert verdict["alerts"] > len(alerts)
    assert not any(verdict[name] for name in verdict if name.startswith(("alerts_", "rows_")))
    told = [
        json.loads(line)
        for line in whaleline(
            "shadow", "compare", "--since", "2000-01-01", "--json", **live.environment
        ).stdout.splitlines()
    ]
    (churn,) = [one for one in told if one["kind"] == "churn_risk"]
    entered = {one["customer_id"] for one in live.alerts() if one["kind"] == "churn_risk_entered"}
    assert set(churn["both"]) | set(churn["only_live"]) == entered
    assert churn["only_live"]
    assert churn["only_shadow"] == []
    live.until("each partition tells how far it is", lambda: told_until(shadow) == [END_MS // HOUR * HOUR] * 3)
    assert {one.file for one in begun(shadow).values()} == {policy.name}


def begun(shadow: Deployment) -> dict[int, Begun]:
    """What the shadow tells of each partition."""
    found = shadow.read(shadow.config.topics.insights)
    return {one.partition(): Begun.of(one.value()) for one in found if one.key() == KEY}


def told_until(shadow: Deployment) -> list[int]:
    return [one.until_ms for one in begun(shadow).values()]


def leave_half_a_copy(live: Deployment, shadow: Deployment) -> None:
    """What a shadow leaves that is killed while it copies; one of those it copied has been erased since."""
    for partition in range(live.config.ledger_partitions):
        records = list(latest_state(live.config, partition).items())
        (row,) = [value for key, value in records if key[:1] == b"c"][:1]
        for key, value in [(b"cforgotten", row), *records[: len(records) // 2]]:
            live._producer.produce(shadow.config.topics.customers, value, key, partition)
    live._producer.flush(30)


def test_a_shadow_begins_where_the_live_judge_stands(live: Deployment, shadow: Deployment, tmp_path: Path) -> None:
    """Under the live policy itself: from its start on it says what the live judge says, and forgets as it does."""
    (policy := tmp_path / "same.toml").write_text("")
    events = world(22, 800, customers=15)
    live.start()
    live.send(events[:500])
    live.progress(events[499][1]["ts_ms"])
    live.until("half is judged", lambda: live.settled(events[499][1]["ts_ms"] - DAY))
    before = {one["alert_id"] for one in live.alerts()}
    assert before
    leave_half_a_copy(live, shadow)
    live.start(command=("shadow", "run", str(policy)))
    live.until("the copies are made", lambda: live.log_of(1).count("copied from the live state") == 3)
    live.send(events[500:])
    live.progress(END_MS)
    live.until("both have judged all", lambda: live.settled(END_MS) and shadow.settled(END_MS))
    rows = [
        {name: row.tobytes() for one in of.state() for name, row in one.settled_rows().items()}
        for of in (live, shadow)
    ]
    assert rows[0] == rows[1]
    after = {one["alert_id"] for one in live.alerts()} - before
    assert after
    assert {one["alert_id"] for one in shadow.alerts()} == after
    name = sorted(rows[0])[0]
    asked = ("--author", "jo", "--reason", "asked", "--yes")
    assert whaleline("erase", name.decode(), *asked, **live.environment).exit_code == 0

    def held() -> bool:
        return any(name in one.settled_rows() for of in (live, shadow) for one in of.state())

    live.until("both have forgotten", lambda: not held())
    assert len(shadow.read(shadow.config.topics.erasures)) == len(live.read(live.config.topics.erasures)) == 1
