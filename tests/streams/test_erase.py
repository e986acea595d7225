"""The command line of erasure, on a broker in memory: what it asks, what it writes, and how far it has come."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from schemas.block import Entry, decode
from schemas.codes import Control
from schemas.erasures import Receipt, marker_of
from streams.cli import main
from streams.desk.action import Action
from streams.embedded import KAFKA_PYTHON_API_VERSION
from streams.intake import ledger_partition
from streams.keeping import DAY_MS, keeping_of
from streams.reading import reading
from tests.command import whaleline
from tests.desks import DEADLINE_S, DeskProcess, Stage, stage

CUSTOMER = "canary-77aa"
KEY = bytes(range(32))
MEANT = ("--author", "jo", "--reason", "asked by letter")
PARTITION = ledger_partition(CUSTOMER, 4)
Whaleline = Callable[..., Result]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Stage]:
    key = tmp_path / "erasure.key"
    key.write_text(KEY.hex() + "\n")
    with stage(WHALELINE_ERASURE_KEY=str(key)) as made:
        yield made


def erase(here: Stage, *arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, ["erase", *arguments], env=here.environment, input=typed)


def entries(here: Stage) -> list[tuple[int, Entry]]:
    topic = here.config.topics.ledger
    with reading(here.config.broker, topic, api_version=KAFKA_PYTHON_API_VERSION) as (_, messages):
        found = [(partition, decode(message.value)) for partition, message in messages]
    return [(partition, one) for partition, one in found if isinstance(one, Entry)]


def judged(here: Stage, offset: int = 0, asked_ms: int = 1_763_890_320_000) -> Receipt:
    """What a judge says once it has come to the entry."""
    marker = marker_of(KEY, CUSTOMER.encode()).hex()
    receipt = Receipt(marker, PARTITION, offset, asked_ms, asked_ms, True, 2, "jo", "asked by letter")
    here.put_raw("erasures", receipt.key, receipt.to_json(), PARTITION)
    here.flush()
    return receipt


def test_it_writes_one_entry_into_the_customers_own_partition(here: Stage) -> None:
    result = erase(here, CUSTOMER, *MEANT, "--yes", "--wait", "0")
    assert result.exit_code == 0, result.output
    assert "accepted" in result.stdout
    ((partition, entry),) = entries(here)
    assert partition == PARTITION
    assert entry.control is Control.ERASE
    assert {name: entry.body[name] for name in ("customer_id", "author", "reason")} == {
        "customer_id": CUSTOMER, "author": "jo", "reason": "asked by letter",
    }  # fmt: skip


def test_it_asks_first_and_no_is_no(here: Stage) -> None:
    for typed in ("n\n", "\n", ""):
        assert erase(here, CUSTOMER, *MEANT, "--wait", "0", typed=typed).exit_code == 1
    assert entries(here) == []
    assert erase(here, CUSTOMER, *MEANT, "--wait", "0", typed="y\n").exit_code == 0
    assert len(entries(here)) == 1


def test_once_judged_it_says_what_went_and_takes_the_desks_actions_away(here: Stage) -> None:
    receipt = judged(here)
    other = "somebody-else"
    for number, (customer, ts_ms) in enumerate(((CUSTOMER, 0), (CUSTOMER, 5), (other, 5), (CUSTOMER, 2**42))):
        action = Action(f"action-{number}", "acknowledge", "ada", "agent", ts_ms, customer, "a")
        here.put_raw("desk_actions", b"key %d" % number, action.to_msgpack(), PARTITION)
    here.flush()
    told = json.loads(erase(here, CUSTOMER, "--status", "--json").stdout)
    assert (told["state"], told["actions_left"]) == ("applied", 2)
    assert told["complete_ms"] == receipt.asked_ms + 31 * DAY_MS
    result = erase(here, CUSTOMER, *MEANT, "--yes", "--wait", "0")  # offset 0 is the entry's own
    assert result.exit_code == 0, result.output
    for expected in ("a row was deleted", "2 alerts that were kept back", "2 actions on the desk are deleted"):
        assert expected in result.stdout
    topic = here.config.topics.desk_actions
    with reading(here.config.broker, topic, api_version=KAFKA_PYTHON_API_VERSION) as (_, messages):
        left = {message.key: message.value for _, message in messages}
    assert [key for key, value in left.items() if value is None] == [b"key 0", b"key 1"]
    assert json.loads(erase(here, CUSTOMER, "--status", "--json").stdout)["actions_left"] == 0


def test_the_status_tells_unknown_accepted_and_applied(here: Stage) -> None:
    assert "no erasure of this customer is known" in erase(here, CUSTOMER, "--status").stdout
    erase(here, CUSTOMER, *MEANT, "--yes", "--wait", "0")
    assert "accepted: it waits in the ledger at offset 0" in erase(here, CUSTOMER, "--status").stdout
    judged(here)
    said = erase(here, CUSTOMER, "--status").stdout
    assert f"applied in partition {PARTITION} at offset 0" in said
    assert "complete after 2025-12-24" in said
    assert "source topic purchases keeps what its producers sent for 14 days at most" in said
    every = erase(here, "--status").stdout
    assert "1 erasures" in every
    assert CUSTOMER not in every
    assert re.search(r"[0-9a-f]{32}", every)


def test_what_is_not_usable_is_refused_and_nothing_is_written(here: Stage) -> None:
    bad = ((" ", "x", "--author is empty"), ("jo", f"of {CUSTOMER}", "leave the customer's id out"))
    for author, reason, word in bad:
        result = erase(here, CUSTOMER, "--author", author, "--reason", reason, "--yes")
        assert (result.exit_code, word in result.stderr) == (2, True), result.output
    assert entries(here) == []


def test_other_settings_than_the_workers_would_miss_the_customer(here: Stage) -> None:
    environment = {**here.environment, "WHALELINE_LEDGER_PARTITIONS": "8"}
    result = whaleline("erase", CUSTOMER, *MEANT, "--yes", **environment)
    assert result.exit_code == 2
    assert "has 4 partitions where the settings say 8" in result.stderr


# ---------------------------------------------------------------- the key


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "erasure.key"
    assert whaleline("erase", "--new-key", file).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    assert len(bytes.fromhex(before)) == 32
    again = whaleline("erase", "--new-key", file)
    assert (again.exit_code, file.read_text()) == (2, before)


@pytest.mark.parametrize("text", [None, "", "00" * 31, "not hex", "käse" * 20])
def test_without_a_usable_key_nothing_begins(tmp_path: Path, text: str | None) -> None:
    """No broker is asked before the key is there."""
    file = tmp_path / "other.key"
    if text is not None:
        file.write_text(text)
    for key, word in ((str(file), str(file)), ("", "erasure_key is not set")):
        result = whaleline("erase", CUSTOMER, *MEANT, "--yes", WHALELINE_ERASURE_KEY=key)
        assert (result.exit_code, word in result.stderr) == (2, True), result.output


# ---------------------------------------------------------------- how long


@pytest.mark.parametrize(
    ("settings", "gone_days", "words"),
    [
        ({"retention.ms": str(30 * DAY_MS), "segment.ms": str(DAY_MS)}, 31, "31 days at most"),
        ({}, 14, "14 days at most"),
        ({"retention.ms": "-1"}, None, "until somebody deletes it"),
        ({"cleanup.policy": "compact"}, 15, "until erasure, and then 15 days at most"),
        (
            {"cleanup.policy": "compact", "max.compaction.lag.ms": str(3 * DAY_MS), "segment.ms": str(DAY_MS)},
            3,
            "until erasure, and then 3 days at most",
        ),
        ({"cleanup.policy": "compact,delete", "retention.ms": str(400 * DAY_MS)}, 15, "407 days at most"),
    ],
)
def test_how_long_a_topic_keeps_what_was_taken_back(
    settings: dict[str, str], gone_days: int | None, words: str
) -> None:
    found = keeping_of("topic", settings)
    assert found.gone_ms == (None if gone_days is None else gone_days * DAY_MS)
    assert found.in_words() == words


def test_a_desk_without_the_key_says_what_it_lacks_and_ends(here: Stage, tmp_path: Path) -> None:
    """Rather than show a card that was erased."""
    judged(here)
    log = tmp_path / "desk.log"
    with DeskProcess({**here.environment, "WHALELINE_ERASURE_KEY": ""}, log) as desk:
        assert desk.process.wait(DEADLINE_S) == 76
    assert "customers were erased and erasure_key is not set" in log.read_text()
    assert "Traceback" not in log.read_text()
