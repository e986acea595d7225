"""A policy is changed by a decision: what differs is told, what cannot count is refused, who and why is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from confluent_kafka import Producer

from schemas.block import decode_control, encode_control
from schemas.codes import Control
from schemas.policy import default_toml, parse
from streams.config import load
from streams.embedded import KAFKA_PYTHON_API_VERSION, EmbeddedBroker
from streams.policychange import changed
from streams.reading import reading
from tests.command import whaleline
from tests.driver import Driver, feed
from tests.worlds import START_MS, world

SETTINGS = {"WHALELINE_LEDGER_PARTITIONS": "2", "WHALELINE_EMBEDDED_BROKER": "true"}
SECOND = "[policy]\nversion = 2\n[cost]\nemail_cents = 500\n"
THIRD = "[policy]\nversion = 3\n[cost]\nemail_cents = 600\n"
Command = Callable[..., Result]


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """A broker where a judge has published under version 2, long ago and lately."""
    driver = Driver(now_ms=START_MS, partitions=2, policy=SECOND)
    feed(driver, world(2, 80, customers=40))
    with EmbeddedBroker({one.name: one.partitions for one in load(None, SETTINGS).plan()}) as embedded:
        producer = Producer({"bootstrap.servers": embedded.bootstrap})
        for partition, log in enumerate(driver.changelog):
            for key, value in log:
                producer.produce("whaleline-customers", value, key, partition)
        for number in range(1_500):  # longer than the first look from the end
            producer.produce("whaleline-customers", b"x", b"c%d" % number, 1)
        assert producer.flush(10) == 0
        yield embedded.bootstrap


@pytest.fixture
def command(broker: str) -> Command:
    """The command line against it."""
    return lambda *arguments: whaleline("policy", *arguments, **SETTINGS, WHALELINE_BROKER=broker)


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text)
    return path


def test_what_differs_is_told_with_defaults_filled_in(tmp_path: Path) -> None:
    (before := tmp_path / "a.toml").write_text(SECOND)
    (after := tmp_path / "b.toml").write_text(default_toml())
    result = whaleline("policy", "diff", before, after)
    assert (result.exit_code, result.stdout) == (1, "cost.email_cents: 500 -> 450\n")
    result = whaleline("policy", "diff", before, before)
    assert (result.exit_code, result.stdout) == (0, "no setting differs\n")
    assert changed(parse(""), parse(default_toml())) == []


def test_a_dry_run_says_what_would_change_and_changes_nothing(command: Command, tmp_path: Path) -> None:
    text = "[policy]\nversion = 4\n[churn]\nenter_probability = 0.25\nclear_probability = 0.1\n"
    result = command("push", written(tmp_path, text), "--dry-run")
    assert result.exit_code == 0, result.output
    assert "churn.enter_probability: 0.2 -> 0.25" in result.stdout
    assert "cost.email_cents: 500 -> 450" in result.stdout
    assert "in force: version 2" in result.stdout
    assert "version 4" in result.stdout


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        (SECOND, ["--author", "jo", "--reason", "because"], "version 2 would be ignored"),
        (THIRD, ["--author", "jo"], "needs --author and --reason"),
        ("[cost]\nemail_cent = 3\n", ["--dry-run"], "email_cent"),
    ],
)
def test_what_would_not_count_is_refused(
    command: Command, text: str, more: list[str], said: str, tmp_path: Path
) -> None:
    result = command("push", written(tmp_path, text), *more)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 4


def test_it_stands_in_every_partition_with_author_and_reason(
    broker: str, command: Command, tmp_path: Path
) -> None:
    result = command("push", written(tmp_path, THIRD), "--author", "jo", "--reason", "tried")
    assert result.exit_code == 0, result.output
    assert "is in all 2 partitions" in result.stdout
    with reading(broker, "whaleline-ledger", api_version=KAFKA_PYTHON_API_VERSION) as (_, messages):
        found = [(partition, decode_control(message.value)) for partition, message in messages]
    assert [partition for partition, _ in found] == [0, 1]
    assert {entry.control for _, entry in found} == {Control.POLICY}
    assert all((entry.body["author"], entry.body["reason"]) == ("jo", "tried") for _, entry in found)
    driver = Driver(now_ms=START_MS, policy=SECOND)
    feed(driver, world(2, 5))
    driver._append([(0, encode_control(found[0][1].control, found[0][1].body))])
    driver.run()
    assert driver.pipelines[0].policy is not None
    assert driver.pipelines[0].policy.digest == parse(THIRD).digest


@pytest.mark.parametrize("partitions", ["1", "16"])
def test_a_policy_for_some_partitions_only_is_refused(broker: str, tmp_path: Path, partitions: str) -> None:
    """Settings that know fewer or more partitions than there are would leave the others under the old one."""
    settings = {**SETTINGS, "WHALELINE_LEDGER_PARTITIONS": partitions, "WHALELINE_BROKER": broker}
    decided = ("--author", "jo", "--reason", "because")
    pushed = whaleline("policy", "push", written(tmp_path, THIRD), *decided, **settings)
    retired = whaleline("ledger", "retire", "purchases", *decided, **settings)
    for result in (pushed, retired):
        assert result.exit_code == 2, result.output
        assert f"has 2 partitions where the settings say {partitions}: use the workers' settings" in result.stderr
