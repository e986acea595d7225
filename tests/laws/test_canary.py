"""A canary's events go the whole way and change nothing: no row, no alert, no figure."""

from __future__ import annotations

import msgpack
import pytest
from prometheus_client import CollectorRegistry

from schemas.codec import encode
from streams.canary import Canary, CanaryMetrics, customers
from streams.config import Config, ConfigError
from streams.intake import ledger_partition
from tests.driver import DAY, PURCHASES, SUPPORT, Driver
from tests.worlds import START_MS, world

PARTITIONS = 3


def told(canaries: bool) -> Driver:
    """A random world judged day by day, with or without a canary that sings each day."""
    driver = Driver(now_ms=START_MS, partitions=PARTITIONS)
    events = world(21, 600, customers=20)
    for day in range(125):
        driver.now_ms = START_MS + day * DAY
        while events and events[0][1]["ts_ms"] <= driver.now_ms:
            topic, fields = events.pop(0)
            name = SUPPORT if topic == "support" else PURCHASES
            driver.send_bytes(name, fields["customer_id"].encode(), encode(fields))
        for customer in customers(PARTITIONS) if canaries else ():
            driver.send(SUPPORT, "chat", customer, event_id=f"{customer}-{day}")
        driver.run()
    return driver


def test_nothing_but_the_answers_differs() -> None:
    plain, sung = told(canaries=False), told(canaries=True)
    assert len(plain.alerts) > 20
    assert sung.rows() == plain.rows()
    assert sung.alerts == plain.alerts
    assert sung.holds == plain.holds
    assert sung.incidents == plain.incidents
    assert sung.insights == plain.insights
    assert sum(one.applied for one in sung.outcomes) == sum(one.applied for one in plain.outcomes)
    assert not any(one.contact_cents for one in sung.outcomes if one.answers and not one.applied)


def test_each_partition_answers_each_event_once_and_at_once() -> None:
    driver = told(canaries=True)
    answers = [one for outcome in driver.outcomes for one in outcome.answers]
    assert len(answers) == 125 * PARTITIONS
    assert {one.key for one in answers} == {b"canary/%d" % at for at in range(PARTITIONS)}
    ids = [msgpack.unpackb(one.value or b"")["event_id"] for one in answers]
    assert len(set(ids)) == len(ids)
    assert all(outcome.says_something for outcome in driver.outcomes if outcome.answers)


@pytest.mark.parametrize("partitions", [1, 16, 100])
def test_there_is_a_canary_for_each_partition(partitions: int) -> None:
    names = customers(partitions)
    assert [ledger_partition(name, partitions) for name in names] == list(range(partitions))


def test_what_is_not_answered_in_time_is_lost() -> None:
    registry = CollectorRegistry()
    metrics = CanaryMetrics(registry)
    canary = Canary(Config(), metrics.answered, metrics.lost)
    canary.waiting = {"old": 10.0, "new": 50.0, "heard": 20.0}
    canary.hear(b"curve/0", b"not ours")
    canary.hear(b"canary/1", msgpack.packb({"version": 1, "event_id": "heard", "ts_ms": 0}))
    canary.hear(b"canary/2", msgpack.packb({"version": 1, "event_id": "somebody else's", "ts_ms": 0}))
    canary.give_up_on(40.0)
    assert list(canary.waiting) == ["new"]
    for outcome in ("answered", "lost"):
        assert registry.get_sample_value("whaleline_canary_events_total", {"outcome": outcome}) == 1
    assert registry.get_sample_value("whaleline_canary_seconds_count") == 1


def test_a_recordings_clock_has_no_use_for_a_canary() -> None:
    with pytest.raises(ConfigError, match="source_clock"):
        Canary(Config(source_clock="source"), [].append, list)
