"""S0: everyone is served with respect: the floor sees what happened and what to do, nothing of value."""

from __future__ import annotations

import io
import re
from dataclasses import asdict, replace

import pytest

from schemas.alerts import KINDS, Alert
from streams.floorwords import Card, for_floor
from streams.screen import Screen
from streams.stories import STORIES
from streams.words import ACTIONS, in_words
from tests.driver import DAY, Driver
from tests.stories.telling import START_MS, tell
from tests.vectors import ALERT

OF_VALUE = re.compile(
    r"destroy|margin|worth|profit|revenue|valu|costs? (?:exceed|more|of|that)|\bbrings?\b|best customer|gem\b"
    r"|\bearn|cents|USD|EUR|\d[.,]\d\d\b|account review|fee\b|_",
    re.IGNORECASE,
)


def of_value(card: Card) -> list[str]:
    """The lines of a card that say what somebody brings."""
    return [
        line for line in (line.replace(card.customer_id, "") for line in card.lines()) if OF_VALUE.search(line)
    ]


@pytest.mark.parametrize("key", STORIES)
def test_no_card_of_any_story_speaks_of_value_or_money(key: str) -> None:
    """Each alert has a card, each card says what to do until it is over; no field of it holds money."""
    alerts = tell(key).alerts
    assert alerts
    for alert in alerts:
        card = for_floor(alert)
        assert of_value(card) == []
        assert bool(card.do) is not alert.kind.endswith("cleared")
        assert not any("cents" in name or "ppm" in name for name in asdict(card))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", [None, *ACTIONS])
def test_nor_does_any_kind_with_any_action(kind: str, action: str | None) -> None:
    """Whatever the two are: an action about money is not on the card, and somebody still knows what to do."""
    alert = replace(ALERT, kind=kind, moment=None, actions=() if action is None else (action,))
    assert of_value(for_floor(alert)) == []


@pytest.mark.parametrize("line", ["C: costs exceed margin", "12.00 more margin", "41.75 USD", "a best customer"])
def test_the_search_finds_what_was_planted(line: str) -> None:
    """Negative control."""
    assert OF_VALUE.search(line)


def rude_to(amount_cents: int) -> tuple[Alert, Card]:
    """The same rude call after ten months of orders of this size."""
    driver = Driver(now_ms=START_MS)
    for day in range(0, 301, 20):
        driver.now_ms = START_MS + day * DAY
        driver.buys("purchase", amount_cents=amount_cents)
    driver.wait(minutes=1)
    driver.support("rude_call", observer="qa")
    alert = next(one for one in driver.alerts if one.moment == "rude_call")
    return alert, for_floor(alert)


def test_two_customers_to_whom_the_same_happened_get_the_same_card() -> None:
    """One is worth twenty times as much as the other: money sees it, the floor does not."""
    (rich, rich_card), (poor, poor_card) = rude_to(40_000), rude_to(2_000)
    assert rich.worth_cents > 10 * poor.worth_cents
    assert in_words(rich).lines() != in_words(poor).lines()
    assert rich_card.lines()[:3] == poor_card.lines()[:3]
    assert rich_card.title == "we failed: an agent was rude"
    assert rich_card.do[:2] == (ACTIONS["apologise_in_person"], ACTIONS["single_owner"])


def test_somebody_whose_costs_exceed_margin_is_served_better_and_not_less() -> None:
    """The card offers self-service and is silent on why; the review of the account is for others."""
    alert = next(one for one in tell("value_destroyer").alerts if one.kind == "value_destroyer_entered")
    card = for_floor(alert)
    assert card.title == "look for a better way to serve them"
    assert card.happened == ()
    assert not any("account" in line and "whole" in line for line in card.do)


def test_the_demo_reads_alerts_out_as_the_floor_sees_them() -> None:
    """``whaleline demo --floor``: the same alert, once with and once without its money."""
    alert = next(one for one in tell("thirty_seconds").alerts if one.moment == "rude_call")
    read = {}
    for floor in (False, True):
        out = io.StringIO()
        Screen(out, frozenset({alert.customer_id}), floor).read_out(alert)
        read[floor] = out.getvalue().replace(alert.customer_id, "")
    assert "USD are at risk" in read[False]
    assert OF_VALUE.search(read[True]) is None
    assert "we failed: an agent was rude" in read[True]
