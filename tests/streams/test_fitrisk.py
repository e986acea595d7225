"""Learning the risk of leaving from a history in which nobody says so: findings, refusals, no peeping."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from schemas.policy import EVIDENCE, TERMS
from streams.fit import run_fit
from streams.fitrisk import auc, bins, fit_risk, log_loss
from streams.past import LOOK_DAYS, read_past
from streams.riskreport import Bin, RiskFit, Weighed, error_of, policy_of
from tests.streams.failing_shop import DAYS, START_DAY, Sent, end, sold

RUDE = "rude_call"


def written(path: Path, events: Iterable[Sent]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def learned(path: Path, events: Iterable[Sent], as_of_day: int | None = None) -> RiskFit:
    as_of_ms = None if as_of_day is None else (START_DAY + as_of_day) * 86_400_000
    return fit_risk(read_past(written(path, events), "USD", as_of_ms), {})


def weights(found: Iterable[Weighed]) -> dict[str, Weighed]:
    return {one.name: one for one in found}


@pytest.fixture(scope="module")
def shop() -> list[Sent]:
    return sold()


@pytest.fixture(scope="module")
def folder(shop: list[Sent], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``whaleline fit`` makes of the shop, as Markdown and as JSON."""
    at = tmp_path_factory.mktemp("risk")
    file = written(at / "events", shop)
    run_fit(file, at / "policy.toml", at / "report.md")
    run_fit(file, at / "again.toml", at / "report.json")
    return at


@pytest.fixture(scope="module")
def found(shop: list[Sent], tmp_path_factory: pytest.TempPathFactory) -> RiskFit:
    return learned(tmp_path_factory.mktemp("past") / "events", shop)


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> RiskFit:
    """The same shop, where nobody minds a rude call."""
    return learned(tmp_path_factory.mktemp("harmless") / "events", sold(harm=0.0, base=1.2e-3))


# ---------------------------------------------------------------- what is found


def test_failures_that_drive_customers_away_weigh_and_harmless_ones_hardly(
    found: RiskFit, harmless: RiskFit
) -> None:
    assert found.refused is None
    harm, none = weights(found.evidence)[RUDE], weights(harmless.evidence)[RUDE]
    assert harm.weight > 5.0 * harm.error > 0.0
    assert none.weight < 0.5 * harm.weight
    assert none.weight < 0.5 * none.default  # the data speak against the default


def test_the_base_hazard_goes_from_its_default_towards_the_truth(found: RiskFit, harmless: RiskFit) -> None:
    """Two rounds go most of the way of a short history; they never overshoot."""
    default = float(policy_of({}).record["churn_base_hazard_per_day"][0])
    assert default < (default + 1.2e-3) / 2.0 < harmless.base_hazard_per_day < 1.2e-3
    assert default < found.base_hazard_per_day < 1.2e-3


def test_who_left_is_counted(found: RiskFit, shop: list[Sent]) -> None:
    customers = {event["customer_id"] for event in shop if "customer_id" in event}
    assert 0.25 * len(customers) < found.leavers < 0.5 * len(customers)


def test_what_no_data_speak_of_keeps_its_default(found: RiskFit) -> None:
    for rule in EVIDENCE:
        if rule.kind.name.lower() != RUDE:
            one = weights(found.evidence)[rule.kind.name.lower()]
            assert one.weight == pytest.approx(rule.weight, rel=1e-5)
    told = weights(found.terms)
    for rule in TERMS:
        if rule.term.name in ("CANCEL", "FEE_OVERDUE", "SUBSCRIBED", "OPEN_CASES", "OPEN_AGE", "OPEN_CONTACTS"):
            one = told[rule.term.name.lower()]
            assert (one.weight, one.error, one.mean) == (rule.weight, 0.0, 0.0)
    assert told["filter"].weight > 5.0 * told["filter"].error > 0.0


def test_held_out_it_is_calibrated_better_than_the_defaults(found: RiskFit) -> None:
    assert found.loss < found.default_loss
    assert found.calibration_error < 0.05 < found.default_calibration_error
    assert found.auc > found.default_auc - 0.02
    shares = [one.expected / one.customers for one in found.bins]
    assert shares == sorted(shares)
    assert found.bins[-1].left / found.bins[-1].customers > 4.0 * found.bins[0].left / found.bins[0].customers


def test_the_policy_and_the_report_say_it(folder: Path) -> None:
    policy = tomllib.loads((folder / "policy.toml").read_text())
    told = json.loads((folder / "report.json").read_text())["risk"]
    assert policy["evidence"][RUDE]["weight"] == weights(Weighed(**one) for one in told["evidence"])[RUDE].weight
    assert policy["churn"]["base_hazard_per_day"] == told["base_hazard_per_day"]
    assert policy["risk"]["intercept"] == told["intercept"]
    assert set(policy["risk"]) == {"intercept", *(one.term.name.lower() for one in TERMS)}
    assert len(told["bins"]) == 10
    report = (folder / "report.md").read_text()
    for figure in ("auc", "default_auc"):
        assert f"{told[figure]:.3f}" in report
    for figure in ("log_loss", "default_log_loss", "calibration_error", "default_calibration_error"):
        assert f"{told[figure]:.4f}" in report
    assert f"| {RUDE} |" in report
    assert "| low_csat | 0.25 | 0.25 | – |" in report
    assert report.count("|", report.index("tenth  customers"), report.rindex("```")) == 1 + 10


