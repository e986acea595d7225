"""The ledger's records: what goes in comes out, and damaged bytes are never read past their end."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import block
from schemas.block import (
    BLOCK_VERSION,
    EVENT,
    EVENTS_MAGIC,
    MAX_EVENTS,
    Block,
    BlockError,
    Entry,
    Source,
    Sourced,
    decode,
    encode_control,
    encode_events,
)
from schemas.codec import decode as decode_event
from schemas.codec import encode
from schemas.codes import Control, Kind
from schemas.events import ABSENT, FIELD, FIELDS, SHAPES, Event, Type
from tests.schemas.samples import is_purchase, sent_events, smallest
from tests.vectors import events_of, frozen

LAWS = settings(max_examples=100, deadline=None)
KINDS = tuple(kind for kind in SHAPES if kind is not Kind.PROGRESS)
TOPICS = (UUID(int=1), UUID(int=2**127 + 5))
SOURCES = [Source(topic, partition) for topic in TOPICS for partition in (0, 7, 2**32 - 1)]
GOLDEN = bytes.fromhex(frozen()["block"])
ENTRIES = {control: bytes.fromhex(frozen()[f"control {control.name.lower()}"]) for control in Control}


def accepted(fields: dict[str, Any]) -> Event:
    event = decode_event(encode(fields), purchases=is_purchase(Kind[fields["kind"].upper()]))
    assert isinstance(event, Event), event
    return event


@st.composite
def sourced_events(draw: st.DrawFn) -> list[Sourced]:
    """A block's events, from several sources, the offsets of each ascending with gaps."""
    sent = draw(st.lists(sent_events(KINDS), min_size=1, max_size=8))
    next_offset = {source: draw(st.integers(0, 2**62)) for source in SOURCES}
    out = []
    for fields in sent:
        source = draw(st.sampled_from(SOURCES))
        out.append(Sourced(source, next_offset[source], accepted(fields)))
        next_offset[source] += draw(st.integers(1, 1_000))
    return out


def in_bounds(found: Block) -> None:
    """Every index a decoded block holds points into the block; every array has the length it must have."""
    assert 0 < found.n <= MAX_EVENTS
    assert found.source.shape == found.offset.shape == (found.n,)
    assert int(found.source.max()) < len(found.sources)
    assert found.starts.shape == found.lengths.shape
    assert found.starts.size > 0
    assert int(found.lengths.min()) >= 0
    assert int(found.starts.min()) >= 0
    assert int((found.starts + found.lengths).max()) <= found.buffer.size
    assert found.text(0) == b""
    for name, column in found.columns.items():
        assert column.shape == (found.n,)
        assert column.dtype == np.dtype(FIELD[name].dtype)
        if FIELD[name].type is Type.TEXT:
            assert int(column.max()) < found.starts.size


def refused_or_in_bounds(raw: bytes) -> bool:
    """Decode damaged bytes; True if they were refused."""
    try:
        found = decode(raw)
    except BlockError:
        return True
    if isinstance(found, Block):
        in_bounds(found)
    else:
        assert isinstance(found.body, dict)
    return False


# ---------------------------------------------------------------- blocks


@LAWS
@given(sourced_events())
def test_a_block_gives_its_events_back_in_order(events: list[Sourced]) -> None:
    raw = encode_events(events)
    found = decode(raw)
    assert isinstance(found, Block)
    in_bounds(found)
    assert events_of(found) == events
    assert encode_events(events_of(found)) == raw
    for name, one in FIELD.items():
        carried = any(name in (*event.event.numbers, *event.event.texts) for event in events)
        assert (name in found.columns) == carried
        if not carried:
            assert found.column(name).tolist() == [one.absent] * found.n


def test_a_text_that_many_events_carry_is_kept_once() -> None:
    one = accepted(smallest(Kind.CHAT))
    sizes = [len(encode_events([Sourced(SOURCES[0], at, one) for at in range(count)])) for count in (1, 2, 3)]
    assert (
        sizes[2] - sizes[1]
        == sizes[1] - sizes[0]
        == 5 + sum(np.dtype(FIELD[n].dtype).itemsize for n in _names(one))
    )


def _names(event: Event) -> tuple[str, ...]:
    return (*event.numbers, *event.texts)


