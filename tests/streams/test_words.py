"""Alerts are read out in words that a support floor understands and nobody has to be ashamed of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.alerts import KINDS, Alert, Evidence, Step
from schemas.codes import Evidence as Failure
from schemas.codes import Moment
from streams.actions import MOMENT_ACTIONS
from streams.words import (
    ACTIONS,
    MOMENTS,
    REASONS,
    TITLES,
    TO_THEM,
    WITHOUT_FAILURE,
    in_words,
    money,
    percent,
)

BASE = Alert(
    alert_id="0" * 32,
    kind="service_failure_entered",
    customer_id="c-7",
    ts_ms=0,
    state_before="served",
    state_after="failed",
    episode=1,
    change=1,
    moment="wrong_part_twice",
    risk_ppm=412_345,
    gone_ppm=0,
    p_negative_ppm=0,
    expected_year_cents=-45_708,
    net_year_cents=-19_000,
    raw_net_year_cents=-21_000,
    company_share_ppm=0,
    forward_year_cents=-41_000,
    fee_cover_ppm=None,
    worth_cents=40_000,
    at_risk_cents=12_050,
    savable_cents=12_000,
    stake_cents=46_000,
    owner="service-desk",
    skill=None,
    driver="risk",
    loyalty_stage="repeat",
    evidence=(
        Evidence("wrong_part_twice", 1.0, "moment", "now", 1.0),
        Evidence("wrong_part", 1.8, "decayed count", "half-life 60 d", 1.26),
    ),
    actions=("escalate_to_supervisor", "verify_part_before_shipping"),
    action_cents=(1_125, None),
    action_minutes=(None, None),
    gesture=None,
    clear_path=((Step("settle_case", 1, "case", "0" * 16),), (Step("quiet", 14, "days"),)),
    clears_when=("the open case settled", "14 quiet days"),
    policy_version=1,
    policy_digest="0" * 16,
)
COSTS = replace(
    BASE,
    kind="value_destroyer_entered",
    moment=None,
    evidence=(
        Evidence("margin", 1_600.0, "cents", "364 d", 0.0),
        Evidence("cost_company", 0.0, "cents", "364 d", 0.0),
        Evidence("cost_shared", 20_600.0, "cents", "364 d", -20_600.0),
        Evidence("reach", 3.0, "reviews and referrals", "life", 0.0),
        Evidence("contacts", 18.0, "contacts", "3 x 28 d", 0.0),
    ),
    actions=("self_service_shift", "charge_for_service", "account_review"),
)


def test_a_failure_reads_as_such() -> None:
    assert in_words(BASE).lines() == [
        "c-7: we failed: the wrong part came twice",
        "Behind it: wrong parts were delivered.",
        "The chance to lose them within 90 days is 41 %; 120.50 USD are at risk.",
        "> Let a supervisor take over and call today.",
        "> Check the next part by hand before it is sent.",
        "It clears with: the open case settled; or 14 quiet days.",
    ]


def test_costs_are_told_as_costs() -> None:
    assert in_words(COSTS, "EUR").lines() == [
        "c-7: costs exceed margin",
        "A year is expected to bring -457.08 EUR; costs that we caused are left out.",
        "Counted in the last year: margin 16.00 EUR; cost of ordinary service 206.00 EUR; 18 contacts.",
        "The year ahead, if they stay: -410.00 EUR.",
        "They spoke of us to others 3 times; a hard measure would be told too.",
        "> Offer self-service for the commonest reason of contact.",
        "> Propose a fee that covers the service, at the next renewal.",
        "> Have a person look at the whole account: revenue is not value.",
        "It clears with: the open case settled; or 14 quiet days.",
    ]


def silent(days: float, contribution: float) -> Evidence:
    return Evidence("silence", days, "days", "since last purchase", contribution)


def test_silence_is_told_by_its_days_and_not_called_unusual() -> None:
    """Three days add a little for anybody; nobody is told that they are long."""
    put_right = Evidence("recovery", 1.0, "decayed count", "half-life 60 d", -0.4)
    alert = replace(BASE, evidence=(silent(3.0, 0.02), put_right), at_risk_cents=0)
    assert in_words(alert).happened == (
        "Behind it: 3 days without a purchase.",
        "It helps that something was put right.",
        "The chance to lose them within 90 days is 41 %.",
    )
    over = replace(alert, kind="service_failure_cleared", moment=None, evidence=(silent(1.0, 0.02),))
    assert in_words(over).happened[0] == "Still felt: 1 day without a purchase."


@pytest.mark.parametrize(
    ("kind", "facts", "told"),
    [
        (
            "vulnerable_best_customer",
            {"worth": 84_609.0, "rival_offer": 0.0, "open_failure": 1.0, "above_own_usual_risk": 0.7},
            "Behind it: a rival's offer is open; a failure of ours is open.",
        ),
        (
            "vulnerable_best_customer",
            {"above_own_usual_risk": 3.5, "product_lines": 2.0},
            "Behind it: the risk is above their own usual one; they own several of our product lines.",
        ),
        (
            "referral_ready",
            {"days_together": 180.0, "last_score": 1.0, "repeat_purchases": 4.0},
            "Behind it: a long time together; a high last score; they buy again and again.",
        ),
        ("good_news", {"praise_or_growth": 0.0}, "Behind it: they praised us, or they grow."),
        (
            "gaming_suspected",
            {"contacts": 20.0, "short_contacts": 19.0, "asked_to_leave": 0.0},
            "Behind it: most of the day's contacts were very short; they asked about leaving.",
        ),
    ],
)
def test_facts_that_add_nothing_up_are_told_too(kind: str, facts: dict[str, float], told: str) -> None:
    """What a relationship's alert stands on is told when it is entered, and is no reason for its end."""
    evidence = tuple(Evidence(name, value, "", "", 0.0) for name, value in facts.items())
    entered = replace(BASE, kind=f"{kind}_entered", moment=None, evidence=evidence)
    assert in_words(entered).happened[0] == told
    assert told not in in_words(replace(entered, kind=f"{kind}_cleared")).happened


