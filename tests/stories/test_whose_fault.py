"""Cost is attributed before anyone is judged, and booked anew when its cause becomes known."""

import pytest

from schemas.codes import Fault
from tests.driver import DAY, HOUR, Driver
from tests.stories.telling import START_MS

CALL = {"handle_ms": 600_000, "case_id": "T"}
COST = 200 + 75 * 10


def booked(driver: Driver) -> dict[str, int]:
    """Life cost in cents by fault, the empty columns left out."""
    costs = driver.row()["life_cost_cents"]
    return {fault.name.lower(): costs[fault] for fault in Fault if costs[fault]}


@pytest.mark.parametrize(
    ("then", "fields", "columns"),
    [
        ("ticket_resolved", {}, {"shared": COST}),
        ("ticket_resolved", {"cause": "company"}, {"company": COST}),
        ("ticket_resolved", {"cause": "customer"}, {"customer": COST}),
        ("part_wrong", {}, {"company": COST}),
        ("ticket_reopened", {}, {"company": COST}),
        ("callback_missed", {}, {"company": COST}),
        ("specification_gap", {}, {"company": COST}),
    ],
)
def test_an_earlier_contact_is_booked_anew(then: str, fields: dict[str, str], columns: dict[str, int]) -> None:
    """What a case cost before its cause was known moves to the column that it belongs in."""
    driver = Driver()
    driver.support("call_closed", **CALL)
    assert booked(driver) == {"shared": COST}
    driver.wait(hours=5)
    driver.support(then, case_id="T", **fields)
    assert booked(driver) == columns
    assert sum(map(sum, driver.row()["period_cost_cents"])) == COST


def test_a_ticket_left_unanswered_was_ours_all_along() -> None:
    """The timer that tells of it also moves what the case had cost."""
    driver = Driver()
    driver.support("call_closed", **CALL)
    driver.wait(minutes=1)
    driver.support("ticket_opened", case_id="T")
    driver.wait(hours=74)
    assert booked(driver) == {"company": COST}


def test_a_humans_word_stands() -> None:
    """Once a person has said whose fault it was, no rule says otherwise; another person may."""
    driver = Driver()
    driver.support("call_closed", **CALL)
    driver.support("ticket_reply", case_id="T", author="agent", cause="customer")
    driver.support("part_wrong", case_id="T")
    driver.support("call_closed", **CALL)
    assert booked(driver) == {"customer": 2 * COST}
    driver.support("ticket_resolved", case_id="T", cause="neutral")
    assert booked(driver) == {"shared": 2 * COST}


def _heavy(driver: Driver, **fields: str) -> None:
    """Half a year of dear calls about one case, every other day."""
    for day in range(0, 180, 2):
        driver.now_ms = START_MS + day * DAY
        driver.support("call_closed", case_id=f"T{day // 28}", handle_ms=900_000, resolved=True, **fields)
        driver.now_ms += HOUR


def test_flip_the_cause_and_it_may_classify() -> None:
    """The same calls: the company's doing is never held against the customer, the customer's own may be."""
    ours, theirs = Driver(now_ms=START_MS), Driver(now_ms=START_MS)
    _heavy(ours, cause="company")
    _heavy(theirs, cause="customer")
    assert "fix_the_cause_entered" in ours.kinds()
    assert not any(kind.startswith("value_destroyer") for kind in ours.kinds())
    assert "value_destroyer_entered" in theirs.kinds()
    assert "fix_the_cause_entered" not in theirs.kinds()


def test_fix_the_cause_can_be_left_again() -> None:
    """The fault is fixed, the customer buys: the alert clears by itself."""
    driver = Driver(now_ms=START_MS)
    _heavy(driver, cause="company")
    for month in range(12):
        driver.now_ms = START_MS + (190 + month * 30) * DAY
        driver.buys("purchase", amount_cents=90_000, margin_cents=40_000)
    assert driver.kinds()[-1] == "fix_the_cause_cleared"
