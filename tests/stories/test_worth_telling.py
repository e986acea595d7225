"""A moment reaches the floor when acting is worth its cost; what is owed always does."""

from __future__ import annotations

import numpy as np
import pytest

from schemas import state
from schemas.alerts import Alert
from schemas.codes import Alternative, Evidence, Machine
from schemas.policy import parse
from streams import actions, gestures
from streams.words import in_words
from tests.driver import Driver

NOTHING_AT_STAKE = "[economics]\nacquisition_cents = 0\n"


def test_a_moment_that_is_not_worth_it_is_counted_but_not_told() -> None:
    """The evidence is there, the risk knows it, nothing may be advertised; the floor is left alone."""
    driver = Driver(policy=NOTHING_AT_STAKE)
    driver.support("rude_call", observer="qa")
    assert driver.alerts == []
    row = driver.row()
    assert row["evidence"][Evidence.RUDE_CALL] == 1.0
    assert row["state"][Machine.SERVICE] == 0
    assert [one.held for one in driver.holds] == [True]


def test_the_same_moment_is_told_of_somebody_who_is_worth_it() -> None:
    driver = Driver(policy=NOTHING_AT_STAKE)
    for _ in range(4):
        driver.buys("purchase", amount_cents=9_000)
        driver.wait(days=20)
    driver.support("rude_call", observer="qa")
    assert driver.kinds() == ["service_failure_entered:rude_call"]


def test_what_is_owed_is_told_at_any_price() -> None:
    """An unanswered ticket of somebody who never bought a thing, at a hundred dollars a minute."""
    driver = Driver(policy=NOTHING_AT_STAKE + "[cost]\nvoice_cents_per_minute = 10000\n")
    driver.support("ticket_opened", case_id="A")
    driver.wait(hours=80)
    assert driver.kinds() == ["service_failure_entered:ticket_unanswered"]


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        ("trade_in", "offer_trade_in"),
        ("third_party", "offer_third_party_parts"),
        ("upgrade", "offer_trade_in_or_third_party_parts"),
    ],
)
def test_the_way_out_is_named_and_never_the_dearer_product(offered: str, asked: str) -> None:
    driver = Driver()
    driver.buys("purchase", amount_cents=9_000)
    driver.support("product_eol", case_id="A", sku="blender-b", alternative=offered, price_ratio_percent=400)
    driver.support("upsell_as_remedy", case_id="A", sku="blender-c")
    (alert,) = driver.alerts
    assert alert.actions == (asked,)
    assert ("price_ratio", 400.0, "percent") in [(one.name, one.value, one.unit) for one in alert.evidence]
    assert "What was offered instead costs 400 % of the old price." in in_words(alert).happened
    assert not any("upgrade" in line or "dearer product" in line.lower() for line in in_words(alert).do)
    assert Alternative[offered.upper()] in driver.row()["case_alternative"]


def a_review(customer: str, policy: str = "") -> Alert:
    driver = Driver(policy=policy)
    for _ in range(4):
        driver.buys("purchase", customer, amount_cents=9_000)
        driver.wait(days=20)
    driver.support("review", customer, stars=1, defect=True)
    return driver.alerts[-1]


def test_a_held_out_customer_gets_no_proactive_gesture_and_the_alert_says_so() -> None:
    """The floor still hears of it, and asks; what the gesture would have saved is written down."""
    policy = parse("")
    held = next(name for number in range(99) if gestures.held_out(name := f"C{number}", policy))
    given = next(name for number in range(99) if not gestures.held_out(name := f"C{number}", policy))
    left, sent = a_review(held), a_review(given)
    assert left.gesture is not None
    assert (left.gesture.hold_out, left.gesture.recommended) == (True, False)
    assert left.actions == ("reconnect_without_selling",)
    assert any("left without" in line for line in in_words(left).do)
    assert sent.gesture is not None
    assert (sent.gesture.hold_out, sent.gesture.recommended) == (False, True)
    assert sent.actions[0] == "send_replacement_without_asking"
    assert sent.action_cents[0] == sent.gesture.cost_cents == 3_000
    assert left.gesture.saved_cents == sent.gesture.saved_cents == sent.stake_cents * 4 // 10


def test_nobody_is_held_out_of_what_is_owed() -> None:
    policy = "[economics]\nhold_out_share = 1.0\n"
    driver = Driver(policy=policy)
    driver.support("part_wrong", case_id="A")
    driver.support("part_wrong", case_id="A")
    (alert,) = driver.alerts
    assert alert.gesture is not None
    assert not alert.gesture.hold_out
    assert a_review("C1", policy).gesture.hold_out  # type: ignore[union-attr]


def silent(price_cents: int, gone_ppm: int, case: bool = False) -> tuple[str, ...]:
    """Actions for somebody at risk of leaving who last bought at this price and has been silent."""
    policy = parse("[economics]\nhold_out_share = 0.0\n")
    rows = state.blank()
    row = rows[0]
    row["day"] = row["first_day"] = row["last_purchase_day"] = 20_000
    row["last_spend_cents"] = price_cents
    if case:
        row["case_id"][0], row["case_opened_ms"][0] = 7, 20_000 * 86_400_000
    crossing = np.zeros(1, state.CROSSING)
    crossing["machine"], crossing["change"], crossing["now_ms"] = Machine.CHURN, 1, 20_000 * 86_400_000
    crossing["risk"], crossing["gone_ppm"], crossing["worth_cents"] = 0.45, gone_ppm, 42_000
    asked = (Machine.CHURN, crossing[0], row, policy, None)
    gesture = gestures.of("C", *asked)
    return actions.of(*asked, gesture)


def test_silence_after_something_cheap_may_hide_a_defect_that_nobody_claims() -> None:
    """Claiming takes more than the item is worth: replace it unasked, with a note, if that pays."""
    assert silent(1_500, 300_000) == ("send_replacement_without_asking",)
    for otherwise in (silent(9_000, 300_000), silent(1_500, 10_000), silent(1_500, 300_000, case=True)):
        assert "send_replacement_without_asking" not in otherwise
    assert silent(9_000, 300_000) == ("reconnect_without_selling",)


def test_a_replacement_of_something_cheap_is_cheap() -> None:
    rows = state.blank()
    rows["last_spend_cents"] = 1_500
    asked = ("send_replacement_without_asking", "single_owner")
    assert actions.cents(asked, rows[0], parse(""), None) == (900, None)
