"""The names of problems: few are learned, they survive a restart, and those that nothing needs are forgotten."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from schemas.block import Source, Sourced, encode_events
from schemas.codec import decode as decode_event
from schemas.codec import encode
from schemas.events import Event
from streams import names
from streams.names import Names
from streams.opened import open_block
from tests.oracle.hashing import of_text

SOURCE = Source(UUID(int=1), 0)


def learn(into: Names, *events: dict[str, Any], admitted: bool = True) -> None:
    sourced = []
    for number, fields in enumerate(events):
        raw = encode({"ts_ms": 1_700_000_000_000, "customer_id": "C", "event_id": f"{number}", **fields})
        event = decode_event(raw, purchases=fields["kind"] == "purchase")
        assert isinstance(event, Event), event
        sourced.append(Sourced(SOURCE, number, event))
    block = open_block(encode_events(sourced), lambda _: 0)
    into.learn(block, np.full(block.events.size, admitted))


CALL = {"kind": "call_closed", "case_id": "T", "sku": "lamp", "reason": "dunkel-ü"}


def test_names_come_from_cases_and_faults_alone() -> None:
    """A shop's whole catalogue goes by in purchases; none of it is kept."""
    found = Names()
    learn(found, CALL, {"kind": "fault_opened", "fault_id": "F", "sku": "router"})
    learn(found, {"kind": "purchase", "amount_cents": 5, "sku": "sold"}, {"kind": "chat", "reason": "no case"})
    assert [found.get(of_text(text.encode())) for text in ("lamp", "dunkel-ü", "F", "router")] == [
        *("lamp", "dunkel-ü", "F", "router")
    ]
    assert [found.get(of_text(text)) for text in (b"sold", b"no case", b"T", b"")] == [None] * 4


def test_what_was_not_admitted_teaches_nothing() -> None:
    found = Names()
    learn(found, CALL, admitted=False)
    assert found.get(of_text(b"lamp")) is None
    assert found.take_dirty() == []


def test_names_are_restored_and_written_only_when_they_change() -> None:
    found, restored = Names(), Names()
    learn(found, CALL)
    records = found.take_dirty()
    for key, value in records:
        restored.restore(key, value)
    assert restored.get(of_text(b"lamp")) == "lamp"
    learn(found, CALL)
    assert found.take_dirty() == []
    assert all(key[:1] == Names.KEY and len(key) == 3 for key, _ in records)


def test_room_is_bounded_and_made_by_forgetting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST", 4)
    found = Names()
    for number in range(6):
        learn(found, {"kind": "chat", "case_id": "T", "sku": f"sku-{number}"})
    digests = [of_text(f"sku-{number}".encode()) for number in range(6)]
    assert [found.get(digest) is not None for digest in digests] == [True] * 4 + [False] * 2
    assert found.of(digests[0]) == "sku-0"
    assert found.of(digests[5]) == f"{digests[5]:016x}", "what is not kept is told by its digest"
    found.take_dirty()
    found.forget_unless(lambda: {digests[2]})
    assert [found.get(digest) is not None for digest in digests] == [False, False, True, False, False, False]
    restored = Names()
    for key, value in found.take_dirty():
        restored.restore(key, value)
    assert restored.get(digests[0]) is None
    found.forget_unless(lambda: pytest.fail("there is room enough: nobody needs to look"))
