"""What the floor reads: never a label that judges a person, never a word about refusing service."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from streams.stories import STORIES
from streams.words import ACTIONS, in_words
from tests.stories.telling import tell

FORBIDDEN = re.compile(
    r"destroy|refuse (?:service|them|to)|terminat|dismiss|fire (?:the|them)|get rid|block (?:the|them)"
    r"|ban (?:the|them)|slow down|stop serving|blacklist|bad customer|unprofitable|abus"
    r"|let(?:ting)? (?:them |the customer )?go|_",
    re.IGNORECASE,
)


def unfit(lines: list[str]) -> list[str]:
    """The lines that a floor must not read."""
    return [line for line in lines if FORBIDDEN.search(line)]


@pytest.mark.parametrize("key", STORIES)
def test_no_alert_of_any_story_says_what_must_not_be_said(key: str) -> None:
    alerts = tell(key).alerts
    assert alerts
    for alert in alerts:
        name = alert.customer_id
        assert unfit([line.replace(name, "") for line in in_words(alert).lines()]) == []


def test_no_action_says_it() -> None:
    """Nor does the review of the relation: what comes of it, people decide."""
    assert unfit(list(ACTIONS.values())) == []


@pytest.mark.parametrize("action", ["let_them_go", "refuse_service", "terminate_the_contract"])
def test_the_search_finds_what_was_planted(action: str) -> None:
    """Negative control: an action that says it is found, and so is a label in a title."""
    alert = replace(tell("thirty_seconds").alerts[0], customer_id="C")
    assert unfit(in_words(alert).lines()) == []
    planted = in_words(replace(alert, actions=(action,)))
    assert len(unfit(planted.lines())) == 1
    assert unfit(["C: a value destroyer"])


def test_an_unasked_parcel_explains_itself() -> None:
    """The note goes with the action, so that no parcel comes without a word."""
    alert = next(one for one in tell("silent_replacement").alerts if one.moment == "defect_review")
    assert any("Here is a new one" in line for line in in_words(alert).do)
