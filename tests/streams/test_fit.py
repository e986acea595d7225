"""``whaleline fit``: histories read as the judge reads them, settings a policy takes, refusals in a sentence."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result

from schemas.block import Source
from schemas.codec import encode
from schemas.codes import Term
from schemas.events import DAY_MS
from schemas.policy import parse
from streams import ledgerfile
from streams.fit import PURCHASE, FitError, _most_likely, correlation, fit, hold_out
from streams.fitreport import Report
from streams.histories import Buyer, History, read_history
from streams.intake import Clock, Intake, SourceRecord, opening
from streams.ledgerfile import FileError, Frame, Head
from tests.command import whaleline
from tests.oracle.likelihood import cdnow_purchases

START_DAY = 20_000
DAYS = 500
SOURCE = Source(UUID(int=2), 0)

Sent = dict[str, Any]


def purchase(customer: str, number: int, ts_ms: int, cents: int) -> Sent:
    return {
        "version": 1,
        "ts_ms": ts_ms,
        "kind": "purchase",
        "customer_id": customer,
        "event_id": f"{customer}-{number}",
        "amount_cents": cents,
    }


def shop(customers: int = 900, seed: str = "shop", leaves: bool = True) -> list[Sent]:
    """Purchases of made-up customers over 500 days, in order: MBG/NBD lives with gamma-gamma spends."""
    random, sent = Random(seed), []
    for one in range(customers):
        customer = f"c{one:04}"
        daily = random.gammavariate(1.2, 1.0 / 60.0)
        leaving = random.betavariate(0.8, 2.5) if leaves else 0.0
        typical = random.gammavariate(4.0, 1.0 / 2000.0)
        day, number = random.uniform(0.0, 250.0), 0
        while day < DAYS:
            cents = max(1, round(random.gammavariate(5.0, 1.0 / typical)))
            sent.append(purchase(customer, number, round((START_DAY + day) * DAY_MS), cents))
            if random.random() < leaving:
                break
            day, number = day + random.expovariate(daily), number + 1
    end = {"kind": "progress", "ts_ms": (START_DAY + DAYS) * DAY_MS - 1, "version": 1}
    return [*sorted(sent, key=lambda event: event["ts_ms"]), end]


def history_of(events: Iterable[Sent]) -> History:
    history = History()
    for event in events:
        history.passed(event["ts_ms"])
        if event["kind"] == "purchase":
            history.bought(event["customer_id"], event["event_id"], event["ts_ms"], event["amount_cents"])
    return history


def written(path: Path, events: Iterable[Sent]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def recorded(path: Path, events: Iterable[Sent], append_ms: int | None = None) -> Path:
    """The same events as a ledger of one partition."""
    intake = Intake(1, clock=Clock.SOURCE)
    intake.assign({SOURCE})
    values = opening([("purchases", SOURCE.topic, 1)], parse(""))
    for offset, event in enumerate(events):
        intake.offer(SourceRecord(SOURCE, True, "purchases", offset, None, encode(event)))
    values += [value for _, value in intake.take(2**62).records]
    ledgerfile.write(path, Head("ledger", 1), [Frame(0, at, append_ms, one) for at, one in enumerate(values)])
    return path


def fitted(events: Path, folder: Path, *more: str) -> Result:
    folder.mkdir(exist_ok=True)
    out, report = folder / "policy.toml", folder / "report.md"
    return whaleline("fit", events, "--out", out, "--report", report, *more)


def sentence(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (said,) = result.stderr.strip().splitlines()
    assert said.startswith("whaleline: ")
    return str(said)


@pytest.fixture(scope="module")
def sold() -> list[Sent]:
    return shop()


@pytest.fixture(scope="module")
def events(sold: list[Sent], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("fit") / "events.jsonl", sold)


@pytest.fixture(scope="module")
def done(events: Path) -> Path:
    """The folder with what was fitted to the made-up shop."""
    result = fitted(events, events.parent / "done")
    assert result.exit_code == 0, result.output
    return events.parent / "done"


# ---------------------------------------------------------------- what comes out


def test_help_has_an_example() -> None:
    assert "whaleline fit " in whaleline("fit", "--help").output.split("Example")[1]


def test_the_settings_are_a_policy_and_near_the_truth(done: Path) -> None:
    policy = parse((done / "policy.toml").read_text()).record[0]
    assert policy["churn_rate_shape"] == policy["lifetime_purchase_shape"]
    assert policy["churn_rate_scale_weeks"] == policy["lifetime_purchase_scale_weeks"]
    assert policy["lifetime_purchase_shape"] == pytest.approx(1.2, rel=0.25)
    assert policy["lifetime_purchase_scale_weeks"] == pytest.approx(60 / 7, rel=0.25)
    leaving = policy["lifetime_leave_a"] / (policy["lifetime_leave_a"] + policy["lifetime_leave_b"])
    assert leaving == pytest.approx(0.8 / 3.3, rel=0.25)
    p, q, v = (policy[f"lifetime_spend_{key}"] for key in ("p", "q", "v_cents"))
    assert p * v / (q - 1) == pytest.approx(5 * 2000 / 3, rel=0.1)
    assert policy["cost_margin_rate"] == parse("").record[0]["cost_margin_rate"]
    assert "usable" in whaleline("policy", "check", done / "policy.toml").output


def test_the_report_tells_what_was_fitted_and_tried(sold: list[Sent], done: Path, tmp_path: Path) -> None:
    told = (done / "report.md").read_text()
    for heading in ("## Settings", "## Log-likelihood of the whole history", "## Hold-out"):
        assert heading in told
    assert "## Warnings" not in told
    assert "2024-10-04 to 2026-02-15" in told
    report = tmp_path / "report.json"
    result = whaleline("fit", written(tmp_path / "e", sold), "--out", tmp_path / "p", "--report", report)
    assert result.exit_code == 0
    found = json.loads(report.read_text())
    assert found["purchases"] == len(sold) - 1
    assert found["customers"] == 900
    for model in ("purchase", "spend"):
        assert found[model]["log_likelihood"] > found[model]["default_log_likelihood"]
    tried = found["hold_out"]
    assert len(tried["deciles"]) == 10
    assert sum(one["actual"] for one in tried["deciles"]) == tried["actual"]
    assert tried["expected"] == pytest.approx(tried["actual"], rel=0.15)
    each = [one["expected"] / one["customers"] for one in tried["deciles"]]
    assert each == sorted(each, reverse=True)


@pytest.mark.parametrize("how", ["again", "msgpack", "shuffled", "sent twice"])
def test_the_same_history_gives_the_same_bytes(how: str, sold: list[Sent], done: Path, tmp_path: Path) -> None:
    file = tmp_path / "events"
    if how == "msgpack":
        file.write_bytes(b"".join(encode(event) for event in sold))
    elif how == "shuffled":
        written(file, Random(1).sample(sold, len(sold)))
    elif how == "sent twice":
        written(file, [*sold, *sold[:50]])
    else:
        written(file, sold)
    assert fitted(file, tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "policy.toml").read_bytes() == (done / "policy.toml").read_bytes()
    if how != "sent twice":
        assert (tmp_path / "out" / "report.md").read_bytes() == (done / "report.md").read_bytes()


def test_a_recorded_ledger_teaches_the_same(sold: list[Sent], done: Path, tmp_path: Path) -> None:
    """The purchase models to the last digit; the risk nearly, because a ledger's time moves in its own steps."""
    file = tmp_path / "events"
    recorded(file, [*sold[:-1], {**sold[0], "kind": "refund", "event_id": "end", "ts_ms": sold[-1]["ts_ms"]}])
    assert fitted(file, tmp_path / "out").exit_code == 0
    mine, theirs = (tomllib.loads((at / "policy.toml").read_text()) for at in (tmp_path / "out", done))
    assert mine["lifetime"] == theirs["lifetime"]
    assert mine["churn"] == pytest.approx(theirs["churn"], rel=0.05)
    for term in Term:
        name = term.name.lower()
        assert mine["risk"][name]["weight"] == pytest.approx(theirs["risk"][name]["weight"], abs=0.1), name


