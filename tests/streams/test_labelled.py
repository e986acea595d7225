"""What labels teach, where the truth behind them is known: found where it is, and nowhere else."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from schemas.policy import parse
from streams.compared import day_text
from streams.desk.labelread import read_labels
from streams.desk.labels import Label, interval, summed
from streams.labelled import BORDERS, LEAST_LABELS, Finding, finding_of
from streams.ledgerfile import FileError
from streams.past import read_past
from streams.replay import Outputs, run_replay
from tests.command import whaleline
from tests.streams.failing_shop import sold

HOUR_MS = 3_600_000
CHURN, VALUE = BORDERS
ENTER = 0.2
SEEDS = 200
ALARMED = "[churn]\nenter_probability = 0.08\nclear_probability = 0.05\naction_cents = 500\n"
TARGET = 0.6
Truth = Callable[[float], float]


def rising(risk: float) -> float:
    """The hidden truth: how likely an alert at such a risk is right."""
    return min(0.95, 0.1 + 1.1 * risk)


def coin(_: float) -> float:
    """A truth of which the risk knows nothing, below the target everywhere."""
    return 0.45


def floor_of(random: Random, truth: Truth, customers: int = 500) -> tuple[list[float], list[bool]]:
    """Customers of whom those at the line or above are alerted, half of whom get a label; nobody else does."""
    scores, right = [], []
    while len(scores) < customers:
        risk = random.betavariate(1.2, 3.0)
        if risk >= ENTER and random.random() < 0.5:
            scores.append(risk)
            right.append(random.random() < truth(risk))
    return scores, right


def true_precision(line: float, truth: Truth) -> float:
    """Of all that would be alerted at a line, the share that is right; summed over the density of the risks."""
    steps = [line + (1.0 - line) * (at + 0.5) / 2_000 for at in range(2_000)]
    weights = [risk**0.2 * (1.0 - risk) ** 2.0 for risk in steps]
    return sum(w * truth(risk) for w, risk in zip(weights, steps, strict=True)) / sum(weights)


def lines(truth: Truth, customers: int = 500) -> Iterable[Finding]:
    for seed in range(SEEDS):
        scores, right = floor_of(Random(seed), truth, customers)
        yield finding_of(CHURN, scores, right, parse(""), TARGET)


# ---------------------------------------------------------------- the truth behind the labels


def test_the_interval_holds_the_true_precision_as_often_as_it_says() -> None:
    for labelled, share in ((12, 0.9), (60, 0.5), (400, 0.25)):
        random, held, rounds = Random(f"{labelled}"), 0, 3_000
        for _ in range(rounds):
            low, high = interval(sum(random.random() < share for _ in range(labelled)), labelled)
            held += low <= share <= high
        assert 0.92 < held / rounds < 0.985, (labelled, share)
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(15, 20) == pytest.approx((0.5313, 0.8881), abs=5e-5)  # Wilson 1927, as tables have it


def test_a_proposed_line_keeps_its_promise_and_lies_near_the_true_one() -> None:
    """The lowest line with the precision asked for; it may fall short in one history of forty, and no more."""
    true_line = next(percent / 100 for percent in range(20, 60) if true_precision(percent / 100, rising) >= TARGET)
    assert ENTER + 0.05 < true_line < 0.5, "there is something to find"
    found = [one.value for one in lines(rising) if one.value is not None]
    assert len(found) > 0.9 * SEEDS
    short = sum(true_precision(value, rising) < TARGET for value in found)
    assert short <= SEEDS / 40 + 6
    assert sorted(found)[len(found) // 2] < true_line + 0.1


def test_the_first_line_that_looks_right_would_often_fall_short() -> None:
    """The negative control: without lower bounds and a fixed order, the check above finds what is wrong."""
    short = 0
    for one in lines(rising):
        looks = [part.low for part in one.above if part.right >= TARGET * part.labelled]
        short += bool(looks) and true_precision(min(looks), rising) < TARGET
    assert short > SEEDS / 4


def test_where_the_risk_says_nothing_no_line_is_proposed() -> None:
    found = [one.value for one in lines(coin) if one.value is not None]
    assert len(found) <= SEEDS / 40 + 6
    assert all(0.4 < (one.rank or 0.0) < 0.6 for one in list(lines(coin, 2_000))[:20])


def test_bands_and_ranks_show_whether_the_risk_sorts_alerts() -> None:
    scores, right = floor_of(Random(7), rising, 2_000)
    one = finding_of(CHURN, scores, right, parse(""), None)
    shares = [part.right / part.labelled for part in one.bands]
    assert shares == sorted(shares)
    assert sum(part.labelled for part in one.bands) == one.customers == 2_000
    assert one.rank is not None
    assert one.rank > 0.6
    assert (one.value, one.why) == (None, "no precision was asked for")


@pytest.mark.parametrize(
    ("scores", "right", "why"),
    [
        ([0.4] * (LEAST_LABELS - 1), [True] * (LEAST_LABELS - 1), "are too few"),
        ([0.4] * 60, [True] * 60, "of lower borders no label can tell"),
        ([0.4] * 60, [False] * 60, "it is not sure to be reached"),
        ([0.4] * 60, [True, False, True] * 20, "it is not sure to be reached"),
    ],
)  # fmt: skip
def test_what_labels_cannot_tell_is_said(scores: list[float], right: list[bool], why: str) -> None:
    one = finding_of(CHURN, scores, right, parse(""), TARGET)
    assert one.value is None
    assert why in one.why


def test_a_line_never_leaves_what_a_policy_allows() -> None:
    """Labels right only above the border of escalation, or under the one of clearing, propose nothing odd."""
    high = finding_of(CHURN, [0.3] * 200 + [0.9] * 200, [False] * 200 + [True] * 200, parse(""), TARGET)
    low = finding_of(CHURN, [0.02] * 200 + [0.3] * 200, [False] * 200 + [True] * 200, parse(""), TARGET)
    value = finding_of(VALUE, [0.95] * 60 + [0.99] * 60, [False] * 60 + [True] * 60, parse(""), TARGET)
    assert high.value == 0.31
    assert low.value is None  # everything a policy may ask for is reached
    assert value.value == 0.96
    for one in (high, value):
        parse(f"[{one.border.section}]\nenter_probability = {one.value}\n")


# ---------------------------------------------------------------- through the command


def label(alert: dict[str, Any], right: bool) -> dict[str, Any]:
    one = Label(
        alert["alert_id"], alert["customer_id"], alert["kind"], alert["moment"], alert["episode"],
        alert["ts_ms"], alert["risk_ppm"], alert["policy_digest"], right, None if right else "moved house", "ada",
        alert["ts_ms"] + HOUR_MS, f"action-{alert['alert_id'][:8]}",
    )  # fmt: skip
    return one.as_map()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The failing shop under a policy that is soon alarmed, and a word on each alert: right from 0.2 on."""
    at = tmp_path_factory.mktemp("labelled")
    (at / "events").write_text("".join(json.dumps(event) + "\n" for event in sold()))
    run_replay(at / "events", Outputs(at / "alerts", at / "states", held=at / "held"), parse(ALARMED))
    told = [json.loads(line) for name in ("alerts", "held") for line in (at / name).read_text().splitlines()]
    told = [one for one in told if not one["kind"].endswith("_cleared")]
    (at / "raised").write_text(json.dumps(told))
    said = [label(one, one["risk_ppm"] >= 200_000) for one in told]
    (at / "labels").write_text("".join(json.dumps(one) + "\n" for one in said))
    return at


