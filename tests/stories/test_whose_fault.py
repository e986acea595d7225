"""Cost is attributed before anyone is judged, and booked anew when its cause becomes known."""

import pytest

from schemas.codes import Fault, Machine
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


def test_fix_the_cause_ends_when_nothing_of_ours_is_left() -> None:
    """Nobody calls, nobody buys: a year later no cost of ours stands in it, and there is nothing to fix."""
    driver = Driver(now_ms=START_MS)
    _heavy(driver, cause="company")
    driver.wait(days=300)
    assert driver.kinds()[-1] == "fix_the_cause_entered"
    driver.wait(days=100)
    assert driver.kinds()[-1] == "fix_the_cause_cleared"


def _given_back(reason: str) -> Driver:
    """An order a month, each given back in full, and two ordinary calls about something else."""
    driver = Driver(now_ms=START_MS)
    for month in range(10):
        driver.now_ms = START_MS + month * 28 * DAY
        driver.buys("purchase", amount_cents=10_000, margin_cents=2_500)
        driver.wait(days=5)
        driver.buys("refund", amount_cents=10_000, margin_cents=10_000, return_reason=reason)
        for _ in range(2):
            driver.wait(days=4)
            driver.support("call_closed", handle_ms=300_000, reason="how_to", resolved=True)
    driver.run()
    return driver


def test_money_given_back_for_our_fault_is_held_against_nobody() -> None:
    """Ten defective things and the money back for each: a cause to fix. Ten times another reason may be judged."""
    ours, theirs = _given_back("defect"), _given_back("other")
    assert not any(kind.startswith("value") for kind in ours.kinds())
    assert "fix_the_cause_entered" in ours.kinds()
    assert booked(ours)["company"] == 10 * 10_000
    assert ours.row()["life_margin_cents"] == 10 * 2_500
    assert "value_destroyer_entered" in theirs.kinds()
    assert theirs.row()["life_margin_cents"] == 10 * (2_500 - 10_000)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("promise_reversed", {}),
        ("upsell_as_remedy", {}),
        ("executive_appeal", {}),
        ("specification_gap", {}),
        ("part_wrong", {}),
        ("product_eol", {"sku": "p"}),
        ("callback_missed", {}),
        ("ticket_reopened", {}),
        ("ticket_opened", {"repeat_of_case_id": "earlier"}),
    ],
)
def test_what_comes_after_a_wrong_of_ours_is_ours(kind: str, fields: dict[str, str]) -> None:
    """Each of these makes its case the company's: what it cost before and costs after."""
    driver = Driver()
    driver.support("call_closed", **CALL)
    driver.wait(hours=1)
    driver.support(kind, case_id="T", **fields)
    driver.wait(hours=1)
    driver.support("dispatch", case_id="T")
    assert booked(driver) == {"company": COST + 12_000}


@pytest.mark.parametrize(
    ("topic", "kind", "fields", "fault", "cents"),
    [
        ("buys", "free_replacement", {}, "company", 3_000),
        ("buys", "credit", {"amount_cents": 500}, "company", 500),
        ("buys", "concession", {"amount_cents": 500}, "company", 500),
        ("buys", "return", {"amount_cents": 900, "return_reason": "defect"}, "company", 1_200 + 225),
        ("buys", "return", {"amount_cents": 900, "return_reason": "wrong"}, "company", 1_200 + 225),
        ("buys", "refund", {"amount_cents": 900, "cause": "company"}, "company", 225),
        ("buys", "chargeback", {"amount_cents": 900, "cause": "company"}, "company", 2_500 + 900),
        ("buys", "return", {"amount_cents": 900, "return_reason": "remorse"}, "customer", 1_200),
        ("buys", "return", {"amount_cents": 900, "return_reason": "other"}, "shared", 1_200),
        ("buys", "chargeback", {"amount_cents": 900, "resolved": True}, "customer", 2_500),
        ("buys", "chargeback", {"amount_cents": 900}, "shared", 2_500),
        ("buys", "referral_credit", {"amount_cents": 500}, "shared", 500),
        ("support", "self_service", {}, "shared", 10),
        ("support", "call_closed", {"handle_ms": 600_000}, "unknown", COST),
        ("support", "call_closed", {"handle_ms": 600_000, "reason": "how_to"}, "shared", COST),
        ("support", "call_closed", {"handle_ms": 600_000, "cause": "customer"}, "customer", COST),
        ("support", "call_closed", {"handle_ms": 600_000, "cause": "company"}, "company", COST),
        ("support", "call_closed", {"handle_ms": 600_000, "cause": "neutral"}, "shared", COST),
    ],
)
def test_one_event_alone(topic: str, kind: str, fields: dict[str, object], fault: str, cents: int) -> None:
    """The table of docs/model.md, row by row."""
    driver = Driver()
    getattr(driver, topic)(kind, **fields)
    assert booked(driver) == {fault: cents}


