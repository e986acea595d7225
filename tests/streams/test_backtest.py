"""Two policies judged on the same events: what is said of them is true, and of one policy twice it is nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from schemas.block import policy_entry
from schemas.events import DAY_MS
from schemas.policy import parse
from streams import backtestrun, ledgerfile
from streams.backtest import Judged, Told, judge_under
from streams.backtestrun import Asked, run_backtest
from streams.compared import Comparison, compare, heard_of
from streams.comparedwords import NO_DIFFERENCE, as_json, summary
from streams.conditions import NAMES, ConditionError, condition
from streams.ledgerfile import Frame, Head
from streams.replay import Outputs, run_replay
from streams.simulate import END_MS
from tests.command import stories_file, whaleline
from tests.eval import worlds
from tests.eval.notes import START_MS
from tests.eval.wire import customer_id

CAREFUL = "[churn]\nenter_probability = 0.9\nhigh_probability = 0.95\nclear_probability = 0.1\n"
"""A policy that hardly ever calls anybody at risk."""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seed stories and some others, as JSON lines."""
    return stories_file(tmp_path_factory.mktemp("backtest") / "events.jsonl", customers=12)


@pytest.fixture(scope="module")
def usual(events: Path) -> Judged:
    """What the default policy makes of them."""
    return judge_under(events, parse(""), "usual")


@pytest.fixture(scope="module")
def careful(events: Path) -> Judged:
    return judge_under(events, parse(CAREFUL), "careful")


@pytest.fixture(scope="module")
def found(usual: Judged, careful: Judged) -> Comparison:
    return compare(usual, careful)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("policies")
    (folder / "usual.toml").write_text("")
    (folder / "careful.toml").write_text(CAREFUL)
    return folder / "usual.toml", folder / "careful.toml"


# ---------------------------------------------------------------- the comparison


def test_the_same_policy_twice_is_no_difference(events: Path, policies: tuple[Path, Path]) -> None:
    """The negative control: judged twice from the file, and a condition that any difference would fulfil."""
    result = whaleline("backtest", events, "--policy", policies[0], "--against", policies[0],
                       "--fail-if", "differs > 0 or only_a.churn_risk + only_b.churn_risk > 0")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout == NO_DIFFERENCE + "\n"


def test_no_difference_is_never_said_where_there_is_one(usual: Judged, events: Path) -> None:
    """One setting that moves only figures, one that moves a single kind of alert: neither passes for nothing."""
    dearer = compare(usual, judge_under(events, parse("[economics]\nacquisition_cents = 6001\n"), "dearer"))
    assert (dearer.same, dearer.differs) == (False, 0)
    assert NO_DIFFERENCE not in list(summary(dearer))
    deaf = parse("[service]\nmoments = ['wrong_part_twice']\n")
    moved = compare(usual, judge_under(events, deaf, "deaf"))
    assert (moved.same, moved.same_alerts) == (False, False)
    assert moved.moved["service_failure"].only_a
    assert not moved.moved["service_failure"].only_b


def test_who_enters_under_one_policy_alone_is_who_replay_tells_of(
    events: Path, found: Comparison, tmp_path: Path
) -> None:
    entered = []
    for at, toml in enumerate(("", CAREFUL)):
        outputs = Outputs(tmp_path / f"a{at}", tmp_path / f"s{at}", held=tmp_path / f"h{at}")
        assert run_replay(events, outputs, parse(toml)).waiting == 0
        told = [json.loads(line) for name in "ah" for line in (tmp_path / f"{name}{at}").read_text().splitlines()]
        entered.append({one["customer_id"] for one in told if one["kind"] == "churn_risk_entered"})
        side = (found.a, found.b)[at]
        sent = [json.loads(line) for line in (tmp_path / f"a{at}").read_text().splitlines()]
        assert side.figures["alerts"] == sum(not one["kind"].endswith("cleared") for one in sent)
    moved = found.moved["churn_risk"]
    assert (set(moved.only_a), set(moved.only_b)) == (entered[0] - entered[1], entered[1] - entered[0])
    assert moved.both == len(entered[0] & entered[1])
    assert moved.only_a, "the careful policy lets somebody pass"


def test_the_places_of_the_policies_are_only_places(usual: Judged, careful: Judged, found: Comparison) -> None:
    turned = compare(careful, usual)
    assert (turned.b.figures, turned.a.figures) == (found.a.figures, found.b.figures)
    assert {name: (one.only_b, one.only_a) for name, one in turned.moved.items()} == {
        name: (one.only_a, one.only_b) for name, one in found.moved.items()
    }
    assert turned.differs == found.differs


