"""S4: somebody must own the customer's loyalty: each alert names one, and the time that acting frees."""

from __future__ import annotations

import pytest

from schemas.policy import PolicyError, parse
from streams.stories import STORIES
from streams.words import in_words
from tests.driver import DAY, Driver
from tests.stories.telling import START_MS, tell


def failed(policy: str = "", **fields: str) -> Driver:
    """A buyer, a call, a rude word."""
    driver = Driver(now_ms=START_MS, policy=policy)
    driver.buys("purchase", amount_cents=9_000)
    driver.support("call_closed", handle_ms=300_000, resolved=True, **fields)
    driver.support("rude_call", observer="qa")
    return driver


@pytest.mark.parametrize("key", STORIES)
def test_every_alert_of_every_story_names_an_owner(key: str) -> None:
    """Where nobody said who serves the customer, the policy's default does."""
    assert {alert.owner for alert in tell(key).alerts} == {"customer_support"}


def test_the_floor_that_serves_the_customer_owns_it_and_the_skill_goes_with_it() -> None:
    """As the last event that said so has it, after a crash too."""
    driver = failed(floor="leipzig", skill="polish")
    assert [(one.owner, one.skill) for one in driver.alerts] == [("leipzig", "polish")]
    driver.crash()
    driver.wait(days=3)
    driver.support("escalation_denied")
    assert (driver.alerts[-1].owner, driver.alerts[-1].skill) == ("leipzig", "polish")


def test_the_policy_may_name_an_owner_for_each_kind() -> None:
    """It counts before the floor; others stay with the floor, and with its default where there is no floor."""
    policy = '[owner]\ndefault = "front-office"\nservice_failure = "quality"\n'
    assert failed(policy, floor="leipzig").alerts[0].owner == "quality"
    assert failed('[owner]\ndefault = "front-office"\n').alerts[0].owner == "front-office"


@pytest.mark.parametrize("line", ['nobody = "x"', 'default = ""', "default = 7"])
def test_an_owner_that_is_none_is_refused(line: str) -> None:
    """In one sentence, before anything is judged by it."""
    with pytest.raises(PolicyError, match="owner"):
        parse(f"[owner]\n{line}\n")


def test_minutes_that_the_fix_would_free_stand_with_the_action() -> None:
    """Ten long calls about a broken promise of ours: ending it frees most of two hours; an apology frees none."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=9_000)
    driver.support("call_closed", handle_ms=1_200_000, resolved=True, reason="how_to")
    for day in range(1, 6):
        driver.now_ms = START_MS + day * DAY
        driver.support("call_closed", case_id="T", handle_ms=1_200_000, resolved=True)
    driver.support("ticket_reopened", case_id="T")
    driver.support("promise_reversed", case_id="T")
    alert = driver.alerts[-1]
    assert alert.actions == ("keep_the_promise", "escalate_to_supervisor")
    freed, none = alert.action_minutes
    assert none is None
    assert freed is not None
    assert 80 <= freed <= 100, "the company's five calls of the six, by cost"
    assert any("calls like those of the last weeks" in line for line in in_words(alert).do)


def test_self_service_frees_the_questions_and_not_our_faults() -> None:
    """Half a year of how-to calls: the step that helps people help themselves names the time it frees."""
    driver = Driver(now_ms=START_MS)
    for day in range(3, 180, 3):
        driver.now_ms = START_MS + day * DAY
        driver.support("call_closed", reason="how_to", handle_ms=600_000)
    alert = next(one for one in driver.alerts if one.kind == "value_destroyer_entered")
    assert alert.actions[0] == "self_service_shift"
    minutes = alert.action_minutes[0]
    assert minutes is not None
    assert 28 / 3 * 10 - 10 <= minutes <= 56 / 3 * 10, "a call of ten minutes every third day of 28 to 55"
    assert alert.action_minutes[1:] == (None, None)
