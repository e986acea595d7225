"""S3, S4: a disputed charge is dear and its end says whose doing it was; abuse is a human's word, for a while."""

from __future__ import annotations

import pytest

from schemas.codes import Fault, Machine
from tests.driver import DAY, Driver
from tests.stories.telling import START_MS

HANDLING, FEE = 2_500, 1_500


def money(driver: Driver) -> tuple[dict[str, int], int]:
    """Life cost by fault, the empty columns and the handling of one order left out; and life margin."""
    row = driver.row()
    costs = {fault.name.lower(): row["life_cost_cents"][fault] for fault in Fault}
    costs["shared"] -= 350
    return {name: cents for name, cents in costs.items() if cents}, row["life_margin_cents"]


@pytest.mark.parametrize(
    ("fields", "column", "margin"),
    [({"resolved": True}, "customer", 3_000), ({"resolved": False}, "shared", -6_000), ({}, "shared", -6_000)],
    ids=["we won", "we lost", "still open"],
)
def test_a_dispute_is_dear_and_its_end_says_whose_doing_it_was(
    fields: dict[str, bool], column: str, margin: int
) -> None:
    """Won: the charge stands, the handling was the customer's. Lost or open: it is gone, nobody is blamed."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=9_000, margin_cents=3_000)
    driver.wait(days=20)
    driver.buys("chargeback", amount_cents=9_000, fee_cents=FEE, **fields)
    assert money(driver) == ({column: HANDLING + FEE}, margin)
    assert driver.kinds() == [], "no label, no alarm: one dispute is one dispute"


def disputing(driver: Driver, **fields: object) -> list[str]:
    """Most of a year of orders, each of them disputed, with calls about it."""
    for day in range(0, 330, 10):
        driver.now_ms = START_MS + day * DAY
        driver.buys("purchase", amount_cents=2_000, margin_cents=500)
        driver.buys("chargeback", amount_cents=2_000, fee_cents=FEE, **fields)
        driver.support("call_closed", handle_ms=600_000, reason="billing")
    return [kind for kind in driver.kinds() if kind.startswith("value") and kind.endswith("entered")]


def test_who_disputes_every_charge_and_is_wrong_each_time_is_seen() -> None:
    """The whole path: cost of their own doing, for a year, becomes a value alert; a person looks at it."""
    driver = Driver(now_ms=START_MS)
    assert disputing(driver, resolved=True) == ["value_destroyer_entered"]
    alert = next(one for one in driver.alerts if one.kind == "value_destroyer_entered")
    own = next(one for one in alert.evidence if one.name == "cost_customer")
    assert own.contribution < -20_000
    assert "account_review" in alert.actions


def test_one_whose_disputes_were_our_errors_is_not() -> None:
    """The same charges, and a person said that they were ours: the cause is to be fixed."""
    driver = Driver(now_ms=START_MS)
    assert disputing(driver, cause="company") == []
    assert driver.row()["state"][Machine.VALUE] == 0
    assert "fix_the_cause_entered" in driver.kinds()


@pytest.mark.parametrize("observer", ["model", "qa", "customer"])
def test_only_a_human_may_flag_abuse(observer: str) -> None:
    """A model's word is refused at the door, and changes nothing."""
    driver = Driver(now_ms=START_MS)
    driver.support("call_closed", handle_ms=600_000, reason="how_to")
    before = driver.rows()
    driver.support("abuse_flag", observer=observer)
    assert len(driver.refused) == 1
    assert driver.rows() == before


def test_a_flag_is_forgotten_after_ninety_days_and_never_outweighs_our_fault() -> None:
    """While it holds, calls are the customer's, but not those about a wrong of ours; then they are shared."""
    driver = Driver(now_ms=START_MS)
    driver.support("abuse_flag", observer="human")
    columns = []
    for day, fields in ((1, {"reason": "x"}), (2, {"case_id": "T"}), (95, {"reason": "x"})):
        driver.now_ms = START_MS + day * DAY
        if "case_id" in fields:
            driver.support("part_wrong", **fields)
        before = driver.row()["life_cost_cents"]
        driver.support("call_closed", handle_ms=600_000, resolved=True, **fields)
        after = driver.row()["life_cost_cents"]
        columns += [fault.name.lower() for fault in Fault if after[fault] > before[fault]]
        if "case_id" in fields:
            driver.support("ticket_resolved", **fields)
    assert columns == ["customer", "company", "shared"]
