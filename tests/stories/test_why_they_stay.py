"""S4: customers stay for revenue, cost, risk or feeling, and loyalty grows from the product to the people."""

from __future__ import annotations

from typing import Any

import pytest

from tests.driver import DAY, Driver
from tests.stories.telling import START_MS


def failing(orders: int, *more: tuple[str, dict[str, Any]]) -> Driver:
    """So many orders, twenty days apart, what else happened, and an hour later a rude call."""
    driver = Driver(now_ms=START_MS)
    driver.support("self_service")
    for order in range(orders):
        driver.now_ms = START_MS + order * 20 * DAY
        driver.buys("purchase", amount_cents=6_000)
    for kind, fields in more:
        driver.support(kind, **fields)
    driver.wait(hours=1)
    driver.support("rude_call", observer="qa")
    return driver


@pytest.mark.parametrize(
    ("orders", "more", "stage"),
    [
        (0, (), "stranger"),
        (1, (), "buyer"),
        (3, (), "repeat"),
        (12, (), "loyal"),
        (12, (("praise", {}),), "advocate"),
        (1, (("referral_given", {"referred_customer_id": "C2"}),), "advocate"),
    ],
)
def test_each_alert_says_how_far_loyalty_had_grown(
    orders: int, more: tuple[tuple[str, dict[str, Any]], ...], stage: str
) -> None:
    """From the product, order by order, to the people who speak for us."""
    alert = next(one for one in failing(orders, *more).alerts if one.moment == "rude_call")
    assert alert.loyalty_stage == stage


@pytest.mark.parametrize(
    ("kind", "fields", "about"),
    [
        ("rude_call", {"observer": "qa"}, "emotion"),
        ("escalation_denied", {}, "emotion"),
        ("identity_refused", {}, "emotion"),
        ("promise_reversed", {}, "risk"),
        ("specification_gap", {}, "risk"),
        ("lock_out", {}, "risk"),
        ("callback_missed", {}, "cost"),
        ("upsell_as_remedy", {}, "cost"),
        ("cancel_request", {}, "revenue"),
    ],
)
def test_each_alert_says_what_it_hurts(kind: str, fields: dict[str, Any], about: str) -> None:
    """A feeling, the trust that things work, time and money, or the money that may leave."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=9_000)
    driver.support(kind, **fields)
    assert driver.alerts[0].driver == about