def test_how_many_events_and_sources_a_block_holds() -> None:
    one = accepted(smallest(Kind.CHAT))
    found = decode(encode_events([Sourced(SOURCES[0], at, one) for at in range(MAX_EVENTS)]))
    assert isinstance(found, Block)
    assert found.n == MAX_EVENTS
    found = decode(encode_events([Sourced(Source(TOPICS[0], at), 5, one) for at in range(255)]))
    assert isinstance(found, Block)
    assert len(found.sources) == 255
    for events in (
        [],
        [Sourced(SOURCES[0], at, one) for at in range(MAX_EVENTS + 1)],
        [Sourced(Source(TOPICS[0], at), 5, one) for at in range(256)],
    ):
        with pytest.raises(BlockError, match=f"not {len(events)}"):
            encode_events(events)


def test_every_truncation_is_refused() -> None:
    for length in range(len(GOLDEN)):
        with pytest.raises(BlockError):
            decode(GOLDEN[:length])


def test_something_behind_a_block_is_refused() -> None:
    with pytest.raises(BlockError, match="length"):
        decode(GOLDEN + b"\0")


@pytest.mark.parametrize("flip", [*(1 << bit for bit in range(8)), 0xFF])
def test_every_flipped_byte_is_refused_or_stays_in_bounds(flip: int) -> None:
    refused = 0
    for at in range(len(GOLDEN)):
        damaged = bytearray(GOLDEN)
        damaged[at] ^= flip
        refused += refused_or_in_bounds(bytes(damaged))
    assert refused > 20  # the head, the indices and the lengths; values may change, no sum guards them


@LAWS
@given(st.lists(st.tuples(st.integers(0, len(GOLDEN) - 1), st.integers(0, 255)), min_size=2, max_size=12))
def test_much_damage_is_refused_or_stays_in_bounds(damage: list[tuple[int, int]]) -> None:
    raw = bytearray(GOLDEN)
    for at, byte in damage:
        raw[at] = byte
    refused_or_in_bounds(bytes(raw))


@LAWS
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", EVENTS_MAGIC, EVENTS_MAGIC + b"\x01\0\0\0", block.CONTROL_MAGIC + b"\x01\0\x03\0"]),
)
def test_any_bytes_are_refused_or_stay_in_bounds(raw: bytes, head: bytes) -> None:
    refused_or_in_bounds(head + raw)


def head(
    *, version: int = BLOCK_VERSION, n: int = 1, sources: int = 1, texts: int = 1, size: int = 0, present: int = 0
) -> bytes:
    """A block whose head says this, followed by exactly as many zero bytes as the head asks for."""
    widths = [np.dtype(one.dtype).itemsize for at, one in enumerate(FIELDS) if present >> at & 1]
    body = min(sources * 28 + n * (5 + sum(widths)) + 2 * texts + size, 2 * 10**6)
    return block._HEAD.pack(EVENTS_MAGIC, version, 0, n, sources, texts, size, present) + bytes(body)


HEADS = {
    "no event": head(n=0),
    "too many events": head(n=MAX_EVENTS + 1),
    "no source": head(sources=0),
    "256 sources": head(sources=256),
    "no text": head(texts=0),
    "a column of a later version": head(present=1 << len(FIELDS)),
    "four billion events": head(n=2**32 - 1),
    "four billion texts": head(texts=2**32 - 1),
    "four billion bytes of text": head(size=2**32 - 1),
    "a later version": head(version=BLOCK_VERSION + 1),
    "version zero": head(version=0),
    "only a magic": EVENTS_MAGIC,
    "another magic": b"WLB2" + head()[4:],
    "nothing": b"",
}


@pytest.mark.parametrize("raw", HEADS.values(), ids=HEADS)
def test_heads_that_are_refused(raw: bytes) -> None:
    with pytest.raises(BlockError):
        decode(raw)


def test_the_heads_above_are_refused_for_what_they_say() -> None:
    """Control of the table: with nothing wrong in the head, only the zeros behind it are refused."""
    for fine in (head(), head(n=MAX_EVENTS, sources=255, texts=3, present=(1 << len(FIELDS)) - 1)):
        with pytest.raises(BlockError, match=r"lacks|out of its bounds"):
            decode(fine)
    for raw in HEADS.values():
        with pytest.raises(BlockError) as refused:
            decode(raw)
        assert not re.search(r"lacks|out of its bounds", str(refused.value))


