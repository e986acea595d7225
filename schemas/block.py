"""The ledger's record: a columnar block of events, or one control entry.

A block holds, for ``n`` events in their frozen order, one column per field that any of them carries, and for
each event the source it came from (topic UUID, partition, offset). Texts are kept once per block. Layout, all
little-endian:

    magic 4s | version u2 | 0 u2 | n u4 | sources u4 | texts u4 | text bytes u4 | present u8
    sources x (topic uuid 16s | partition u4 | first offset i8)
    source u1[n] | offset above the source's first u4[n]
    for each present column, in the order of ``schemas.events.FIELDS``: n items of its type
    text lengths u2[texts] | text bytes

Text 0 is always the empty text. A control entry is ``magic 4s | version u2 | control u2 | msgpack map``.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import msgpack
import numpy as np
from numpy.typing import NDArray

from schemas.codes import Answer, Control
from schemas.events import ABSENT, FIELDS, PPM, TEXT_MAX, Event, Field, Type

EVENTS_MAGIC = b"WLB1"
CONTROL_MAGIC = b"WLC1"
BLOCK_VERSION = 1
MAX_EVENTS = 8192
MAX_BLOCK_BYTES = 1_900_000

_HEAD = struct.Struct("<4sHHIIIIQ")
_SOURCE = struct.Struct("<16sIq")
_CONTROL = struct.Struct("<4sHH")
_COLUMNS = {one.name: (index, np.dtype(one.dtype), one.absent) for index, one in enumerate(FIELDS)}
_TEXTS = [one.name for one in FIELDS if one.type is Type.TEXT]

COLUMN = np.dtype([("width", "<i8"), ("absent", "<i8"), ("text", "?")])
COLUMNS = np.array([(np.dtype(one.dtype).itemsize, one.absent, one.type is Type.TEXT) for one in FIELDS], COLUMN)
"""Each field's column as ``kernels.blocks`` needs to know it."""

EVENT = np.dtype(
    [(one.name, "<u8" if one.type is Type.TEXT else one.dtype) for one in FIELDS]
    + [("source", "<u2"), ("offset", "<i8")]
)
"""One decoded event as kernels read it: texts are 64-bit digests (0 where absent)."""


NAMED = ("sku", "reason", "fault_id")
"""Texts whose names are kept of the events of cases and of known faults."""
NAMED_EVERYWHERE = ("floor", "skill", "product_line")
"""Texts whose names are kept of any event: few each."""

FIELD_SHAPE = np.dtype(
    [(name, "<i8") for name in ("width", "at", "text", "signed", "absent", "low", "high", "named", "everywhere")]
)
"""A field as ``kernels.apart`` needs to know it: its bytes in a column and place in an ``EVENT``, its bounds."""


def _shape(one: Field) -> tuple[int, ...]:
    dtype, scale = np.dtype(one.dtype), PPM if one.type is Type.RATIO else 1
    low, high = (0, max(Answer)) if one.type is Type.BOOLEAN else (one.low * scale, one.high * scale)
    at = EVENT.fields[one.name][1]  # type: ignore[index]
    text = one.type is Type.TEXT
    named = one.name in NAMED
    return dtype.itemsize, at, text, dtype.kind == "i", one.absent, low, high, named, one.name in NAMED_EVERYWHERE


FIELD_SHAPES = np.array([_shape(one) for one in FIELDS], FIELD_SHAPE)

BLANK_EVENT = np.zeros(1, EVENT)
"""An event that carries nothing."""
for _one in FIELDS:
    BLANK_EVENT[_one.name] = 0 if _one.type is Type.TEXT else _one.absent


class BlockError(ValueError):
    """The bytes are not a whole block of a version this code knows."""


class Source(NamedTuple):
    """One source partition, by its topic's UUID so that a recreated topic is another source."""

    topic: UUID
    partition: int


class Sourced(NamedTuple):
    """An accepted event and where it came from."""

    source: Source
    offset: int
    event: Event


@dataclass(frozen=True, slots=True)
class Block:
    """A decoded block. Columns of absent fields are not held; ``texts[0]`` is empty."""

    n: int
    sources: tuple[Source, ...]
    source: NDArray[np.uint8]
    offset: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]
    buffer: NDArray[np.uint8]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def text(self, index: int) -> bytes:
        """The text with this index, as UTF-8."""
        start = int(self.starts[index])
        return self.buffer[start : start + int(self.lengths[index])].tobytes()

    def column(self, name: str) -> NDArray[Any]:
        """The whole column of a field, absent values where no event carries it."""
        found = self.columns.get(name)
        if found is not None:
            return found
        _, dtype, absent = _COLUMNS[name]
        return np.full(self.n, absent, dtype)


@dataclass(frozen=True, slots=True)
class Entry:
    """A decoded control entry."""

    control: Control
    body: dict[str, Any]


