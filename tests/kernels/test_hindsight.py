"""Who had left by a day: the formula, laws, and the filter's own world, where the truth is known."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import alive, churn, evidence, hindsight
from kernels.settle import hazard, settle
from schemas.codes import DECAYED, Term
from schemas.policy import parse
from schemas.state import NEVER, blank
from tests.oracle import hindsight as twin

END = 20_000
SHAPE, SCALE_WEEKS = 1.2, 4.0
RULES = parse(f"[churn]\nrate_shape = {SHAPE}\nrate_scale_weeks = {SCALE_WEEKS}").record[0]
LOOK_DAYS = 30
DAY_MS = 86_400_000


def buyer(gaps: list[int], silent_days: int):
    """A row of someone who bought once, then after each gap, and has been silent since; settled to the end."""
    row = blank()[0]
    last = END - silent_days
    row["day"], row["first_day"] = END, last - sum(gaps)
    row["first_purchase_day"], row["last_purchase_day"] = last - sum(gaps), last
    row["repeat_days"] = len(gaps)
    row["long_gaps"] = sum(gap >= 120 for gap in gaps)
    row["long_gap_days"] = sum(gap for gap in gaps if gap >= 120)
    return row


def payer(last_fee_day: int, period_days: int = 0):
    row = blank()[0]
    row["day"], row["first_day"] = END, END - 900
    row["last_fee_day"], row["contract_period_days"] = last_fee_day, period_days
    return row


def odds_of(row, day: int, leaving: float) -> float:
    """The filter's odds on a day of the silence since the last purchase, under one hazard."""
    since, last = int(row["first_purchase_day"]), int(row["last_purchase_day"])
    steps = max(0, day - last)
    return alive.silence_step(0.0, leaving, last - since, steps, churn.cadence(row), SHAPE, SCALE_WEEKS)


def hindsight_of(row, day: int, leaving: float) -> float:
    """From the end back to the day, a look every 30 days."""
    then, odds_then = END, odds_of(row, END, leaving)
    left = alive.gone_probability(odds_then)
    looks = [*range(END - LOOK_DAYS, day, -LOOK_DAYS), day]
    for look in [END, *looks]:
        odds = odds_of(row, look, leaving)
        left = hindsight.left_by(row, END, look, odds, then, odds_then, left, RULES)
        then, odds_then = look, odds
    return left


GAPS = st.lists(st.integers(1, 400), max_size=15)
HAZARDS = st.floats(-14.0, -4.0).map(math.exp)


# ---------------------------------------------------------------- the formula


@settings(deadline=None, max_examples=200)
@given(
    GAPS,
    st.integers(0, 900),
    st.integers(0, 900),
    st.integers(0, 60),
    st.one_of(st.just(NEVER), st.integers(0, 900)),
    st.sampled_from([0, 31, 92, 365]),
    st.one_of(st.just(NEVER), st.just(NEVER), st.integers(0, 900)),
    st.tuples(st.floats(-12.0, 12.0).map(math.exp), st.floats(-12.0, 12.0).map(math.exp), st.floats(0.0, 1.0)),
    st.booleans(),
)
def test_it_is_the_formula(gaps, silent, then_ago, before, fee_ago, period, asked_ago, said, bought) -> None:
    row = buyer(gaps, silent)
    if not bought:
        row["first_purchase_day"] = row["last_purchase_day"] = NEVER
        row["repeat_days"] = row["long_gaps"] = row["long_gap_days"] = 0
    row["last_fee_day"] = NEVER if fee_ago == NEVER else END - fee_ago
    row["contract_period_days"] = period
    row["cancel_ms"] = NEVER if asked_ago == NEVER else (END - asked_ago) * DAY_MS + 5_000
    plain = {name: int(row[name]) for name in row.dtype.names if row[name].ndim == 0}
    rules = {name: RULES[name].item() for name in RULES.dtype.names if RULES[name].ndim == 0}
    odds, odds_then, left_then = said
    looked = (END, END - then_ago - before, odds, END - then_ago, odds_then, left_then)
    mine = hindsight.left_by(row, *looked, RULES)
    assert mine == pytest.approx(twin.left_by(plain, *looked, rules), rel=1e-9, abs=1e-300)
    assert hindsight.pays_fees(row, RULES) == twin.pays_fees(plain, rules)


# ---------------------------------------------------------------- laws


