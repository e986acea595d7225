"""S1, S4: a letter to an executive is the last call before leaving; not answering it is a failure of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.driver import DAY, HOUR, Driver
from tests.stories.telling import START_MS


def written() -> Driver:
    """A customer who bought, waited, and wrote to the top at noon."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=20_000)
    driver.now_ms = START_MS + 60 * DAY + 12 * HOUR
    driver.support("executive_appeal", case_id="T")
    return driver


def test_an_unanswered_letter_is_told_by_the_clock() -> None:
    """Told at once as an appeal, and again after two days of silence, once."""
    driver = written()
    driver.wait(hours=48)
    assert driver.kinds() == ["service_failure_entered:executive_appeal"]
    driver.wait(hours=1, minutes=1)
    assert driver.kinds()[1:] == ["service_failure_escalated:appeal_unanswered"]
    assert driver.alerts[-1].actions == ("answer_from_an_executive", "single_owner")
    driver.wait(days=20)
    assert len(driver.alerts) == 2
    # Nothing is made good while the letter lies there.
    assert driver.row()["state"][2] != 0


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("escalation_granted", {"case_id": "T"}),
        ("ticket_reply", {"case_id": "T", "author": "agent"}),
        ("callback_made", {}),
        ("call_closed", {"handle_ms": 600_000}),
    ],
)
def test_an_answer_stops_the_clock(kind: str, fields: dict[str, Any]) -> None:
    """Whoever speaks to the customer in time: no second alert."""
    driver = written()
    driver.wait(hours=30)
    driver.support(kind, **fields)
    driver.wait(days=10)
    assert not any("appeal_unanswered" in one for one in driver.kinds())


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("ticket_reply", {"case_id": "T", "author": "customer"}),
        ("call_closed", {"handle_ms": 600_000, "resolved": False}),
        ("call_opened", {}),
    ],
)
def test_what_is_no_answer_does_not(kind: str, fields: dict[str, Any]) -> None:
    """Negative control: the customer's own words, or a call that settled nothing."""
    driver = written()
    driver.wait(hours=30)
    driver.support(kind, **fields)
    driver.wait(days=2)
    assert any("appeal_unanswered" in one for one in driver.kinds())


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("escalation_granted", {}), ("callback_made", {}), ("call_closed", {"handle_ms": 600_000})],
)
def test_an_answer_clears_it_as_the_alert_says(kind: str, fields: dict[str, Any]) -> None:
    """With nothing else open, the letter answered makes it good, whoever answers and how."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=20_000)
    driver.support("executive_appeal")
    assert driver.alerts[0].clears_when == ("the letter to the top answered",)
    driver.wait(hours=5)
    driver.support(kind, **fields)
    assert driver.kinds() == ["service_failure_entered:executive_appeal", "service_failure_cleared"]


def test_an_answer_that_arrived_first_counts() -> None:
    """Arrival in another order: the reply is known before the letter it answers."""
    driver = Driver(now_ms=START_MS)
    driver.support("ticket_reply", case_id="T", author="agent")
    driver.support("executive_appeal", case_id="T", at_ms=START_MS - HOUR)
    driver.wait(days=5)
    assert not any("appeal_unanswered" in one for one in driver.kinds())