def encode_events(events: Sequence[Sourced]) -> bytes:
    """Write events as one block, keeping their order; ``kernels.blocks`` writes the same bytes faster.

    Raises ``BlockError`` for more than ``MAX_EVENTS`` events or 255 sources; offsets of one source must ascend.
    """
    if not 0 < len(events) <= MAX_EVENTS:
        raise BlockError(f"a block holds 1 to {MAX_EVENTS} events, not {len(events)}")
    first: dict[Source, int] = {}
    for one in events:
        if not 0 <= one.offset - first.setdefault(one.source, one.offset) < 2**32:
            raise BlockError("the offsets of one source must ascend, and lie less than 2^32 apart")
    if len(first) > 255:
        raise BlockError(f"a block holds at most 255 sources, not {len(first)}")
    order = {source: index for index, source in enumerate(first)}
    texts: dict[str, int] = {"": 0}
    present = 0
    columns: list[bytes] = []
    for name, (index, dtype, absent) in _COLUMNS.items():
        values = _values(name, events, texts, absent)
        if values is not None:
            present |= 1 << index
            columns.append(np.array(values, dtype).tobytes())
    encoded = [text.encode() for text in texts]
    return b"".join(
        (
            head(len(events), list(first.items()), len(texts), sum(map(len, encoded)), present),
            bytes(order[one.source] for one in events),
            np.array([one.offset - first[one.source] for one in events], "<u4").tobytes(),
            *columns,
            np.array([len(text) for text in encoded], "<u2").tobytes(),
            *encoded,
        )
    )


def head(n: int, sources: Sequence[tuple[Source, int]], texts: int, text_bytes: int, present: int) -> bytes:
    """The beginning of a block, its sources (each with its first offset) included."""
    return _HEAD.pack(EVENTS_MAGIC, BLOCK_VERSION, 0, n, len(sources), texts, text_bytes, present) + b"".join(
        _SOURCE.pack(source.topic.bytes, source.partition, first) for source, first in sources
    )


def _values(name: str, events: Sequence[Sourced], texts: dict[str, int], absent: int) -> list[int] | None:
    if name in _TEXTS:
        if not any(name in one.event.texts for one in events):
            return None
        return [texts.setdefault(one.event.texts.get(name, ""), len(texts)) for one in events]
    if not any(name in one.event.numbers for one in events):
        return None
    return [one.event.numbers.get(name, absent) for one in events]


def encode_control(control: Control, body: dict[str, Any]) -> bytes:
    """Write one control entry."""
    return _CONTROL.pack(CONTROL_MAGIC, BLOCK_VERSION, control) + bytes(msgpack.packb(body))


def decode(raw: bytes) -> Block | Entry:
    """Read one ledger record; every count and length is checked against the bytes at hand."""
    if is_control(raw):
        return decode_control(raw)
    n, n_texts, text_bytes, present, sources, first, at = read_head(raw)
    n_sources = len(sources)
    dtypes = [(name, dtype) for name, (index, dtype, _) in _COLUMNS.items() if present >> index & 1]
    source = np.frombuffer(raw, "u1", n, at)
    above = np.frombuffer(raw, "<u4", n, at + n)
    if int(source.max()) >= n_sources:
        raise BlockError("an event names a source the block does not list")
    at += 5 * n
    columns: dict[str, NDArray[Any]] = {}
    for name, dtype in dtypes:
        columns[name] = np.frombuffer(raw, dtype, n, at)
        if name in _TEXTS and int(columns[name].max()) >= n_texts:
            raise BlockError("an event names a text the block does not list")
        at += n * dtype.itemsize
    lengths = np.frombuffer(raw, "<u2", n_texts, at).astype(np.int64)
    if int(lengths.sum()) != text_bytes or lengths[0]:
        raise BlockError("the block's texts do not match their lengths")
    if int(lengths.max()) > TEXT_MAX:
        raise BlockError(f"a text of the block is longer than {TEXT_MAX} bytes")
    _check_bounds(columns)
    starts = at + 2 * n_texts + np.cumsum(lengths) - lengths
    offset = np.array(first, np.int64)[source] + above
    return Block(n, sources, source, offset, columns, np.frombuffer(raw, np.uint8), starts, lengths)


def _check_bounds(columns: dict[str, NDArray[Any]]) -> None:
    """Every number is absent or within its field's bounds: what a kernel takes for granted."""
    for one in FIELDS:
        column = columns.get(one.name)
        if column is None or one.type is Type.TEXT:
            continue
        scale = PPM if one.type is Type.RATIO else 1
        low, high = (0, max(Answer)) if one.type is Type.BOOLEAN else (one.low * scale, one.high * scale)
        if not ((column == one.absent) | ((column >= low) & (column <= high))).all():
            raise BlockError(f"a number of column {one.name} is out of its bounds")
    missing = [name for name in ("ts_ms", "kind", "customer_id", "event_id") if name not in columns]
    if missing or not all(columns[name].all() for name in ("kind", "customer_id", "event_id")):
        raise BlockError("an event of the block lacks its time, kind, customer or id")
    if bool((columns["ts_ms"] == ABSENT).any()):
        raise BlockError("an event of the block lacks its time")