@settings(deadline=None, max_examples=150)
@given(GAPS, st.integers(0, 900), HAZARDS, st.lists(st.integers(0, 1200), min_size=2, max_size=8))
def test_a_later_day_never_lowers_it(gaps, silent, leaving, ago) -> None:
    row = buyer(gaps, silent)
    chances = [hindsight_of(row, END - one, leaving) for one in sorted(ago, reverse=True)]
    assert all(0.0 <= one <= 1.0 for one in chances)
    assert all(later >= sooner - 1e-12 for sooner, later in pairwise(chances))


@settings(deadline=None, max_examples=100)
@given(GAPS, st.integers(0, 900), HAZARDS)
def test_at_the_end_hindsight_is_the_filter(gaps, silent, leaving) -> None:
    row = buyer(gaps, silent)
    gone = alive.gone_probability(odds_of(row, END, leaving)) if silent else 0.0
    assert hindsight_of(row, END, leaving) == pytest.approx(gone, rel=1e-12)


@settings(deadline=None, max_examples=100)
@given(GAPS, st.integers(0, 900), HAZARDS, st.integers(0, 900))
def test_who_buys_on_the_day_or_after_had_not_left(gaps, silent, leaving, before) -> None:
    assert hindsight_of(buyer(gaps, silent), END - silent - before, leaving) == 0.0


def test_silence_of_a_frequent_buyer_says_more_and_sooner() -> None:
    weekly, rare = buyer([7] * 50, 120), buyer([120] * 3, 120)
    assert hindsight_of(weekly, END - 60, 1e-3) > 0.9
    assert hindsight_of(rare, END - 60, 1e-3) < 0.2


def test_whoever_asked_to_leave_and_did_not_come_back_left_then() -> None:
    row = buyer([20] * 5, 60)
    row["cancel_ms"] = (END - 50) * DAY_MS
    assert [hindsight_of(row, END - ago, 1e-3) for ago in (300, 50, 49, 0)] == [0.0, 0.0, 1.0, 1.0]
    row["cancel_ms"] = (END - 70) * DAY_MS  # and bought after all
    assert hindsight_of(row, END - 60, 1e-3) == 0.0
    assert 0.0 < hindsight_of(row, END - 30, 1e-3) < 1.0


@pytest.mark.parametrize(
    ("last_fee", "period", "ago", "left"),
    [
        (END - 20, 0, 0, 0.0),  # paid, and the next fee is not due
        (END - 31, 0, 0, 0.0),
        (END - 32, 0, 0, 1.0),  # the fee is missing: left at some time of the 31 days
        (END - 90, 0, 90, 0.0),
        (END - 90, 0, 90 - 15, 15 / 31),
        (END - 90, 0, 40, 1.0),
        (END - 90, 92, 0, 0.0),  # pays by the quarter
        (END - 200, 92, 200 - 46, 0.5),
        (END - 200, 0, 300, 0.0),  # before the last fee
    ],
)
def test_a_payer_left_evenly_before_the_fee_that_is_missing(last_fee, period, ago, left) -> None:
    row = payer(last_fee, period)
    assert hindsight.left_by(row, END, END - ago, 3.0, END, 5.0, 0.8, RULES) == pytest.approx(left)


def test_whoever_bought_long_after_the_last_fee_is_judged_as_a_buyer() -> None:
    row = buyer([20] * 5, 60)
    row["last_fee_day"] = END - 60 - 3 * 31
    assert not hindsight.pays_fees(row, RULES)
    assert hindsight_of(row, END - 60, 1e-3) == 0.0
    row["last_fee_day"] = END - 60 - 31
    assert hindsight.pays_fees(row, RULES)


# ---------------------------------------------------------------- the filter's own world


def life(random: Random, leaving: float, days: int) -> tuple[list[int], int]:
    """Days of purchase from day 0 on, and the day of leaving: a gamma rate, and one hazard every day."""
    a_day = random.gammavariate(SHAPE, 1.0 / SCALE_WEEKS) / 7.0
    gone = random.expovariate(leaving)
    bought, now = [0], random.expovariate(a_day)
    while now < min(gone, days):
        bought.append(int(now))
        now += random.expovariate(a_day)
    return sorted(set(bought)), math.floor(gone)


