"""S4: heavy support at the start is paid by the fees to come; a fee that pays nothing back is none."""

import pytest

from tests.driver import DAY, Driver
from tests.stories.telling import START_MS

SET_UP_DAYS = 84
YEAR_MS = 365 * DAY


def set_up(driver: Driver, fee_cents: int, signed: bool, until_day: int = 330) -> None:
    """Two long calls a week for twelve weeks, then a fee every four weeks and a call a month."""
    if signed:
        end_ms = START_MS + 2 * YEAR_MS
        told = {"amount_cents": fee_cents, "period_ms": 28 * DAY, "contract_end_ms": end_ms}
        driver.now_ms = START_MS
        driver.buys("contract_signed", **told)
    for day in range(1, until_day):
        driver.now_ms = START_MS + day * DAY
        if day < SET_UP_DAYS and day % 7 in (2, 5):
            driver.support("call_closed", reason="onboarding", handle_ms=900_000)
        if day >= SET_UP_DAYS and day % 28 == 0 and fee_cents:
            driver.buys("maintenance_fee", amount_cents=fee_cents, period_ms=28 * DAY)
        if day >= SET_UP_DAYS and day % 28 == 10:
            driver.support("call_closed", reason="how_to", handle_ms=600_000)


def judged(driver: Driver) -> list[str]:
    """What was said of the customer's value."""
    return [kind for kind in driver.kinds() if kind.startswith(("value", "fix"))]


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "only its fees are seen"])
def test_being_set_up_is_an_investment(signed: bool) -> None:
    """Nobody is judged for the first months when the fees earn them back within two years."""
    driver = Driver(now_ms=START_MS)
    set_up(driver, 8_000, signed)
    assert judged(driver) == []


@pytest.mark.parametrize("fee_cents", [0, 100], ids=["no fee", "a fee that covers nothing"])
def test_the_same_calls_with_nothing_to_come_are_judged(fee_cents: int) -> None:
    """Negative control: the very same calls, and nothing that pays for them."""
    driver = Driver(now_ms=START_MS)
    set_up(driver, fee_cents, False)
    assert judged(driver)[0] == "value_destroyer_entered"


def test_the_fees_and_what_they_cover_are_told() -> None:
    """A caller who pays some: the alert says which share of the cost the fees cover, and what is to come."""
    driver = Driver(now_ms=START_MS)
    for day in range(1, 200):
        driver.now_ms = START_MS + day * DAY
        if day % 28 == 1:
            driver.buys("maintenance_fee", amount_cents=1_000, period_ms=28 * DAY)
        if day % 4 == 0:
            driver.support("call_closed", reason="how_to", handle_ms=600_000)
    alert = next(one for one in driver.alerts if one.kind == "value_destroyer_entered")
    assert alert.fee_cover_ppm == pytest.approx(700 / (7 * 950) * 1e6, rel=0.2)
    assert alert.forward_year_cents < 0
    assert "fee_cover" in {one.name for one in alert.evidence}


def test_no_fee_covers_nothing_and_says_so() -> None:
    """Without fees there is no ratio, not a ratio of zero."""
    driver = Driver(now_ms=START_MS)
    set_up(driver, 0, False)
    assert next(one for one in driver.alerts if one.kind == "value_destroyer_entered").fee_cover_ppm is None


def test_a_year_ahead_that_pays_ends_it() -> None:
    """Costly for months, then a contract that pays: cleared long before the bad months are forgotten."""
    driver = Driver(now_ms=START_MS)
    cleared_day = 0
    for day in range(1, 420):
        driver.now_ms = START_MS + day * DAY
        if day < 170 and day % 4 == 0:
            driver.support("call_closed", reason="how_to", handle_ms=900_000)
        if day == 180:
            end_ms = driver.now_ms + 2 * YEAR_MS
            driver.buys("contract_signed", amount_cents=9_000, period_ms=28 * DAY, contract_end_ms=end_ms)
        if day > 180 and day % 28 == 0:
            driver.buys("maintenance_fee", amount_cents=9_000, period_ms=28 * DAY)
        driver.run()
        if not cleared_day and "value_destroyer_cleared" in driver.kinds():
            cleared_day = day
    assert [kind for kind in judged(driver) if "escalated" not in kind] == [
        "value_destroyer_entered",
        "value_destroyer_cleared",
    ]
    assert 180 + 84 <= cleared_day <= 340
