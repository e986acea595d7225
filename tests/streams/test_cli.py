"""The command line: what it says, what it writes, and that trouble is one sentence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import msgpack
import pytest
from click.testing import Result

from schemas.block import Source
from schemas.codec import encode
from schemas.policy import parse
from streams import ledgerfile
from streams.cli import strangers
from streams.demo import alert_of
from streams.intake import Clock, Intake, SourceRecord, opening
from streams.ledgerfile import FileError, Frame, Head
from streams.simulate import END_MS, Simulation
from streams.stories import STORIES
from tests.command import whaleline

ROOT = Path(__file__).resolve().parents[2]
HISTORY = Simulation(customers=12, broken=False)
BESIDE = {"desk": ("access", "token"), "labels": ("export",), "notify": ("targets", "check", "try", "run")}
COMMANDS = [
    ["demo"],
    ["worker"],
    ["replay"],
    ["backtest"],
    ["explain"],
    ["import"],
    ["topics", "apply"],
    ["topics", "check"],
    ["policy", "show"],
    ["policy", "check"],
    ["config", "show"],
    ["ledger", "dump"],
    ["incidents", "list"],
    ["incidents", "release"],
    ["curve"],
    ["problems"],
    *(["export"], ["erase"], ["archive", "forget"]),
    ["desk"],
    *([name, verb] for name, verbs in BESIDE.items() for verb in verbs),
]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def in_one_sentence(result: Result, code: int) -> str:
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    said = result.stderr.strip().splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("whaleline: ")
    return said[0]


# ---------------------------------------------------------------- help, version, settings


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(command: list[str]) -> None:
    result = whaleline(*command, "--help")
    assert result.exit_code == 0
    example = result.output.split("Example")[1]
    assert f"whaleline {' '.join(command)}" in example


def test_help_loads_nothing_heavy() -> None:
    heavy = {"numba", "numpy", "faust", "kafka", "aiokafka", "confluent_kafka", "rich", "msgpack"}
    code = f"import streams.cli, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_told() -> None:
    assert whaleline("--version").output.startswith("whaleline, version ")


def test_our_packages_lie_side_by_side() -> None:
    assert strangers() == []
    assert len(strangers(("schemas", "click"))) == 2
    assert "nowhere" in strangers(("schemas", "no_such_package"))[1]


def test_the_default_policy_is_a_policy(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(whaleline("policy", "show").output)
    assert "usable" in whaleline("policy", "check", file).output
    assert whaleline("policy", "show", file).output == file.read_text()


def test_a_bad_policy_is_told_by_file_and_key(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("[churn]\nenter_probability = 7.0\n")
    said = in_one_sentence(whaleline("policy", "check", file), 2)
    assert str(file) in said
    assert "enter_probability" in said
    file.write_bytes(b"\xff")
    assert str(file) in in_one_sentence(whaleline("policy", "check", file), 2)
    assert "gone.toml" in in_one_sentence(whaleline("policy", "check", "gone.toml"), 2)


def test_settings_say_where_they_come_from(tmp_path: Path) -> None:
    file = tmp_path / "whaleline.toml"
    file.write_text('currency = "EUR"\n')
    told = whaleline("config", "show", "--config", file, WHALELINE_BROKER="kafka:9092").output
    settings = {line.split(" = ")[0].strip(): line.split(" = ")[1] for line in told.splitlines()}
    assert settings["currency"] == f"EUR  ({file})"
    assert settings["broker"] == "kafka:9092  (WHALELINE_BROKER)"


def test_a_worker_refuses_a_bad_setting_in_a_sentence() -> None:
    assert "WHALELINE_BROKER" in in_one_sentence(whaleline("worker", WHALELINE_BROKER="nowhere"), 76)


@pytest.mark.parametrize(
    "command",
    [["topics", "apply"], ["topics", "check"], ["ledger", "dump", "--out", "x"], ["incidents", "list"]],
)
def test_a_broker_that_is_not_there_is_told_in_a_sentence(command: list[str]) -> None:
    assert "127.0.0.1:1" in in_one_sentence(whaleline(*command, "--broker", "127.0.0.1:1"), 2)
    assert "--broker = 'nowhere'" in in_one_sentence(whaleline(*command, "--broker", "nowhere"), 2)


# ---------------------------------------------------------------- replay


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The history's events as JSON lines."""
    file = tmp_path_factory.mktemp("events") / "events.jsonl"
    sent = (msgpack.unpackb(fed.value) for fed in HISTORY.feed() if not fed.everywhere)
    file.write_text("".join(json.dumps(fields) + "\n" for fields in sent))
    return file