def is_control(raw: bytes) -> bool:
    """Whether a ledger record says that it is a control entry."""
    return raw[:4] == CONTROL_MAGIC


class Head(NamedTuple):
    """What a block's beginning says; ``first`` is each source's first offset, ``end`` where the columns begin."""

    n: int
    texts: int
    text_bytes: int
    present: int
    sources: tuple[Source, ...]
    first: list[int]
    end: int


@lru_cache(4096)
def _source(topic: bytes, partition: int) -> Source:
    """One object for a source however often it is named: to make a UUID takes longer than all the rest."""
    return Source(UUID(bytes=topic), partition)


def read_head(raw: bytes) -> Head:
    """The head and the sources of a block, whose length is then as they say. Raises ``BlockError``."""
    if raw[:4] != EVENTS_MAGIC or len(raw) < _HEAD.size:
        raise BlockError("the ledger record is neither a block nor a control entry")
    _, version, _, n, n_sources, n_texts, text_bytes, present = _HEAD.unpack_from(raw)
    if version != BLOCK_VERSION:
        raise BlockError(f"the block has version {version}, this code reads {BLOCK_VERSION}")
    if not (0 < n <= MAX_EVENTS and 0 < n_sources <= 255 and n_texts > 0 and present >> len(FIELDS) == 0):
        raise BlockError("the block's head is out of bounds")
    width = 5 + _width(present)
    if len(raw) != _HEAD.size + n_sources * _SOURCE.size + n * width + 2 * n_texts + text_bytes:
        raise BlockError("the block's length does not match its head")
    end = _HEAD.size + n_sources * _SOURCE.size
    found = list(_SOURCE.iter_unpack(raw[_HEAD.size : end]))
    sources = tuple(_source(topic, partition) for topic, partition, _ in found)
    return Head(n, n_texts, text_bytes, present, sources, [offset for _, _, offset in found], end)


@lru_cache(4096)
def _width(present: int) -> int:
    """Bytes of an event in the columns that are there."""
    return sum(dtype.itemsize for index, dtype, _ in _COLUMNS.values() if present >> index & 1)


def decode_control(raw: bytes) -> Entry:
    """Read one control entry. Raises ``BlockError``."""
    if len(raw) < _CONTROL.size:
        raise BlockError("the control entry is cut short")
    _, version, control = _CONTROL.unpack_from(raw)
    if version != BLOCK_VERSION or control not in list(Control):
        raise BlockError(f"control entry {control} of version {version} is not known to this code")
    try:
        body = msgpack.unpackb(raw[_CONTROL.size :])
    except ValueError as error:
        raise BlockError(f"the control entry's body is not msgpack: {type(error).__name__}") from None
    if not isinstance(body, dict):
        raise BlockError("the control entry's body is not a map")
    return Entry(Control(control), body)


def sources_entry(topics: Iterable[tuple[str, UUID, int]], recorded: bool = False) -> bytes:
    """Which source topics there are: (name, UUID, partitions). Time moves when all their partitions have.

    ``recorded`` where time is the sources' own, as of a simulation: how old an event is then says nothing.
    """
    body: dict[str, Any] = {"topics": sorted([name, topic.bytes, count] for name, topic, count in topics)}
    return encode_control(Control.SOURCES, body | ({"recorded": True} if recorded else {}))


def policy_entry(toml: str, version: int, author: str | None = None, reason: str | None = None) -> bytes:
    """The policy from here on; ignored by a judge that already has this or a newer version.

    ``author`` and ``reason`` where a person decided it, and not the settings of a worker.
    """
    decided = {} if author is None else {"author": author, "reason": reason}
    return encode_control(Control.POLICY, {"version": version, "toml": toml, **decided})


def progress_entry(progress: Iterable[tuple[Source, int]]) -> bytes:
    """Each source partition's progress: all its events before this time stand earlier in this partition."""
    return encode_control(
        Control.PROGRESS,
        {"until": sorted([source.topic.bytes, source.partition, ts] for source, ts in progress)},
    )


def retire_entry(topic: UUID, author: str, reason: str) -> bytes:
    """A source topic that will send no more: time no longer waits for it."""
    return encode_control(Control.RETIRE, {"topic": topic.bytes, "author": author, "reason": reason})


def release_entry(incident: str, author: str, reason: str) -> bytes:
    """A human's word that the alerts an incident holds back may go out."""
    return encode_control(Control.RELEASE, {"incident": incident, "author": author, "reason": reason})


def erase_entry(customer_id: str, asked_ms: int, author: str, reason: str) -> bytes:
    """A human's word that all that is held about a customer is forgotten; for the customer's own partition."""
    return encode_control(
        Control.ERASE,
        {"customer_id": customer_id, "asked_ms": asked_ms, "author": author, "reason": reason},
    )
