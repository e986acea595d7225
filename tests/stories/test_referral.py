"""S4: help first, ask when it is earned, and thank whoever brought someone."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.codes import Purpose
from streams.gate import may_contact
from tests.driver import DAY, HOUR, Driver
from tests.oracle.hashing import of_text
from tests.stories.telling import START_MS


def content(driver: Driver, days: int = 200, score: int | None = 10, amount_cents: int = 9_000) -> None:
    """Months of buying and a top score; the last order today."""
    for day in range(0, days + 1, 20):
        driver.now_ms = START_MS + day * DAY + 12 * HOUR
        driver.buys("purchase", amount_cents=amount_cents, margin_cents=amount_cents // 3, product_line="lamps")
        if day == 100 and score is not None:
            driver.support("csat", score=score, scale=10)


def asks(driver: Driver) -> list[str]:
    """The alerts about a referral."""
    return [kind for kind in driver.kinds() if kind.startswith("referral")]


def row_of(driver: Driver) -> Any:
    """The row itself, as the gate reads it."""
    return driver.pipelines[0].settled_rows()[b"C1"][0]


def test_ready_with_results_and_a_relationship() -> None:
    """The day half a year is full; the alert says which line to ask about."""
    driver = Driver(now_ms=START_MS)
    content(driver)
    assert asks(driver) == ["referral_ready_entered"]
    alert = driver.alerts[-1]
    assert (alert.ts_ms - START_MS) // DAY == 180
    assert alert.actions == ("ask_for_a_referral",)
    line = next(one for one in alert.evidence if one.name == "top_product_line")
    assert line.event_digests == (f"{of_text(b'lamps'):016x}",)
    assert may_contact(row_of(driver), Purpose.REFERRAL_ASK).allowed


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("contact_sent", {"purpose": "referral_ask"}),
        ("ticket_opened", {"case_id": "T"}),
        ("callback_missed", {}),
        ("csat", {"score": 6, "scale": 10}),
    ],
)
def test_withdrawn_as_soon_as_it_is_not_so_any_more(kind: str, fields: dict[str, Any]) -> None:
    """Asked once, something open, a failure or a lukewarm score: nobody asks now."""
    driver = Driver(now_ms=START_MS)
    content(driver)
    driver.support(kind, **fields)
    assert asks(driver) == ["referral_ready_entered", "referral_ready_cleared"]
    verdict = may_contact(row_of(driver), Purpose.REFERRAL_ASK)
    assert not verdict.allowed
    assert "not_referral_ready" in verdict.reasons


def test_the_ask_is_not_repeated_within_half_a_year() -> None:
    """Asked on day 200, the customer goes on buying and praising us: ready again on day 381, not before."""
    driver = Driver(now_ms=START_MS)
    content(driver)
    driver.support("contact_sent", purpose="referral_ask")
    for day in range(220, 401, 20):
        driver.now_ms = START_MS + day * DAY
        driver.buys("purchase", amount_cents=9_000, margin_cents=3_000)
        driver.support("praise")
    again = [alert for alert in driver.alerts if alert.kind == "referral_ready_entered"][1]
    assert (again.ts_ms - START_MS) // DAY == 381


@pytest.mark.parametrize(
    ("score", "days", "amount_cents"),
    [(None, 200, 9_000), (6, 200, 9_000), (10, 160, 9_000), (10, 200, 300)],
    ids=["no word that it was good", "a lukewarm score", "too young", "worth too little"],
)
def test_nobody_else_is_asked(score: int | None, days: int, amount_cents: int) -> None:
    """Expected silence."""
    driver = Driver(now_ms=START_MS)
    content(driver, days, score, amount_cents)
    assert asks(driver) == []


def test_nobody_is_asked_on_the_strength_of_silence() -> None:
    """Years of buying, and a case that was settled quickly: the customer's own word is missing."""
    driver = Driver(now_ms=START_MS)
    driver.support("call_closed", case_id="T", handle_ms=300_000, resolved=False)
    driver.wait(hours=1)
    driver.support("ticket_resolved", case_id="T")
    content(driver, days=400, score=None)
    assert driver.row()["solved"] == 1
    assert asks(driver) == []
    driver.support("praise", observer="human")
    assert asks(driver) == ["referral_ready_entered"]


def test_a_word_grows_old() -> None:
    """A top score of day 100 does not speak for the customer on day 240: the card is taken back, once."""
    driver = Driver(now_ms=START_MS)
    content(driver, days=400)
    assert asks(driver) == ["referral_ready_entered", "referral_ready_cleared"]


def test_a_failure_half_a_year_ago_still_forbids_it() -> None:
    """A ticket nobody answered on day 60: not ready on day 200, although all was settled since."""
    driver = Driver(now_ms=START_MS)
    driver.now_ms = START_MS + 60 * DAY
    driver.support("ticket_opened", case_id="T")
    driver.wait(days=5)
    driver.support("ticket_resolved", case_id="T")
    content(driver)
    assert asks(driver) == []


def test_thanks_that_were_forgotten_are_asked_for() -> None:
    """A week after the referral nobody has said thanks; the credit ends it."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=5_000)
    driver.support("referral_given", referred_customer_id="C2")
    driver.wait(days=7)
    assert driver.kinds() == []
    driver.wait(days=1, minutes=1)
    assert driver.alerts[-1].kind == "good_news_entered"
    assert driver.alerts[-1].actions == ("thank_the_referrer",)
    driver.wait(days=1)
    driver.buys("referral_credit", amount_cents=1_000)
    assert driver.kinds() == ["good_news_entered", "good_news_cleared"]
    driver.wait(days=60)
    assert len(driver.alerts) == 2


def test_thanks_given_in_time_are_nobodys_business() -> None:
    """Expected silence."""
    driver = Driver(now_ms=START_MS)
    driver.support("referral_given")
    driver.wait(days=5)
    driver.buys("referral_credit", amount_cents=1_000)
    driver.wait(days=60)
    assert driver.kinds() == []
