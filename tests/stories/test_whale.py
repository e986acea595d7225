"""S4: a fifth of the customers make more than all the profit, a quarter destroy some; what if one were gone."""

from __future__ import annotations

import pytest

from streams.chart import curve_lines, what_if_lines
from streams.whale import whale_of_insights, what_if
from tests.driver import DAY, Driver
from tests.stories.telling import START_MS

TOP, MIDDLE, BOTTOM = 50, 125, 75
EARNS, LITTLE, COSTS = 12_000, 100, 950
CALL = {"handle_ms": 600_000}


@pytest.fixture(scope="module")
def base() -> Driver:
    """250 customers in three partitions: few bring much, many a little, and many only call."""
    driver = Driver(now_ms=START_MS, partitions=3)
    for number in range(TOP):
        driver.send("purchases", "purchase", f"T{number}", amount_cents=50_000, margin_cents=EARNS + 350)
    for number in range(MIDDLE):
        driver.send("purchases", "purchase", f"M{number}", amount_cents=1_000, margin_cents=LITTLE + 350)
    for number in range(BOTTOM):
        driver.send("support-calls", "call_closed", f"B{number}", reason="how_to", resolved=True, **CALL)
    driver.run()
    driver.support("call_closed", "B0", case_id="L", **CALL)
    driver.support("lock_out", "B0", case_id="L", sku="printer-p")
    driver.now_ms = START_MS + DAY
    driver.wait(minutes=1)
    return driver


def test_few_make_more_than_all_of_it_and_the_last_destroy_some(base: Driver) -> None:
    """The top fifth brings more than the whole profit; the peak stands where customers below zero begin."""
    whale = whale_of_insights(base.insights)
    assert whale is not None
    curve = whale.curve
    net = TOP * EARNS + MIDDLE * LITTLE - (BOTTOM + 1) * COSTS
    assert (curve.customers, curve.net_cents, curve.below_zero) == (250, net, BOTTOM)
    assert curve.top_ppm is not None
    assert curve.top_ppm["top_20"] == round(TOP * EARNS / net * 1e6) > 1_000_000
    assert curve.bottom_ppm is not None
    assert curve.bottom_ppm < 0
    assert curve.peak_customers_ppm == 700_000
    assert whale.prize_cents == COSTS, (
        "one call of two was about a lock of ours, and is the prize for taking it off"
    )
    assert "customers below zero" in "\n".join(curve_lines(whale, "EUR", True))


def test_what_if_one_customer_were_not_there(base: Driver) -> None:
    """Where they stand, what the profit would have been, what of their cost was our own doing; no forecast."""
    row = base.pipelines[base_partition(base, "B0")].settled_rows()[b"B0"][0]
    found = what_if(base.insights, row)
    assert found is not None
    assert (found.net_cents, found.company_cents, found.below_ppm) == (-2 * COSTS, COSTS, 0)
    whale = whale_of_insights(base.insights)
    assert whale is not None
    assert found.profit_without_cents == whale.curve.net_cents + 2 * COSTS
    text = " ".join(what_if_lines(found, "EUR"))
    assert "A what-if, not a forecast" in text
    assert "9.50 EUR" in text


def test_the_best_stand_above_the_others(base: Driver) -> None:
    """Four fifths of all customers bring less, and without one of them the profit is smaller."""
    row = base.pipelines[base_partition(base, "T7")].settled_rows()[b"T7"][0]
    found = what_if(base.insights, row)
    assert found is not None
    assert (found.net_cents, found.below_ppm) == (EARNS, 800_000)


def base_partition(base: Driver, customer: str) -> int:
    """Whose ledger partition the customer is in."""
    return next(at for at, one in enumerate(base.pipelines) if customer.encode() in one.settled_rows())


def test_before_the_first_midnight_there_is_no_curve() -> None:
    """Nothing is made up."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=1_000)
    assert what_if({}, driver.pipelines[0].settled_rows()[b"C1"][0]) is None
