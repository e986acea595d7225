"""Alerts are read out in words that a support floor understands and nobody has to be ashamed of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.alerts import KINDS, Alert, Evidence, Step
from schemas.codes import Evidence as Failure
from schemas.codes import Moment
from streams.actions import MOMENT_ACTIONS
from streams.words import ACTIONS, MOMENTS, REASONS, TITLES, in_words, money, percent

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
        "Counted: margin of the year 16.00 EUR; cost of ordinary service 206.00 EUR; 18 contacts.",
        "The year ahead, if they stay: -410.00 EUR.",
        "They spoke of us to others 3 times; a hard measure would be told too.",
        "> Offer self-service for the commonest reason of contact.",
        "> Propose a fee that covers the service, at the next renewal.",
        "> Have a person look at the whole account: revenue is not value.",
        "It clears with: the open case settled; or 14 quiet days.",
    ]


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
    ("ppm", "told"), [(0, "0 %"), (1, "less than 1 %"), (10_000, "1 %"), (412_345, "41 %"), (1_000_000, "100 %")]
)
def test_percent(ppm: int, told: str) -> None:
    assert percent(ppm) == told
