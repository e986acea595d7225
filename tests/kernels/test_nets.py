"""What was set aside for a suspected burst takes nothing from a period's net, whatever it was booked as."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.nets import own_cost_cents, served_cents
from schemas import state
from schemas.codes import Fault
from schemas.policy import parse
from tests.oracle import forward
from tests.oracle.rows import Row, Rules

PERIOD = 700
AT = PERIOD % state.PERIODS
CENTS = st.integers(0, 50_000)

# Cost of the customer, shared, unknown, unknown in doubt, set aside; then the service and own cost that count.
STORIES = {
    "nothing set aside": ((300, 200, 100, 0, 0), (250, 300)),
    "of service first": ((300, 200, 100, 0, 150), (100, 300)),
    "then of the own cost": ((300, 200, 100, 0, 400), (0, 150)),
    "never more than there is": ((300, 200, 100, 0, 9_999), (0, 0)),
    "what is in doubt was no service": ((0, 200, 100, 100, 150), (50, 0)),
}


def held(customer: int, shared: int, unknown: int, doubt: int, aside: int) -> Row:
    row = Row()
    row.period_head = PERIOD
    row.period_cost_cents[AT][Fault.CUSTOMER] = customer
    row.period_cost_cents[AT][Fault.SHARED] = shared
    row.period_cost_cents[AT][Fault.UNKNOWN] = unknown
    row.period_doubt_cents[AT], row.period_aside_cents[AT] = doubt, aside
    return row


def counted(row: Row) -> tuple[int, int]:
    """Service and own cost by the kernels."""
    rows = state.blank()
    for name in ("period_head", "period_cost_cents", "period_doubt_cents", "period_aside_cents"):
        rows[name] = getattr(row, name)
    return int(served_cents(rows[0], AT, 0.5)), int(own_cost_cents(rows[0], AT, 0.5))


@pytest.mark.parametrize(("cents", "expected"), STORIES.values(), ids=STORIES)
def test_story(cents: tuple[int, int, int, int, int], expected: tuple[int, int]) -> None:
    assert counted(held(*cents)) == expected


@settings(deadline=None, max_examples=200)
@given(CENTS, CENTS, CENTS, st.floats(0, 1), CENTS)
def test_it_comes_off_the_whole_down_to_nothing(
    own: int, shared: int, unknown: int, part: float, aside: int
) -> None:
    """Whatever stands where: together they are the cost that counts less what was set aside, at least 0."""
    row = held(own, shared, unknown, int(unknown * part), aside)
    before = sum(counted(held(own, shared, unknown, int(unknown * part), 0)))
    assert sum(counted(row)) == max(0, before - aside)
    assert counted(row) == forward.counted(row, Rules(parse("")), PERIOD)
