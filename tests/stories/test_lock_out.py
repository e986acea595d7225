"""S0: the printer refuses a rival's ink; S1: the third contact; S0: just out of warranty; S3: asking to leave."""

from __future__ import annotations

import pytest

from schemas.codes import Fault
from streams.words import in_words
from tests.driver import DAY, HOUR, Driver
from tests.stories.telling import START_MS

CALL = {"handle_ms": 600_000, "case_id": "L"}


def booked(driver: Driver) -> dict[str, int]:
    """Life cost in cents by fault, without the handling of orders."""
    return {fault.name.lower(): driver.row()["life_cost_cents"][fault] for fault in Fault}


def test_a_lock_that_we_built_is_our_fault() -> None:
    """Told at once; every call about it, earlier ones too, is booked to the company."""
    driver = Driver(now_ms=START_MS)
    driver.support("call_closed", **CALL)
    driver.wait(hours=1)
    driver.support("lock_out", case_id="L", sku="printer-p", reason="third_party_ink")
    driver.support("call_closed", **{**CALL, "resolved": True})
    assert driver.kinds() == ["service_failure_entered:locked_out"]
    assert driver.alerts[0].actions == ("unlock", "fix_glaring_problem")
    assert booked(driver) == {"company": 2 * 950, "customer": 0, "shared": 0, "unknown": 0}


def test_a_lock_without_a_case_is_heard_too() -> None:
    """The moment and the broken promise; nothing can be booked anew."""
    driver = Driver(now_ms=START_MS)
    driver.support("lock_out", sku="printer-p")
    assert driver.kinds() == ["service_failure_entered:locked_out"]
    felt = next(one for one in driver.alerts[0].evidence if one.name == "broken_promise")
    assert felt.event_digests == driver.alerts[0].evidence[0].event_digests


def test_months_of_calls_about_the_lock_never_make_a_value_destroyer() -> None:
    """The customer who cannot print calls every other day for half a year, and is nobody's burden."""
    driver = Driver(now_ms=START_MS)
    driver.support("lock_out", case_id="L", sku="printer-p")
    for day in range(1, 180, 2):
        driver.now_ms = START_MS + day * DAY
        driver.support("call_closed", handle_ms=900_000, reason="ink")
    driver.wait(days=30)
    assert not any(kind.startswith("value_destroyer") for kind in driver.kinds())


def test_the_third_contact_for_one_problem_is_told_whatever_the_channel() -> None:
    """Two are patience; the third is a failure of ours."""
    driver = Driver(now_ms=START_MS)
    for kind in ("email", "chat"):
        driver.support(kind, case_id="T", resolved=False)
        driver.wait(days=1)
    assert driver.kinds() == []
    driver.support("call_closed", case_id="T", handle_ms=300_000, resolved=False)
    assert driver.kinds() == ["service_failure_entered:third_contact"]
    assert driver.alerts[0].actions == ("settle_for_good", "single_owner")


@pytest.mark.parametrize(
    ("kind", "fields"), [("ticket_resolved", {}), ("call_closed", {"handle_ms": 300_000, "resolved": True})]
)
def test_it_clears_however_it_is_settled(kind: str, fields: dict[str, object]) -> None:
    """The alert says that the open case settled clears it: by a ticket or on the phone."""
    driver = Driver(now_ms=START_MS)
    for _ in range(3):
        driver.support("call_closed", case_id="T", handle_ms=300_000, resolved=False)
        driver.wait(hours=3)
    assert driver.alerts[0].clears_when[0] == "the open case settled"
    driver.support(kind, case_id="T", **fields)
    assert driver.kinds() == ["service_failure_entered:third_contact", "service_failure_cleared"]


@pytest.mark.parametrize("cases", [["A", "B", "C"], ["A", "A", ""]])
def test_three_problems_are_not_one(cases: list[str]) -> None:
    """Expected silence: three contacts about three things."""
    driver = Driver(now_ms=START_MS)
    for case in cases:
        named = {"case_id": case} if case else {}
        driver.support("call_closed", handle_ms=300_000, resolved=False, **named)
        driver.wait(hours=3)
    assert driver.kinds() == []


def test_the_contact_that_settles_it_is_no_failure() -> None:
    """Expected silence: the third contact ends it."""
    driver = Driver(now_ms=START_MS)
    for resolved in (False, False, True):
        driver.support("call_closed", case_id="T", handle_ms=300_000, resolved=resolved)
        driver.wait(hours=3)
    assert driver.kinds() == []


def repaired(back_after_days: int, warranty_days: int, **case: str) -> Driver:
    """A repair on day 10 that is back five days later; the same printer is in again."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=9_000, sku="p", warranty_end_ms=START_MS + warranty_days * DAY)
    for day, kind in ((10, "repair_in"), (15, "repair_out"), (15 + back_after_days, "repair_in")):
        driver.now_ms = START_MS + day * DAY + HOUR
        driver.support(kind, sku="p", **case, **({"cost_cents": 4_000} if kind == "repair_out" else {}))
        if kind == "repair_out" and case:
            driver.support("ticket_resolved", **case)
    return driver


@pytest.mark.parametrize("case", [{}, {"case_id": "R"}], ids=["no case", "a case"])
def test_the_same_fault_just_out_of_warranty_is_still_ours(case: dict[str, str]) -> None:
    """Half a year after the repair, six days after the warranty: told as a repeat, and the repair is on us."""
    driver = repaired(200, 209, **case)
    assert driver.kinds() == ["service_failure_entered:repeat_fault"]
    before = booked(driver)["company"]
    driver.wait(days=2)
    driver.support("repair_out", sku="p", cost_cents=4_000, **case)
    assert booked(driver)["company"] == before + 4_000


@pytest.mark.parametrize("warranty_days", [100, 400], ids=["long out of warranty", "well inside it"])
def test_a_fault_after_half_a_year_is_another_one(warranty_days: int) -> None:
    """Negative control: neither soon after the repair nor just after the warranty."""
    assert repaired(200, warranty_days).kinds() == []


def test_asking_to_leave_reaches_the_floor_as_what_it_is() -> None:
    """Ask why and settle what is open; nothing is sold, and nobody calls it our failure in words."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=9_000)
    driver.support("cancel_request")
    assert "service_failure_entered:cancel_requested" in driver.kinds()
    alert = next(one for one in driver.alerts if one.moment == "cancel_requested")
    assert alert.actions == ("ask_why_and_settle", "stop_marketing")
    assert in_words(alert).title == "C1: the customer asked to leave"
    assert driver.holds[-1].purposes == ("marketing", "review_ask", "referral_ask")


def test_asking_what_leaving_costs_is_only_remembered() -> None:
    """Expected silence: a question is no request."""
    driver = Driver(now_ms=START_MS)
    driver.support("etf_query", termination_fee_cents=5_000)
    assert driver.kinds() == []
    assert driver.row()["leaving_asked_ms"] == START_MS
