"""S4: the best customers are the ones a rival courts; they are protected before they are at risk like others."""

from __future__ import annotations

import pytest

from schemas.codes import Kind
from tests.driver import DAY, HOUR, Driver
from tests.oracle.hashing import of_event, of_text
from tests.stories.telling import START_MS


def best(driver: Driver, customer: str = "C1", amount_cents: int = 40_000, lines: int = 1) -> None:
    """Ten months of good orders, the last one yesterday."""
    for at, day in enumerate(range(0, 301, 20)):
        driver.now_ms = START_MS + day * DAY + 12 * HOUR
        driver.buys(
            "purchase",
            customer,
            amount_cents=amount_cents,
            margin_cents=amount_cents // 3,
            product_line=f"line-{at % lines}",
        )
    driver.wait(days=1)


def protected(driver: Driver) -> list[str]:
    """The alerts of protection."""
    return [kind for kind in driver.kinds() if kind.startswith("vulnerable_best")]


def test_a_rivals_offer_is_answered_by_a_named_contact() -> None:
    """The offer is named with its event; safe again when it is no longer open."""
    driver = Driver(now_ms=START_MS)
    best(driver)
    driver.support("competitor_offer", competitor="rival-gmbh", event_id="offer-1")
    alert = next(one for one in driver.alerts if one.kind == "vulnerable_best_customer_entered")
    assert alert.actions == ("named_contact",)
    offer = next(one for one in alert.evidence if one.name == "rival_offer")
    assert offer.event_digests == (f"{of_event(False, b'C1', b'offer-1'):016x}",)
    rival = next(one for one in alert.evidence if one.name == "rival")
    assert rival.event_digests == (f"{of_text(b'rival-gmbh'):016x}",)
    assert alert.worth_cents >= 60_000
    for _ in range(3):
        driver.wait(days=6)
        driver.buys("purchase", amount_cents=40_000, margin_cents=13_000)
    driver.wait(days=2)
    assert protected(driver) == ["vulnerable_best_customer_entered", "vulnerable_best_customer_cleared"]


def test_an_open_failure_is_enough() -> None:
    """One rude call to a best customer, far below any churn border."""
    driver = Driver(now_ms=START_MS)
    best(driver)
    driver.support("rude_call", observer="qa")
    assert driver.kinds() == ["service_failure_entered:rude_call", "vulnerable_best_customer_entered"]


def test_ordinary_customers_make_no_such_alert() -> None:
    """Silence: the same offer and the same rude call to a customer who is worth little."""
    driver = Driver(now_ms=START_MS)
    best(driver, amount_cents=2_000)
    driver.support("competitor_offer")
    driver.support("rude_call", observer="qa")
    assert protected(driver) == []


def test_a_best_customer_in_no_danger_makes_none_either() -> None:
    """Silence: ten good months are nobody's alarm."""
    driver = Driver(now_ms=START_MS)
    best(driver)
    assert protected(driver) == []


@pytest.mark.parametrize(("lines", "recommends"), [(3, False), (1, True)])
def test_owners_of_many_lines_and_recommenders_weigh_more(lines: int, recommends: bool) -> None:
    """Half the worth is enough of someone who owns three lines or brought us others, and of nobody else."""
    plain, weighty = Driver(now_ms=START_MS), Driver(now_ms=START_MS)
    best(plain, amount_cents=5_000)
    best(weighty, amount_cents=5_000, lines=lines)
    if recommends:
        weighty.support("referral_given", referred_customer_id="C9")
        weighty.buys("referral_credit")
    for driver in (plain, weighty):
        driver.support("competitor_offer")
    assert protected(plain) == []
    assert protected(weighty) == ["vulnerable_best_customer_entered"]


def test_falling_from_ones_own_high_counts() -> None:
    """Risk well below the common line, but a multiple of what is usual for this customer."""
    driver = Driver(now_ms=START_MS)
    best(driver)
    usual = driver.row()["usual_risk"]
    while not protected(driver):
        driver.wait(days=1)
    alert = driver.alerts[-1]
    assert 2 * usual * 1e6 <= alert.risk_ppm < 200_000
    assert next(one for one in alert.evidence if one.name == "above_own_usual_risk").value >= 2
    assert not any(kind.startswith("churn") for kind in driver.kinds())


def test_the_remembered_lines_are_the_newest() -> None:
    """Four product lines are kept, each with its days of buying; the one bought longest ago gives way."""
    driver = Driver(now_ms=START_MS)
    for name in ("a", "a", "b", "c", "d", "e", "b"):
        driver.now_ms += DAY
        driver.buys("purchase", amount_cents=100, product_line=name)
        driver.buys("purchase", amount_cents=900, product_line=name)
    row = driver.row()
    assert sorted(row["line_days"]) == [1, 1, 1, 2]
    assert row["last_spend_cents"] == 900
    assert Kind.PURCHASE in row["reference_kind"]
