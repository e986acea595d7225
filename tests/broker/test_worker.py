"""The promises, on a real Kafka: killed in mid-stream, replayed elsewhere, fed with rubbish."""

from __future__ import annotations

import functools
import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from schemas.alerts import Alert
from streams.arena import as_dict
from streams.embedded import EmbeddedBroker
from streams.exits import Exit
from streams.pipeline import Pipeline
from streams.stories import STORIES
from tests.broker.deployment import ROOT, Deployment
from tests.driver import DAY, HOUR, Driver
from tests.worlds import START_MS, world

END_MS = START_MS + 130 * DAY


@pytest.fixture
def deployment(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> Deployment:
    """A deployment with topics of its own on the session's Kafka."""
    with Deployment(kafka_broker, topic_prefix, tmp_path) as one:
        yield one


def test_kill_9_in_mid_stream_changes_nothing(deployment: Deployment) -> None:
    """Killed twice, once while it judges and once right after it started: rows and alerts are the oracle's."""
    events = world(11, 3_000, customers=40, disorder_ms=HOUR)
    deployment.start()
    deployment.send(events[:1_000])
    deployment.progress(events[999][1]["ts_ms"])
    deployment.until("first alerts", lambda: len(deployment.alerts()) > 20)
    deployment.send(events[1_000:2_000])
    deployment.workers[-1].kill()
    deployment.progress(events[1_999][1]["ts_ms"])
    before = len(deployment.alerts())
    deployment.start()
    deployment.until("more alerts", lambda: len(deployment.alerts()) > before)
    deployment.workers[-1].kill()
    deployment.send(events[2_000:])
    deployment.progress(END_MS)
    deployment.start()
    deployment.until("all judged", lambda: deployment.settled(END_MS))
    verdict = deployment.verdict()
    assert verdict["alerts"] > 100
    assert verdict["events_in_ledger"] == len(events)
    assert {
        name: count for name, count in verdict.items() if count and "_" in name and name != "events_in_ledger"
    } == {}


def test_the_verdict_sees_a_missing_alert_and_a_wrong_row(deployment: Deployment) -> None:
    """Negative control: a judge with another app id and one record less is found out."""
    deployment.start()
    deployment.send(world(12, 200, customers=5))
    deployment.progress(END_MS)
    deployment.until("all judged", lambda: deployment.settled(END_MS))
    honest = deployment.alerts

    def lying() -> list[dict[str, object]]:
        found = honest()
        return [*found[2:], found[2], {**found[3], "alert_id": "phantom"}]

    deployment.alerts = lying  # type: ignore[method-assign]
    verdict = deployment.verdict()
    assert (verdict["alerts_missing"], verdict["alerts_phantom"], verdict["alerts_doubled"]) == (2, 1, 1)


def test_one_ledger_gives_the_same_bytes_live_in_replay_and_in_the_driver(
    deployment: Deployment, tmp_path: Path
) -> None:
    """A worker is killed on the way; alerts and rows are those of a replay of the ledger, and of its archive."""
    events = world(13, 600, customers=12)
    deployment.start()
    deployment.send(events[:300])
    deployment.progress(events[299][1]["ts_ms"])
    deployment.until("first alerts", lambda: len(deployment.alerts()) > 5)
    deployment.workers[-1].kill()
    deployment.send(events[300:])
    deployment.progress(END_MS)
    deployment.start()
    deployment.until("all judged", lambda: deployment.settled(END_MS))
    live_alerts = sorted(json.dumps(_plain(one), sort_keys=True) for one in deployment.alerts())
    states = deployment.state()
    live_rows = {name: row.tobytes() for state in states for name, row in state.settled_rows().items()}

    ledger, archive = tmp_path / "ledger.wll", tmp_path / "archive"
    _whaleline(deployment, "ledger", "dump", "--out", str(ledger))
    _whaleline(deployment, "archive", "update", str(archive))
    for recorded, jobs in ((ledger, "1"), (archive, "2")):
        alerts, rows = recorded.with_suffix(".alerts"), recorded.with_suffix(".states")
        _whaleline(
            *(deployment, "replay", str(recorded), "--alerts", str(alerts), "--states", str(rows)),
            *("--app-id", deployment.config.app_id, "--jobs", jobs),
        )
        replayed = sorted(json.dumps(json.loads(line), sort_keys=True) for line in alerts.read_text().splitlines())
        assert replayed == live_alerts
        told = {one["customer_id"]: one for one in map(json.loads, rows.read_text().splitlines())}
        for state in states:
            for name, row in state.settled_rows().items():
                mine = told[name.decode()]
                assert {key: mine[key] for key in as_dict(row)} == as_dict(row)

    driver = Driver(partitions=deployment.config.ledger_partitions, app_id=deployment.config.app_id)
    driver.pipelines = [
        Pipeline(deployment.config.app_id, at, deployment.config.ledger_partitions)
        for at in range(deployment.config.ledger_partitions)
    ]
    driver.ledger = deployment.ledger()
    driver.judge()
    driver.publish()
    assert driver.rows() == live_rows
    assert sorted(json.dumps(_plain(one.as_map()), sort_keys=True) for one in driver.alerts) == live_alerts


def test_rubbish_becomes_dead_letters_and_stops_nothing(deployment: Deployment) -> None:
    """Bad bytes of many kinds, a key unlike the customer, then a good event: all are where they belong."""
    bad = [b"", b"\xc1", b"{", b"\x91" * 5_000, b'{"version":1,"kind":"nonsense"}', b"x" * 100_000]
    bad.append(b'{"version":1,"kind":"csat","ts_ms":NaN,"customer_id":"a","event_id":"e","score":1,"scale":5}')
    for number, value in enumerate(bad):
        deployment.send_bytes("support", f"k{number}", value)
    deployment.start()
    deployment.send([("support", {"kind": "rude_call", "ts_ms": START_MS, "customer_id": "C1", "event_id": "e1",
                                  "observer": "qa"})])  # fmt: skip
    deployment.progress(START_MS + HOUR)
    deployment.until(
        "the good event's alert", lambda: [one["moment"] for one in deployment.alerts()] == ["rude_call"]
    )
    letters = deployment.read(deployment.config.topics.dead_letters)
    reasons = sorted(dict(letter.headers())["reason"].decode() for letter in letters)
    expected = ["empty", "not_a_number", "too_deep", "too_large", "undecodable", "undecodable", "unknown_kind"]
    assert reasons == expected
    assert sorted(letter.value() or b"" for letter in letters) == sorted(bad)


def test_a_record_larger_than_our_topics_take_is_a_dead_letter_too(
    kafka_broker: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Its source allows 5 MB, our topics do not: the beginning is kept, and ingest goes on."""
    with closing(KafkaAdminClient(bootstrap_servers=kafka_broker)) as admin:
        wanted = {"num_partitions": 2, "replication_factor": 1, "configs": {"max.message.bytes": "5000000"}}
        admin.create_topics({f"{topic_prefix}support-calls": wanted}, wait_for_metadata=True)
    event = {"kind": "rude_call", "ts_ms": START_MS, "customer_id": "C1", "event_id": "e1", "observer": "qa"}
    with Deployment(kafka_broker, topic_prefix, tmp_path) as one:
        one.send_bytes("support", "C1", b"x" * 2_500_000)
        one.send([("support", event)])
        one.progress(START_MS + HOUR)
        one.start()
        one.until("the good event's alert", lambda: [a["moment"] for a in one.alerts()] == ["rude_call"])
        (letter,) = one.read(one.config.topics.dead_letters)
        headers = dict(letter.headers())
        assert (headers["reason"], headers["value-bytes"]) == (b"too_large", b"2500000")


def test_each_story_is_told_through_a_real_kafka(deployment: Deployment) -> None:
    """All six, with their expected alerts in order and the silences kept."""
    events = sorted(
        (event for story in STORIES.values() for event in story.tell(START_MS)), key=lambda one: one[1]["ts_ms"]
    )
    deployment.start()
    days = max(story.days for story in STORIES.values())
    _by_the_day(deployment, events, days)
    deployment.until("all judged", lambda: deployment.settled(START_MS + days * DAY))
    alerts = sorted((_alert(one) for one in deployment.alerts()), key=lambda one: (one.ts_ms, one.kind))
    untold = [key for key, story in STORIES.items() if not story.told(_in_order(alerts), START_MS)]
    assert untold == []


def test_the_demo_broker_and_a_real_kafka_give_the_same_alerts(
    deployment: Deployment, topic_prefix: str, tmp_path: Path
) -> None:
    """The same source events through both: the same alerts by customer, kind, moment and time."""
    events = world(14, 500, customers=10)
    (tmp_path / "demo").mkdir()
    plans = {plan.name: plan.partitions for plan in deployment.config.plan()}
    found = []
    with (
        EmbeddedBroker(plans, rebalance_delay_ms=0) as embedded,
        Deployment(embedded.bootstrap, topic_prefix, tmp_path / "demo", embedded=True) as demo,
    ):
        for one in (deployment, demo):
            one.start()
            one.send(events)
            one.progress(END_MS)
            one.until("all judged", functools.partial(one.settled, END_MS))
            found.append(
                sorted((a["customer_id"], a["ts_ms"], a["kind"], a["moment"] or "") for a in one.alerts())
            )
    assert len(found[0]) > 30
    assert found[0] == found[1]


def test_two_workers_share_the_work_and_one_is_killed(deployment: Deployment) -> None:
    """The partitions of the dead worker move to the living one; nothing is lost or told twice."""
    events = world(15, 1_500, customers=30)
    deployment.start()
    deployment.start()
    deployment.send(events[:750])
    deployment.progress(events[749][1]["ts_ms"])
    deployment.until("first alerts", lambda: len(deployment.alerts()) > 10)
    deployment.workers[0].kill()
    deployment.send(events[750:])
    deployment.progress(END_MS)
    deployment.until("all judged", lambda: deployment.settled(END_MS))
    verdict = deployment.verdict()
    assert verdict["events_in_ledger"] == len(events)
    assert {name for name, count in verdict.items() if count} == {"rows", "alerts", "events_in_ledger"}


def test_a_paused_worker_that_wakes_harms_nothing(deployment: Deployment) -> None:
    """Stopped beyond its session, its partitions taken over, then awake again: it is fenced or rejoins."""
    events = world(16, 1_200, customers=25)
    deployment.forgiven = {int(Exit.FENCED)}
    first, _ = deployment.start(), deployment.start()
    deployment.send(events[:400])
    deployment.progress(events[399][1]["ts_ms"])
    deployment.until("first alerts", lambda: len(deployment.alerts()) > 5)
    first.send_signal(signal.SIGSTOP)
    deployment.send(events[400:800])
    middle_ms = events[799][1]["ts_ms"] // HOUR * HOUR
    deployment.progress(events[799][1]["ts_ms"])
    deployment.until("taken over", lambda: deployment.settled(middle_ms))
    first.send_signal(signal.SIGCONT)
    deployment.send(events[800:])
    deployment.progress(END_MS)
    deployment.until("all judged", lambda: deployment.settled(END_MS))
    verdict = deployment.verdict()
    assert verdict["events_in_ledger"] == len(events)
    assert {name for name, count in verdict.items() if count} == {"rows", "alerts", "events_in_ledger"}


def test_a_retired_source_no_longer_stops_time(deployment: Deployment) -> None:
    """Purchases send no more: a ticket waits unnoticed until a person retires the topic."""
    deployment.start()
    opened = {"kind": "ticket_opened", "ts_ms": START_MS, "customer_id": "C1", "event_id": "e1", "case_id": "T"}
    deployment.send([("support", opened)])
    deployment.progress(START_MS + HOUR)
    deployment.progress(START_MS + 9 * DAY, only="support")
    deployment.until("the ticket judged", lambda: any("C1" in one.customers() for one in deployment.state()))
    assert deployment.alerts() == []
    purchases = deployment.config.topics.purchases
    _whaleline(deployment, "ledger", "retire", purchases, "--author", "test", "--reason", "sends no more")
    deployment.until("its alert", lambda: [one["moment"] for one in deployment.alerts()] == ["ticket_unanswered"])


def test_a_missing_topic_stops_the_start_with_a_sentence(kafka_broker: str, tmp_path: Path) -> None:
    """No worker sits there "ready" without its topics: it says which is missing and how to make it."""
    with Deployment(kafka_broker, "nowhere-", tmp_path, embedded=True, embedded_broker="false") as one:
        worker = one.start()
        assert worker.wait(timeout=60) == 76
        assert "whaleline topics apply" in one.log()


def _by_the_day(deployment: Deployment, events: list[tuple[str, dict[str, object]]], days: int) -> None:
    left = list(events)
    for day in range(days + 1):
        until = START_MS + day * DAY
        today = [one for one in left if int(str(one[1]["ts_ms"])) < until]
        left = left[len(today) :]
        deployment.send(today)
        deployment.progress(until)
    deployment.send(left)


def _in_order(alerts: list[Alert]) -> list[Alert]:
    """Alerts of one customer in the order they were made; their times may be equal."""
    return sorted(alerts, key=lambda one: (one.ts_ms, one.episode, one.change))


def _alert(fields: dict[str, object]) -> Alert:
    import msgpack

    from streams.demo import alert_of

    return alert_of(msgpack.packb(fields))


def _plain(fields: dict[str, object]) -> object:
    return json.loads(json.dumps(fields))


def _whaleline(deployment: Deployment, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        env={**deployment.environment, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(ROOT)},
        check=True,
        capture_output=True,
        timeout=120,
    )