def test_as_of_sees_no_later_purchase(sold: list[Sent], events: Path, tmp_path: Path) -> None:
    day = START_DAY + 400
    before = [event for event in sold if event["ts_ms"] < day * DAY_MS]
    end = {"kind": "progress", "ts_ms": day * DAY_MS - 1, "version": 1}
    when = datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
    assert fitted(events, tmp_path / "cut", "--as-of", when).exit_code == 0
    assert fitted(written(tmp_path / "e", [*before, end]), tmp_path / "short").exit_code == 0
    for name in ("policy.toml", "report.md"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "short" / name).read_bytes()


def test_progress_goes_forward_to_the_end(sold: list[Sent]) -> None:
    shares: list[float] = []
    fit(history_of(sold), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


# ---------------------------------------------------------------- refusals


def no_purchase() -> list[Sent]:
    return [{"kind": "progress", "ts_ms": START_DAY * DAY_MS, "version": 1}]


def a_few() -> list[Sent]:
    return shop(150)


def everybody_stays() -> list[Sent]:
    return shop(leaves=False)


def one_price() -> list[Sent]:
    return [{**event, "amount_cents": 999} if event["kind"] == "purchase" else event for event in shop()]


def all_for_free() -> list[Sent]:
    return [{**event, "amount_cents": 0} if event["kind"] == "purchase" else event for event in shop()]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (no_purchase, "no purchase in it"),
        (a_few, "customers bought on two days or more, and a fit needs 200"),
        (everybody_stays, "to the border"),
        (one_price, "to the border"),
        (all_for_free, "0 customers paid for two purchases or more"),
    ],
)
def test_a_history_that_cannot_be_fitted_is_refused(make: Any, why: str, tmp_path: Path) -> None:
    file = written(tmp_path / "events.jsonl", make())
    said = sentence(fitted(file, tmp_path / "out"))
    assert str(file) in said
    assert why in said
    assert list((tmp_path / "out").iterdir()) == []


