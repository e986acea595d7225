"""What an alert is about, and how far a customer's loyalty has grown."""

from __future__ import annotations

import numpy as np
import pytest

from schemas import codes, policy
from schemas.state import CROSSING, blank
from streams.relations import EVIDENCE_DRIVERS, MACHINE_DRIVERS, MOMENT_DRIVERS, driver, loyalty_stage, top_line

DAY = 86_400_000
NOW_MS = 20_000 * DAY
POLICY = policy.parse("")


@pytest.mark.parametrize(
    ("fields", "stage"),
    [
        ({}, "stranger"),
        ({"purchases": 1}, "buyer"),
        ({"first_fee_day": 19_990}, "buyer"),
        ({"purchases": 2, "repeat_days": 1}, "repeat"),
        ({"first_fee_day": 19_900}, "repeat"),
        ({"purchases": 4, "repeat_days": 3}, "repeat"),
        ({"purchases": 4, "repeat_days": 3, "first_day": 19_820}, "loyal"),
        ({"first_fee_day": 19_820, "first_day": 19_820}, "loyal"),
        ({"purchases": 4, "repeat_days": 3, "first_day": 19_820, "news_ms": NOW_MS}, "advocate"),
        ({"purchases": 1, "news_ms": NOW_MS}, "buyer"),
        ({"purchases": 1, "referrals": 1}, "advocate"),
        ({"referrals": 1}, "stranger"),
    ],
)
def test_loyalty_grows_from_the_product_to_the_people(fields: dict[str, int], stage: str) -> None:
    """Each stage has its evidence; a recommendation counts only of someone who buys."""
    row = blank()
    row["first_day"] = 19_900
    for name, value in fields.items():
        row[name] = value
    assert loyalty_stage(row[0], NOW_MS, 100_000) == stage


def test_who_is_gone_is_not_loyal() -> None:
    """Habit without presence is a memory."""
    row = blank()
    row["first_day"], row["purchases"], row["repeat_days"] = 19_000, 20, 12
    assert loyalty_stage(row[0], NOW_MS, 200_000) == "loyal"
    assert loyalty_stage(row[0], NOW_MS, 200_001) == "repeat"


@pytest.mark.parametrize(
    ("machine", "moment", "found", "about"),
    [
        (codes.Machine.SERVICE, codes.Moment.RUDE_CALL, None, "emotion"),
        (codes.Machine.SERVICE, codes.Moment.WRONG_PART_TWICE, None, "risk"),
        (codes.Machine.SERVICE, codes.Moment.CONTACT_BURST, None, "cost"),
        (codes.Machine.SERVICE, codes.Moment.CANCEL_REQUESTED, None, "revenue"),
        (codes.Machine.VALUE, None, codes.Evidence.RUDE_CALL, "cost"),
        (codes.Machine.REFERRAL, None, None, "emotion"),
        (codes.Machine.GEM, None, None, "revenue"),
        (codes.Machine.CHURN, None, None, "revenue"),
        (codes.Machine.CHURN, None, codes.Evidence.LOW_CSAT, "emotion"),
        (codes.Machine.CHURN, None, codes.Evidence.BROKEN_PROMISE, "risk"),
        (codes.Machine.BEST, None, codes.Evidence.CALLBACK_MISSED, "cost"),
        (codes.Machine.BEST, None, codes.Evidence.LEAVING_SIGNAL, "revenue"),
        (codes.Machine.BEST, None, codes.Evidence.RECOVERY, "revenue"),
    ],
)
def test_every_alert_is_about_something(
    machine: codes.Machine, moment: codes.Moment | None, found: codes.Evidence | None, about: str
) -> None:
    """By its moment, else by its machine, else by the strongest evidence; good deeds are no reason to leave."""
    row, crossing = blank(), np.zeros(1, CROSSING)
    crossing["now_ms"] = NOW_MS
    if found is not None:
        row["evidence"][0, found] = 1.0
    assert driver(machine, crossing[0], row[0], POLICY, moment) == about


def test_every_moment_and_every_machine_has_a_driver() -> None:
    """A new moment must say what it hurts."""
    assert set(MOMENT_DRIVERS) == set(codes.Moment)
    assert set(MACHINE_DRIVERS) | {codes.Machine.CHURN, codes.Machine.BEST, codes.Machine.SERVICE} == {
        machine for machine in codes.Machine if machine is not codes.Machine.HOLD
    }
    assert set(EVIDENCE_DRIVERS) <= set(codes.Evidence)


def test_the_line_to_ask_about_is_the_one_bought_most() -> None:
    """Of equal ones the newest."""
    row = blank()
    assert top_line(row[0]) is None
    row["line"], row["line_days"], row["line_last_day"] = [7, 8, 9, 0], [2, 5, 5, 0], [30, 10, 20, -1]
    assert top_line(row[0]) == (9, 5)
