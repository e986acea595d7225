"""``whaleline curve`` and ``whaleline problems``: read from a broker, or written by a replay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from schemas.codec import encode
from streams.cli import main
from streams.embedded import EmbeddedBroker
from tests.driver import DAY, NOON, Driver

EARNS, COSTS = 240, 60
"""Customers who bring 40.00 each, and customers who call until they cost 10.50 each."""


def lived(partitions: int) -> Driver:
    """A base of two kinds, and one whom we sent the wrong lamp."""
    driver = Driver(partitions=partitions)
    for number in range(EARNS):
        driver.send("purchases", "purchase", f"G{number}", amount_cents=20_000, margin_cents=4_350)
    for number in range(COSTS):
        driver.send("support-calls", "call_closed", f"B{number}", handle_ms=680_000)
    driver.send("support-calls", "deal_lost", "G7", NOON - 60 * DAY, deal_cents=90_000)
    driver.send("support-calls", "part_wrong", "B0", case_id="T", sku="lamp")
    driver.send("support-calls", "call_closed", "B0", case_id="T", handle_ms=600_000, reason="dark")
    driver.run()
    driver.wait(days=1)
    return driver


def whaleline(*arguments: str | Path, broker: str = "127.0.0.1:1") -> Result:
    environment = {"WHALELINE_BROKER": broker, "WHALELINE_EMBEDDED_BROKER": "true", "WHALELINE_CURRENCY": "EUR"}
    return CliRunner().invoke(main, [str(one) for one in arguments], env=environment)


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """A broker whose insights are those of two partitions, an older curve before the last one."""
    with EmbeddedBroker({"insights": 2, "whaleline-customers": 2}) as stage:
        producer = Producer({"bootstrap.servers": stage.bootstrap})
        driver = lived(2)
        insights = driver.insights
        for partition, records in enumerate(driver.changelog):
            for key, value in records:
                producer.produce("whaleline-customers", value, key, partition=partition)
        old = Driver(partitions=2)
        old.run()
        old.wait(days=1)
        for key, value in [*old.insights.items(), *insights.items()]:
            producer.produce("insights", value, key, partition=int(key.split(b"/")[1]))
        producer.flush(20)
        yield stage.bootstrap


def test_the_curve_of_all_partitions_is_told(broker: str) -> None:
    told = whaleline("curve", "--without-destroyers", broker=broker)
    assert told.exit_code == 0, told.output
    text = told.output
    assert "300 customers" in text
    net = EARNS * 4_000 - COSTS * 1_050 - 950
    assert f"{net / 100:,.2f} EUR" in text
    assert "The prize for fixing what we cause ourselves: 9.50 EUR a year." in text
    assert f"Without the 60 customers below zero the profit would have been {EARNS * 40:,}.00 EUR" in text
    assert "not a forecast" in text
    assert text.count(" %  |") + text.count(" % |") == 21, "a bar for each twentieth, and the beginning"


def test_the_curve_as_json(broker: str) -> None:
    told = json.loads(whaleline("curve", "--json", broker=broker).output)
    assert (told["partitions"], told["missing"], told["curve"]["customers"]) == (2, 0, 300)
    assert told["curve"]["below_zero_ppm"] == 200_000
    assert told["curve"]["peak_customers_ppm"] == 800_000
    assert told["prize_cents"] == 950
    assert told["what_if_without_destroyers"]["net_cents"] == EARNS * 4_000
    shares = told["curve"]["top_ppm"]
    assert list(shares) == ["top_1", "top_5", "top_10", "top_20"]
    assert told["curve"]["points_ppm"][-1] == 1_000_000


def test_problems_are_ranked_and_named(broker: str) -> None:
    told = whaleline("problems", broker=broker).output
    assert "1. sku lamp, reason dark" in told
    assert "wrong part" in told
    assert "cost 9.50 EUR" in told
    (line,) = whaleline("problems", "--json", broker=broker).output.splitlines()
    problem = json.loads(line)
    assert (problem["sku"], problem["customers"], problem["cost_cents"]) == ("lamp", 1, 950)


def test_where_one_customer_stands_on_the_curve(broker: str) -> None:
    told = whaleline("curve", "--customer", "B0", broker=broker)
    assert told.exit_code == 0, told.output
    assert "brought -20.00 EUR in the year, more than 0.0 % of all did" in told.output
    assert "Cost that we caused ourselves is in it: 9.50 EUR." in told.output
    assert "A what-if, not a forecast" in told.output
    found = json.loads(whaleline("curve", "--json", "--customer", "G7", broker=broker).output)
    assert (found["net_cents"], found["below_ppm"]) == (4_000, 200_000)
    stranger = whaleline("curve", "--customer", "nobody", broker=broker)
    assert stranger.exit_code == 1
    assert "knows no such customer" in stranger.stderr


def test_whom_to_win_back_is_listed(broker: str) -> None:
    assert whaleline("win-back", broker=broker).output == "G7: a deal went elsewhere (900.00 EUR)\n"
    (found,) = whaleline("win-back", "--json", broker=broker).output.splitlines()
    assert json.loads(found)["reasons"] == ["deal_lost"]


def test_before_the_first_midnight_there_is_nothing_to_tell() -> None:
    with EmbeddedBroker({"insights": 1}) as stage:
        curve = whaleline("curve", broker=stage.bootstrap)
        problems = whaleline("problems", broker=stage.bootstrap)
    assert curve.exit_code == 1
    assert "no curve yet" in curve.stderr
    assert problems.exit_code == 0
    assert problems.output.startswith("No problem of our own making")


@pytest.mark.parametrize("command", ["curve", "problems", "win-back"])
def test_a_broker_that_is_not_there_is_told_in_a_sentence(command: str) -> None:
    told = whaleline(command)
    assert told.exit_code == 2
    assert "127.0.0.1:1" in told.stderr
    assert told.stdout == ""


def test_a_replay_writes_both(tmp_path: Path) -> None:
    """The same figures from a file, as of its last midnight."""
    events, sent = tmp_path / "events.msgpack", []
    for number in range(EARNS):
        fields = {"kind": "purchase", "ts_ms": NOON, "customer_id": f"G{number}", "event_id": f"{number}"}
        sent.append(encode({**fields, "amount_cents": 20_000, "margin_cents": 4_350}))
    wrong = {"kind": "part_wrong", "customer_id": "B", "event_id": "w", "case_id": "T", "sku": "lamp"}
    sent.append(encode({**wrong, "ts_ms": NOON + 1}))
    call = {"kind": "call_closed", "customer_id": "B", "event_id": "c", "case_id": "T", "handle_ms": 600_000}
    sent += [encode({**call, "ts_ms": NOON + 2}), encode({"kind": "progress", "ts_ms": NOON + DAY})]
    events.write_bytes(b"".join(sent))
    out = {name: tmp_path / name for name in ("alerts", "states", "curve", "problems")}
    options = [part for name, path in out.items() for part in (f"--{name}", path)]
    done = whaleline("replay", events, *options)
    assert done.exit_code == 0, done.output
    told = json.loads(out["curve"].read_text())
    assert (told["curve"]["customers"], told["prize_cents"]) == (EARNS + 1, 950)
    (problem,) = [json.loads(line) for line in out["problems"].read_text().splitlines()]
    assert (problem["sku"], problem["failures"]) == ("lamp", ["wrong_part"])
    assert "different files" in whaleline("replay", events, *options, "--curve", out["alerts"]).stderr


def test_a_replay_without_a_midnight_has_no_curve(tmp_path: Path) -> None:
    events, curve = tmp_path / "events.jsonl", tmp_path / "curve.json"
    events.write_text("")
    out = ["--alerts", tmp_path / "a", "--states", tmp_path / "s", "--curve", curve]
    assert whaleline("replay", events, *out).exit_code == 0
    assert json.loads(curve.read_text()) is None
