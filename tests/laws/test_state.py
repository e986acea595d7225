"""Laws of what is kept: a changed policy, a budget, a changelog that is not whole, equal bits everywhere."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.block import policy_entry
from schemas.state import CUSTOMER, LAYOUT, LayoutError
from streams.pipeline import Pipeline, Record, RestoreError
from tests.driver import HOUR, SUPPORT, Driver, feed, told
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
    (words,) = [words for outcome in driver.outcomes for words in outcome.conflicts]
    assert "version 3 was written twice" in words


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
