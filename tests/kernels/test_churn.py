"""The 90-day risk: contributions that add up to it, and terms with one meaning each."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import churn, evidence
from kernels.settle import hazard
from schemas.codes import DECAYED, Evidence, Term
from schemas.policy import parse
from schemas.state import blank

DAY_MS = 86_400_000
DAY = 20_000
FITTED = parse(
    "[risk]\nintercept = -0.7\n"
    + "".join(
        f"[risk.{term.name.lower()}]\nweight = {0.9 - 0.13 * term:.2f}\nmean = {0.1 * term:.1f}\n" for term in Term
    )
).record[0]
DEFAULT = parse("").record[0]


def buyer(gaps: list[int], silent_days: int):
    """A row of someone who bought once, then after each gap, and has been silent since."""
    row = blank()[0]
    last = DAY - silent_days
    row["day"], row["first_day"] = DAY, last - sum(gaps)
    row["first_purchase_day"], row["last_purchase_day"] = last - sum(gaps), last
    row["repeat_days"] = len(gaps)
    row["gap_squares"] = sum(gap * gap for gap in gaps)
    row["long_gaps"] = sum(gap >= 120 for gap in gaps)
    row["long_gap_days"] = sum(gap for gap in gaps if gap >= 120)
    return row


def terms_of(row) -> dict[str, float]:
    out = np.zeros(len(Term))
    churn.terms_beside_filter(row, DAY * DAY_MS, DEFAULT, out)
    return {term.name: float(out[term]) for term in Term}


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.floats(0, 12), min_size=DECAYED, max_size=DECAYED),
    st.floats(0, 1e9),
    st.lists(st.integers(1, 400), max_size=12),
    st.integers(0, 900),
    st.sampled_from(["fitted", "default"]),
)
def test_contributions_add_up_to_the_risk(found, odds, gaps, silent_days, whose) -> None:
    rules = FITTED if whose == "fitted" else DEFAULT
    row = buyer(gaps, silent_days)
    row["evidence"], row["odds"] = found, odds
    at_ms = DAY * DAY_MS + 5_000
    out = np.zeros(1 + len(Term) + evidence.TERMS)
    eta = churn.contributions(row, at_ms, rules, out)
    risk = churn.risk(row, hazard(row, at_ms, rules), at_ms, rules)
    assert eta == pytest.approx(math.fsum(out), abs=1e-9)
    assert risk == pytest.approx(1 / (1 + math.exp(-eta)), rel=1e-9)
    assert np.isfinite(out).all()
    assert 0.0 <= risk <= 1.0


def test_an_evidences_share_has_the_sign_of_its_weight() -> None:
    row = buyer([20] * 5, 10)
    row["evidence"][Evidence.RUDE_CALL], row["evidence"][Evidence.RECOVERY] = 1.0, 1.0
    out = np.zeros(1 + len(Term) + evidence.TERMS)
    churn.contributions(row, DAY * DAY_MS, DEFAULT, out)
    shares = out[1 + len(Term) :]
    assert shares[Evidence.RUDE_CALL] > 0 > shares[Evidence.RECOVERY]
    assert [which.name for which in Evidence if shares[which] != 0.0] == ["RUDE_CALL", "RECOVERY"]


def test_with_nothing_fitted_the_filters_risk_is_the_risk() -> None:
    row = buyer([20, 9, 40], 30)
    row["odds"] = 0.25
    leaving = hazard(row, DAY * DAY_MS, DEFAULT)
    assert churn.risk(row, leaving, DAY * DAY_MS, DEFAULT) == pytest.approx(
        churn.filter_risk(row, leaving, DEFAULT), rel=1e-12
    )


@pytest.mark.parametrize(
    ("gaps", "silent_days", "regular"),
    [
        ([14] * 10, 28, 0.0),  # two gaps are nothing
        ([14] * 10, 56, 2.0),
        ([14] * 10, 300, 4.0),  # four count at most
        ([14] * 3, 56, 0.0),  # too few to know
        ([3, 60, 2, 55, 4, 61], 300, 0.0),  # not regular
        ([365] * 4, 360, 0.0),  # a season's rest
    ],
)
def test_only_a_regular_buyers_silence_counts_in_own_gaps(gaps, silent_days, regular) -> None:
    assert terms_of(buyer(gaps, silent_days))["REGULAR"] == pytest.approx(regular)


def test_a_pause_in_years_of_buying_is_no_season() -> None:
    assert not churn.is_seasonal(buyer([14] * 40 + [130] + [14] * 10, 0))
    assert churn.is_seasonal(buyer([7, 350, 9, 340], 0))
    assert churn.cadence(buyer([7, 350, 9, 340], 0)) == 2
    assert churn.cadence(buyer([14] * 7, 0)) == 7


def test_a_missing_fee_counts_from_the_day_it_was_due() -> None:
    row = buyer([30] * 5, 1)
    assert (terms_of(row)["SUBSCRIBED"], terms_of(row)["FEE_OVERDUE"]) == (0.0, 0.0)
    row["last_fee_day"] = DAY - 31
    assert (terms_of(row)["SUBSCRIBED"], terms_of(row)["FEE_OVERDUE"]) == (1.0, 0.0)
    row["last_fee_day"] = DAY - 38
    assert (terms_of(row)["SUBSCRIBED"], terms_of(row)["FEE_OVERDUE"]) == (0.0, 1.0)
    row["contract_period_days"] = 92
    assert terms_of(row)["SUBSCRIBED"] == 1.0
