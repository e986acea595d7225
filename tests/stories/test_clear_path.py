"""What an alert says would clear it does clear it, and half of that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alerts import Alert, Step
from streams.stories import STORIES
from tests.driver import Driver, feed
from tests.stories.paths import Events, at_alert, cleared, names, produced, settle, take
from tests.stories.telling import START_MS, tell
from tests.worlds import world


def lives(events: Events, alert: Alert, steps: tuple[Step, ...]) -> bool:
    """Whether the alert clears when, from its moment on, these steps happen and nothing else."""
    driver = at_alert(events, alert, min(START_MS, events[0][1]["ts_ms"]))
    assert any(one.alert_id == alert.alert_id for one in produced(driver)), "the alert came again"
    assert not cleared(driver, alert)
    take(driver, alert, steps, names(events))
    settle(driver)
    return cleared(driver, alert)


def halves(path: tuple[Step, ...]) -> list[tuple[Step, ...]]:
    """The path with each step left out, or halved where it has an amount."""
    out = []
    for at, step in enumerate(path):
        half = step.amount // 2 if step.unit == "days" else step.amount // 200 * 100
        kept = (replace(step, amount=half),) if half > 0 and step.change in {"quiet", "margin"} else ()
        out.append((*path[:at], *kept, *path[at + 1 :]))
    return out


def told(alerts: list[Alert]) -> list[Alert]:
    return [one for one in alerts if not one.kind.endswith("_cleared")]


@pytest.mark.parametrize("key", STORIES)
def test_the_first_way_clears_every_alert_of_the_stories(key: str) -> None:
    events = STORIES[key].tell(START_MS)
    for alert in told(tell(key).alerts):
        assert alert.clear_path, alert
        assert len(alert.clears_when) == len(alert.clear_path)
        assert lives(events, alert, alert.clear_path[0]), alert.clear_path[0]


@pytest.mark.parametrize("key", STORIES)
def test_half_of_it_does_not(key: str) -> None:
    """Negative control: less than what the alert asks for leaves it standing."""
    events = STORIES[key].tell(START_MS)
    seen = set()
    for alert in told(tell(key).alerts):
        shape = (alert.kind, tuple((step.change, step.unit) for step in alert.clear_path[0]))
        if shape in seen:
            continue
        seen.add(shape)
        for less in halves(alert.clear_path[0]):
            assert not lives(events, alert, less), (alert.kind, alert.moment, alert.clear_path[0], less)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([20, 90, 200]))
def test_in_random_worlds_too(seed: int, span_days: int) -> None:
    events = world(seed, 200, customers=3, span_days=span_days)
    driver = Driver(now_ms=START_MS)
    feed(driver, events)
    driver.wait(days=30)
    for alert in told(driver.alerts)[:: max(1, len(driver.alerts) // 4)]:
        for path in alert.clear_path[:1]:
            assert lives(events, alert, path), (alert.kind, alert.moment, path)


def test_the_alternatives_are_in_order_of_size() -> None:
    """Fewest steps first; of equally many, the fewest days."""
    paths = [one.clear_path for key in STORIES for one in told(tell(key).alerts)]
    for path in paths:
        sizes = [(len(one), sum(step.amount for step in one if step.unit == "days")) for one in path]
        assert sizes == sorted(sizes)
        assert len(set(path)) == len(path)


def test_a_margin_is_the_smallest_to_a_dollar() -> None:
    """One unit of rounding less does not clear in time."""
    events = STORIES["value_destroyer"].tell(START_MS)
    alert = next(one for one in tell("value_destroyer").alerts if one.kind == "value_destroyer_entered")
    path = next(one for one in alert.clear_path if one[0].change == "margin")
    assert lives(events, alert, path)
    assert not lives(events, alert, (replace(path[0], amount=path[0].amount - 100), *path[1:]))
    assert path[-1].amount <= 14 + 2 * 28


def test_cleared_alerts_ask_for_nothing() -> None:
    over = [one for one in tell("thirty_seconds").alerts if one.kind.endswith("_cleared")]
    assert over
    assert {(one.clear_path, one.clears_when, one.actions, one.gesture) for one in over} == {((), (), (), None)}
