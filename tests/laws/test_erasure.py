"""Laws of erasure: forgotten at once and for good, the same on replay and across crashes, nobody else touched."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.block import erase_entry
from schemas.erasures import Receipt, marker_of
from streams import markers
from streams.driver import Driver
from streams.intake import Clock
from streams.markers import OFFLINE_KEY, Markers, MarkersError
from streams.memory import RestoreError
from streams.pipeline import Pipeline, Record
from tests.driver import DAY, HOUR, crashed, feed
from tests.laws.test_oracle import compare
from tests.laws.test_replay import cut, judged, one_by_one
from tests.worlds import START_MS, world

LAWS = settings(max_examples=3, deadline=None)
SEEDS = st.integers(0, 10**9)
CANARY = "canary-3f9c1e07"
WAVE = {"kind": "chat", "case_id": "T", "reason": "no login", "resolved": False}


def lived(seed: int, **how: Any) -> Driver:
    """A world in which customers are erased now and then, some events come late, and some customers come back."""
    rng, driver = random.Random(seed), Driver(now_ms=START_MS, **how)
    events = world(seed, 160, customers=5, span_days=60, disorder_ms=6 * HOUR)
    for at in range(0, len(events), 40):
        feed(driver, events[at : at + 40])
        for _ in range(rng.choice((0, 1, 1, 3))):
            driver.erase(f"C{rng.randrange(6)}")
        if rng.random() < 0.3:
            driver.wait(days=rng.choice((1, 30)))
    driver.wait(days=20)
    return driver


@LAWS
@given(SEEDS)
def test_the_oracle_sees_the_same(seed: int) -> None:
    compare(lived(seed).ledger[0])


@LAWS
@given(SEEDS, st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_crashes_change_nothing(seed: int, crashes: list[int]) -> None:
    """Whatever of an erasure was published before a crash: the end is the same, and so is every receipt."""
    steady = lived(seed)
    crashing = crashed(steady.ledger[0], crashes, now_ms=START_MS)
    assert crashing.rows() == steady.rows()
    assert [one.alert_id for one in crashing.alerts] == [one.alert_id for one in steady.alerts]
    assert crashing.receipts == steady.receipts
    assert crashing.holds == steady.holds


@LAWS
@given(SEEDS)
def test_a_replay_and_any_batching_give_the_same(seed: int) -> None:
    contents, rng = one_by_one(lived(seed, check_future=False).ledger[0]), random.Random(seed)
    assert judged(cut(contents, rng)) == judged(cut(contents, rng))


@LAWS
@given(SEEDS)
def test_nobody_else_is_touched(seed: int) -> None:
    """The others' rows and alerts are those of a world in which the erased were never asked for."""
    driver = Driver(now_ms=START_MS)
    feed(driver, world(seed, 120, customers=4))
    before = driver.rows()
    driver.erase("C1")
    assert driver.rows() == {name: row for name, row in before.items() if name != b"C1"}
    driver.crash()
    assert driver.rows() == {name: row for name, row in before.items() if name != b"C1"}


# ---------------------------------------------------------------- one customer


def let_down(customer: str = "C1", **how: Any) -> Driver:
    driver = Driver(**how)
    driver.buys("purchase", customer, amount_cents=20_000, margin_cents=9_000)
    driver.support("ticket_opened", customer, case_id="T", reason="no ink")
    driver.support("rude_call", customer, case_id="T", observer="qa")
    assert driver.alerts
    assert driver.holds
    return driver


@pytest.mark.parametrize("crash", ["never", "before it is published", "after"])
def test_a_late_event_brings_nobody_back(crash: str) -> None:
    driver = let_down()
    erased_ms = driver.now_ms
    driver._append([(0, erase_entry("C1", driver.now_ms, "dpo", "asked"))])
    driver.judge()
    if crash == "before it is published":
        driver.crash()
    driver.run()
    if crash == "after":
        driver.crash()
    driver.now_ms += HOUR
    for late_ms in (0, 1, DAY, 300 * DAY):
        assert driver.support("rude_call", at_ms=erased_ms - late_ms, observer="qa") == []
    assert driver.rows() == {}
    assert driver.holds == []
    assert [one.known for one in driver.receipts] == [True]


def test_a_new_relationship_begins_afresh_under_new_alert_ids() -> None:
    driver = let_down()
    before = {one.alert_id for one in driver.alerts}
    driver.erase()
    driver.wait(minutes=1)
    after = driver.support("rude_call", observer="qa")
    assert [one.kind for one in after] == ["service_failure_entered"]
    assert after[0].episode == 1
    assert not before & {one.alert_id for one in after}
    assert driver.row()["purchases"] == 0
    assert driver.row()["case_id"] == [0, 0, 0, 0]


def test_where_time_is_the_sources_the_clock_on_the_wall_erases_nothing_to_come() -> None:
    """A recording of years ago: who is erased now and comes back in it is heard."""
    driver = Driver(clock=Clock.SOURCE, now_ms=START_MS + 900 * DAY)
    for at, kind in ((0, "rude_call"), (2, "rude_call")):
        if at:
            driver.erase()
        driver.support(kind, at_ms=START_MS + at * HOUR, observer="qa")
        driver.progress(START_MS + at * HOUR + 1)
        driver.run()
    assert driver.receipts[0].erased_ms == START_MS
    assert set(driver.rows()) == {b"C1"}


