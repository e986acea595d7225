"""What a customer may ask for: everything held about them, in words and as JSON, and nothing of anybody else."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from schemas.alerts import DeadLetter
from schemas.codec import encode
from schemas.codes import STATE_NAMES
from streams.desk.action import Action
from streams.held import mentions
from streams.heldabout import CONCLUDED
from tests.command import whaleline
from tests.desks import Stage, stage
from tests.driver import DAY, Driver

PARTITIONS = 4
CUSTOMER = "C-17"


def lived() -> Driver:
    """One customer who was let down and one beside them whose id begins with the same letters."""
    driver = Driver(partitions=PARTITIONS)
    for customer in (CUSTOMER, "C-1"):
        driver.buys("purchase", customer, amount_cents=20_000, margin_cents=8_000, sku="printer")
        driver.support("ticket_opened", customer, case_id="T1", reason="no ink", sku="printer")
        driver.support("rude_call", customer, case_id="T1", observer="qa")
    driver.wait(days=2)
    return driver


@pytest.fixture(scope="module")
def held() -> Iterator[Stage]:
    """A broker with all that a deployment holds about them."""
    driver = lived()
    with stage() as here:
        for partition in range(PARTITIONS):
            for record in driver.ledger[partition]:
                here.put("ledger", "", record.value, partition)
            for key, value in driver.changelog[partition]:
                here.put_raw("customers", key, value, partition)
        here.alerts(*driver.alerts)
        for hold in driver.holds:
            here.put("holds", hold.customer_id, hold.to_msgpack())
        (alert, *_) = [one for one in driver.alerts if one.customer_id == CUSTOMER]
        action = Action(
            "a-1234567", "disagree", "ada", "agent", alert.ts_ms + DAY, CUSTOMER, alert.alert_id, "it was me"
        )
        here.put("desk_actions", CUSTOMER, action.to_msgpack())
        for customer in (CUSTOMER, "C-1"):
            sent = encode({"kind": "purchase", "customer_id": customer, "event_id": "e", "currency": "EUR"})
            letter = DeadLetter(
                "currency", "field currency is EUR", "purchases", "t", 0, 7, customer.encode(), sent
            )
            here.put_raw(
                "dead_letters", letter.record_key + customer.encode(), letter.record_value, 0, letter.headers()
            )
        here.flush()
        yield here


def test_it_tells_in_plain_words_what_is_held_where_from_and_for_how_long(held: Stage) -> None:
    result = whaleline("export", CUSTOMER, **held.environment)
    assert result.exit_code == 0, result.output
    said = result.stdout
    for expected in (
        "What whaleline holds about C-17",
        "Bought once for 200.00 USD",
        "a sale (sku printer, amount cents 20000",
        "an agent was rude",
        "ada (agent): disagree, because: it was me",
        "refused for currency",
        "our people and systems are told: send no advertising",
        "Kept: 31 days at most",
        "GDPR article 22",
    ):
        assert expected in said, (expected, said)


def test_it_tells_a_machine_every_field_and_nothing_of_anybody_else(held: Stage, tmp_path: Path) -> None:
    file = tmp_path / "held.json"
    result = whaleline("export", CUSTOMER, "--json", "--out", file, **held.environment)
    assert result.exit_code == 0, result.output
    assert CUSTOMER not in result.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = json.loads(file.read_text())
    assert {one["kind"] for one in told["events"]} == {"purchase", "ticket_opened", "rude_call"}
    assert {one["customer_id"] for one in told["events"] + told["alerts"]} == {CUSTOMER}
    assert told["row"]["purchases"] == 1
    assert told["hold"]["held"] is True
    assert [one["reason"] for one in told["desk_actions"]] == ["it was me"]
    assert [bytes.fromhex(one["value_hex"]).count(CUSTOMER.encode()) for one in told["dead_letters"]] == [1]


def test_each_state_is_told_in_words_that_may_be_handed_out() -> None:
    assert {machine: len(told) + 1 for machine, told in CONCLUDED.items()} == {
        machine: len(names) for machine, names in STATE_NAMES.items()
    }
    said = " ".join(sentence for told in CONCLUDED.values() for sentence in told)
    assert not any(word in said for word in ("destroy", "gaming", "gem", "risk", "_"))


def test_of_a_stranger_it_says_that_nothing_is_held(held: Stage) -> None:
    result = whaleline("export", "nobody", **held.environment)
    assert result.exit_code == 0
    assert "Nothing: no row" in result.stdout


@pytest.mark.parametrize(
    ("raw", "about"),
    [
        (b'{"customer_id": "C-17"}', True),
        (b'{"customer_id": "C-170"}', False),
        (b'{"customer_id": "C-1', False),
        (b'{"customer_id": "C-17", broken', True),
        (b"C-17", True),
        (encode({"customer_id": "C-17", "amount_cents": 1}), True),
        (encode({"customer_id": "XC-17"}), False),
        (b"\xc1C-17\xc1", True),
        (b"", False),
        (b'{"payload": {"after": [{"customer_id": "C-17"}]}}', True),
        (b'{"payload": {"after": [{"customer_id": "C-170"}]}}', False),
        (b'{"payload": "of C-17 and others"}', False),
        (msgpack.packb({b"customer_id": b"C-17"}), True),
    ],
)
def test_bytes_speak_of_a_customer_as_a_whole_word_only(raw: bytes, about: bool) -> None:
    assert mentions(raw, CUSTOMER) is about


def test_an_id_that_was_sent_as_a_number_is_found_and_an_amount_is_none() -> None:
    assert mentions(b'{"customer_id": 17}', "17")
    assert not mentions(b'{"customer_id": "C-1", "amount_cents": 17}', "17")


def test_other_settings_than_the_workers_do_not_make_it_say_that_nothing_is_held(held: Stage) -> None:
    """With other partitions than there are, it would look where the customer is not."""
    result = whaleline("export", CUSTOMER, **{**held.environment, "WHALELINE_LEDGER_PARTITIONS": "3"})
    assert result.exit_code == 2
    assert "has 4 partitions where the settings say 3: use the workers' settings" in result.stderr
    assert "Nothing" not in result.stdout
