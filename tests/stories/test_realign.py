"""S4: help, charge, review, and only then may people talk about the relation itself; revenue is not value."""

from typing import Any

import pytest

from streams.words import in_words
from tests.driver import DAY, Driver
from tests.stories.telling import START_MS


def costly(driver: Driver, days: int, remedies: dict[int, tuple[str, dict[str, Any]]], **purchase: int) -> None:
    """A long call every other day for how-to questions; remedies on their days."""
    for day in range(1, days):
        driver.now_ms = START_MS + day * DAY
        if day % 3 == 0:
            driver.support("call_closed", reason="how_to", handle_ms=600_000)
        if purchase and day % 28 == 5:
            driver.buys("purchase", **purchase)
        if day in remedies:
            kind, fields = remedies[day]
            (driver.support if kind == "self_service" else driver.buys)(kind, **fields)


HELPED = {150: ("self_service", {"reason": "how_to"})}
ALSO_CHARGED = {
    **HELPED,
    200: (
        "contract_signed",
        {"amount_cents": 500, "period_ms": 28 * DAY, "contract_end_ms": START_MS + 900 * DAY},
    ),
}


def states(driver: Driver) -> list[tuple[str, str, tuple[str, ...]]]:
    """What was said of the customer's value, and what to do first."""
    return [(one.kind, one.state_after, one.actions) for one in driver.alerts if one.kind.startswith("value")]


def test_first_help_then_charge_then_review() -> None:
    """Neutral questions dominate, so the first step is to help people help themselves."""
    driver = Driver(now_ms=START_MS)
    costly(driver, 160, {})
    kind, _, actions = states(driver)[0]
    assert kind == "value_destroyer_entered"
    assert actions == ("self_service_shift", "charge_for_service", "account_review")


def test_a_person_reviews_the_relation_only_after_half_a_year_and_two_remedies() -> None:
    """An escalation, once, for one customer; and never an end by itself."""
    driver = Driver(now_ms=START_MS)
    costly(driver, 420, ALSO_CHARGED)
    lasting = [one for one in driver.alerts if one.state_after == "value_destroyer_lasting"]
    assert [one.actions[0] for one in lasting] == ["human_review_realign"]
    entered = next(one for one in driver.alerts if one.kind == "value_destroyer_entered")
    assert (lasting[0].ts_ms - entered.ts_ms) // DAY == 180
    text = " ".join(in_words(lasting[0]).lines()).lower()
    assert "people review" in text
    assert not any(word in text for word in ("refuse", "terminate", "destroy", "get rid"))


@pytest.mark.parametrize("remedies", [{}, HELPED], ids=["nothing tried", "one remedy"])
def test_without_two_remedies_nobody_talks_about_the_relation(remedies: dict[int, Any]) -> None:
    """However long it lasts."""
    driver = Driver(now_ms=START_MS)
    costly(driver, 420, remedies)
    assert "value_destroyer_lasting" not in [after for _, after, _ in states(driver)]
    assert all("human_review_realign" not in actions for _, _, actions in states(driver))


def test_what_was_tried_before_is_no_remedy_for_it() -> None:
    """Remedies count from the label on: what happened before it did not answer it."""
    driver = Driver(now_ms=START_MS)
    costly(driver, 160, {20: ("self_service", {}), 30: ("credit", {"amount_cents": 100})})
    assert driver.row()["remedies"] == 0


def test_revenue_is_not_value() -> None:
    """A famous account with large revenue and no margin: a person looks at the account first."""
    driver = Driver(now_ms=START_MS)
    costly(driver, 160, {}, amount_cents=400_000, margin_cents=400)
    kind, _, actions = states(driver)[0]
    assert kind == "value_destroyer_entered"
    assert actions[0] == "account_review"
    revenue = next(one for one in driver.alerts[-1].evidence if one.name == "revenue")
    assert revenue.value >= 1_000_000


def test_who_would_hear_of_a_hard_measure_stands_in_the_evidence() -> None:
    """Reviews and referrals, before any step is taken."""
    driver = Driver(now_ms=START_MS)
    costly(driver, 160, {})
    alert = next(one for one in driver.alerts if one.kind == "value_destroyer_entered")
    assert [one.unit for one in alert.evidence if one.name == "reach"] == ["reviews and referrals"]


def test_the_contributions_add_up_to_the_net_that_was_judged() -> None:
    """Margin, costs by fault, what is invested and awaited: their sum is the net of the year, to the cent."""
    driver = Driver(now_ms=START_MS)
    for day in range(1, 420):
        driver.now_ms = START_MS + day * DAY
        if day % 3 == 0:
            driver.support("call_closed", handle_ms=1_500_000)
        if day % 50 == 2:
            driver.buys("purchase", amount_cents=3_000, margin_cents=-900)
        if day % 28 == 4:
            driver.buys("maintenance_fee", amount_cents=4_000)
    told = [one for one in driver.alerts if one.kind.startswith("value")]
    assert {"invested", "awaited"} & {one.name for alert in told for one in alert.evidence}
    for alert in told:
        assert sum(one.contribution for one in alert.evidence) == alert.net_year_cents


def test_every_step_says_a_way_out() -> None:
    """Even what has lasted for half a year can be left, and each alert says how."""
    driver = Driver(now_ms=START_MS)
    costly(driver, 420, ALSO_CHARGED)
    ways = {one.state_after: one.clear_path for one in driver.alerts if one.kind.startswith("value")}
    assert list(ways) == ["value_destroyer", "value_destroyer_severe", "value_destroyer_lasting"]
    for path in ways.values():
        assert [steps[0].change for steps in path] == ["quiet", "margin"]
    driver.wait(days=ways["value_destroyer_lasting"][0][0].amount)
    assert driver.alerts[-1].kind == "value_destroyer_cleared"


def test_a_burst_that_was_set_aside_adds_up_too() -> None:
    """What counts for nothing stands in the evidence as what it is."""
    driver = Driver(now_ms=START_MS)
    costly(driver, 110, {})
    driver.support("etf_query", termination_fee_cents=20_000, contract_end_ms=START_MS + 900 * DAY)
    for call in range(20):
        driver.now_ms = START_MS + 110 * DAY + (call + 1) * 600_000
        driver.support("call_closed", reason="billing", handle_ms=40_000)
    driver.wait(days=40)
    (alert,) = [one for one in driver.alerts if one.kind == "value_destroyer_entered"]
    assert [one.contribution for one in alert.evidence if one.name == "set_aside"] == [20 * 250]
    assert sum(one.contribution for one in alert.evidence) == alert.net_year_cents
