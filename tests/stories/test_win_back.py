"""S4: lost deals and prospects who trade down may be won back; S0: loyal to the brand, and no more to one line."""

from __future__ import annotations

from schemas.insights import Prospect
from streams.prospects import lines, of_insights
from streams.words import money
from tests.driver import DAY, Driver
from tests.stories.telling import START_MS


def listed(driver: Driver) -> list[Prospect]:
    """The list as of the last midnight."""
    driver.wait(days=1, minutes=1)
    return of_insights(driver.insights)


def test_a_lost_deal_is_on_the_list_with_its_worth() -> None:
    """Most money first, whatever the partition; each said in a line."""
    driver = Driver(now_ms=START_MS, partitions=3)
    for who, cents in (("small", 20_000), ("large", 900_000), ("middle", 70_000)):
        driver.support("deal_lost", who, deal_cents=cents, competitor="rival")
    driver.wait(days=60)
    found = listed(driver)
    assert [(one.customer_id, one.cents) for one in found] == [
        *(("large", 900_000), ("middle", 70_000), ("small", 20_000))
    ]
    assert next(lines(found, money)) == "large: a deal went elsewhere (9,000.00 USD)"


def test_it_leaves_the_list_when_won_back_or_after_a_year() -> None:
    """A purchase of as much wins it back; one of little does not."""
    driver = Driver(now_ms=START_MS)
    driver.support("deal_lost", deal_cents=50_000)
    driver.wait(days=60)
    driver.buys("purchase", amount_cents=2_000)
    assert [one.reasons for one in listed(driver)] == [("deal_lost",)]
    driver.buys("purchase", amount_cents=60_000)
    assert listed(driver) == []
    other = Driver(now_ms=START_MS)
    other.support("deal_lost", deal_cents=50_000)
    other.wait(days=366)
    assert listed(other) == []


def test_nobody_is_courted_while_something_is_open() -> None:
    """First what we owe: an open ticket keeps the customer off the list, and is no part of it."""
    driver = Driver(now_ms=START_MS)
    driver.support("deal_lost", deal_cents=50_000)
    driver.wait(days=60)
    driver.support("ticket_opened", case_id="T")
    assert listed(driver) == []


def buying(driver: Driver, days: range, cents: int, line: str, customer: str = "C1") -> None:
    """The same purchase on each of the days."""
    for day in days:
        driver.now_ms = START_MS + day * DAY
        driver.buys("purchase", customer, amount_cents=cents, product_line=line)


def test_who_buys_less_and_less_is_found_without_a_word() -> None:
    """Dear orders, then half a year of cheap ones: still here, and no alert; a steady buyer is not listed."""
    driver = Driver(now_ms=START_MS)
    buying(driver, range(0, 220, 20), 10_000, "studio")
    buying(driver, range(220, 400, 20), 2_000, "studio")
    found = listed(driver)
    assert [one.reasons for one in found] == [("buys_less",)]
    assert 30_000 <= found[0].cents <= 80_000
    assert not any(kind.startswith("churn") for kind in driver.kinds())
    steady = Driver(now_ms=START_MS)
    buying(steady, range(0, 400, 20), 10_000, "studio")
    assert listed(steady) == []


def test_a_line_that_was_left_is_the_lines_loss_and_not_the_brands() -> None:
    """The ink goes to a rival, the lamps still come from us: one line is listed by its name, and nobody leaves."""
    driver = Driver(now_ms=START_MS)
    buying(driver, range(0, 80, 20), 4_000, "ink")
    buying(driver, range(5, 260, 20), 4_000, "lamps")
    found = listed(driver)
    assert [(one.reasons, one.product_line) for one in found] == [(("line_left",), "ink")]
    assert "left the line ink, and stays with us" in next(lines(found, money))
    assert not any(kind.startswith("churn") for kind in driver.kinds())


def test_silence_over_all_lines_is_the_brands_loss() -> None:
    """Both lines fall silent at once: nothing is listed as a line's, the risk is told as what it is."""
    driver = Driver(now_ms=START_MS)
    for day in range(0, 200, 10):
        buying(driver, range(day, day + 1), 9_000, "ink" if day % 20 else "lamps")
    driver.wait(days=90)
    assert "churn_risk_entered" in driver.kinds()
    assert listed(driver) == []


def test_the_list_survives_a_restart() -> None:
    """A function of the rows: the same list after a crash."""
    driver = Driver(now_ms=START_MS)
    buying(driver, range(0, 80, 20), 4_000, "ink")
    buying(driver, range(5, 260, 20), 4_000, "lamps")
    before = listed(driver)
    driver.crash()
    assert listed(driver) == before != []
