"""Laws of the breaker: nothing is lost or told twice, and a crash, a restart or a slow twin sees the same."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alerts import Alert
from schemas.codes import ALERT_NAMES, Change, Machine
from schemas.policy import parse
from streams.breaker import OF_PRODUCT, Breaker, Key
from streams.names import Names
from streams.outcome import Outcome
from streams.pipeline import Pipeline
from streams.shelf import Produced, Shelf
from tests.driver import DAY, HOUR, MINUTE, Driver, crashed, feed
from tests.laws.test_replay import cut, one_by_one
from tests.oracle.breaker import Heard, SlowBreaker
from tests.oracle.rows import Rules
from tests.vectors import ALERT
from tests.worlds import START_MS, world

SEEDS = st.integers(0, 10**9)
TIGHT = """
[breaker]
wait_minutes = {wait}
entries_per_hour = 3
entries_per_day = 6
least_entries = 2
share_per_hour = 0.02
share_per_day = 0.05
times_usual = 1.5
same_cause = 2
churn_share_per_hour = 0.03
churn_least_entries = 2
initial_days = {days}
"""
NERVOUS = """
[value]
min_periods = 1
min_contacts = 1
min_contact_periods = 1
enter_probability = 0.61
enter_annual_cents = -1
dwell_days = 0
cooldown_days = 0
onboarding_days = 0
[churn]
action_cents = 0
cooldown_days = 0
[breaker]
entries_per_hour = 1
least_entries = 1
same_cause = 1
churn_least_entries = 1
"""
"""Borders that random worlds cross often, and a breaker that trips at almost anything."""


def an_alert(number: int, customer: str, machine: Machine, change: Change, ts_ms: int) -> Alert:
    kind = f"{ALERT_NAMES[machine]}_{change.name.lower()}"
    fresh = replace(ALERT, initial=False, held=False, incident_id=None)
    return replace(fresh, alert_id=f"{number:032x}", kind=kind, customer_id=customer, ts_ms=ts_ms)


class Both:
    """A breaker and its slow twin, told the same; the real one may crash and come back at any time."""

    def __init__(self, rng: random.Random, toml: str, partitions: int) -> None:
        self.rng, self.policy = rng, parse(toml)
        self.partitions = partitions
        self.changelog: list[tuple[bytes, bytes]] = []
        self.breaker = Breaker(1, partitions, Names())
        self.twin = SlowBreaker(Rules(self.policy), 1, partitions)
        self.out = Outcome()
        self.now_ms, self.number = START_MS, 0
        self.entered: set[tuple[str, Machine]] = set()

    def step(self, cause_is: Callable[[Any], Any]) -> None:
        """Something happens."""
        what = self.rng.random()
        if what < 0.15:
            self._tick()
        elif what < 0.2:
            self._release()
        elif what < 0.25:
            self._crash()
        else:
            self._alert(cause_is)

    def _tick(self) -> None:
        self.now_ms += self.rng.choice([MINUTE, HOUR, HOUR, DAY])
        tick_ms, base = self.now_ms // HOUR * HOUR, self.rng.randrange(300)
        self.breaker.tick(tick_ms, base, self.out)
        self.twin.tick(tick_ms, base)
        append_ms = tick_ms + self.rng.choice([0, 3 * DAY, 3 * DAY, 3 * DAY])
        self.breaker.arrived(tick_ms, append_ms, self.policy)
        self.twin.ticked(tick_ms, append_ms)

    def _release(self) -> None:
        name = self.rng.choice([*self.twin.incidents, "nothing-1-1"])
        self.breaker.release(name, "ops", "looked into", self.out)
        self.twin.release(name)

    def _crash(self) -> None:
        self.changelog += self.breaker.take_dirty()
        self.breaker = Breaker(1, self.partitions, Names())
        for key, value in self.changelog:
            self.breaker.restore(key, value)
        self.breaker.rebuild()

    def _alert(self, cause_is: Callable[[Any], Any]) -> None:
        machine = self.rng.choice([Machine.VALUE, Machine.VALUE, Machine.CHURN, Machine.SERVICE, Machine.CAUSE])
        customer = f"C{self.rng.randrange(40)}"
        change = Change.ENTERED
        if (customer, machine) in self.entered:
            change = self.rng.choice([Change.ESCALATED, Change.CLEARED])
        (self.entered.discard if change is Change.CLEARED else self.entered.add)((customer, machine))
        cause = self.rng.choice([None, Key(OF_PRODUCT, 1, 0), Key(OF_PRODUCT, 1, 2)])
        self.now_ms += self.rng.choice([0, 0, MINUTE, 10 * MINUTE])
        ts_ms = self.now_ms - self.rng.choice([0, 0, 5 * MINUTE])
        append_ms = self.rng.choice([None, ts_ms, ts_ms + 3 * DAY])
        self.number += 1
        alert = an_alert(self.number, customer, machine, change, ts_ms)
        cause_is(cause)
        self.breaker.hear(Produced(alert, machine, change), None, self.policy, append_ms, self.out)
        self.twin.hear(Heard(alert.alert_id, customer, machine, change, ts_ms), cause, append_ms)


def conserved(produced: list[Alert], out: list[Alert], kept: list[Alert]) -> bool:
    """Produced = out + held + waiting, each exactly once."""
    ids = Counter(alert.alert_id for alert in produced)
    return ids == Counter(alert.alert_id for alert in (*out, *kept)) and set(ids.values()) <= {1}


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.sampled_from([0, 60, 90]), st.sampled_from([0, 1]), st.sampled_from([1, 2]))
def test_the_breaker_agrees_with_its_slow_twin(seed: int, wait: int, days: int, partitions: int) -> None:
    """Any order of alerts, ticks, releases and crashes: the same goes out, is held, waits, in the same order."""
    both = Both(random.Random(seed), TIGHT.format(wait=wait, days=days), partitions)
    told: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(150):
            both.step(lambda cause: patch.setattr("streams.breaker.cause_of", lambda row: cause))
            told |= {one.incident_id: one for one in both.breaker.take_told()}
    twin = both.twin
    assert [alert.alert_id for alert in both.out.alerts] == twin.out
    assert [(alert.alert_id, alert.incident_id) for alert in both.out.held] == twin.held
    assert [alert.alert_id for alert in both.breaker.kept()] == [
        one.alert_id for one in twin.heard if one.place != "out"
    ]
    assert {
        name: (one.released_ms is not None, one.count, one.limit, one.allowed) for name, one in told.items()
    } == {
        name: (released, count, limit, allowed)
        for name, (released, _, count, limit, allowed) in twin.incidents.items()
    }
    initial = {one.alert_id for one in twin.heard if one.initial}
    assert {alert.alert_id for alert in both.out.held if alert.initial} == initial
    assert conserved(both.out.produced, both.out.alerts, both.breaker.kept())


def test_the_conservation_checker_sees_a_lost_and_a_doubled_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a shelf that forgets one alert of a release, and an alert told twice, are seen."""

    def run() -> Both:
        both = Both(random.Random(3), TIGHT.format(wait=60, days=0), 1)
        for _ in range(200):
            both.step(lambda cause: None)
        for incident in list(both.twin.incidents):
            both.breaker.release(incident, "ops", "looked into", both.out)
        return both

    monkeypatch.setattr("streams.breaker.cause_of", lambda row: None)
    whole = run()
    assert conserved(whole.out.produced, whole.out.alerts, whole.breaker.kept())
    assert not conserved(whole.out.produced, [*whole.out.alerts, whole.out.alerts[0]], whole.breaker.kept())
    honest = Shelf.release
    monkeypatch.setattr(Shelf, "release", lambda shelf, name: honest(shelf, name)[1:])
    lossy = run()
    assert not conserved(lossy.out.produced, lossy.out.alerts, lossy.breaker.kept())


