"""S1: advertisements for a month while the customer waits; nothing may be sold to someone we owe an answer."""

from streams.stories.month_of_ads import CUSTOMER
from tests.driver import DAY, Driver
from tests.stories.telling import START_MS, on_days, tell


def test_the_first_advertisement_after_the_failure_is_told() -> None:
    """And not each of them: the same moment is told again only after the cooldown."""
    told = on_days(tell("month_of_ads"), CUSTOMER)
    assert told[:2] == [
        "service_failure_entered:ticket_unanswered on day 103",
        "service_failure_escalated:contact_during_failure on day 105",
    ]
    assert "service_failure_cleared on day 132" in told


def test_the_hold_is_set_with_its_reasons_and_lifted_when_earned() -> None:
    """It begins with the open case and ends only when everything is settled and quiet."""
    driver = tell("month_of_ads")
    words = [(one.held, (one.since_ms - START_MS) // DAY, one.reasons) for one in driver.holds]
    assert words[:2] == [
        (True, 100, ("open_case", "unanswered")),
        (True, 100, ("open_case", "unanswered", "service")),
    ]
    assert driver.holds[0].purposes == ("marketing", "review_ask", "referral_ask")
    assert words[-1][0] is False
    assert driver.holds[-1].purposes == ()


def test_every_breach_is_counted() -> None:
    """Ten advertisements went out during the hold; the first before it was known to be a failure."""
    assert tell("month_of_ads").row(CUSTOMER)["hold_violations"] == 10


def test_no_hold_for_a_customer_with_nothing_open() -> None:
    """Expected silence: an advertisement to a content customer is nobody's business."""
    driver = Driver()
    driver.buys("purchase", amount_cents=5_000)
    driver.support("call_closed", reason="how_to", resolved=True)
    driver.support("contact_sent", purpose="marketing")
    assert driver.holds == []
    assert driver.row()["hold_violations"] == 0


def test_a_hold_outlives_a_short_calm() -> None:
    """Seven quiet days must pass; a new case in between starts them anew."""
    driver = Driver()
    driver.support("ticket_opened", case_id="A")
    driver.support("ticket_reply", case_id="A", author="agent", at_ms=driver.now_ms + 1)
    driver.wait(days=1)
    driver.support("ticket_resolved", case_id="A")
    driver.wait(days=5)
    driver.support("call_opened", case_id="B")
    driver.wait(days=1)
    driver.support("ticket_resolved", case_id="B")
    driver.wait(days=6)
    assert [one.held for one in driver.holds] == [True]
    driver.wait(days=60)
    assert [one.held for one in driver.holds] == [True, False]
