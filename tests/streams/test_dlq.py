"""The command line of dead letters, on a broker in memory: what was refused, what it says, and its way back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from schemas.alerts import DeadLetter
from schemas.codec import encode
from streams.cli import main
from streams.config import load
from streams.dlq import readable
from streams.embedded import KAFKA_PYTHON_API_VERSION, EmbeddedBroker
from streams.reading import reading
from streams.topics import describe

SETTINGS = {
    "WHALELINE_LEDGER_PARTITIONS": "2",
    "WHALELINE_SOURCE_PARTITIONS": "2",
    "WHALELINE_EMBEDDED_BROKER": "true",
}
EVENT = {"version": 1, "kind": "purchase", "currency": "EUR", "customer_id": "C-SECRET", "event_id": "e1"}
Whaleline = Callable[..., Result]


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """The address of a broker with four dead letters (one of them told twice) and a record that is none."""
    plans = load(None, SETTINGS).plan()
    with EmbeddedBroker({one.name: one.partitions for one in plans}) as embedded:
        known = describe(embedded.bootstrap, ["purchases"], api_version=KAFKA_PYTHON_API_VERSION)
        here = str(known["purchases"].topic_id)
        producer = Producer({"bootstrap.servers": embedded.bootstrap})
        letters = [
            DeadLetter("currency", "field currency is EUR", "purchases", here, 1, 7, b"C-SECRET", encode(EVENT)),
            DeadLetter("undecodable", "neither JSON nor msgpack", "support-calls", "calls", 0, 3, None, b"\xc1"),
            DeadLetter("too_large", "3000000 bytes", "purchases", here, 0, 9, b"C2", b"x" * 2_000),
            DeadLetter("future", "field ts_ms lies ahead", "", here, 0, 11, b"C3", encode(EVENT)),
        ]
        for at, one in enumerate([*letters, letters[0]]):
            headers = dict(one.headers())
            if one.reason == "too_large":
                headers["value-bytes"] = b"3000000"  # as if its topic took more than ours
            producer.produce("whaleline-dead-letters", one.record_value, one.record_key, at % 2, headers=headers)
            producer.flush(10)
        producer.produce("whaleline-dead-letters", b"hello", b"none of ours", 0)
        assert producer.flush(10) == 0
        yield embedded.bootstrap


@pytest.fixture
def whaleline(broker: str) -> Whaleline:
    """Call the command line's ``dlq`` against that broker."""
    return lambda *arguments: CliRunner().invoke(
        main, ["dlq", *arguments], env={**SETTINGS, "WHALELINE_BROKER": broker}
    )


def place(whaleline: Whaleline, reason: str) -> str:
    (one,) = [json.loads(line) for line in whaleline("list", "--reason", reason, "--json").stdout.splitlines()]
    return str(one["place"])


def source(broker: str, topic: str) -> list[tuple[int, bytes | None, bytes]]:
    with reading(broker, topic, api_version=KAFKA_PYTHON_API_VERSION) as (_, messages):
        return [(partition, message.key, message.value) for partition, message in messages]


def test_the_list_says_why_and_where_and_nothing_of_a_customer(whaleline: Whaleline) -> None:
    result = whaleline("list")
    assert result.exit_code == 0, result.output
    *lines, last = result.stdout.splitlines()
    assert len(lines) == 4
    assert "4 dead letters" in last
    assert any("purchases/1@7" in line and "field currency is EUR" in line for line in lines)
    assert "SECRET" not in result.output
    assert "SECRET" not in whaleline("list", "--json").output
    assert whaleline("list", "--topic", "support-calls").stdout.count("undecodable") == 2
    assert whaleline("list", "--reason", "nothing").stdout == "no dead letters\n"


def test_one_is_shown_with_what_it_says(whaleline: Whaleline) -> None:
    told = whaleline("show", place(whaleline, "currency")).stdout
    assert '"customer_id": "C-SECRET"' in told
    assert "purchases" in told
    assert whaleline("show", place(whaleline, "undecodable"), "--raw").stdout_bytes == b"\xc1"
    refused = whaleline("show", "nothing:0:1")
    assert refused.exit_code == 2
    assert "there is no dead letter nothing:0:1" in refused.stderr


def test_nothing_goes_back_before_somebody_says_yes(broker: str, whaleline: Whaleline) -> None:
    before = source(broker, "purchases")
    result = whaleline("replay", "--reason", "currency")
    assert "1 dead letters would go back" in result.stdout
    assert source(broker, "purchases") == before
    assert "name PLACEs" in whaleline("replay", "--yes").output


def test_what_goes_back_is_the_record_that_was_refused(broker: str, whaleline: Whaleline) -> None:
    """Bytes, key and partition are those of the source; what the judge refused finds its topic by its id."""
    result = whaleline("replay", place(whaleline, "currency"), place(whaleline, "future"), "--yes")
    assert "2 dead letters went back" in result.stdout, result.output
    assert sorted(source(broker, "purchases")) == [(0, b"C3", encode(EVENT)), (1, b"C-SECRET", encode(EVENT))]


def test_what_cannot_go_back_whole_is_refused_and_nothing_is_sent(broker: str, whaleline: Whaleline) -> None:
    before = source(broker, "purchases")
    result = whaleline("replay", "--topic", "purchases", "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "was cut to" in result.stderr
    assert source(broker, "purchases") == before


@pytest.mark.parametrize("value", [b"", b"\xc1\x00hello", b"\x91" * 5_000, b"[1]", b"\xff" * 9_000])
def test_any_bytes_can_be_shown(value: bytes) -> None:
    told = readable(value)
    assert len(told) < 40_000
    assert "hello" in told or b"hello" not in value
