"""Alerts and dead letters: the same map in both forms, and a key by which a repeat is known."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alerts import KINDS, VERSION, Alert, DeadLetter, Evidence
from schemas.codes import STATE_NAMES, Change, Machine, Reason
from tests.vectors import ALERT, LETTER, as_sent

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
COUNTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
REASONS_WHY = st.builds(Evidence, TEXTS, FLOATS, TEXTS, TEXTS, FLOATS, st.lists(TEXTS, max_size=3).map(tuple))


@given(TEXTS, COUNTS, COUNTS, st.lists(REASONS_WHY, max_size=3).map(tuple), st.lists(TEXTS, max_size=3).map(tuple))
def test_both_forms_say_the_same(
    customer: str, cents: int, ts_ms: int, evidence: tuple[Evidence, ...], actions: tuple[str, ...]
) -> None:
    alert = replace(
        ALERT,
        customer_id=customer,
        worth_cents=cents,
        ts_ms=ts_ms,
        evidence=evidence,
        actions=actions,
        moment=None,
    )
    found = msgpack.unpackb(alert.to_msgpack())
    assert found == json.loads(alert.to_json()) == as_sent(alert)
    assert found["evidence"] == [as_sent(alert)["evidence"][at] for at in range(len(evidence))]
    assert "\n" not in alert.to_json()
    assert Alert.of(found) == alert


def test_the_version_comes_first_and_then_every_field_in_order() -> None:
    assert list(ALERT.as_map()) == ["version", *(one.name for one in fields(Alert))]
    assert ALERT.as_map()["version"] == VERSION == 1


def test_equal_alerts_have_equal_bytes() -> None:
    again = Alert(**{one.name: getattr(ALERT, one.name) for one in fields(Alert)})
    assert again is not ALERT
    assert again.to_msgpack() == ALERT.to_msgpack()
    assert again.to_json() == ALERT.to_json()


def test_there_is_a_kind_for_every_change_of_every_machine() -> None:
    # A hold is no alert: it has a topic of its own.
    alerting = [machine for machine in Machine if machine is not Machine.HOLD]
    escalating = [machine for machine in alerting if len(STATE_NAMES[machine]) >= 3]
    for change in Change:
        machines = escalating if change is Change.ESCALATED else alerting
        assert sum(kind.endswith(f"_{change.name.lower()}") for kind in KINDS) == len(machines)
    assert len(set(KINDS)) == len(KINDS) == 2 * len(alerting) + len(escalating)


LETTERS = st.builds(
    DeadLetter,
    st.sampled_from([reason.name.lower() for reason in Reason]),
    TEXTS,
    TEXTS,
    st.uuids().map(str),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
    st.none() | st.binary(max_size=80),
    st.none() | st.binary(max_size=80),
)


@given(LETTERS, LETTERS)
def test_a_dead_letters_key_is_its_place(one: DeadLetter, other: DeadLetter) -> None:
    place = (one.topic_id, one.partition, one.offset)
    assert (one.record_key == other.record_key) == (place == (other.topic_id, other.partition, other.offset))
    assert replace(one, reason="empty", detail="", value=b"").record_key == one.record_key


@given(LETTERS)
def test_a_dead_letters_headers_tell_where_it_stood(letter: DeadLetter) -> None:
    headers = dict(letter.headers())
    assert len(headers) == len(letter.headers()) == 9
    assert all(isinstance(value, bytes) for value in headers.values())
    assert headers["reason"].decode().upper() in Reason.__members__
    assert (int(headers["source-partition"]), int(headers["source-offset"])) == (letter.partition, letter.offset)
    assert letter.record_key == b":".join(
        headers[name] for name in ("source-topic-id", "source-partition", "source-offset")
    )


def test_alerts_and_letters_cannot_be_changed_after_the_fact() -> None:
    with pytest.raises(AttributeError):
        ALERT.worth_cents = 0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        LETTER.reason = "empty"  # type: ignore[misc]


def test_a_dead_letter_is_cut_to_what_a_topic_takes_and_says_so() -> None:
    """A payload of any size has its dead letter: the beginning, the whole length and the whole digest."""
    value = b"x" * 2_500_000
    letter = DeadLetter("too_large", "", "support-calls", "id", 0, 1, b"k" * 10_000, value)
    headers = dict(letter.headers())
    assert len(letter.record_value) + sum(map(len, headers.values())) < 1_900_000
    assert headers["value-bytes"] == b"2500000"
    assert headers["value-sha256"].decode() == hashlib.sha256(value).hexdigest()