@pytest.fixture(scope="module")
def judged(events: Path) -> Path:
    """The folder with what became of the events."""
    out = replayed(events, events.parent / "judged")
    assert out.exit_code == 0, out.output
    return events.parent / "judged"


def replayed(events: Path, folder: Path, *more: str | Path) -> Result:
    folder.mkdir(exist_ok=True)
    return whaleline(
        "replay", events, "--alerts", folder / "alerts.jsonl", "--states", folder / "states.jsonl", *more
    )


def same(one: Path, other: Path) -> bool:
    return all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in ("alerts.jsonl", "states.jsonl")
    )


def test_all_six_stories_get_their_ending(judged: Path) -> None:
    alerts = [alert_of(msgpack.packb(alert)) for alert in lines(judged / "alerts.jsonl")]
    assert {
        key: story.told(alerts, HISTORY.story_start_ms(key)) for key, story in STORIES.items()
    } == dict.fromkeys(STORIES, True)


def test_states_are_whole_and_in_order(judged: Path) -> None:
    states = lines(judged / "states.jsonl")
    customers = [state["customer_id"] for state in states]
    assert customers == sorted(customers)
    assert {next(iter(state)) for state in states} == {"customer_id"}
    assert len({state["day"] for state in states}) == 1, "all are settled to the same day"


@pytest.mark.parametrize("how", ["again", "msgpack", "partitions"])
def test_the_same_events_give_the_same_bytes(how: str, events: Path, judged: Path, tmp_path: Path) -> None:
    more: list[str] = []
    if how == "msgpack":
        fed = b"".join(fed.value for fed in HISTORY.feed() if not fed.everywhere)
        events = tmp_path / "events.msgpack"
        events.write_bytes(fed)
    elif how == "partitions":
        more = ["--partitions", "3"]
    assert replayed(events, tmp_path / "out", *more).exit_code == 0
    assert same(tmp_path / "out", judged)


def test_what_is_held_and_why_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    """A wave in a file: nine alerts go out, the others and their incident have files of their own."""
    events = tmp_path / "events.jsonl"
    sent = [
        {"kind": kind, "ts_ms": END_MS + at, "customer_id": f"C{number}", "event_id": f"{kind}{number}", **fields}
        for number in range(30)
        for at, (kind, fields) in enumerate(
            [("chat", {"case_id": "T", "reason": "no login"}), ("rude_call", {"observer": "qa"})]
        )
    ]
    events.write_text("".join(json.dumps({"version": 1, **fields}) + "\n" for fields in sent))
    held, incidents = tmp_path / "held.jsonl", tmp_path / "incidents.jsonl"
    summary = json.loads(replayed(events, tmp_path / "out", "--held", held, "--incidents", incidents).stdout)
    assert (summary["alerts"], summary["held"], summary["incidents"], summary["waiting"]) == (9, 21, 1, 0)
    (incident,) = lines(incidents)
    assert (incident["cause"], incident["count"]) == ("reason no login", 21)
    assert {one["incident_id"] for one in lines(held)} == {incident["incident_id"]}
    assert {one["customer_id"] for one in lines(held)}.isdisjoint(
        one["customer_id"] for one in lines(tmp_path / "out" / "alerts.jsonl")
    )