def fitted(folder: Path, name: str, *more: object) -> tuple[dict[str, Any], dict[str, Any]]:
    out, report = folder / f"{name}.toml", folder / f"{name}.json"
    result = whaleline("fit", folder / "events", "--out", out, "--report", report, *more)
    assert result.exit_code == 0, result.output
    return tomllib.loads(out.read_text()), json.loads(report.read_text())


def test_labels_move_the_line_that_was_asked_for_and_never_the_risk(folder: Path) -> None:
    plain, silent = fitted(folder, "plain")
    moved, told = fitted(folder, "moved", "--labels", folder / "labels", "--precision", "0.7")
    assert silent["labelled"] is None
    line = moved["churn"].pop("enter_probability")
    assert moved == plain
    assert line == told["labelled"]["borders"][0]["value"] > 0.0
    said = [json.loads(one) for one in (folder / "labels").read_text().splitlines()]
    rude = [one["right"] for one in said if one["moment"] == "rude_call" and one["kind"].endswith("entered")]
    (row,) = [
        one for one in told["labelled"]["said"] if one["moment"] == "rude_call" and one["kind"].endswith("entered")
    ]
    assert (row["labelled"], row["right"]) == (len(rude), sum(rude))
    assert row["low_ppm"] < row["precision_ppm"] < row["high_ppm"]


