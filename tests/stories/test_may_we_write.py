"""S2, S4: what may be asked of whom: each reason of a hold forbids its own purposes."""

from __future__ import annotations

import pytest

from schemas.codes import FORBIDS, HoldReason, Machine, Purpose
from schemas.state import blank
from streams.gate import may_contact
from tests.driver import DAY, Driver
from tests.stories.telling import START_MS

MARKETING, REVIEW, REFERRAL = Purpose.MARKETING, Purpose.REVIEW_ASK, Purpose.REFERRAL_ASK


@pytest.mark.parametrize(
    ("reason", "forbidden"),
    [
        (HoldReason.OPEN_CASE, {MARKETING, REVIEW, REFERRAL}),
        (HoldReason.UNANSWERED, {MARKETING, REVIEW, REFERRAL}),
        (HoldReason.FAILURE, {MARKETING, REVIEW, REFERRAL}),
        (HoldReason.SERVICE, {MARKETING, REVIEW, REFERRAL}),
        (HoldReason.CHURN, {MARKETING, REFERRAL}),
        (HoldReason.NEGATIVE_REVIEW, {REVIEW}),
    ],
)
def test_each_reason_forbids_its_own(reason: HoldReason, forbidden: set[Purpose]) -> None:
    """The gate answers from the row by the one table there is."""
    row = blank()
    row["hold_reasons"], row["state"][0, Machine.REFERRAL] = reason, 1
    assert {one for one in Purpose if not may_contact(row[0], one).allowed} == forbidden
    assert set(FORBIDS) == set(HoldReason)


def test_no_review_is_asked_for_after_a_bad_one() -> None:
    """The defect is made good in two days; for a month nobody asks for a review, advertising is allowed sooner."""
    driver = Driver(now_ms=START_MS)
    driver.support("review", stars=1, defect=True)
    driver.wait(days=2)
    driver.buys("free_replacement", cost_cents=1_500)
    driver.wait(days=12)
    row = driver.pipelines[0].settled_rows()[b"C1"][0]
    assert may_contact(row, MARKETING).allowed
    assert may_contact(row, REVIEW).reasons == ("negative_review",)
    assert driver.holds[-1].purposes == ("review_ask",)
    driver.support("contact_sent", purpose="marketing")
    assert driver.row()["hold_violations"] == 0
    driver.support("contact_sent", purpose="review_ask")
    assert driver.row()["hold_violations"] == 1
    driver.now_ms = START_MS + 40 * DAY
    driver.run()
    assert driver.holds[-1].held is False


def test_a_referral_is_asked_for_only_of_the_ready() -> None:
    """No hold at all, and yet no: a stranger is not asked to recommend us."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=5_000)
    row = driver.pipelines[0].settled_rows()[b"C1"][0]
    assert may_contact(row, MARKETING).allowed
    assert may_contact(row, REFERRAL).reasons == ("not_referral_ready",)