@pytest.mark.parametrize("leaving", [5e-4, 3e-3])
@pytest.mark.parametrize("days", [250, 700])
def test_in_the_filters_own_world_as_many_left_as_hindsight_says(leaving: float, days: int) -> None:
    """At several days, in all and among the doubtful: within three standard errors of the truth."""
    random = Random(f"lives {leaving} {days}")
    lives = [life(random, leaving, days) for _ in range(2500)]
    rows = []
    for bought, _ in lives:
        gaps = [later - sooner for sooner, later in pairwise(bought)]
        rows.append(buyer(gaps, days - bought[-1]))
        rows[-1]["long_gaps"] = 0  # no seasons in this world
    for day in (60, 120, days - 120, days - 60, days):
        then = END - days + day
        chances = np.array([hindsight_of(row, then, leaving) for row in rows])
        left = np.array([float(gone < day) for _, gone in lives])
        for part in (chances >= 0.0, (chances > 0.05) & (chances < 0.5), (chances >= 0.5) & (chances < 0.95)):
            doubt = math.sqrt(float((chances[part] * (1.0 - chances[part])).sum())) + 1e-9
            off = float(chances[part].sum() - left[part].sum())
            assert abs(off) <= 3.0 * doubt + 0.5, (day, int(part.sum()), off, doubt)


# ---------------------------------------------------------------- looks


def test_all_at_once_as_one_by_one() -> None:
    rows = np.concatenate([blank() for _ in range(5)])
    for at, silent in enumerate((0, 30, 200, 400, 800)):
        rows[at] = buyer([20, 30, 9], silent)
    ends = np.array([odds_of(row, END, 1e-3) for row in rows])
    thens = np.array([odds_of(row, END - 30, 1e-3) for row in rows])[:4]
    out = np.zeros(4)
    hindsight.all_left_by(rows, END, END - 30, thens, END, ends, ends / (1.0 + ends), np.array([RULES]), out)
    assert out.tolist() == pytest.approx([hindsight_of(row, END - 30, 1e-3) for row in rows[:4]], rel=1e-15)


def test_a_look_writes_down_what_the_risk_is_made_of() -> None:
    rules = parse("").record
    rows = np.concatenate([blank() for _ in range(3)])
    random = Random("looks")
    for at in range(3):
        rows[at] = buyer([random.randint(3, 90) for _ in range(4)], 40)
        rows[at]["day"] = END - 30
        rows[at]["evidence"] = [random.random() for _ in range(DECAYED)]
    before = rows.copy()
    terms, found = np.zeros((3, churn.TERMS)), np.zeros((3, evidence.TERMS))
    leaving, odds, risks = np.zeros(3), np.zeros(3), np.zeros(3)
    now_ms = END * DAY_MS
    hindsight.describe(rows, 3, now_ms, rules, terms, found, leaving, odds, risks)
    for at in range(3):
        row = before[at]
        settle(row, END, rules[0])
        assert rows[at].tobytes() == row.tobytes()
        assert leaving[at] == hazard(row, now_ms, rules[0])
        assert odds[at] == row["odds"]
        assert risks[at] == churn.risk(row, leaving[at], now_ms, rules[0])
        assert terms[at, Term.FILTER] == churn.log_odds(churn.filter_risk(row, leaving[at], rules[0]))
        assert found[at, :DECAYED] @ rules[0]["weight"][:DECAYED] == pytest.approx(
            evidence.log_ratio(row, now_ms, rules[0])
        )


@pytest.mark.parametrize(
    ("first_ago", "heard_ago", "fee_ago", "here"),
    [
        (27, 0, NEVER, 0),  # too new to be known
        (28, 0, NEVER, 1),
        (500, 180, NEVER, 1),
        (500, 181, NEVER, 0),
        (500, 0, 32, 0),  # talks, but no longer pays
        (500, 300, 31, 1),  # pays in silence
    ],
)
def test_who_is_a_customer_to_learn_from(first_ago, heard_ago, fee_ago, here) -> None:
    rows = blank()
    rows[0]["first_day"], rows[0]["last_event_ms"] = END - first_ago, (END - heard_ago) * DAY_MS
    rows[0]["last_fee_day"] = NEVER if fee_ago == NEVER else END - fee_ago
    out = np.zeros(1, np.uint8)
    hindsight.are_active(rows, 1, END, 180, np.array([RULES]), out)
    assert out[0] == here
