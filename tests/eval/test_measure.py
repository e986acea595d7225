"""The harness measures: controls through the whole window, every model and metric, the page made from code."""

import json
import math

import numpy as np
import pytest

from schemas.events import DAY_MS
from tests.eval import __main__ as command
from tests.eval import fitted, report, rivals
from tests.eval.bound import exam, upper_bound
from tests.eval.judged import judge
from tests.eval.measure import MODELS, measure, stood
from tests.eval.metrics import METRICS
from tests.eval.notes import START_MS, TS
from tests.eval.targets import judged as targets_judged
from tests.eval.window import TEST, TEST_28, TRAIN, Window
from tests.eval.worlds import AHEAD, TEST_FROM, WORLDS, make


@pytest.fixture(scope="module")
def window():
    truth = make(WORLDS["failure_driven"](), 500, 11)
    return Window(truth, judge(truth))


def test_a_planted_oracle_is_perfect_and_a_shuffled_score_is_blind(window):
    left = window.truth.left_day
    oracle = window.scored(lambda one: -np.maximum(left[one.who] - one.day, 0).astype(float), False)
    assert oracle["auc"] == pytest.approx(1.0)
    assert oracle["ap"] == pytest.approx(1.0)
    dice = np.random.default_rng(1)
    blind = [window.scored(lambda one: dice.random(len(one.who)), False)["auc"] for _ in range(5)]
    assert np.mean(blind) == pytest.approx(0.5, abs=0.04)


def test_nothing_learned_from_reaches_into_the_test():
    assert TRAIN[-1] + AHEAD < TEST_FROM == TEST[0]
    assert np.diff(TEST_28).tolist() == [28] * 7


def test_an_oracle_that_alerts_a_month_before_is_right_every_time(window):
    left = window.truth.left_day
    weeks = window.weeks(TEST, lambda one: ((left[one.who] - one.day) <= 30).astype(float))
    found = window.alerted(rivals.episodes(weeks, 1, 1))
    assert found["precision"] == 1.0
    assert found["recall"] > 0.95
    assert 20 <= found["lead_days"] <= 31


def test_the_judge_is_better_than_chance_and_its_alerts_are_read(window):
    assert window.scored(lambda one: one.risk, True)["auc"] > 0.6
    alerts = list(stood(window.judged))
    assert len(alerts) > 20
    assert all(one.start < one.end for one in alerts)


def test_bgnbd_is_a_probability_that_falls_with_a_purchase(window):
    score = rivals.bgnbd(window.look(TRAIN[-1]))(window.look(TEST[-1]))
    assert ((score >= 0) & (score <= 1)).all()
    repeats, recency, age = rivals.weeks_of(window.look(TEST[-1]))
    regular = repeats >= 5
    silent = regular & (age - recency > 30)
    assert score[silent].mean() > score[regular & (age - recency < 3)].mean()


def test_hysteresis_enters_once_and_leaves_below():
    path = (0.1, 0.6, 0.45, 0.6, 0.3, 0.6)
    who, active = np.array([4]), np.array([True])
    weeks = [rivals.Week(7 * at, who, active, np.array([score])) for at, score in enumerate(path)]
    assert rivals.episodes(weeks, 0.5, 0.4) == [(4, 7, 28), (4, 35, math.inf)]


def test_measure_gives_every_model_every_metric():
    truth = make(WORLDS["miscoded"](), 150, 12)
    found, one = measure(truth, {"whaleline": "[churn]\nenter_probability = 0.5\n", "cold_start": ""})
    found["upper_bound"] = upper_bound([one, one])[0]
    assert set(found) == set(MODELS)
    assert all(set(figures) == set(METRICS) for figures in found.values())
    assert found["whaleline"]["auc"] == found["cold_start"]["auc"]
    assert found["whaleline"]["alerts_per_1000_week"] < found["cold_start"]["alerts_per_1000_week"]


def test_an_upper_bound_learns_from_the_truth_of_the_training_days(window):
    one = exam(window)
    (found,) = upper_bound([one])
    assert found["auc"] is None or found["auc"] > 0.6
    assert 0 < one.gone.mean() < 0.3


def test_the_command_writes_the_json_that_was_promised(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "JSON", tmp_path / "eval.json")
    monkeypatch.setattr(report.write_json, "__defaults__", (tmp_path / "eval.json",))
    command.main(["--seeds", "2", "--customers", "80", "--worlds", "sparse", "--no-docs", "--tuning"])
    written = json.loads((tmp_path / "eval.json").read_text())
    assert written["seeds"] == [1, 2]
    assert set(written["worlds"]["sparse"]) == set(MODELS)
    assert set(written["worlds"]["sparse"]["rfm"]["auc"]) == {"mean", "sd"}
    told = capsys.readouterr().out
    assert "### sparse" in told
    assert "targets are missed" in told


@pytest.mark.parametrize(
    "argv",
    [
        ["--worlds", "atlantis"],
        ["--seeds", "0"],
        ["--customers", "7"],
        ["--customers", "80,atlantis=90"],
        ["--jobs", "0"],
        ["--policy", "-"],
    ],
)
def test_a_wrong_argument_is_refused_with_a_sentence(argv, capsys):
    with pytest.raises(SystemExit):
        command.arguments(argv)
    assert "--" in capsys.readouterr().err.splitlines()[-1]


def test_a_fit_sees_nothing_of_the_test_and_is_refused_where_there_is_too_little():
    few, refused = fitted.policy(make(WORLDS["sparse"](), 60, 1))
    assert few == ""
    assert "needs" in refused
    whole = make(WORLDS["sparse"](), 600, 1)
    toml, refused = fitted.policy(whole)
    assert refused is None
    assert "[lifetime]" in toml
    whole.events = whole.events[whole.events[:, TS] < START_MS + TEST_FROM * DAY_MS]
    assert fitted.policy(whole)[0] == toml


def test_a_missed_target_is_said():
    figures = {metric: {"mean": 0.5, "sd": 0.0} for metric in METRICS}
    worse = {**figures, "auc": {"mean": 0.45, "sd": 0.0}}
    found = list(targets_judged({"seasonal": {"whaleline": worse, "bgnbd": figures}}))
    assert found == [(False, "seasonal: auc is -0.050 beside BG/NBD, wanted at least 0 above")]


def test_the_page_says_of_the_worlds_what_the_code_says():
    page = report.PAGE.read_text(encoding="utf-8")
    assert report.replaced(page, "worlds", report.worlds_page()) == page
    assert "<!-- results: begin -->" in page
