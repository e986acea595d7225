"""S2: a regular buyer is worth years of orders; S1: winning another costs more; S4: most need no alert."""

from __future__ import annotations

from schemas.codes import Machine
from tests.driver import DAY, HOUR, Driver
from tests.stories.telling import START_MS


def regular(orders: int, policy: str = "") -> Driver:
    """So many orders of 50.00, three weeks apart, a third of it margin; then a rude call."""
    driver = Driver(now_ms=START_MS, policy=policy)
    for order in range(orders):
        driver.now_ms = START_MS + order * 21 * DAY
        driver.buys("purchase", amount_cents=5_000, margin_cents=1_650)
    driver.wait(hours=1)
    driver.support("rude_call", observer="qa")
    return driver


def test_a_regular_buyer_is_worth_years_of_orders_and_one_order_is_not() -> None:
    """Five years ahead, discounted: dozens of orders' margin after two years of buying."""
    once, often = regular(1).alerts[0], regular(35).alerts[0]
    assert often.worth_cents > 20 * 1_650
    assert often.worth_cents < 5 * 365 / 21 * 1_650, "less than if nothing could come between"
    assert once.worth_cents < often.worth_cents / 4
    assert often.at_risk_cents == round(often.worth_cents * often.risk_ppm / 1e6)


def test_less_is_worth_less_over_a_shorter_time() -> None:
    """The horizon is the policy's: one year in place of five."""
    year = regular(35, "[lifetime]\nhorizon_weeks = 52\n").alerts[0]
    assert 0.15 < year.worth_cents / regular(35).alerts[0].worth_cents < 0.5


def test_what_winning_another_would_cost_is_at_stake_too() -> None:
    """The stake behind every gesture is the customer's worth and the price of a new one in their place."""
    for cents in (0, 6_000, 20_000):
        alert = regular(5, f"[economics]\nacquisition_cents = {cents}\n").alerts[0]
        assert alert.stake_cents == alert.worth_cents + cents
        assert alert.gesture is not None
        assert abs(alert.gesture.saved_cents - alert.stake_cents * alert.gesture.chance_ppm / 1e6) <= 1


def test_who_neither_earns_nor_costs_much_is_left_in_peace() -> None:
    """A year of small orders and a question now and then: neutral, and not an alert in all that time."""
    driver = Driver(now_ms=START_MS)
    for day in range(0, 365, 30):
        driver.now_ms = START_MS + day * DAY
        driver.buys("purchase", amount_cents=2_500, margin_cents=600)
        if day % 90 == 0:
            driver.now_ms += HOUR
            driver.support("chat", handle_ms=240_000, resolved=True, reason="how_to")
    assert driver.kinds() == []
    state = driver.row()["state"]
    assert [state[machine] for machine in Machine if machine is not Machine.HOLD] == [0] * (len(Machine) - 1)
    assert state[Machine.HOLD] == 0