def test_a_hidden_gem_says_what_it_brings() -> None:
    gem = replace(BASE, kind="hidden_gem_entered", moment=None, evidence=(), expected_year_cents=61_250)
    assert in_words(gem, "EUR").happened == ("A year is expected to bring 612.50 EUR.",)


def test_one_is_told_as_one() -> None:
    """A day, a contact, once: nobody reads of 1 days."""
    facts = {"without_product": 1.0, "refused_contacts": 1.0, "customer_effort": 60.0}
    alert = replace(BASE, evidence=tuple(Evidence(name, value, "", "", 0.0) for name, value in facts.items()))
    assert in_words(alert).happened[:3] == (
        "They have been without it for 1 day.",
        "They have spent 1 h on ways around our faults.",
        "At 1 of 1 contact it was decided to refuse them.",
    )
    once = (Evidence("reach", 1.0, "", "life", 0.0), Evidence("contacts", 1.0, "contacts", "3 x 28 d", 0.0))
    told = in_words(replace(COSTS, evidence=once)).happened
    assert "They spoke of us to others once; a hard measure would be told too." in told
    assert "Counted in the last year: 1 contact." in told


def test_good_news_asks_for_nothing() -> None:
    cleared = in_words(replace(BASE, kind="service_failure_cleared", moment=None, actions=(), clears_when=()))
    assert cleared.title == "c-7: put right"
    assert not cleared.urgent
    assert cleared.do == ()
    assert cleared.clears == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alert", [BASE, COSTS], ids=["failure", "costs"])
def test_no_label_judges_a_person(kind: str, alert: Alert) -> None:
    text = "\n".join(in_words(replace(alert, kind=kind)).lines()).lower()
    assert "destroyer" not in text
    assert "destroy" not in text
    assert "_" not in text


def test_everything_that_can_be_said_has_words() -> None:
    assert set(TITLES) == set(KINDS)
    assert set(MOMENTS) == {moment.name.lower() for moment in Moment}
    assert set(REASONS) >= {failure.name.lower() for failure in Failure}
    assert set(ACTIONS) >= {action for actions in MOMENT_ACTIONS.values() for action in actions}


@pytest.mark.parametrize("moment", sorted(set(MOMENTS) - WITHOUT_FAILURE))
def test_what_is_said_to_the_customer_speaks_to_them(moment: str) -> None:
    """Nobody hears on the phone of the customer, or of them."""
    said = {**MOMENTS, **TO_THEM}[moment]
    assert not {"customer", "they", "them", "their"} & set(said.split())


def test_only_failures_of_ours_are_said_otherwise() -> None:
    assert set(TO_THEM) <= set(MOMENTS) - WITHOUT_FAILURE


def test_a_code_without_words_is_read_out_plainly() -> None:
    strange = replace(BASE, kind="new_kind", moment="new_moment", actions=("do_this",), evidence=())
    assert in_words(strange).title == "c-7: new kind: new moment"
    assert in_words(strange).do == ("Do this.",)


@pytest.mark.parametrize(
    ("cents", "told"),
    [(0, "0.00 USD"), (5, "0.05 USD"), (-5, "-0.05 USD"), (123_456_789, "1,234,567.89 USD"), (-100, "-1.00 USD")],
)
def test_money(cents: int, told: str) -> None:
    assert money(cents) == told


@pytest.mark.parametrize(
    ("ppm", "told"),
    [
        *((0, "0 %"), (1, "less than 1 %"), (10_000, "1 %"), (412_345, "41 %")),
        *((990_000, "99 %"), (999_999, "more than 99 %"), (1_000_000, "100 %")),
    ],
)
def test_percent(ppm: int, told: str) -> None:
    assert percent(ppm) == told
