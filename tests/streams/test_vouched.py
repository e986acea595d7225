"""A backtest with people's labels: what they say of two policies is what is known of the world behind them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from schemas.policy import parse
from streams.backtest import Judged, Told, judge_under
from streams.backtestreport import html
from streams.compared import Comparison, compare
from streams.comparedwords import as_map, summary
from streams.conditions import condition
from streams.desk.labels import Label
from streams.vouched import WITHIN_MS, vouched
from tests.command import stories_file, whaleline

CAREFUL = "[churn]\nenter_probability = 0.9\nhigh_probability = 0.95\nclear_probability = 0.1\n"
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stories_file(tmp_path_factory.mktemp("vouched") / "events.jsonl", customers=60)


@pytest.fixture(scope="module")
def usual(events: Path) -> Judged:
    return judge_under(events, parse(""), "usual")


@pytest.fixture(scope="module")
def careful(events: Path) -> Judged:
    return judge_under(events, parse(CAREFUL), "careful")


def asking(judged: Judged) -> list[Told]:
    return [one for one in judged.out if one.change != "cleared"]


def said(one: Told, right: bool, later_ms: int = 0) -> Label:
    """A person's word on an alert; ``later_ms``: the alert was raised so much later live."""
    return Label(
        one.alert_id, one.customer_id, one.kind, one.moment, 1, one.ts_ms + later_ms, one.risk_ppm, "policy",
        right, None, "ada", one.ts_ms + later_ms + HOUR_MS, "action-1",
    )  # fmt: skip


def truth(one: Told) -> bool:
    """What is hidden from everybody: whether this alert is right."""
    return Random(f"{one.customer_id} {one.subject} {one.moment}").random() < (0.8 if one.moment else 0.4)


def labels_of(alerts: Sequence[Told], known: Callable[[Told], bool] = lambda _: True) -> list[Label]:
    return [said(one, truth(one)) for one in alerts if known(one)]


# ---------------------------------------------------------------- what is known behind them


def test_with_a_word_on_every_alert_the_figures_are_the_truth(usual: Judged, careful: Judged) -> None:
    raised = asking(usual)
    found = compare(usual, careful, labels=labels_of(raised))
    a, b = found.a.figures, found.b.figures
    right = sum(map(truth, raised))
    assert 0 < right < len(raised)
    assert (a["labelled"], a["label_coverage"], a["label_kept"], a["label_dropped"]) == (
        len(raised),
        1.0,
        1.0,
        0.0,
    )
    assert a["label_precision"] == pytest.approx(right / len(raised))
    kept = {(one.customer_id, one.kind, one.moment, one.ts_ms) for one in asking(careful)}
    same = [one for one in raised if (one.customer_id, one.kind, one.moment, one.ts_ms) in kept]
    assert len(same) < len(raised), "the careful policy raises less"
    assert b["labelled"] == len(same)
    assert b["label_kept"] == pytest.approx(sum(map(truth, same)) / right)
    wrong = len(raised) - right
    assert b["label_dropped"] == pytest.approx(1 - sum(not truth(one) for one in same) / wrong)


def test_with_a_word_on_some_alerts_the_interval_holds_the_truth(usual: Judged, careful: Judged) -> None:
    """Whom people answer is chance here; then 19 of 20 intervals hold what is true of all alerts."""
    raised = asking(usual)
    true = sum(map(truth, raised)) / len(raised)
    held = reached = 0
    for seed in range(200):
        random = Random(seed)
        figures, _ = vouched(raised, labels_of(raised, lambda _, random=random: random.random() < 0.4))  # type: ignore[misc]
        held += (figures["label_precision_low"] or 0.0) <= true <= (figures["label_precision_high"] or 0.0)
        reached += 0.2 < (figures["label_coverage"] or 0.0) < 0.6
    assert held >= 185
    assert reached >= 195


def test_words_that_only_the_right_alerts_get_are_no_truth_of_all(usual: Judged) -> None:
    """The negative control, and why coverage is told: who answers only what is right makes all look right."""
    raised = asking(usual)
    figures, _ = vouched(raised, labels_of(raised, truth))
    true = sum(map(truth, raised)) / len(raised)
    assert figures["label_precision"] == 1.0 > true
    assert (figures["label_precision_low"] or 0.0) > true
    assert figures["label_coverage"] == pytest.approx(true), "the coverage says how much of all it is"


# ---------------------------------------------------------------- which alert a label is about


def test_a_label_is_about_one_alert_of_its_kind_within_days(usual: Judged) -> None:
    one = asking(usual)[0]
    for later_ms, about in ((0, 1), (WITHIN_MS, 1), (-WITHIN_MS, 1), (WITHIN_MS + 1, 0)):
        assert vouched([one], [said(one, True, later_ms)])[0]["labelled"] == about
    twice = [said(one, True), said(one, False, HOUR_MS)]
    assert vouched([one], twice)[0]["labelled"] == 1
    other = one._replace(moment="another", customer_id=one.customer_id)
    assert vouched([other], [said(one, True)])[0]["labelled"] == 0
    assert vouched([one._replace(customer_id="else")], [said(one, True)])[0]["labelled"] == 0


def test_the_nearest_alert_is_taken(usual: Judged) -> None:
    one = asking(usual)[0]
    near, far = one._replace(ts_ms=one.ts_ms + HOUR_MS), one._replace(ts_ms=one.ts_ms - 30 * HOUR_MS)
    figures, counts = vouched([far, near], [said(one, True), said(one, False, -30 * HOUR_MS)])
    assert figures["labelled"] == 2
    assert next(iter(counts.values()))[1:] == (2, 1)


# ---------------------------------------------------------------- how it is told


@pytest.fixture(scope="module")
def found(usual: Judged, careful: Judged) -> Comparison:
    return compare(usual, careful, labels=labels_of(asking(usual)))


def test_labels_are_told_in_words_numbers_and_a_table(found: Comparison) -> None:
    assert any("called" in line and "right" in line for line in summary(found))
    page = html(found, "events.jsonl")
    assert "<h2>What people said of the alerts</h2>" in page
    told = as_map(found)
    assert told["labels"] == found.labels
    assert sum(one["labelled"] for one in told["a"]["said"]) == found.a.figures["labelled"]
    json.dumps(told)


def test_without_labels_their_figures_have_no_value(usual: Judged, careful: Judged) -> None:
    none = compare(usual, careful)
    assert none.a.figures["label_precision"] is None
    assert "What people said" not in html(none, "events.jsonl")
    verdict = condition("b.label_precision < 0.5").verdict(none)
    assert verdict is not None
    assert "is not known" in verdict


def test_a_build_can_stop_on_labels(events: Path, usual: Judged, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("".join(json.dumps(one.as_map()) + "\n" for one in labels_of(asking(usual))))
    (tmp_path / "careful.toml").write_text(CAREFUL)
    asked = ("backtest", events, "--against", tmp_path / "careful.toml", "--labels", tmp_path / "labels")
    good = whaleline(*asked, "--fail-if", "b.label_kept > 1")
    assert good.exit_code == 0, good.output
    assert "People labelled 100.0 % of the alerts that A raises" in good.stdout
    bad = whaleline(*asked, "--fail-if", "b.labelled < a.labelled")
    assert bad.exit_code == 1
    assert "b.labelled is" in bad.stderr
    refused = whaleline(*asked[:-1], tmp_path / "careful.toml")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "line 1 is no label" in refused.stderr
