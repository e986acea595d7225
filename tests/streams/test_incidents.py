"""The command line of incidents, on a broker in memory: what is held, and a person's word that lets it go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from schemas.block import Entry, decode
from schemas.codes import Control
from streams.cli import main
from streams.config import load
from streams.embedded import KAFKA_PYTHON_API_VERSION, EmbeddedBroker
from streams.reading import reading
from tests.vectors import INCIDENT

OPEN = replace(INCIDENT, released_ms=None, released_by=None, released_because=None)
PARTITIONS = 4
SETTINGS = {"WHALELINE_LEDGER_PARTITIONS": str(PARTITIONS), "WHALELINE_EMBEDDED_BROKER": "true"}
Whaleline = Callable[..., Result]


@pytest.fixture
def broker() -> Iterator[str]:
    """The address of a broker that knows three incidents; one of them was released."""
    plans = load(None, SETTINGS).plan()
    with EmbeddedBroker({one.name: one.partitions for one in plans}) as embedded:
        producer = Producer({"bootstrap.servers": embedded.bootstrap})
        other = replace(OPEN, incident_id="churn_risk-0-1", kind="churn_risk", cause=None, partition=0)
        for one in (
            OPEN,
            replace(OPEN, count=1_205),
            other,
            INCIDENT,
            replace(OPEN, incident_id="common_cause-3-8"),
        ):
            producer.produce("incidents", one.to_msgpack(), one.incident_id.encode(), one.partition)
        assert producer.flush(10) == 0

        yield embedded.bootstrap


@pytest.fixture
def whaleline(broker: str) -> Whaleline:
    """Call the command line's ``incidents`` against that broker."""
    return lambda *arguments: CliRunner().invoke(
        main, ["incidents", *arguments], env={**SETTINGS, "WHALELINE_BROKER": broker}
    )


def refusal(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (2, "")
    (said,) = result.stderr.splitlines()
    return said


def test_the_list_tells_the_last_word_on_each(whaleline: Whaleline) -> None:
    """What is still held, oldest first; with --all also what was let go, and why."""
    told = whaleline("list").stdout.splitlines()
    assert [line.split()[0] for line in told] == ["churn_risk-0-1", "common_cause-3-8"]
    assert "since 2023-11-15 12:00  1204 alerts, more than 9 (same_cause)" in told[0]
    assert "product app-7.2, reason cannot log in" in told[1]
    everything = whaleline("list", "--all").stdout
    assert "released by jo: release 7.2 is withdrawn" in everything
    as_json = [json.loads(line) for line in whaleline("list", "--all", "--json").stdout.splitlines()]
    assert {one["incident_id"] for one in as_json} == {"churn_risk-0-1", "common_cause-3-7", "common_cause-3-8"}


def test_a_release_is_one_entry_in_the_incidents_own_partition(broker: str, whaleline: Whaleline) -> None:
    """Who and why stand in the ledger; no other partition hears of it."""
    result = whaleline("release", "common_cause-3-8", "--author", "jo", "--reason", "known outage")
    assert result.exit_code == 0, result.output
    assert "1204 alerts go out once the judge of ledger partition 3 has read it" in result.stdout
    with reading(broker, "whaleline-ledger", api_version=KAFKA_PYTHON_API_VERSION) as (partitions, messages):
        found = [(partition, decode(message.value)) for partition, message in messages]
    assert partitions == PARTITIONS
    body = {"incident": "common_cause-3-8", "author": "jo", "reason": "known outage"}
    assert found == [(3, Entry(Control.RELEASE, body))]


def test_a_release_that_cannot_be_is_refused_in_a_sentence(whaleline: Whaleline) -> None:
    """Nothing is written for an incident that is not there or was released, or without a reason."""
    why = ("--author", "jo", "--reason", "known")
    assert "there is no incident nothing-0-1" in refusal(whaleline("release", "nothing-0-1", *why))
    assert "released by jo already" in refusal(whaleline("release", "common_cause-3-7", *why))
    assert "--reason is empty" in refusal(
        whaleline("release", "common_cause-3-8", "--author", "jo", "--reason", " ")
    )
    assert "Missing option" in whaleline("release", "common_cause-3-8").output