def test_a_recorded_ledger_is_judged_as_the_events_were(judged: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.wll"
    ledgerfile.write(ledger, Head("ledger", 1), _frames())
    assert replayed(ledger, tmp_path / "out").exit_code == 0
    alerts = {line["alert_id"]: line for line in lines(tmp_path / "out" / "alerts.jsonl")}
    assert alerts == {line["alert_id"]: line for line in lines(judged / "alerts.jsonl")}


def test_a_recorded_ledger_brings_its_own_policies(tmp_path: Path) -> None:
    ledger, policy = tmp_path / "ledger.wll", tmp_path / "policy.toml"
    ledgerfile.write(ledger, Head("ledger", 1), [])
    policy.touch()
    assert "its own policies" in in_one_sentence(replayed(ledger, tmp_path / "out", "--policy", policy), 2)


def _frames() -> list[Frame]:
    """What an ingester would have written of the history, fed with its midnights."""
    sources = {"support": Source(UUID(int=1), 0), "purchases": Source(UUID(int=2), 0)}
    intake = Intake(1, clock=Clock.SOURCE)
    intake.assign(set(sources.values()))
    values = opening([(name, source.topic, 1) for name, source in sources.items()], parse(""))
    for offset, fed in enumerate(HISTORY.feed()):
        purchases = fed.topic == "purchases"
        intake.offer(SourceRecord(sources[fed.topic], purchases, fed.topic, offset, fed.key, fed.value))
        if fed.everywhere:
            values += [value for _, value in intake.take(END_MS).records]
    return [Frame(0, offset, None, value) for offset, value in enumerate(values)]


def test_as_of_sees_no_later_event(events: Path, judged: Path, tmp_path: Path) -> None:
    assert replayed(events, tmp_path / "out", "--as-of", "2025-09-01").exit_code == 0
    before_ms = 1_756_684_800_000
    sooner = [line for line in lines(judged / "alerts.jsonl") if line["ts_ms"] < before_ms]
    seen = lines(tmp_path / "out" / "alerts.jsonl")
    assert [line for line in seen if line["ts_ms"] < before_ms] == sooner
    assert all(line["ts_ms"] <= before_ms for line in seen)


def test_refused_payloads_are_told_by_line(tmp_path: Path) -> None:
    good = {"version": 1, "ts_ms": END_MS, "kind": "purchase", "customer_id": "c", "event_id": "1"}
    good["amount_cents"] = 5
    file, letters = tmp_path / "events.jsonl", tmp_path / "letters.jsonl"
    file.write_text("\n".join(["{nonsense", "", json.dumps(good), '{"kind": "no"}', json.dumps(good)]) + "\n")
    result = replayed(file, tmp_path / "out", "--dead-letters", letters)
    summary = json.loads(result.stdout)
    assert (summary["events"], summary["duplicates"], summary["dead_letters"]) == (1, 1, 2)
    assert [(line["record"], line["reason"]) for line in lines(letters)] == [(1, "undecodable"), (4, "version")]
    assert (result.stderr, "2 of 4" in replayed(file, tmp_path / "again").stderr) == ("", True)


def _cut(path: Path) -> str:
    path.write_bytes(encode({"kind": "chat"}) + encode({"kind": "chat"})[:-3])
    return "value 2"


def _not_msgpack(path: Path) -> str:
    path.write_bytes(b"\xc1\xc1")
    return "value 1"


def _cut_ledger(path: Path) -> str:
    ledgerfile.write(path, Head("ledger", 1), [Frame(0, 0, None, b"x" * 99)])
    path.write_bytes(path.read_bytes()[:-5])
    return "record 1"


def _hole(path: Path) -> str:
    frames = _frames()[:4]
    ledgerfile.write(path, Head("ledger", 1), [*frames[:3], frames[3]._replace(offset=9)])
    return "hole"


def _absent(path: Path) -> str:
    return str(path)


@pytest.mark.parametrize("make", [_cut, _not_msgpack, _cut_ledger, _hole, _absent])
def test_a_damaged_file_is_named_and_leaves_no_result(make: Any, tmp_path: Path) -> None:
    file = tmp_path / "events"
    place = make(file)
    said = in_one_sentence(replayed(file, tmp_path / "out"), 2)
    assert str(file) in said
    assert place in said
    assert list((tmp_path / "out").iterdir()) == []


def test_an_empty_file_is_an_empty_history(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.touch()
    assert json.loads(replayed(file, tmp_path / "out").stdout)["events"] == 0
    assert lines(tmp_path / "out" / "alerts.jsonl") == []


def test_input_and_outputs_must_differ(events: Path, tmp_path: Path) -> None:
    kept = events.read_bytes()
    said = in_one_sentence(whaleline("replay", events, "--alerts", events, "--states", tmp_path / "s"), 2)
    assert "different files" in said
    assert events.read_bytes() == kept


@pytest.mark.parametrize("text", ["yesterday", "2025-13-01", ""])
def test_a_time_that_is_none_is_refused(text: str, events: Path, tmp_path: Path) -> None:
    assert replayed(events, tmp_path / "out", "--as-of", text).exit_code == 2


# ---------------------------------------------------------------- the ledger's file


def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    frames = [Frame(0, 0, None, b""), Frame(1, 5, 1_700_000_000_000, b"\x00\xff"), Frame(0, 1, 0, b"x" * 70_000)]
    file = tmp_path / "ledger"
    assert ledgerfile.write(file, Head("t", 2), frames) == 3
    head, found = ledgerfile.read(file)
    assert head == Head("t", 2)
    assert list(found) == frames


@pytest.mark.parametrize("cut", [3, 4, 9, 40])
def test_no_cut_goes_unnoticed(cut: int, tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    ledgerfile.write(file, Head("t", 2), [Frame(0, 0, None, b"abcdefgh")])
    whole = file.read_bytes()
    file.write_bytes(whole[:cut])
    with pytest.raises(FileError, match="ledger"):
        list(ledgerfile.read(file)[1])


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    with pytest.raises(FileError, match="cannot be written"):
        ledgerfile.write(tmp_path / "no" / "ledger", Head("t", 1), [])
    with pytest.raises(ZeroDivisionError), ledgerfile.whole_file(file) as out:
        out.write(bytes([1 // 0]))
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- the demo


def _demo(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streams.cli", "demo", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, env={**os.environ})


def test_the_demo_tells_every_story_and_says_so_in_json() -> None:
    with _demo("--for", "100s", "--json", "--customers", "12", "--speed", "0") as demo:
        out, shown = demo.communicate(timeout=200)
    assert demo.returncode == 0, shown
    summary = json.loads(out)
    assert list(summary) == ["events", "alerts", "alerts_by_kind", "first_alert_s", "dead_letters", "stories"]
    assert summary["stories"] == dict.fromkeys(STORIES, "told")
    assert summary["dead_letters"] == 3
    assert summary["alerts"] == sum(summary["alerts_by_kind"].values())
    assert "we failed: the wrong part came twice" in shown
    assert "destroyer: costs exceed margin" in shown


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_ends_when_asked_to(how: signal.Signals) -> None:
    with _demo("--customers", "0") as demo:
        assert demo.stdout is not None
        assert "broker" in demo.stdout.readline()
        demo.send_signal(how)
        out, shown = demo.communicate(timeout=20)
    assert demo.returncode == 0, shown
    assert out.count("not yet  ") == len(STORIES)
    assert "a longer look tells the rest" in out


@pytest.mark.parametrize(
    "arguments", [["--story", "nobody"], ["--for", "soon"], ["--for", "0"], ["--speed", "-1"]]
)
def test_a_demo_that_cannot_be_is_refused(arguments: list[str]) -> None:
    assert whaleline("demo", *arguments).exit_code == 2