def test_two_processes_say_what_one_says(
    events: Path, found: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtestrun, "FROM_BYTES", 0)
    shares: list[float] = []
    asked = Asked(parse(""), "usual"), Asked(parse(CAREFUL), "careful")
    beside = run_backtest(events, *asked, told=tmp_path / "told.json", progress=shares.append)
    assert (tmp_path / "told.json").read_text() == as_json(found) == as_json(beside)
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_a_recorded_ledger_is_judged_under_another_policy_than_its_own(tmp_path: Path) -> None:
    """Its own policy is the careful one, told twice as every new owner does; B is the default."""
    truth = worlds.make(worlds.failure_driven(), 20, 1)
    careful = policy_entry(CAREFUL, 1)
    values = [careful, *(value for _, value in truth.records[:400]), careful]
    ledger, usual = tmp_path / "ledger.wll", tmp_path / "usual.toml"
    ledgerfile.write(ledger, Head("ledger", 1), [Frame(0, at, None, value) for at, value in enumerate(values)])
    usual.write_text("")
    told = tmp_path / "told.json"
    assert whaleline("backtest", ledger, "--against", usual, "--json", told).exit_code == 0
    sides = json.loads(told.read_text())
    digests = [sides[side]["policy"]["digest"] for side in "ab"]
    assert digests == [parse(CAREFUL).digest, parse("").digest]
    (tmp_path / "careful.toml").write_text(CAREFUL)
    again = whaleline("backtest", ledger, "--against", tmp_path / "careful.toml")
    assert again.stdout == NO_DIFFERENCE + "\n"


def test_the_floor_hears_those_first_that_can_save_most() -> None:
    def alert(day: int, customer: str, savable_cents: int, kind: str = "churn_risk_entered") -> Told:
        figures: dict[str, Any] = dict.fromkeys(Told._fields, 0)
        return Told(**(figures | {"ts_ms": day * DAY_MS, "customer_id": customer, "kind": kind})
                    | {"savable_cents": savable_cents})  # fmt: skip

    alerts = [alert(1, "a", 5), alert(1, "b", 9), alert(1, "c", 7), alert(1, "d", 99, "churn_risk_cleared")]
    alerts.append(alert(2, "e", 1))
    assert [one.customer_id for one in heard_of(alerts, 2)] == ["b", "c", "e"]


# ---------------------------------------------------------------- what hindsight says


def test_hindsight_is_near_the_truth_that_it_never_saw(tmp_path: Path) -> None:
    """A made-up company: who left is known to the maker alone. Precision, recall and lead come near it."""
    truth = worlds.make(worlds.failure_driven(), 300, 3)
    values = [policy_entry("", 1), *(value for _, value in truth.records)]
    ledger = tmp_path / "ledger.wll"
    ledgerfile.write(ledger, Head("ledger", 1), [Frame(0, at, None, value) for at, value in enumerate(values)])
    judged = judge_under(ledger, None, "own")
    found = compare(judged, judged, capacity=1_000)
    assert found.window.why is None
    left = {customer_id(who): START_MS // DAY_MS + day for who, day in enumerate(truth.left_day.tolist())}
    entered = [
        one
        for one in judged.out
        if one.kind == "churn_risk_entered" and found.window.first <= one.day <= found.window.last
    ]
    came_true = [one for one in entered if left[one.customer_id] < one.day + 90]
    assert len(entered) == found.a.figures["told_of"]
    assert len(entered) >= 15
    precision = found.a.figures["precision"]
    assert precision is not None
    assert abs(precision - len(came_true) / len(entered)) < 0.15
    auc = found.a.figures["auc"]
    assert auc is not None
    assert auc > 0.7


def test_outcomes_that_nobody_can_know_are_not_made_up(usual: Judged, events: Path) -> None:
    short = judge_under(events, parse(""), "short", as_of_ms=END_MS - 150 * DAY_MS)
    found = compare(short, short)
    assert found.window.why is not None
    assert found.a.figures["precision"] is None
    stopped = condition("b.precision < 0.1").verdict(found)
    assert stopped is not None
    assert "not known: the history has" in stopped
    long = compare(usual, usual)
    assert long.window.why is None


# ---------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("differs >= 0", True),
        ("only_a.churn_risk > 0 and only_b.churn_risk == 0", True),
        ("b.alerts > a.alerts", False),
        ("b.alerts < a.alerts * 1.0 - 0", True),
        ("not b.company_majority == 0", False),
        ("-1 < b.company_majority < 1", True),
        ("b.churn_risk_entered / a.churn_risk_entered > 0.99", False),
        ("b.alerts / 0 > 1", True),
    ],
)
def test_a_condition_is_arithmetic_over_figures(text: str, holds: bool, found: Comparison) -> None:
    assert (condition(text).verdict(found) is not None) == holds


