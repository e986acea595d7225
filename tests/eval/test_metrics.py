"""Figures of merit against slow definitions, stories with known answers, and two controls."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.eval import metrics
from tests.eval.metrics import Episode

# Few distinct scores, so that ties are common.
CASES = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40)


def columns(cases):
    return np.array([score for score, _ in cases], float), np.array([happened for _, happened in cases])


@given(CASES)
def test_auc_is_the_share_of_pairs_in_the_right_order(cases):
    score, happened = columns(cases)
    pairs = [(a > b) + 0.5 * (a == b) for a in score[happened] for b in score[~happened]]
    assert metrics.auc(score, happened) == (pytest.approx(np.mean(pairs)) if pairs else None)


@given(CASES)
def test_average_precision_sums_precision_over_the_rises_of_recall(cases):
    score, happened = columns(cases)
    total, before = 0.0, 0
    for border in sorted(set(score), reverse=True):
        found = int(happened[score >= border].sum())
        total += (found - before) * found / int((score >= border).sum())
        before = found
    wanted = pytest.approx(total / happened.sum()) if happened.any() else None
    assert metrics.average_precision(score, happened) == wanted


def test_a_shuffled_score_knows_nothing_and_the_truth_knows_all():
    dice = np.random.default_rng(7)
    happened = dice.random(20_000) < 0.1
    assert metrics.auc(dice.random(20_000), happened) == pytest.approx(0.5, abs=0.02)
    assert metrics.average_precision(dice.random(20_000), happened) == pytest.approx(0.1, abs=0.02)
    assert metrics.auc(happened.astype(float), happened) == 1.0
    assert metrics.average_precision(happened.astype(float), happened) == 1.0


def test_an_honest_forecast_is_calibrated_and_a_bold_one_is_not():
    dice = np.random.default_rng(8)
    chance = dice.random(60_000) * 0.4
    happened = dice.random(60_000) < chance
    assert metrics.calibration_error(chance, happened) < 0.01
    assert metrics.calibration_error(chance + 0.1, happened) == pytest.approx(0.1, abs=0.01)


# Ten customers in a window of days 0 to 70, looked at weekly; all are active throughout.
WEEKLY = {day: np.ones(10, bool) for day in range(0, 71, 7)}
STAYS = 10**6


def left(**days):
    out = np.full(10, STAYS)
    for who, day in days.items():
        out[int(who[1:])] = day
    return out


def test_alerts_are_counted_where_they_begin_and_judged_by_what_came():
    stood = [
        Episode(0, 10.0, math.inf),  # leaves on day 40: 31 days of lead
        Episode(1, 20.0, 30.0),  # stays: false
        Episode(1, 35.0, 50.0),  # and again within 90 days: flapping
        Episode(2, -40.0, math.inf),  # from before the window: no entry, but a catch
        Episode(3, 60.0, math.inf),  # gone since day 5: true, too late to act on
    ]
    found = metrics.alerted(stood, WEEKLY, left(c0=40, c2=45, c3=5, c4=50))
    assert found["alerts_per_1000_week"] == pytest.approx(1000 * 4 / 100)
    assert found["precision"] == 0.5
    assert found["actionable"] == 0.25
    assert found["flapping"] == 0.25
    assert found["recall"] == pytest.approx(2 / 3)  # of customers 0, 2 and 4; 3 left in the warm-up
    assert found["lead_days"] == pytest.approx((31 + 86) / 2)


def test_who_is_no_customer_any_more_raises_no_alert_that_counts():
    weekly = {day: flags.copy() for day, flags in WEEKLY.items()}
    for day in range(14, 71, 7):
        weekly[day][0] = False
    found = metrics.alerted([Episode(0, 20.0, math.inf)], weekly, left())
    assert found["alerts_per_1000_week"] == 0.0
    assert found["precision"] is None


def test_a_label_is_judged_by_customer_and_look():
    yes, no = np.array([True, True, False, False]), np.array([False] * 4)
    active = np.array([True, True, True, False])
    destroys, victims = np.array([True, False, False, False]), np.array([False, True, True, False])
    found = metrics.labelled([(yes, active), (no, active)], destroys, victims, {0: 2, 1: 1})
    assert found == {"destroyer_precision": 0.5, "victims_mislabelled": 0.25, "reentries": 0.5}


def test_the_share_error_looks_at_dear_customers_only():
    judged = np.array([[50.0, 100.0], [9.0, 10.0]])
    true = np.array([[4_000.0, 10_000.0], [0.0, 10.0]])
    assert metrics.share_error(judged, true) == pytest.approx(0.1)


def test_spread_leaves_out_what_is_not_there():
    assert metrics.spread([1.0, None, 3.0]) == {"mean": 2.0, "sd": pytest.approx(math.sqrt(2))}
    assert metrics.spread([5.0]) == {"mean": 5.0, "sd": 0.0}
    assert metrics.spread([None]) == {"mean": None, "sd": None}
