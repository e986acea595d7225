"""S4: good news deserves an alert too, and so do the quiet ones who bring much."""

from __future__ import annotations

import pytest

from streams.words import in_words
from tests.driver import DAY, HOUR, Driver
from tests.stories.telling import START_MS


@pytest.mark.parametrize("kind", ["praise", "expansion"])
def test_good_news_is_told_once_and_ends_by_itself(kind: str) -> None:
    """Praise on three days of one week is one piece of good news; it is over a week later."""
    driver = Driver(now_ms=START_MS)
    for _ in range(3):
        driver.support(kind, reason="kind_words")
        driver.wait(days=2)
    driver.wait(days=30)
    assert driver.kinds() == ["good_news_entered", "good_news_cleared"]
    assert driver.alerts[1].ts_ms - driver.alerts[0].ts_ms == 7 * DAY
    alert = driver.alerts[0]
    assert alert.actions == ("say_thanks",)
    assert not in_words(alert).urgent
    assert len(alert.evidence[0].event_digests) == 1


def test_whoever_is_worth_much_is_asked_onto_the_board() -> None:
    """Praise from a best customer makes a candidate for the advisory board."""
    driver = Driver(now_ms=START_MS)
    for day in range(0, 300, 20):
        driver.now_ms = START_MS + day * DAY
        driver.buys("purchase", amount_cents=60_000, margin_cents=20_000)
    driver.support("praise")
    assert driver.alerts[-1].actions == ("say_thanks", "invite_to_the_board")
    assert driver.alerts[-1].loyalty_stage == "advocate"


def test_late_praise_is_heard_at_the_next_tick() -> None:
    """A recorded praise that arrives three hours late is still good news."""
    driver = Driver()
    driver.support("call_closed")
    driver.wait(hours=5)
    driver.support("praise", at_ms=driver.now_ms - 3 * HOUR)
    driver.wait(hours=1)
    assert driver.kinds() == ["good_news_entered"]


def gem(driver: Driver, contacts: int, days: int = 400, margin_cents: int = 6_000) -> None:
    """A modest order every three weeks at a good margin, and so many calls."""
    for day in range(0, days, 21):
        driver.now_ms = START_MS + day * DAY + HOUR
        driver.buys("purchase", amount_cents=8_000, margin_cents=margin_cents)
        for _ in range(contacts):
            driver.support("call_closed", handle_ms=60_000, resolved=True, reason="how_to")


def gems(driver: Driver) -> list[str]:
    """Alerts about hidden gems."""
    return [kind for kind in driver.kinds() if kind.startswith("hidden_gem")]


def test_the_quiet_one_who_brings_much_is_found_once() -> None:
    """After half a year of proof, and then not again while it stays so."""
    driver = Driver(now_ms=START_MS)
    gem(driver, 0)
    assert gems(driver) == ["hidden_gem_entered"]
    alert = next(one for one in driver.alerts if one.kind == "hidden_gem_entered")
    assert (alert.ts_ms - START_MS) // DAY >= 6 * 28
    assert alert.actions == ("get_to_know",)


@pytest.mark.parametrize(("contacts", "margin_cents"), [(1, 6_000), (0, 1_000)], ids=["loud", "little margin"])
def test_others_are_no_gems(contacts: int, margin_cents: int) -> None:
    """Expected silence."""
    driver = Driver(now_ms=START_MS)
    gem(driver, contacts, margin_cents=margin_cents)
    assert gems(driver) == []


def test_a_gem_that_stops_is_told_late_and_rarely() -> None:
    """The state outlasts half a year; there are never two alerts within 180 days."""
    driver = Driver(now_ms=START_MS)
    gem(driver, 0, 250)
    driver.wait(days=700)
    assert gems(driver) == ["hidden_gem_entered", "hidden_gem_cleared"]
    first, last = (one.ts_ms for one in driver.alerts if one.kind.startswith("hidden_gem"))
    assert last - first >= 180 * DAY
