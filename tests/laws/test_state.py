"""Laws of what is kept: a changed policy, a budget, a changelog that is not whole, equal bits everywhere."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

import pytest

from schemas.block import Source, policy_entry, progress_entry, sources_entry
from schemas.state import CUSTOMER, LAYOUT, LayoutError
from streams.pipeline import Pipeline, Record, RestoreError
from tests.driver import DAY, HOUR, PURCHASES, SUPPORT, TOPIC_IDS, Driver, feed, told
from tests.worlds import START_MS, world

ROOT = Path(__file__).resolve().parents[2]
SEVERE = "[policy]\nversion = 2\n[churn]\nbase_hazard_per_day = 0.001\n[evidence.rude_call]\nhalf_life_days = 10\n"


def fingerprint() -> str:
    """Rows and alerts of a world with every kind of event, as one hash."""
    driver = Driver(now_ms=START_MS)
    feed(driver, world(21, 150, customers=4, span_days=40, disorder_ms=HOUR))
    driver.wait(days=20)
    whole = hashlib.blake2b()
    for name, row in sorted(driver.rows().items()):
        whole.update(name + row)
    for alert in driver.alerts:
        whole.update(alert.to_json().encode())
    return whole.hexdigest()


def test_the_judge_gives_the_same_bits_compiled_and_not() -> None:
    """Compiled kernels and the plain Python they were written in agree to the last bit, alerts included."""
    plain = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "from tests.laws.test_state import fingerprint as f; print(f())"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert plain.stdout.strip() == fingerprint()


def test_a_policy_in_mid_stream_survives_a_crash() -> None:
    """Days before the new policy stay judged by the old one, also for rows a restored worker settles late."""
    worlds = world(31, 200, customers=5, span_days=60)
    half = len(worlds) // 2
    drivers = [Driver(now_ms=START_MS), Driver(now_ms=START_MS)]
    for number, driver in enumerate(drivers):
        feed(driver, worlds[:half])
        driver.wait(days=9)
        if number:
            driver.crash()
        driver._append([(0, policy_entry(SEVERE, 2))])
        driver.run()
        if number:
            driver.crash()
        driver.now_ms = max(driver.now_ms, worlds[half][1]["ts_ms"])
        feed(driver, worlds[half:])
        driver.wait(days=30)
    assert drivers[0].pipelines[0].policy.version == 2
    assert drivers[0].rows() == drivers[1].rows()
    assert [one.alert_id for one in drivers[0].alerts] == [one.alert_id for one in drivers[1].alerts]
    assert {one.policy_version for one in drivers[0].alerts} == {1, 2}


def test_an_older_policy_is_ignored_and_a_conflict_is_said() -> None:
    """A worker that starts with an old file changes nothing; the same version with other settings is told."""
    driver = Driver(policy="[policy]\nversion = 3\n")
    driver.run()
    driver._append([(0, policy_entry("[policy]\nversion = 2\n", 2))])
    driver._append([(0, policy_entry("[policy]\nversion = 3\n[cost]\nemail_cents = 1\n", 3))])
    driver.run()
    assert driver.pipelines[0].policy.version == 3
    older, twice = [words for outcome in driver.outcomes for words in outcome.conflicts]
    assert "version 2 is ignored, version 3 is in force" in older
    assert "version 3 was written twice" in twice


def test_service_alerts_over_the_days_budget_say_so() -> None:
    """Nothing is swallowed; what the floors cannot act on today is marked, and tomorrow starts anew."""
    driver = Driver(policy="[service]\nbudget_per_day = 2\n")
    for number in range(4):
        driver.send(SUPPORT, "rude_call", f"C{number}", observer="qa")
    driver.run()
    driver.crash()
    driver.wait(days=1)
    driver.send(SUPPORT, "rude_call", "C9", observer="qa")
    driver.run()
    assert [(told(one), one.within_budget) for one in driver.alerts] == [
        *[("service_failure_entered:rude_call", True)] * 2,
        *[("service_failure_entered:rude_call", False)] * 2,
        ("service_failure_entered:rude_call", True),
    ]


def test_a_late_event_concludes_at_the_next_tick() -> None:
    """An event older than the last tick folds at once and is told an hour later at most."""
    driver = Driver()
    driver.support("call_closed")
    driver.wait(hours=5)
    assert driver.support("rude_call", at_ms=driver.now_ms - 3 * HOUR, observer="qa") == []
    assert driver.row()["pending"] == 1
    driver.crash()
    assert [told(one) for one in driver.wait(hours=1)] == ["service_failure_entered:rude_call"]
    assert driver.row()["pending"] == 0


@pytest.mark.parametrize("lost", [0, 1, -1], ids=["its first row", "its second row", "its position"])
def test_a_publication_that_is_not_whole_is_refused(lost: int) -> None:
    """A changelog that lacks a record of its last publication is no state to judge on from."""
    driver = Driver()
    for customer in ("A", "B", "C"):
        driver.send(SUPPORT, "call_closed", customer)
    driver.run()
    records = list(driver.changelog[0])
    del records[lost]
    fresh = Pipeline("whaleline")
    for key, value in records:
        fresh.restore(key, value)
    with pytest.raises(RestoreError):
        fresh.restored()


def test_a_newer_layout_is_refused() -> None:
    """An older version never guesses at rows it does not know."""
    value = (LAYOUT + 1).to_bytes(2, "little") + bytes(8 + CUSTOMER.itemsize)
    with pytest.raises(LayoutError, match="start a newer version"):
        Pipeline("whaleline").restore(b"cC1", value)


def test_rows_are_the_same_whether_looked_at_daily_or_not() -> None:
    """Settling day by day, or in one go after a restore, gives the same bytes."""
    daily, rarely = Driver(), Driver()
    for driver in (daily, rarely):
        driver.buys("purchase", amount_cents=5_000)
        driver.support("rude_call", observer="qa")
    for _ in range(50):
        daily.wait(days=1)
        daily.crash()
    rarely.wait(days=50)
    assert daily.row()["day"] == rarely.row()["day"]
    assert daily.rows() == rarely.rows()


def test_a_ledger_without_a_policy_is_refused() -> None:
    """Events before any policy mean that the ledger was not opened by an ingester."""
    driver = Driver()
    driver.support("call_closed")
    blocks = [record.value for record in driver.ledger[0] if record.value[:4] == b"WLB1"]
    with pytest.raises(ValueError, match="before any policy"):
        Pipeline("whaleline").step(Record(0, None, blocks[0]))


def test_an_event_older_than_the_customer_after_a_crash_changes_no_settled_day() -> None:
    """Days already settled stay as they were, whether memory or a restored worker settled them."""
    drivers = [Driver(), Driver()]
    for number, driver in enumerate(drivers):
        driver.support("call_closed")
        driver.wait(days=20)
        if number:
            driver.crash()
        driver.support("chat", at_ms=driver.now_ms - 60 * DAY)
        driver.wait(days=5)
    assert drivers[0].rows() == drivers[1].rows()


def test_a_refused_event_leaves_no_row_not_even_under_a_new_policy() -> None:
    """A customer known only from a refused event is a stranger, before and after a crash."""
    drivers = [Driver(), Driver()]
    for number, driver in enumerate(drivers):
        driver.support("call_closed", "C1")
        driver.support("call_closed", "GHOST", at_ms=driver.now_ms + DAY)
        driver.wait(days=2)
        if number:
            driver.crash()
        driver._append([(0, policy_entry(SEVERE, 2))])
        driver.run()
    assert drivers[0].rows().keys() == drivers[1].rows().keys() == {b"C1"}
    assert len(drivers[0].pipelines[0].customers()) == 1


def test_a_source_topic_made_anew_does_not_stop_time() -> None:
    """The old UUID under the same name is retired by the new one."""
    driver = Driver()
    driver.support("ticket_opened", case_id="T")
    anew = uuid5(NAMESPACE_DNS, "made anew")
    kept = [(PURCHASES, TOPIC_IDS[PURCHASES], 1), (SUPPORT, anew, 1)]
    driver._append([(0, sources_entry(kept))])
    start_ms = driver.now_ms
    for day in range(1, 6):
        until = start_ms + day * DAY
        driver.now_ms = until
        driver._append([(0, progress_entry([(Source(anew, 0), until), (Source(TOPIC_IDS[PURCHASES], 0), until)]))])
        driver.judge()
    driver.publish()
    assert driver.kinds() == ["service_failure_entered:ticket_unanswered"]


def test_a_state_of_another_ledger_is_refused() -> None:
    """A ledger made anew beside the old customers would skip its first records: say so instead."""
    old, new = uuid5(NAMESPACE_DNS, "old"), uuid5(NAMESPACE_DNS, "new")
    driver = Driver()
    driver.support("call_closed")
    before = Pipeline("whaleline", ledger=old)
    for record in driver.ledger[0]:
        before.step(record)
    changelog = before.snapshot().records
    same, other = Pipeline("whaleline", ledger=old), Pipeline("whaleline", ledger=new)
    for key, value in changelog:
        same.restore(key, value)
        other.restore(key, value)
    same.restored()
    with pytest.raises(RestoreError, match="made anew"):
        other.restored()


def test_a_case_that_runs_for_months_leaves_no_column_below_zero() -> None:
    """What is booked anew never exceeds what was booked there."""
    driver = Driver()
    for _ in range(6):
        driver.support("dispatch", case_id="T", cost_cents=10_000)
        driver.support("call_opened", case_id="T")
        driver.wait(days=28)
    driver.support("ticket_resolved", case_id="T", cause="company")
    periods = driver.row()["period_cost_cents"]
    assert all(cents >= 0 for columns in periods for cents in columns)
    assert sum(map(sum, periods)) == 60_000
    assert sum(columns[0] for columns in periods) >= 20_000


def test_a_fifth_open_case_is_followed_too() -> None:
    """Cases that nobody ever closes must not hide the ticket that waits now."""
    driver = Driver()
    for number in range(6):
        driver.support("call_closed", case_id=f"old-{number}", resolved=False)
        driver.wait(hours=1)
    driver.support("ticket_opened", case_id="new")
    driver.wait(days=4)
    assert driver.kinds() == ["service_failure_entered:ticket_unanswered"]
    assert driver.row()["cases_overflowed"] == 3
