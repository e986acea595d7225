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


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(st.floats(0.01, 20), st.floats(0.1, 100), st.floats(0.01, 10), st.floats(0.01, 30)),
    *(st.integers(1, 200), st.integers(0, 2_000), st.integers(1, 1_040), st.floats(0, 0.5)),
)
def test_nor_whatever_the_buying_is_fitted_to(
    fitted: tuple[float, float, float, float], bought: int, age: int, horizon: int, discount: float
) -> None:
    """Also far ahead of a young customer, where the worth's own quadrature is coarse."""
    rules = parse("").record.copy()
    names = ("purchase_shape", "purchase_scale_weeks", "leave_a", "leave_b")
    for name, value in zip(names, fitted, strict=True):
        rules[f"lifetime_{name}"] = value
    rules["lifetime_horizon_weeks"], rules["lifetime_discount_rate_per_year"] = horizon, discount
    row = blank()[0]
    row["purchases"], row["repeat_days"], row["first_purchase_day"] = bought, bought - 1, DAY - age
    row["spent_cents"], row["life_margin_cents"] = bought * 10**6, bought * 10**6
    assert could_be_worth(row, DAY, float(worth_cents(row, DAY, rules[0])), rules[0])


def test_it_rules_out_those_who_would_have_to_stay_at_their_rate() -> None:
    """Someone who bought every other week for a year would be worth it at that rate for good, but people leave."""
    row = blank()[0]
    row["purchases"], row["repeat_days"], row["first_purchase_day"] = 26, 25, DAY - 364
    row["spent_cents"], row["life_margin_cents"] = 26 * 1_000, 26 * 400
    worth = worth_cents(row, DAY, RULES)
    at_their_rate = 26 / 52 * 52.1775 * 4 * 400
    assert worth < 0.8 * at_their_rate
    assert not could_be_worth(row, DAY, at_their_rate, RULES)


def test_it_rules_out_those_long_gone() -> None:
    """It would be no use if it always said yes: one purchase of 40 USD three years ago."""
    row = blank()[0]
    row["purchases"], row["first_purchase_day"] = 1, DAY - 1_000
    row["spent_cents"], row["life_margin_cents"] = 4_000, 1_200
    assert worth_cents(row, DAY, RULES) < 30_000
    assert not could_be_worth(row, DAY, 30_000.0, RULES)
