"""S2: faith is lost without a word of complaint: the mood sinks below what is usual for this customer."""

from __future__ import annotations

import pytest

from streams.words import in_words
from tests.driver import DAY, Driver
from tests.stories.telling import START_MS

GLAD, LESS = [0.7, 0.6, 0.8, 0.7, 0.6, 0.7], [0.1, -0.1, -0.2, -0.3]


def heard(moods: list[float]) -> Driver:
    """A customer who buys monthly and whose mood is noticed every ten days."""
    driver = Driver(now_ms=START_MS)
    for at, mood in enumerate(moods):
        driver.now_ms = START_MS + 10 * at * DAY
        if at % 3 == 0:
            driver.buys("purchase", amount_cents=8_000)
        driver.support("sentiment", sentiment=mood, observer="model")
    return driver


def test_a_mood_that_sinks_is_told_once_and_asks_for_a_call() -> None:
    """Nothing was ever below what counts as a rude call; the floor asks how things are and sells nothing."""
    driver = heard(GLAD + LESS)
    assert driver.kinds() == ["service_failure_entered:mood_sinking"]
    alert = driver.alerts[0]
    assert alert.actions == ("reconnect_without_selling",)
    assert in_words(alert).title == "C1: they sound less and less happy, without a complaint"
    assert alert.driver == "emotion"
    assert {one.name for one in alert.evidence} >= {"mood_sinking", "low_csat"}
    assert not any(one.name == "rude_call" for one in alert.evidence)


@pytest.mark.parametrize(
    "moods",
    [[*GLAD, -0.2], [-0.2] * 10, [0.7, -0.3, 0.6, -0.2, 0.7, -0.3, 0.6, -0.2, 0.7, -0.2], GLAD[:2] + LESS[:2]],
    ids=["one bad day", "always like that", "up and down", "hardly known"],
)
def test_nobody_else_is_called(moods: list[float]) -> None:
    """Expected silence: measured against their own base line, not against a common one."""
    assert heard(moods).kinds() == []


def test_it_passes_when_nothing_more_happens() -> None:
    """Two quiet weeks later the card is gone."""
    driver = heard(GLAD + LESS)
    driver.wait(days=15)
    assert driver.kinds()[-1] == "service_failure_cleared"
