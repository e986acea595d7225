"""The cheap bound on a worth never says no to a customer who is worth it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.scores import could_be_worth, worth_cents
from schemas.policy import parse
from schemas.state import blank

RULES = parse("").record[0]
DAY = 20_000


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 400), st.integers(0, 3_000), st.integers(1, 10**7), st.floats(-0.5, 1.5), st.integers(0, 10**6)
)
def test_the_bound_is_never_below_the_worth(bought: int, age: int, spend: int, share: float, fees: int) -> None:
    """Whatever was bought, when, and at which margin."""
    row = blank()[0]
    if bought:
        row["purchases"], row["repeat_days"] = bought, bought - 1
        row["first_purchase_day"] = DAY - age
        row["spent_cents"] = bought * spend
        row["life_margin_cents"] = round(bought * spend * share)
    if fees:
        row["first_fee_day"], row["life_fee_cents"] = DAY - age // 2, fees
        row["life_margin_cents"] += fees
    worth = worth_cents(row, DAY, RULES)
    assert could_be_worth(row, DAY, float(worth), RULES)


def test_it_rules_out_those_long_gone() -> None:
    """It would be no use if it always said yes: one purchase of 40 USD three years ago."""
    row = blank()[0]
    row["purchases"], row["first_purchase_day"] = 1, DAY - 1_000
    row["spent_cents"], row["life_margin_cents"] = 4_000, 1_200
    assert worth_cents(row, DAY, RULES) < 30_000
    assert not could_be_worth(row, DAY, 30_000.0, RULES)