def test_an_event_array_has_room_for_every_column() -> None:
    assert EVENT.names == (*FIELD, "source", "offset")
    for one in FIELDS:
        assert EVENT[one.name].itemsize >= np.dtype(one.dtype).itemsize
    assert len(FIELDS) <= 64, "the head has 64 bits for columns"


# ---------------------------------------------------------------- control entries

BODIES = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8) | st.binary(max_size=8) | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@LAWS
@given(st.sampled_from(list(Control)), BODIES)
def test_a_control_entry_gives_its_body_back(control: Control, body: dict[str, Any]) -> None:
    assert decode(encode_control(control, body)) == Entry(control, body)


@pytest.mark.parametrize("control", Control)
def test_every_truncated_or_lengthened_control_entry_is_refused(control: Control) -> None:
    raw = ENTRIES[control]
    for length in range(len(raw)):
        with pytest.raises(BlockError):
            decode(raw[:length])
    with pytest.raises(BlockError):
        decode(raw + b"\0")


@pytest.mark.parametrize("control", Control)
def test_every_flipped_byte_of_a_control_entry_is_refused_or_read(control: Control) -> None:
    raw = ENTRIES[control]
    for flip in (*(1 << bit for bit in range(8)), 0xFF):
        for at in range(len(raw)):
            damaged = bytearray(raw)
            damaged[at] ^= flip
            refused_or_in_bounds(bytes(damaged))


@pytest.mark.parametrize(
    "raw",
    [
        block._CONTROL.pack(block.CONTROL_MAGIC, BLOCK_VERSION + 1, Control.POLICY) + b"\x80",
        block._CONTROL.pack(block.CONTROL_MAGIC, BLOCK_VERSION, max(Control) + 1) + b"\x80",
        block._CONTROL.pack(block.CONTROL_MAGIC, BLOCK_VERSION, 0) + b"\x80",
        block._CONTROL.pack(block.CONTROL_MAGIC, BLOCK_VERSION, Control.POLICY) + b"\x90",
        block._CONTROL.pack(block.CONTROL_MAGIC, BLOCK_VERSION, Control.POLICY) + b"\x91" * 5_000,
    ],
    ids=["a later version", "a later control", "control zero", "a list", "too deep"],
)
def test_control_entries_that_are_refused(raw: bytes) -> None:
    with pytest.raises(BlockError):
        decode(raw)


def test_entries_do_not_depend_on_the_order_in_which_they_are_told() -> None:
    topics = [("a", TOPICS[0], 3), ("b", TOPICS[1], 1)]
    assert block.sources_entry(topics) == block.sources_entry(reversed(topics))
    progress = [(source, 10 + at) for at, source in enumerate(SOURCES)]
    assert block.progress_entry(progress) == block.progress_entry(reversed(progress))


@pytest.mark.parametrize(
    ("column", "value"),
    [("ts_ms", 2**61), ("ts_ms", -1), ("kind", 200), ("handle_ms", -5), ("stars", 99), ("ts_ms", ABSENT)],
)
def test_a_number_out_of_bounds_is_refused(column: str, value: int) -> None:
    """What kernels take for granted is checked here: a damaged record must not keep them busy for ever."""
    event = Event(
        {"ts_ms": 1_700_000_000_000, "kind": 27, "stars": 1, "handle_ms": 5}, {"customer_id": "C", "event_id": "e"}
    )
    event.numbers[column] = value
    raw = encode_events([Sourced(Source(UUID(int=1), 0), 0, event)])
    with pytest.raises(BlockError, match=r"bounds|lacks"):
        decode(raw)


def test_a_text_too_long_is_refused() -> None:
    """Ids longer than the wire allows never reach a kernel's buffer."""
    event = Event(
        {"ts_ms": 1_700_000_000_000, "kind": 27, "stars": 1}, {"customer_id": "C" * 60_000, "event_id": "e"}
    )
    with pytest.raises(BlockError, match="longer than 64 bytes"):
        decode(encode_events([Sourced(Source(UUID(int=1), 0), 0, event)]))