def waves(rng: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """A few times, some strangers call within an hour about the same product, and are treated badly."""
    for wave in range(4):
        at_ms = START_MS + rng.randrange(30 * DAY)
        for number in range(rng.randrange(3, 7)):
            ts_ms, customer = at_ms + rng.randrange(HOUR // 2), f"W{wave}-{number}"
            about = {"customer_id": customer, "case_id": "T", "sku": f"sku-{wave % 2}", "reason": "crash"}
            yield "support", {**about, "kind": "chat", "ts_ms": ts_ms, "event_id": "1"}
            rude = {"customer_id": customer, "kind": "rude_call", "observer": "qa"}
            yield "support", {**rude, "ts_ms": ts_ms + MINUTE, "event_id": "2"}


def lived(seed: int) -> Driver:
    """A driver that has lived through a nervous world, in which people release incidents now and then."""
    driver, rng = Driver(now_ms=START_MS, policy=NERVOUS), random.Random(seed)
    events = world(seed, 250, customers=25, span_days=32, disorder_ms=2 * HOUR)
    arrivals = accumulate((told[1]["ts_ms"] for told in events), max)
    mixed = [*zip(arrivals, events, strict=True), *((told[1]["ts_ms"], told) for told in waves(rng))]
    for _, event in sorted(mixed, key=lambda arrived: arrived[0]):
        feed(driver, [event])
        if rng.random() < 0.03:
            for incident in driver.pipelines[0].incidents()[:1]:
                driver.release(incident.incident_id)
    driver.wait(days=20)
    return driver


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_crashes_lose_nothing_that_waits_or_is_held(seed: int, crashes: list[int]) -> None:
    """Killed at any point, the restored worker emits, holds, keeps and tells the very bytes it would have."""
    steady = lived(seed)
    crashing = crashed(steady.ledger[0], crashes, now_ms=START_MS, policy=NERVOUS)
    for name in ("alerts", "held"):
        assert [one.to_json() for one in getattr(crashing, name)] == [
            one.to_json() for one in getattr(steady, name)
        ]
    assert crashing.kept() == steady.kept()
    assert crashing.latest() == steady.latest()
    produced = [alert for outcome in steady.outcomes for alert in outcome.produced]
    assert conserved(produced, steady.alerts, steady.kept())


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_any_batching_lets_out_and_holds_the_same(seed: int) -> None:
    """Where a block ends is chance; no order, count or incident depends on it."""
    contents = one_by_one(lived(seed).ledger[0])
    rng = random.Random(seed)
    found = []
    for _ in range(2):
        pipeline = Pipeline("whaleline")
        outcomes = [pipeline.step(record) for record in cut(contents, rng)]
        alerts = [[alert for one in outcomes for alert in getattr(one, name)] for name in ("alerts", "held")]
        told = {incident.incident_id: incident for one in outcomes for incident in one.incidents}
        found.append((*alerts, told, pipeline.kept()))
    assert found[0] == found[1]


def test_the_nervous_worlds_have_waves() -> None:
    """Negative control of the law above: it would be empty if nothing ever waited, was held or released."""
    drivers = [lived(seed) for seed in range(3)]
    assert all(len(driver.held) > 5 for driver in drivers)
    told = [incident for driver in drivers for incident in driver.latest().values()]
    assert {"common_cause", "value_destroyer"} <= {incident.kind for incident in told}
    assert {incident.released_ms is None for incident in told} == {True, False}
    assert "product sku-0, reason crash" in {incident.cause for incident in told}
    assert any(alert.incident_id for driver in drivers for alert in driver.alerts)
