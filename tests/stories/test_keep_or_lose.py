"""S0, S4: each contact is a choice to keep or to lose; the hours a customer spends on our faults are counted."""

from __future__ import annotations

from streams.words import in_words
from tests.driver import DAY, HOUR, MINUTE, Driver
from tests.stories.telling import START_MS


def fact(driver: Driver, name: str) -> list[float]:
    """What the newest alert says of a fact."""
    return [one.value for one in driver.alerts[-1].evidence if one.name == name]


def test_what_was_decided_at_each_contact_stands_in_the_alert() -> None:
    """Two refusals and one yes: who reads of the rude call knows what came before it."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=9_000)
    for day, decision in ((10, "refuse"), (20, "keep"), (30, "refuse")):
        driver.now_ms = START_MS + day * DAY
        driver.support("call_closed", handle_ms=300_000, resolved=True, decision=decision)
    assert driver.alerts == []
    driver.support("rude_call", observer="qa")
    assert (fact(driver, "refused_contacts"), fact(driver, "kept_contacts")) == ([2.0], [1.0])
    assert "At 2 of 3 contacts it was decided to refuse them." in in_words(driver.alerts[-1]).happened


def test_hours_in_workarounds_are_shown_and_keep_the_case_open() -> None:
    """Three hours and twenty minutes around a fault of ours, in the alert of the ticket nobody answered."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=9_000)
    driver.support("ticket_opened", case_id="T")
    driver.support("workaround_effort", case_id="T", effort_ms=2 * HOUR)
    driver.wait(hours=20)
    driver.support("workaround_effort", case_id="T", effort_ms=80 * MINUTE)
    driver.wait(days=3)
    assert driver.kinds()[0] == "service_failure_entered:ticket_unanswered"
    assert fact(driver, "customer_effort") == [200.0]
    assert "They have spent 3 h 20 min on ways around our faults." in in_words(driver.alerts[-1]).happened
    assert sum(driver.row()["life_cost_cents"]) == 350, (
        "their time is theirs: it is no cost of ours, nor held against them"
    )


def test_facts_add_nothing_to_what_was_judged() -> None:
    """The same rude call with and without the facts: the same risk."""
    plain, told = Driver(now_ms=START_MS), Driver(now_ms=START_MS)
    for driver in (plain, told):
        driver.buys("purchase", amount_cents=9_000)
        more = {"decision": "refuse"} if driver is told else {}
        driver.support("call_closed", handle_ms=300_000, resolved=True, **more)
        driver.support("rude_call", observer="qa")
    assert plain.alerts[-1].risk_ppm == told.alerts[-1].risk_ppm
    assert (fact(plain, "refused_contacts"), fact(told, "refused_contacts")) == ([], [1.0])


def test_days_without_the_product_are_counted() -> None:
    """A printer in repair for longer than three weeks: the alert says for how long they could not print."""
    driver = Driver(now_ms=START_MS)
    driver.support("repair_in", sku="p")
    driver.wait(days=22)
    assert driver.kinds() == ["service_failure_entered:repair_overdue"]
    assert fact(driver, "without_product") == [21.0]
    assert "They have been without it for 21 days." in in_words(driver.alerts[-1]).happened