def test_a_search_without_rest_is_refused() -> None:
    calls: list[int] = []

    def restless(_values: tuple[float, ...]) -> float:
        calls.append(1)
        return float(len(calls) % 7)

    with pytest.raises(FitError, match=r"did not come to rest in \d+ tries"):
        _most_likely(restless, PURCHASE, (1.0, 10.0, 1.0, 1.0), 1, "purchase", "history")


def test_input_and_outputs_must_differ(events: Path, tmp_path: Path) -> None:
    kept = events.read_bytes()
    for out, report in ((events, tmp_path / "r"), (tmp_path / "p", tmp_path / "p"), (tmp_path / "p", events)):
        assert "different files" in sentence(whaleline("fit", events, "--out", out, "--report", report))
    assert events.read_bytes() == kept
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_leaves_nothing(events: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "policy.toml"
    said = sentence(whaleline("fit", events, "--out", nowhere, "--report", tmp_path / "report.md"))
    assert str(nowhere) in said
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_told() -> None:
    assert "gone.jsonl" in sentence(whaleline("fit", "gone.jsonl", "--out", "policy.toml"))


# ---------------------------------------------------------------- warnings


def warnings_of(events: list[Sent]) -> str:
    report = fit(history_of(events))
    assert isinstance(report, Report)
    assert all(warning in report.markdown() for warning in report.warnings)
    return " ".join(report.warnings)


def test_spend_that_goes_with_frequency_is_warned_of() -> None:
    sold = shop()
    bought = history_of(sold).buyers
    for event in sold[:-1]:
        event["amount_cents"] *= bought[event["customer_id"]].purchases
    assert "are correlated (+" in warnings_of(sold)


def test_buying_that_stops_is_warned_of() -> None:
    sold = shop()
    cut_ms = (START_DAY + DAYS * 7 // 10) * DAY_MS
    said = warnings_of([event for event in sold if event["ts_ms"] < cut_ms or event["kind"] != "purchase"])
    assert "buying has changed" in said


def test_a_history_too_thin_for_a_hold_out_is_fitted_all_the_same() -> None:
    random = Random("thin")
    sold = [event for event in shop(700) if event["kind"] != "purchase" or random.random() < 0.35]
    report = fit(history_of(sold))
    assert report.hold_out is None
    assert "There is no hold-out" in " ".join(report.warnings)
    assert "## Hold-out" not in report.markdown()


@pytest.mark.parametrize(
    ("buyers", "said"),
    [
        ([], 0.0),
        ([(2, 200), (2, 300)], 0.0),
        ([(2, 200), (3, 300)], 0.0),
        ([(2, 200), (3, 600)], 1.0),
        ([(2, 600), (3, 300)], -1.0),
        ([(2, 200), (3, 600), (1, 10**9), (5, 0)], 1.0),
    ],
)
def test_correlation(buyers: list[tuple[int, int]], said: float) -> None:
    assert math.isclose(correlation([Buyer({1}, *one) for one in buyers]), said, abs_tol=1e-15)


# ---------------------------------------------------------------- reading


def test_only_purchases_count_and_the_rest_is_time(tmp_path: Path) -> None:
    first = purchase("c", 1, START_DAY * DAY_MS, 500)
    call = {"version": 1, "kind": "chat", "ts_ms": (START_DAY + 9) * DAY_MS, "customer_id": "d", "event_id": "x"}
    sent = [
        first,
        first,
        {**first, "kind": "refund", "event_id": "r"},
        {**first, "currency": "EUR"},
        call,
        {"a": 1},
    ]
    sent.append(purchase("c", 2, START_DAY * DAY_MS + 5, 100))
    found = read_history(written(tmp_path / "e", sent))
    assert list(found.buyers) == ["c"]
    one = found.buyers["c"]
    assert (one.days, one.purchases, one.spent_cents) == ({START_DAY}, 2, 600)
    assert (found.repeated, found.refused, found.last_day) == (1, 2, START_DAY + 9)


def test_a_ledgers_future_is_left_out_as_the_judge_does(tmp_path: Path) -> None:
    now_ms = (START_DAY + 1) * DAY_MS
    sent = [purchase("c", n, now_ms + minutes * 60_000, 1) for n, minutes in enumerate((-5, 9, 10, 11, 10**6))]
    file = recorded(tmp_path / "ledger", sent, append_ms=now_ms)
    assert read_history(file).buyers["c"].purchases == 3
    assert read_history(file, as_of_ms=now_ms + 1).buyers["c"].purchases == 1
    assert read_history(file, as_of_ms=now_ms).buyers == {}


def test_a_damaged_ledger_is_told_by_place(tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    ledgerfile.write(file, Head("ledger", 1), [Frame(0, 3, None, b"WLC1 nothing")])
    with pytest.raises(FileError, match="partition 0, offset 3"):
        read_history(file)
    values = opening([("purchases", SOURCE.topic, 1)], parse(""))
    ledgerfile.write(file, Head("ledger", 1), [Frame(0, 0, None, values[0]), Frame(0, 2, None, values[1])])
    with pytest.raises(FileError, match="hole, offset 1"):
        read_history(file)


def test_cdnow_gives_the_published_model_and_forecast() -> None:
    """Fitted to 39 weeks, MBG/NBD is known to expect 1,577 of the 1,882 repeat purchases of the next 39."""
    history = History()
    for number, (customer, day, cents) in enumerate(cdnow_purchases()):
        ts_ms = int(datetime.strptime(f"{day}+0000", "%Y%m%d%z").timestamp()) * 1000
        history.passed(ts_ms)
        history.bought(customer, str(number), ts_ms, cents)
    cut = int(datetime(1997, 9, 30, tzinfo=UTC).timestamp()) // 86_400
    tried = hold_out(history, cut, "CDNOW")
    assert tried.values == pytest.approx((0.52484, 6.18299, 0.89136, 1.61400), abs=1e-3)
    assert tried.actual == 1882
    assert tried.expected == pytest.approx(1577.1, abs=0.5)
    assert sum(one.customers for one in tried.deciles) == 2357