def test_the_picture_shows_who_left_and_a_mark_where_they_were_expected() -> None:
    shares = ((1.0, 2.0), (4.0, 3.0), (0.0, 0.0))
    fit = RiskFit(50.0, 3e-4, [], 0.0, [], bins=tuple(Bin(10, *one) for one in shares))
    drawn = [line.split("%  ")[-1] for line in fit.markdown() if "%  " in line]
    assert drawn == [f"{'#' * 10}|{'#' * 10}", f"{'#' * 30}{' ' * 10}|", "|"]


def test_the_same_file_gives_the_same_bytes(folder: Path) -> None:
    assert (folder / "policy.toml").read_bytes() == (folder / "again.toml").read_bytes()


# ---------------------------------------------------------------- no peeping


def test_the_future_does_not_leak_into_labels(shop: list[Sent], tmp_path: Path) -> None:
    """Cut at a day, the whole history teaches to the last digit what one teaches that ended there."""
    day = 430
    before = [event for event in shop if event["ts_ms"] < end(day)["ts_ms"]]
    cut = learned(tmp_path / "whole", shop, as_of_day=day)
    ended = learned(tmp_path / "short", [*before, end(day)])
    assert cut.refused is None
    assert cut == ended


# ---------------------------------------------------------------- refusals


def test_too_few_leavers_are_refused_in_a_sentence(tmp_path: Path) -> None:
    found = learned(tmp_path / "events", sold(60, base=3e-4, harm=0.0))
    assert found.refused is not None
    assert "customers left, and a fit of the risk needs 40 of them" in found.refused
    assert found.settings() == {}
    assert "Not taken, the defaults stand: some " in "\n".join(found.markdown())


def test_a_history_with_too_few_looks_is_refused_in_a_sentence(tmp_path: Path) -> None:
    days = 84 + 180 + 3 * LOOK_DAYS
    found = learned(tmp_path / "events", sold(days=days))
    assert found.refused is not None
    assert "looks with 180 days of hindsight, too few to fit" in found.refused
    assert found.settings() == {}


def test_refused_the_policy_says_nothing_of_risk_and_the_rest_stands(tmp_path: Path) -> None:
    file = written(tmp_path / "events", sold(days=84 + 180 + 3 * LOOK_DAYS))
    report = run_fit(file, tmp_path / "policy.toml", tmp_path / "report.md")
    policy = tomllib.loads((tmp_path / "policy.toml").read_text())
    assert "risk" not in policy
    assert "evidence" not in policy
    assert set(policy["churn"]) == {"rate_shape", "rate_scale_weeks"}
    assert policy["lifetime"]
    (warning,) = (one for one in report.warnings if "risk of leaving" in one)
    assert warning.endswith("too few to fit.")
    assert "## Risk of leaving\n\nNot taken" in (tmp_path / "report.md").read_text()


def test_an_empty_history_is_refused(tmp_path: Path) -> None:
    assert learned(tmp_path / "events", [end(DAYS)]).refused is not None


# ---------------------------------------------------------------- figures, by hand


@pytest.mark.parametrize(
    ("score", "left", "said"),
    [
        ([0.1, 0.2, 0.3], [0.0, 0.0, 1.0], 1.0),
        ([0.3, 0.2, 0.1], [0.0, 0.0, 1.0], 0.0),
        ([0.5, 0.5, 0.5], [0.0, 1.0, 0.0], 0.5),
        ([0.1, 0.2, 0.2, 0.3], [0.0, 1.0, 0.0, 1.0], 3.5 / 4),
        ([0.1, 0.9], [0.25, 0.75], (0.75 * 0.75 + 0.5 * 0.25 * 0.75 * 2) / 1.0),
        ([0.1, 0.9], [1.0, 1.0], 0.5),  # nobody stayed: there is nothing to tell
    ],
)
def test_auc(score: list[float], left: list[float], said: float) -> None:
    assert auc(np.array(score), np.array(left)) == pytest.approx(said, rel=1e-12)


def test_log_loss() -> None:
    said = log_loss(np.array([0.5, 0.25]), np.array([1.0, 0.5]))
    assert said == pytest.approx((math.log(2.0) + 0.5 * math.log(4.0) + 0.5 * math.log(4.0 / 3.0)) / 2.0)
    assert log_loss(np.array([0.0]), np.array([1.0])) == pytest.approx(-math.log(1e-6))
    assert log_loss(np.zeros(0), np.zeros(0)) == 0.0


def test_bins_are_tenths_in_the_order_of_the_risk() -> None:
    risks = np.array([0.9, *[0.1] * 10, 0.2])
    left = np.array([1.0, *[0.0] * 10, 0.5])
    parts = bins(risks, left)
    assert [one.customers for one in parts] == [2, 2, *[1] * 8]
    assert parts[-1] == Bin(1, pytest.approx(0.9), 1.0)
    assert parts[-2] == Bin(1, pytest.approx(0.2), 0.5)
    assert sum(one.left for one in parts) == 1.5
    assert error_of([Bin(4, 1.0, 2.0), Bin(6, 3.0, 2.0)]) == pytest.approx(0.2)
    assert bins(np.array([0.5, 0.4]), np.zeros(2)) == (Bin(1, 0.4, 0.0), Bin(1, 0.5, 0.0))


def test_what_was_fitted_is_a_policy() -> None:
    fit = RiskFit(50.0, 3e-4, [Weighed(RUDE, 2.5, 1.9, 0.1, 0.0)], -0.25, [Weighed("filter", 0.8, 1.0, 0.1, -4.0)])
    rules = policy_of(fit.settings()).record[0]
    assert rules["churn_base_hazard_per_day"] == 3e-4
    assert rules["weight"][2] == 2.5
    assert (rules["risk_intercept"], rules["risk_weight"][0], rules["risk_mean"][0]) == (-0.25, 0.8, -4.0)
