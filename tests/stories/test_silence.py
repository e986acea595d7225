"""Silence is measured in the customer's own gaps; a rest that comes every year is no silence."""

import pytest

from tests.driver import DAY, Driver
from tests.stories.telling import START_MS


def first_risk_day(days: list[int], until: int, after: int = 0) -> int | None:
    """The first day after ``after`` on which somebody who buys on these days becomes a churn risk; or None."""
    driver = Driver(now_ms=START_MS)
    for day in days:
        driver.now_ms = START_MS + day * DAY
        driver.buys("purchase", amount_cents=40_000, margin_cents=16_000)
    driver.wait(days=until - days[-1])
    told = [alert.ts_ms for alert in driver.alerts if alert.kind == "churn_risk_entered"]
    return next((day for at in told if (day := (at - START_MS) // DAY) > after), None)


@pytest.mark.parametrize("gap", [7, 14, 28, 45])
def test_a_regular_buyer_is_not_gone_five_gaps_unnoticed(gap: int) -> None:
    """Ten purchases by the calendar, then nothing: noticed after more than two gaps, before five have passed."""
    last = 9 * gap
    noticed = first_risk_day([at * gap for at in range(10)], last + 8 * gap)
    assert noticed is not None
    assert 2 * gap < noticed - last < 5 * gap


def test_a_yearly_rhythm_is_not_silence() -> None:
    """Somebody who buys twice each December: once that is known, eleven months without a word are no risk.

    In the first year nobody can know it; and years without any purchase are silence for them too.
    """
    decembers = [day + year * 365 for year in range(4) for day in (0, 12)]
    second = decembers[2]
    assert first_risk_day(decembers, decembers[-1] + 350, after=second) is None
    assert first_risk_day(decembers, decembers[-1] + 1_500, after=second) is not None