def wave(driver: Driver) -> None:
    """So many whose cases have one cause that an incident holds their alerts."""
    for number in range(15):
        for kind, more in (("chat", WAVE), ("rude_call", {"case_id": "T", "observer": "qa"})):
            driver.support(**{**more, "kind": kind, "customer": f"C{number}"})


@pytest.mark.parametrize("crash", [False, True])
def test_what_an_incident_holds_of_the_customer_goes_to_nobody(crash: bool) -> None:
    driver = Driver()
    wave(driver)
    (incident,) = driver.latest().values()
    (named, *_) = incident.customers
    held = [one for one in driver.kept() if one.customer_id == named]
    assert held
    if crash:
        driver.crash()
    driver.erase(named)
    (after,) = driver.latest().values()
    assert after.count == incident.count - len(held)
    assert named not in after.customers
    assert driver.receipts[-1].withdrawn == len(held)
    released = driver.release(after.incident_id)
    assert len(released) == after.count
    assert named not in {one.customer_id for one in released}
    assert next(iter(driver.latest().values())).customers == ()


def compacted(driver: Driver) -> bytes:
    """What a compacted changelog holds in the end: the last word under each key, and nothing of what is gone."""
    last = dict(driver.changelog[0])
    return b"".join(key + value for key, value in last.items() if value is not None)


def test_nothing_of_the_id_is_left_in_the_changelog_nor_in_memory() -> None:
    driver = let_down(CANARY)
    driver.support("rude_call", "C2", observer="qa")
    assert CANARY.encode() in compacted(driver)  # the check can see it
    assert CANARY.encode() in driver.pipelines[0].arena._names.array.tobytes()
    driver.erase(CANARY, reason=f"asked by {CANARY}")
    assert CANARY.encode() not in compacted(driver)
    assert CANARY.encode() not in driver.pipelines[0].arena._names.array.tobytes()
    (receipt,) = driver.receipts
    assert CANARY not in receipt.to_json().decode()
    assert Receipt.of(receipt.to_json()) == receipt
    assert receipt.marker == marker_of(OFFLINE_KEY, CANARY.encode()).hex()


def test_a_compacted_changelog_is_whole() -> None:
    """Compaction takes the tombstones too, in the end; a publication that had one lacks nothing."""
    driver = let_down()
    driver.support("rude_call", "C2", observer="qa")
    driver.erase("C2")
    last = {key: value for key, value in driver.changelog[0] if value is not None}
    gone = {key for key, value in dict(driver.changelog[0]).items() if value is None}
    again = Pipeline("whaleline")
    order = {key: at for at, (key, _) in enumerate(driver.changelog[0])}
    for key in sorted(last.keys() - gone, key=order.__getitem__):
        again.restore(key, last[key])
    again.restored()
    assert set(again.settled_rows()) == {b"C1"}
    cut_short = Pipeline("whaleline")
    for key in order:
        if key in last and key[:1] != b"e":
            cut_short.restore(key, last[key])
    with pytest.raises(RestoreError):  # but one that lacks its marker is no whole publication
        cut_short.restored()


# ---------------------------------------------------------------- markers


def test_a_marker_is_kept_for_its_time_and_no_longer() -> None:
    driver = let_down()
    driver.erase()
    erased_ms = driver.receipts[0].erased_ms
    driver.wait(days=399)
    driver.crash()
    driver.support("rude_call", at_ms=erased_ms, observer="qa")
    assert driver.rows() == {}
    driver.wait(days=3)
    assert len(driver.pipelines[0]._markers) == 0
    driver.crash()
    assert len(driver.pipelines[0]._markers) == 0


def test_so_many_markers_and_no_more_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markers, "MOST", 3)
    kept = Markers(b"key")
    for at, name in enumerate((b"a", b"b", b"a", b"c", b"d")):
        kept.erase(name, [at])
    assert [kept.erased_ms(name) for name in (b"a", b"b", b"c", b"d")] == [2, None, 3, 4]


def changelog_under(key: bytes | None) -> list[tuple[bytes, bytes | None]]:
    pipeline = Pipeline("whaleline", erasure_key=key)
    for record in let_down().ledger[0]:
        pipeline.step(record)
    pipeline.step(Record(pipeline.next_offset, None, erase_entry("C1", 0, "dpo", "asked")))
    return pipeline.snapshot().records


@pytest.mark.parametrize("key", [None, b"another"])
def test_a_state_with_erasures_is_taken_over_under_their_key_only(key: bytes | None) -> None:
    again = Pipeline("whaleline", erasure_key=key)
    (made,) = [one for one in changelog_under(b"the key") if one[0][:1] == b"e"]
    with pytest.raises(MarkersError, match="erasure_key"):
        again.restore(*made)


def test_without_a_key_an_erasure_stops_the_worker_and_is_not_passed_over() -> None:
    with pytest.raises(MarkersError, match="erasure_key is not set"):
        changelog_under(None)


def test_the_key_changes_no_judgement() -> None:
    ledger, found = lived(7).ledger[0], []
    for key in (b"one", b"two"):
        pipeline = Pipeline("whaleline", erasure_key=key)
        alerts = [alert.alert_id for record in ledger for alert in pipeline.step(record).alerts]
        found.append((alerts, {name: row.tobytes() for name, row in pipeline.settled_rows().items()}))
    assert found[0] == found[1]
