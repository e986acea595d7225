"""S4: a callback is promised and does not come; an advertised thing does not do what was advertised."""

from __future__ import annotations

import pytest

from schemas.codes import Fault
from tests.driver import DAY, HOUR, Driver
from tests.stories.telling import START_MS

COST = 200 + 75 * 10


def promised() -> Driver:
    """A call that ends with a promise for five in the afternoon."""
    driver = Driver(now_ms=START_MS + 10 * HOUR)
    driver.buys("purchase", amount_cents=9_000)
    driver.support("call_closed", case_id="T", handle_ms=600_000, resolved=False)
    driver.support("callback_promised", case_id="T", due_ms=START_MS + 17 * HOUR)
    return driver


def test_a_promised_call_that_does_not_come_is_told_by_the_clock() -> None:
    """Hours after the promise the floor hears of it, and the case is ours from its first call on."""
    driver = promised()
    driver.now_ms = START_MS + 21 * HOUR + HOUR // 2
    driver.run()
    assert driver.kinds() == []
    driver.wait(hours=1)
    assert driver.kinds() == ["service_failure_entered:callback_missed"]
    alert = driver.alerts[0]
    assert alert.actions == ("call_back_now", "single_owner")
    assert alert.clears_when[0].startswith("the open case settled") or "callback" in " ".join(alert.clears_when)
    assert driver.row()["life_cost_cents"][Fault.COMPANY] == COST
    driver.wait(days=10)
    assert len(driver.alerts) == 1, "told once"


@pytest.mark.parametrize("hour", [12, 20], ids=["early", "late, within the grace"])
def test_a_call_that_came_is_nobodys_business(hour: int) -> None:
    """Expected silence."""
    driver = promised()
    driver.now_ms = START_MS + hour * HOUR
    driver.support("callback_made", case_id="T")
    driver.wait(days=5)
    assert driver.kinds() == []


@pytest.mark.parametrize(
    ("named", "told"), [({}, []), ({"case_id": "U"}, ["service_failure_entered:callback_missed"])]
)
def test_a_call_about_a_case_keeps_a_promise_that_named_none(named: dict[str, str], told: list[str]) -> None:
    """Expected silence; but a promise about one case is not kept by a call about another."""
    driver = Driver(now_ms=START_MS + 10 * HOUR)
    driver.support("callback_promised", due_ms=START_MS + 17 * HOUR, **named)
    driver.support("callback_made", case_id="T")
    driver.wait(days=1)
    assert driver.kinds() == told


def test_an_agent_may_say_that_it_was_missed() -> None:
    """Heard at once, and not a second time by the clock."""
    driver = promised()
    driver.support("callback_missed", case_id="T")
    driver.wait(days=5)
    assert driver.kinds() == ["service_failure_entered:callback_missed"]


def test_what_was_advertised_does_not_hold() -> None:
    """Told at once; the truth and a return are offered; every call about it, earlier ones too, is ours."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=9_000, sku="cam")
    driver.support("call_closed", case_id="S", handle_ms=600_000, resolved=False)
    driver.wait(hours=1)
    driver.support("specification_gap", case_id="S", sku="cam")
    driver.support("call_closed", case_id="S", handle_ms=600_000)
    assert driver.kinds() == ["service_failure_entered:specification_gap"]
    assert driver.alerts[0].actions == ("fix_glaring_problem", "offer_return")
    assert driver.alerts[0].problem == "sku cam"
    assert driver.row()["life_cost_cents"][Fault.COMPANY] == 2 * COST


def test_months_of_calls_about_it_make_nobody_a_burden() -> None:
    """The wrong is ours: no label for whoever calls about it every other day."""
    driver = Driver(now_ms=START_MS)
    driver.support("specification_gap", case_id="S", sku="cam")
    for day in range(1, 180, 2):
        driver.now_ms = START_MS + day * DAY
        driver.support("call_closed", handle_ms=900_000, reason="picture")
    assert not any(kind.startswith("value") for kind in driver.kinds())
    assert "fix_the_cause_entered" in driver.kinds()