def test_markdown_says_what_labels_are_and_are_not(folder: Path) -> None:
    report = folder / "report.md"
    result = whaleline("fit", folder / "events", "--out", folder / "r.toml", "--report", report,
                       "--labels", folder / "labels", "--precision", "0.99")  # fmt: skip
    assert result.exit_code == 0, result.output
    text = report.read_text()
    assert "## What people said of the alerts" in text
    assert "No border is proposed" in text
    assert "No churn.enter_probability is proposed" in result.stderr
    assert "learns nothing from labels" in text
    (short,) = (line for line in text.splitlines() if line.startswith("Less often right than"))
    assert "rude_call" in short


def test_under_the_policy_that_raised_them_alerts_stand_as_they_were_told(folder: Path) -> None:
    told = json.loads((folder / "raised").read_text())
    past = read_past(folder / "events", "USD", None)
    stood = past.stood(parse(ALARMED), [(one["ts_ms"], one["customer_id"]) for one in told])
    same = sum(
        one is not None and one.risk_ppm == alert["risk_ppm"] for one, alert in zip(stood, told, strict=True)
    )
    assert same >= 0.99 * len(told)
    newest = max(json.loads(line)["ts_ms"] for line in (folder / "events").read_text().splitlines())
    asked = [(told[0]["ts_ms"], "nobody"), (newest, told[0]["customer_id"]), (newest + 2, told[0]["customer_id"])]
    unknown, last, later = past.stood(parse(""), asked)
    assert (unknown, later) == (None, None)
    assert last is not None


def test_no_label_of_later_counts(folder: Path) -> None:
    said = read_labels(folder / "labels")
    middle = said[len(said) // 2].labelled_ms // 86_400_000
    _, told = fitted(folder, "early", "--labels", folder / "labels", "--as-of", day_text(middle))
    assert told["labelled"]["labels"] == sum(one.labelled_ms < middle * 86_400_000 for one in said)


# ---------------------------------------------------------------- files


def test_the_last_word_of_several_exports_counts(folder: Path, tmp_path: Path) -> None:
    first, *_ = (json.loads(line) for line in (folder / "labels").read_text().splitlines())
    later = {**first, "right": not first["right"], "labelled_ms": first["labelled_ms"] + 1}
    both = tmp_path / "both"
    for order in ((first, later), (later, first)):
        both.write_text("\n".join(["", *map(json.dumps, order)]))
        assert [one.as_map() for one in read_labels(both)] == [later]
    assert [one[2:] for one in summed(read_labels(both))] == [(1, int(later["right"]))]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no label in it; `whaleline labels export` writes what people said"),
        ("{", "line 1 is no label as `whaleline labels export` writes it: it is not JSON"),
        ("\n[]", "line 2 is no label as `whaleline labels export` writes it: it is not a JSON object"),
        ("{}", "alert_id is missing"),
        ('{"alert_id": 7}', "alert_id is not a text"),
    ],
)
def test_a_file_of_something_else_is_refused_in_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_text(text)
    with pytest.raises(FileError, match=sentence.partition(";")[0].replace("`", ".")):
        read_labels(path)
    result = whaleline("fit", tmp_path / "events", "--out", tmp_path / "out", "--labels", path)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert sentence in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value", "what"), [("right", 1, "true or false"), ("risk_ppm", "9", "a whole number")]
)
def test_a_field_of_another_type_is_named(
    name: str, value: object, what: str, folder: Path, tmp_path: Path
) -> None:
    first = json.loads((folder / "labels").read_text().splitlines()[0])
    path = tmp_path / "labels"
    path.write_text(json.dumps({**first, name: value}))
    with pytest.raises(FileError, match=f"line 1 .*{name} is not {what}"):
        read_labels(path)


def test_a_precision_without_labels_is_refused(folder: Path) -> None:
    result = whaleline("fit", folder / "events", "--out", folder / "no.toml", "--precision", "0.6")
    assert result.exit_code == 2
    assert "--precision needs --labels FILE" in result.stderr
