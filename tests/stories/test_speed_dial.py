"""S3: speed-dialling twenty-five times to be let out of a contract: it gains nothing and costs nothing."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.codes import Evidence
from tests.driver import DAY, HOUR, MINUTE, Driver
from tests.stories.telling import START_MS

CONTRACT_END_MS = START_MS + 500 * DAY
SHORT = {"handle_ms": 40_000, "reason": "billing"}


def loyal(driver: Driver, customer: str = "C1") -> None:
    """A contract customer of four months who buys now and then."""
    for day in range(0, 113, 28):
        driver.now_ms = START_MS + day * DAY + 12 * HOUR
        driver.buys(
            "maintenance_fee", customer, amount_cents=9_000, period_ms=28 * DAY, contract_end_ms=CONTRACT_END_MS
        )
        driver.buys("purchase", customer, amount_cents=4_000, margin_cents=1_000)


def dials(driver: Driver, calls: int, customer: str = "C1", **fields: Any) -> None:
    """So many calls, ten minutes apart."""
    for _ in range(calls):
        driver.now_ms += 10 * MINUTE
        driver.support("call_closed", customer, **{**SHORT, **fields})


def speed_dialled(calls: int = 25, **fields: Any) -> Driver:
    """Asks what leaving costs, then dials."""
    driver = Driver(now_ms=START_MS)
    loyal(driver)
    driver.support("etf_query", termination_fee_cents=20_000, contract_end_ms=CONTRACT_END_MS)
    dials(driver, calls, **fields)
    return driver


def test_it_is_told_once_and_ends_by_itself() -> None:
    """One alert at the fifteenth call, one when the fortnight is over; never a failure, never a label."""
    driver = speed_dialled()
    alert = driver.alerts[0]
    assert alert.actions == ("single_owner_callback", "fee_decision_by_a_human")
    assert {one.name: one.value for one in alert.evidence} == {
        "contacts": 15,
        "short_contacts": 15,
        "asked_to_leave": 0,
        "termination_fee": 20_000,
        "set_aside": 15 * 250,
    }
    driver.wait(days=30)
    assert driver.kinds() == ["gaming_suspected_entered", "gaming_suspected_cleared"]
    assert driver.alerts[1].ts_ms - alert.ts_ms >= 14 * DAY


def test_the_calls_gain_nothing() -> None:
    """No burst of ours is told, no case owed, and nothing proposes a waiver."""
    driver = speed_dialled()
    assert not any(kind.startswith("service_failure") for kind in driver.kinds())
    assert not any("waive" in action for alert in driver.alerts for action in alert.actions)


def test_the_calls_cost_nothing() -> None:
    """The adjusted net, the risk and the evidence of a twin who never called are the same to the cent."""
    caller, twin = speed_dialled(), speed_dialled(0)
    for driver in (caller, twin):
        driver.now_ms = START_MS + 200 * DAY
        driver.run()
    mine, theirs = caller.row(), twin.row()
    booked = sum(sum(costs[1:]) for costs in mine["period_cost_cents"])
    assert booked - sum(mine["period_aside_cents"]) == sum(sum(one[1:]) for one in theirs["period_cost_cents"])
    for name in ("evidence", "odds", "risk_day_start_ppm", "usual_risk", "failure_day", "failed_moments"):
        assert mine[name] == theirs[name], name


def test_a_case_for_each_call_is_no_way_around() -> None:
    """Short calls about one case make no churn evidence while the suspicion stands."""
    driver = speed_dialled(15)
    before = driver.row()["evidence"][Evidence.UNRESOLVED_REPEAT]
    dials(driver, 10, case_id="X")
    assert driver.row()["evidence"][Evidence.UNRESOLVED_REPEAT] == before == 0
    assert driver.kinds() == ["gaming_suspected_entered"]


@pytest.mark.parametrize(
    ("why", "fields"),
    [
        ("the calls are of ordinary length", {"handle_ms": 300_000}),
        ("nobody says how long they were", {"handle_ms": None}),
    ],
)
def test_other_calls_do_not_match(why: str, fields: dict[str, Any]) -> None:
    """Twenty-five honest calls are a burst of ours, whatever the caller once asked about leaving."""
    driver = Driver(now_ms=START_MS)
    loyal(driver)
    driver.support("etf_query", termination_fee_cents=20_000)
    for _ in range(25):
        driver.now_ms += 10 * MINUTE
        sent = {name: value for name, value in {**SHORT, **fields}.items() if value is not None}
        driver.support("call_closed", **sent)
    assert "service_failure_entered:contact_burst" in driver.kinds(), why
    assert not any(kind.startswith("gaming") for kind in driver.kinds())


def test_a_genuine_day_of_thirty_five_calls_does_not_match() -> None:
    """A fault of ours is open: the calls are ours, however short and whatever was asked about leaving."""
    driver = Driver(now_ms=START_MS)
    loyal(driver)
    driver.support("cancel_request", termination_fee_cents=20_000, contract_end_ms=CONTRACT_END_MS)
    driver.support("fault_opened", fault_id="F")
    dials(driver, 35)
    assert "service_failure_escalated:contact_burst" in driver.kinds()
    assert not any(kind.startswith("gaming") for kind in driver.kinds())


def test_callers_by_relay_do_not_match() -> None:
    """Many short calls and no wish to leave: a burst that is ours to settle, never a suspicion."""
    driver = Driver(now_ms=START_MS)
    for day in range(0, 60, 3):
        driver.now_ms = START_MS + day * DAY + 9 * HOUR
        dials(driver, 16)
    assert not any(kind.startswith("gaming") for kind in driver.kinds())
    assert "service_failure_entered:contact_burst" in driver.kinds()


def test_a_fault_found_later_takes_it_back_at_once() -> None:
    """It was us after all: the suspicion is lifted the minute the fault is known, and the next call is heard."""
    driver = speed_dialled()
    driver.wait(hours=1)
    driver.support("fault_opened", fault_id="F")
    assert driver.kinds()[-1] == "gaming_suspected_cleared"
    driver.support("call_closed", **SHORT)
    assert "service_failure_entered:contact_burst" in driver.kinds()


def test_the_suspicion_is_not_renewed_at_once() -> None:
    """A second day of dialling inside the cooldown is told as nothing at all."""
    driver = speed_dialled()
    driver.wait(days=15)
    dials(driver, 25)
    driver.wait(days=5)
    assert driver.kinds() == ["gaming_suspected_entered", "gaming_suspected_cleared"]
