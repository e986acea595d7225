"""The silence filter as stories and laws; the purchase models against published and exact values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import alive
from tests.oracle import alive as twin
from tests.oracle import answers, bits, plain_answers

CDNOW_BG = (0.243, 4.414, 0.793, 2.426, False)
CDNOW_MBG = (0.525, 6.183, 0.891, 1.614, True)
A_IS_ONE = (0.243, 4.414, 1.0, 2.426, False)
FRESH = (0.11, 2.24, 0.31, 0.50, False)  # the popular library answers nan to this one
SURVIVE_WEEKS = 12.857

# model, (repeats, last week, age, weeks ahead), P(alive), expected purchases, P(still alive 90 days on)
VECTORS = [
    (CDNOW_BG, (2.0, 30.43, 38.86, 39.0), 0.726578570081, 1.22602817477, 0.910865100555),
    (CDNOW_BG, (0.0, 0.0, 38.86, 39.0), 1.0, 0.195098052011, 0.983465006819),
    (CDNOW_BG, (1.0, 1.71, 38.86, 39.0), 0.212100985377, 0.20318698708, 0.937546744247),
    (CDNOW_BG, (7.0, 29.43, 38.86, 39.0), 0.641756345946, 3.33705327485, 0.860069941582),
    (CDNOW_BG, (29.0, 38.0, 38.86, 52.0), 0.955221721242, 24.3281618931, 0.827595255531),
    (CDNOW_BG, (500.0, 250.0, 260.0, 52.0), 2.66160663858e-06, 0.000243604469044, 0.963258392121),
    (CDNOW_BG, (2000.0, 103.5, 104.0, 260.0), 0.195790795966, 545.359717915, 0.915077082137),
    (CDNOW_MBG, (0.0, 0.0, 38.86, 39.0), 0.389735080919, 0.154012746675, 0.965003385889),
    (CDNOW_MBG, (2.0, 30.43, 38.86, 39.0), 0.706202265118, 1.26296062327, 0.898006952736),
    (A_IS_ONE, (2.0, 30.43, 38.86, 39.0), 0.678175614854, 1.10213678604, 0.892954770819),
    (FRESH, (0.0, 0.0, 1.0, 30.0), 1.0, 0.564588615533, 0.922658141845),
]
MODELS = st.tuples(
    st.floats(0.05, 3.0), st.floats(0.5, 30.0), st.floats(0.1, 3.0), st.floats(0.2, 5.0), st.booleans()
)  # fmt: skip


@pytest.mark.parametrize(("model", "history", "here", "buys", "stays"), VECTORS)
def test_published_and_exact_values(
    model: tuple[float, float, float, float, bool],
    history: tuple[float, float, float, float],
    here: float,
    buys: float,
    stays: float,
) -> None:
    repeats, last, age, ahead = history
    assert alive.alive_probability(*model, repeats, last, age) == pytest.approx(here, rel=1e-10)
    assert alive.expected_purchases(*model, repeats, last, age, ahead) == pytest.approx(buys, rel=1e-10)
    assert alive.survival(*model, repeats, age, SURVIVE_WEEKS) == pytest.approx(stays, rel=1e-10)


@settings(deadline=None, max_examples=60)
@given(MODELS, st.integers(0, 300), st.floats(0.0, 1.0), st.floats(0.5, 260.0), st.floats(0.5, 260.0))
def test_models_agree_with_their_textbook_formulas(model, repeats, share, age, ahead) -> None:
    last = share * age if repeats else 0.0
    here = twin.alive_probability(*model, repeats, last, age)
    assert alive.alive_probability(*model, float(repeats), last, age) == pytest.approx(float(here), rel=1e-10)
    stays = twin.survival(*model, repeats, age, ahead)
    assert alive.survival(*model, float(repeats), age, ahead) == pytest.approx(float(stays), rel=1e-10)
    buys = twin.expected_purchases(*model, repeats, last, age, ahead)
    said = alive.expected_purchases(*model, float(repeats), last, age, ahead)
    assert said == pytest.approx(float(buys), rel=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.floats(-1.0, 3.0), st.floats(0.1, 3.0), st.floats(1.0, 100.0), st.floats(0.0, 0.95))
def test_the_series_is_the_hypergeometric_function(upper, other, lower, z) -> None:
    exact = float(twin.gauss_series(upper, other, lower, z))
    assert alive.gauss_series(upper, other, lower, z) == pytest.approx(exact, rel=1e-12, abs=1e-15)


def test_someone_who_bought_once_can_be_gone_only_in_the_second_model() -> None:
    bg, mbg = CDNOW_BG, CDNOW_MBG
    assert alive.alive_probability(*bg, 0.0, 0.0, 1000.0) == 1.0
    assert alive.alive_probability(*mbg, 0.0, 0.0, 1000.0) < alive.alive_probability(*mbg, 0.0, 0.0, 10.0)


def test_two_thousand_purchases_ago_is_still_a_number() -> None:
    gone = alive.alive_probability(*CDNOW_MBG, 2000.0, 10.0, 500.0)
    assert gone == 0.0 or 0.0 < gone < 1e-100


# P(gone) in percent after a quarter of silence; base hazard 1.6e-4 a day
STORIES = {
    "bought weekly, then silent": {"repeats": 50, "elapsed": 350, "log_ratio": 0.0, "gone": (97, 99)},
    "bought twice a year, then silent": {"repeats": 2, "elapsed": 350, "log_ratio": 0.0, "gone": (1, 4)},
    "wrong part twice, twice a year, silent": {
        "repeats": 2,
        "elapsed": 350,
        "log_ratio": 2.8,
        "gone": (20, 40),
    },
    "bought once, silent": {"repeats": 0, "elapsed": 30, "log_ratio": 0.0, "gone": (1, 5)},
    "a gesture made good": {"repeats": 2, "elapsed": 350, "log_ratio": -0.6, "gone": (0, 2)},
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_a_quarter_of_silence(story) -> None:
    hazard = alive.hazard_per_day(1.6e-4, story["log_ratio"])
    odds = alive.silence_step(0.0, hazard, story["elapsed"], 90, story["repeats"], 0.525, 6.183)
    low, high = story["gone"]
    assert low <= 100.0 * alive.gone_probability(odds) <= high


FILTER = (
    st.floats(0.0, 1e6),
    st.floats(-9.0, 9.0),
    st.integers(0, 4000),
    st.integers(0, 120),
    st.integers(0, 400),
    st.floats(0.05, 3.0),
    st.floats(0.5, 30.0),
)


@settings(deadline=None)
@given(*FILTER)
def test_the_filter_agrees_with_its_daily_definition(odds, ratio, elapsed, days, repeats, r, alpha) -> None:
    hazard = alive.hazard_per_day(1.6e-4, ratio)
    assert hazard == pytest.approx(twin.hazard_per_day(1.6e-4, ratio), rel=1e-14)
    said = alive.silence_step(odds, hazard, elapsed, days, repeats, r, alpha)
    exact = twin.silence_step(odds, hazard, elapsed, days, repeats, r, alpha)
    assert said == pytest.approx(exact, rel=1e-9)
    assert odds <= said <= 1e9


@settings(deadline=None)
@given(*FILTER, st.integers(0, 120))
def test_however_the_days_are_cut_the_bits_are_the_same(
    odds, ratio, elapsed, days, repeats, r, alpha, more
) -> None:
    hazard = alive.hazard_per_day(1.6e-4, ratio)
    at_once = alive.silence_step(odds, hazard, elapsed, days + more, repeats, r, alpha)
    first = alive.silence_step(odds, hazard, elapsed, days, repeats, r, alpha)
    assert bits(alive.silence_step(first, hazard, elapsed + days, more, repeats, r, alpha)) == bits(at_once)


@settings(deadline=None)
@given(st.floats(0.01, 100.0), st.integers(0, 1000), st.integers(1, 90))
def test_without_a_hazard_only_silence_speaks(odds, elapsed, days) -> None:
    said = alive.silence_step(odds, 0.0, elapsed, days, 3, 0.525, 6.183)
    ratio = (6.183 + (elapsed + days) / 7) / (6.183 + elapsed / 7)
    assert said == pytest.approx(odds * ratio**3.525, rel=1e-11)


@settings(deadline=None)
@given(st.floats(0.0, 1.0), st.floats(0.0, 0.03), st.floats(0.0, 90.0))
def test_looking_ahead_never_finds_fewer_gone(gone, hazard, days) -> None:
    said = alive.ahead_probability(gone, hazard, days)
    assert gone <= said <= 1.0
    assert said == pytest.approx(twin.ahead_probability(gone, hazard, days), abs=1e-15)


def test_evidence_is_held_between_its_bounds() -> None:
    assert alive.hazard_per_day(1.6e-4, 99.0) == alive.hazard_per_day(1.6e-4, 5.0)
    assert alive.hazard_per_day(1.6e-4, -99.0) == alive.hazard_per_day(1.6e-4, -1.0)


@pytest.mark.parametrize("hazard", [-1e-9, 1.0, math.nan])
def test_a_hazard_is_a_chance(hazard: float) -> None:
    with pytest.raises(AssertionError):
        alive.silence_step(0.0, hazard, 0, 1, 0, 0.525, 6.183)


def test_plain_python_gives_the_same_bits() -> None:
    calls = []
    for model, (repeats, last, age, ahead), *_ in VECTORS:
        calls.append(("alive_probability", (*model, repeats, last, age)))
        calls.append(("survival", (*model, repeats, age, ahead)))
        calls.append(("expected_purchases", (*model, repeats, last, age, ahead)))
    for ratio in (-3.0, 0.0, 1.3, 4.9, 7.0):
        hazard = alive.hazard_per_day(1.6e-4, ratio)
        calls.append(("hazard_per_day", (1.6e-4, ratio)))
        calls += [("silence_step", (odds, hazard, 77, 90, 4, 0.525, 6.183)) for odds in (0.0, 0.5, 5e8)]
        calls.append(("ahead_probability", (0.25, hazard, 60.0)))
    calls += [("gone_probability", (odds,)) for odds in (0.0, 0.5, 1e9)]
    assert bits(answers("alive", calls)) == bits(plain_answers("alive", calls))
