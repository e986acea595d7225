"""The evidence of an alert adds up to what was judged: nothing is hidden, nothing counted twice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alerts import Alert
from schemas.policy import parse
from streams.stories import STORIES
from tests.driver import Driver, feed
from tests.stories.telling import START_MS, tell
from tests.worlds import world

EASY = "[churn]\nenter_probability = 0.05\nclear_probability = 0.04\naction_cents = 0\n"
FITTED = (
    EASY
    + "[risk]\nintercept = -0.7\n[risk.filter]\nweight = 0.6\nmean = -4.0\n"
    + "".join(
        f"[risk.{name}]\nweight = {weight}\nmean = {mean}\n"
        for name, weight, mean in (("repeats", -0.4, 1.1), ("overdue", 0.5, -0.8), ("open_cases", 0.3, 0.1))
    )
)


def adds_up(alert: Alert) -> bool:
    """Whether the contributions add up to the log-odds of the risk, or to the net that was judged."""
    told = math.fsum(one.contribution for one in alert.evidence)
    if alert.kind.startswith("churn_risk"):
        risk = 1 / (1 + math.exp(-told))
        return abs(risk * 1_000_000 - alert.risk_ppm) <= 0.5 + 1e-6 * 1_000_000 * risk * (1 - risk)
    if alert.kind.startswith("fix_the_cause"):
        return told == alert.raw_net_year_cents
    return told == alert.net_year_cents


def churn_and_value(alerts: list[Alert]) -> list[Alert]:
    return [one for one in alerts if one.kind.startswith(("churn_risk", "fix_the_cause", "value_destroyer"))]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([EASY, FITTED]))
def test_over_random_worlds(seed: int, policy: str) -> None:
    driver = Driver(now_ms=START_MS, policy=policy)
    feed(driver, world(seed, 150, customers=3, span_days=90))
    driver.wait(days=30)
    for alert in churn_and_value(driver.alerts):
        assert adds_up(alert), alert


@pytest.mark.parametrize("key", ["wrong_part_twice", "value_destroyer"])
def test_over_the_stories(key: str) -> None:
    alerts = churn_and_value(tell(key).alerts)
    assert alerts
    assert all(adds_up(alert) for alert in alerts)


def test_one_piece_less_does_not_add_up() -> None:
    """Negative control: leave out any reason that counts, and the sum is another."""
    from dataclasses import replace

    alert = next(one for one in tell("wrong_part_twice").alerts if one.kind == "churn_risk_entered")
    for at, one in enumerate(alert.evidence):
        less = replace(alert, evidence=alert.evidence[:at] + alert.evidence[at + 1 :])
        assert adds_up(less) is (abs(one.contribution) < 1e-6), one


def test_without_a_failure_the_risk_is_lower_by_its_share() -> None:
    """What each failure is said to add in ppm is positive for failures, negative for what was put right."""
    for key in STORIES:
        for alert in tell(key).alerts:
            for one in alert.evidence:
                if one.unit == "decayed count" and abs(one.contribution) > 1e-3:
                    assert (one.dp_ppm > 0) is (one.name != "recovery") or one.dp_ppm == 0, one
                    assert abs(one.dp_ppm) <= 1_000_000
    assert parse(FITTED).record["risk_intercept"][0] == -0.7