def test_abuse_is_the_customers_only_while_the_flag_holds() -> None:
    """A human saw it; ninety days later it is forgotten."""
    driver = Driver()
    driver.support("abuse_flag", observer="human")
    driver.wait(days=1)
    driver.support("call_closed", handle_ms=600_000, reason="how_to")
    driver.wait(days=90)
    driver.support("call_closed", handle_ms=600_000, reason="how_to")
    assert booked(driver) == {"customer": COST, "shared": COST}


def test_an_overdue_repair_makes_calls_ours() -> None:
    """Three weeks without the device: whoever calls now calls because of it."""
    driver = Driver()
    driver.support("repair_in", sku="p")
    driver.wait(days=22)
    driver.support("call_closed", handle_ms=600_000)
    assert booked(driver) == {"company": COST}


def _calls_after_buying(driver: Driver, calls: range, every_days: int) -> None:
    """A purchase a month, and calls that say nothing of why."""
    for day in range(330):
        driver.now_ms = START_MS + day * DAY
        if day % 56 == 0:
            driver.buys("purchase", amount_cents=4_000)
        if day % 56 in calls and day % every_days == 0:
            driver.support("call_closed", handle_ms=1_200_000)
        driver.run()


def test_calls_that_come_again_soon_after_buying_are_in_doubt() -> None:
    """Nothing is known of why: a burst after each purchase counts for nothing, the same calls at large do."""
    after, at_large = Driver(now_ms=START_MS), Driver(now_ms=START_MS)
    _calls_after_buying(after, range(2, 20), 2)
    _calls_after_buying(at_large, range(26, 56), 3)
    assert after.row()["life_cost_cents"][Fault.UNKNOWN] >= 0.9 * at_large.row()["life_cost_cents"][Fault.UNKNOWN]
    assert after.row()["life_cost_cents"][Fault.COMPANY] == 0
    assert "value_destroyer_entered" in at_large.kinds()
    assert not any(kind.startswith("value") for kind in after.kinds())


def _half_ours(driver: Driver, ours: int, days: int = 200) -> None:
    """A call each day for a small margin; of ten calls ``ours`` are our doing."""
    for day in range(days):
        driver.now_ms = START_MS + day * DAY
        cause = "company" if day % 10 < ours else "customer"
        driver.support("call_closed", handle_ms=600_000, cause=cause)
        if day % 28 == 3:
            driver.buys("purchase", amount_cents=40_000, margin_cents=18_000)


def test_a_loss_that_is_all_ours_is_ours_below_half_of_the_cost_too() -> None:
    """Without what we caused the year would have paid: the cause is told, and nobody is labelled."""
    driver = Driver(now_ms=START_MS)
    _half_ours(driver, 4)
    assert driver.row()["life_cost_cents"][Fault.COMPANY] < driver.row()["life_cost_cents"][Fault.CUSTOMER]
    told = [kind for kind in driver.kinds() if kind.startswith(("value", "fix"))]
    assert told[0] == "fix_the_cause_entered"
    assert not any(kind.startswith("value") for kind in told)


def test_the_cause_ends_the_label_and_they_never_stand_together() -> None:
    """Judged for calls that later turn out to be ours: the label goes the moment the cause comes."""
    driver = Driver(now_ms=START_MS)
    for day in range(260):
        driver.now_ms = START_MS + day * DAY
        cause = "customer" if day < 125 else "company"
        driver.support("call_closed", handle_ms=600_000, cause=cause)
        state = driver.row()["state"]
        assert not (state[Machine.VALUE] and state[Machine.CAUSE])
    told = [kind for kind in driver.kinds() if kind.startswith(("value", "fix")) and "escalated" not in kind]
    assert told == ["value_destroyer_entered", "value_destroyer_cleared", "fix_the_cause_entered"]