@pytest.mark.parametrize(
    "text",
    ["", "b.precison < 1", "1", "b.alerts", "__import__('os').system('true')", "b.alerts > 'x'", "a.alerts >",
     "[1] > 2", "b.__class__ == 1", "c.alerts > 1", "b.alerts ** 9 > 1", "(lambda: 1)() > 0"],
)  # fmt: skip
def test_what_is_no_condition_is_refused_before_anything_is_judged(
    text: str, policies: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(ConditionError):
        condition(text)
    result = whaleline("backtest", tmp_path / "none", "--against", policies[0], f"--fail-if={text}")
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1


def test_every_name_of_a_condition_has_a_value_or_none(found: Comparison) -> None:
    for name in NAMES:
        condition(f"{name} > 1").verdict(found)


def test_a_condition_that_holds_ends_with_one(events: Path, policies: tuple[Path, Path], tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    result = whaleline("backtest", events, "--policy", policies[0], "--against", policies[1],
                       "--report", report, "--fail-if", "only_a.churn_risk > 0")  # fmt: skip
    assert result.exit_code == 1
    assert "only_a.churn_risk is" in result.stderr
    assert "only under B" in result.stdout
    assert report.exists(), "the report says why"


# ---------------------------------------------------------------- the report


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loading = {"src", "href", "srcset", "action", "data", "poster"}
        self.loads += [tag for name, _ in attrs if name in loading]
        self.loads += [tag] if tag in {"script", "link", "iframe", "img"} else []


def test_the_report_is_one_page_that_loads_nothing(usual: Judged, careful: Judged) -> None:
    usual.name, careful.name = "<b>bold</b>.toml", "careful.toml"
    segments = {"c-00001": "gold & old", "c-00002": "new"}
    page = backtestrun.html(compare(usual, careful, segments=segments), "events.jsonl")
    parser = _Page()
    parser.feed(page)
    assert parser.loads == []
    assert not re.search(r"https?:|url\(|@import", page)
    assert "<b>bold" not in page
    assert "gold &amp; old" in page
    assert "prefers-color-scheme: dark" in page
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) >= 4
    for picture in pictures:
        assert ET.fromstring(picture).attrib["aria-label"]
    assert "nan" not in page.lower().replace("finance", "")


# ---------------------------------------------------------------- trouble


def _segments(text: str) -> Any:
    def make(folder: Path) -> list[str | Path]:
        (folder / "segments.csv").write_text(text)
        return ["--segments", folder / "segments.csv"]

    return make


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_segments("who,what\n1,2\n"), "customer_id and segment"),
        (_segments("customer_id,segment\na,x\na,y\n"), "line 3"),
        (_segments("customer_id,segment\na,\n"), "line 2"),
        (lambda folder: ["--segments", folder / "gone.csv"], "gone.csv"),
        (lambda folder: ["--policy", folder / "gone.toml"], "gone.toml"),
    ],
)
def test_trouble_is_one_sentence_and_writes_nothing(
    make: Any, said: str, events: Path, policies: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    result = whaleline("backtest", events, "--against", policies[0], "--json", out, *make(tmp_path))
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert said in result.stderr
    assert not out.exists()


@pytest.mark.parametrize("content", [b"", b'{"nonsense": 1}\n', b"\xc1"])
def test_events_that_are_none_leave_nothing_to_compare(
    content: bytes, policies: tuple[Path, Path], tmp_path: Path
) -> None:
    file, out = tmp_path / "events", tmp_path / "out.html"
    file.write_bytes(content)
    result = whaleline("backtest", file, "--against", policies[0], "--report", out)
    assert result.exit_code == 2, result.output
    assert str(file) in result.stderr
    assert not out.exists()
    same = whaleline("backtest", file, "--against", policies[0], "--report", file)
    assert "different files" in same.stderr
    assert file.read_bytes() == content
