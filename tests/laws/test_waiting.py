"""Laws of the fast way in: it says what the codec says, of any bytes, and writes what ``encode_events`` writes."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.block import Source, Sourced, encode_events
from schemas.codec import Reject, decode
from schemas.codes import FIRST_PURCHASE_KIND, Kind
from schemas.events import FIELDS, Type
from schemas.waiting import TEXT_LENGTH, TEXT_SHIFT, Sheaf, Verdict
from streams.intake import Batch, Clock, Intake, SourceRecord, ledger_partition
from streams.waiting import Waiting, sheaf_of
from tests.alone import printed
from tests.oracle.intake import Intake as Slow
from tests.schemas.samples import WRITERS, as_json, as_msgpack, sent_events
from tests.worlds import START_MS, world

SOURCES = [Source(UUID(int=1), 0), Source(UUID(int=1), 1), Source(UUID(int=2), 0)]
HOUR = 3_600_000
PARTITIONS = 5

# ---------------------------------------------------------------- one payload


def told(value: bytes | None, key: bytes | None, *, purchases: bool) -> Any:
    """What the fast way makes of one record: its fields, and its partition; or the reject."""
    waiting = Waiting(SOURCES, PARTITIONS)
    # The record's neighbours would be read by whoever steps outside.
    between = [(1, b"\xff", b"\xdf\xff\xff\xff\xff"), (5, key, value), (9, b"\xff", b"\xa9")]
    refused, rekeyed = waiting.add(SOURCES[0], purchases, sheaf_of(between))
    found = [why for at, why in refused if at == 1]
    if found:
        return found[0]
    row = waiting._pool.rows[1]
    assert row["verdict"] == Verdict.ACCEPTED
    pairs = slice(int(row["first"]), int(row["first"] + row["count"]))
    fields = {}
    for field, number in zip(waiting._pool.fields[pairs], waiting._pool.values[pairs].tolist(), strict=True):
        one = FIELDS[field]
        if one.type is Type.TEXT:
            start = number >> TEXT_SHIFT
            fields[one.name] = waiting._pool.letters[start : start + (number & TEXT_LENGTH)].tobytes().decode()
        else:
            fields[one.name] = number
    assert row["present"] == sum(1 << at for at, one in enumerate(FIELDS) if one.name in fields)
    return fields, int(row["ts_ms"]), Kind(int(row["kind"])), int(row["partition"]), rekeyed


def law(value: bytes | None, key: bytes | None, *, purchases: bool) -> Any:
    """The same from the codec."""
    found = decode(value, purchases=purchases)
    if isinstance(found, Reject):
        return found
    fields = {**found.numbers, **found.texts}
    if found.kind is Kind.PROGRESS:
        return fields, found.ts_ms, found.kind, 0, 0
    partition = ledger_partition(found.customer_id, PARTITIONS)
    return fields, found.ts_ms, found.kind, partition, int(key != found.customer_id.encode())


def agree(value: bytes | None, key: bytes | None = b"C1") -> None:
    for purchases in (False, True):
        assert told(value, key, purchases=purchases) == law(value, key, purchases=purchases)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-200, 70_000),
    st.floats(),
    st.floats(width=32),
    st.text(max_size=80),
    st.sampled_from(
        ["", "human", "voice", "x" * 64, "x" * 65, "é" * 32, "é" * 33, "a\x7f", "a\x1fb", "USD", "EUR"]
    ),
    st.binary(max_size=9),
    st.sampled_from([0.5, -0.0, 1.0, 1.0000000001, 0.1234565, -1.0, 2**31, -(2**31), 2**53 + 1]),
)
ODD_VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.text(max_size=2), SCALARS))
NAMES = st.one_of(st.sampled_from([one.name for one in FIELDS] + ["version", "currency"]), st.text(max_size=70))


def _packed(pairs: list[tuple[Any, Any]], **how: bool) -> bytes:
    """A map, even with a name twice; a number too large for a single float somewhere inside is a double."""
    try:
        return msgpack.Packer(unicode_errors="surrogatepass", **how).pack_map_pairs(pairs)
    except OverflowError:
        return _packed(pairs)


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """An event as it should be, or nearly: fields in any order, some changed, added, repeated; bytes damaged."""
    fields: dict[Any, Any] = {"version": 1, **draw(sent_events())}
    changes = draw(st.lists(st.tuples(NAMES, ODD_VALUES), max_size=draw(st.sampled_from((0, 0, 1, 3, 20)))))
    pairs = [*fields.items(), *changes]
    if draw(st.booleans()):
        pairs = list(dict(pairs).items())
    pairs = draw(st.permutations(pairs))
    raw = bytearray(_packed(pairs, use_single_float=draw(st.booleans()), use_bin_type=draw(st.booleans())))
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 4)))):
        at = draw(st.integers(0, len(raw) - 1))
        raw[at] = draw(st.integers(0, 255))
    if draw(st.sampled_from((False, False, False, True))):
        raw = raw[: draw(st.integers(0, len(raw)))]
    return bytes(raw)


@settings(max_examples=3_000, deadline=None)
@given(payloads(), st.sampled_from([None, b"", b"C1", b"C\x00"]))
def test_nearly_good_payloads_are_told_alike(value: bytes, key: bytes | None) -> None:
    agree(value, key)


@settings(max_examples=1_000, deadline=None)
@given(st.one_of(st.none(), st.binary(max_size=120)))
def test_any_bytes_are_told_alike(value: bytes | None) -> None:
    agree(value)


@settings(max_examples=300, deadline=None)
@given(sent_events(), st.sampled_from(sorted(WRITERS)))
def test_every_good_event_is_told_alike_by_its_own_key(fields: dict[str, Any], wire: str) -> None:
    key = fields.get("customer_id", "").encode()
    agree(WRITERS[wire](fields), key)


@settings(max_examples=300, deadline=None)
@given(sent_events())
def test_a_plain_msgpack_event_never_needs_the_codec(fields: dict[str, Any]) -> None:
    value = as_msgpack({**fields, "currency": "USD", "a_new_field": "of a later version"})
    waiting = Waiting(SOURCES, PARTITIONS)
    purchases = Kind[fields["kind"].upper()] >= FIRST_PURCHASE_KIND
    sheaf = sheaf_of([(0, None, value)])
    waiting.add(SOURCES[0], purchases, sheaf._replace(letters=sheaf.letters.copy()))
    assert waiting._pool.rows[0]["first"] == 0
    assert waiting._letters == sheaf.letters.size, "its texts were written anew"


SPECIAL = {
    "map 16": b"\xde\x00\x04" + as_msgpack({"kind": "progress", "ts_ms": START_MS, "x": 1})[1:],
    "map 32": b"\xdf\x00\x00\x00\x03" + as_msgpack({"kind": "progress", "ts_ms": START_MS})[1:],
    "version as a big number": as_msgpack({"kind": "progress", "ts_ms": START_MS}).replace(
        b"version\x01", b"version\xcf\0\0\0\0\0\0\0\x01"
    ),
    "version as a negative width": as_msgpack({"kind": "progress", "ts_ms": START_MS}).replace(
        b"version\x01", b"version\xd3\0\0\0\0\0\0\0\x01"
    ),
    "a name with half a character": as_msgpack({"kind": "progress", "ts_ms": START_MS, "x\xff": 1}).replace(
        b"\xa3x\xc3\xbf", b"\xa3xy\xc3"
    ),
    "something behind": as_msgpack({"kind": "progress", "ts_ms": START_MS}) + b"\xc0",
    "too large": as_msgpack({"kind": "progress", "ts_ms": START_MS, "x": "y" * 65_500, "z": "a" * 40}),
    "a long text nobody knows": as_msgpack({"kind": "progress", "ts_ms": START_MS, "x": "y" * 60_000}),
}


@pytest.mark.parametrize("value", SPECIAL.values(), ids=SPECIAL)
def test_rare_ways_to_write_are_told_alike(value: bytes) -> None:
    agree(value)


# ---------------------------------------------------------------- blocks and order


def _told(batch: Batch) -> Batch:
    """The batch with its dead letters by their place, which is all that their order among sources has to say."""
    batch.dead_letters.sort(key=lambda one: (one.topic_id, one.partition, one.offset))
    return batch


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(Clock))
def test_the_same_records_give_the_same_ledger_as_one_by_one(seed: int, clock: Clock) -> None:
    """Blocks byte for byte, progress, dead letters and done offsets, with takes and ends at any time."""
    rng = random.Random(seed)
    span = rng.choice((0.01, 2, 60))
    stream = []
    for number, (topic, fields) in enumerate(world(seed % 1000, 250, 9, span, disorder_ms=10_000)):
        source = SOURCES[2] if topic == "purchases" else rng.choice(SOURCES[:2])
        write = as_json if rng.random() < 0.05 else as_msgpack
        if rng.random() < 0.05:
            fields = {"kind": "progress", "ts_ms": fields["ts_ms"]}  # noqa: PLW2901 - the event is replaced
        key = rng.choice((None, str(fields.get("customer_id")).encode()))
        value = b"\xc1" if rng.random() < 0.03 else write(fields)
        stream.append(SourceRecord(source, topic == "purchases", topic, number // 2, key, value))
    how = {"clock": clock, "grace_ms": 5_000, "max_buffered": 40}
    fast, slow = Intake(PARTITIONS, **how), Slow(PARTITIONS, **how)
    for one in (fast, slow):
        one.assign(SOURCES)
    now = START_MS + int(span * 24 * HOUR)
    for record in stream:
        for one in (fast, slow):
            one.offer(record)
        if rng.random() < 0.05:
            source, at = rng.choice(SOURCES), now - rng.randrange(2 * HOUR)
            for one in (fast, slow):
                one.at_end(source, at)
        if rng.random() < 0.05:
            assert fast.full() == slow.full()
        if rng.random() < 0.05:
            limit = rng.choice((2**62, now - rng.randrange(1, 50) * HOUR))
            assert _told(fast.take(now, limit)) == _told(slow.take(now, limit))
    for one in (fast, slow):
        for source in SOURCES:
            one.at_end(source, now)
    assert [_told(one) for one in fast.drain(now)] == [_told(one) for one in slow.drain(now)]


def test_full_blocks_leave_as_they_fill_and_chunks_move_between_pools() -> None:
    """Thousands of events at once, over two partitions, while others wait from before."""
    rng = random.Random(1)
    fast, slow = (kind(2, clock=Clock.WALL, max_buffered=10**6) for kind in (Intake, Slow))
    for one in (fast, slow):
        one.assign(SOURCES)
    values = [as_msgpack(fields) for topic, fields in world(3, 9_000, 40, 0.02) if topic == "support"]
    cut = sorted(rng.sample(range(len(values)), 6))
    for first, end in zip([0, *cut], [*cut, len(values)], strict=True):
        records = [(at, b"C1", values[at]) for at in range(first, end)]
        fast.hear(SOURCES[first % 2], "t", sheaf_of(records), purchases=False)
        for offset, key, value in records:
            slow.offer(SourceRecord(SOURCES[first % 2], False, "t", offset, key, value))
    for one in (fast, slow):
        for source in SOURCES:
            one.at_end(source, START_MS + HOUR)
    assert list(fast.drain(START_MS + HOUR)) == list(slow.drain(START_MS + HOUR))


@settings(max_examples=100, deadline=None)
@given(st.lists(sent_events(kinds=tuple(kind for kind in Kind if kind < 60)), min_size=1, max_size=20))
def test_a_block_has_the_bytes_of_the_codec_and_encode_events(sent: list[dict[str, Any]]) -> None:
    """Every field, whatever its bounds."""
    waiting = Waiting(SOURCES, 1)
    values = [as_msgpack(fields) for fields in sent]
    waiting.add(SOURCES[1], False, sheaf_of([(7 * at, None, value) for at, value in enumerate(values)]))
    events = [Sourced(SOURCES[1], 7 * at, decode(value, purchases=False)) for at, value in enumerate(values)]
    assert waiting.blocks(np.arange(len(sent))) == [(0, encode_events(events))]


# ---------------------------------------------------------------- with every check on, and without a compiler

PROGRAM = """
import hashlib, random, sys
import numpy as np
from streams.waiting import Waiting, sheaf_of
from tests.laws.test_waiting import SOURCES, damaged
hasher = hashlib.sha256()
count = int(sys.argv[1])
for seed in range(count):
    waiting = Waiting(SOURCES, 3)
    rng = random.Random(seed)
    records = [(at, rng.choice((None, b"C1")), value) for at, value in enumerate(damaged(rng))]
    refused, rekeyed = waiting.add(SOURCES[0], False, sheaf_of(records))
    waiting.queues["caught_up_ms"] = 0
    picked, due = waiting.merge(1000, 2**50, 2**62, 2**40)
    said = repr((refused, rekeyed, picked.tolist(), due, waiting.blocks(picked), waiting.done()))
    hasher.update(said.encode())
print(hasher.hexdigest())
"""


def damaged(rng: random.Random) -> list[bytes]:
    """Some payloads, most of them hurt: bytes changed, cut, doubled, or made up."""
    out = []
    for _, fields in world(rng.randrange(10**6), 12, 3):
        raw = bytearray(as_msgpack(fields))
        for _ in range(rng.choice((0, 1, 1, 3))):
            raw[rng.randrange(len(raw))] = rng.choice((rng.randrange(256), 0xDA, 0xD9, 0xDE, 0xBF, 0x8F, 0xCF))
        if rng.random() < 0.3:
            raw = raw[: rng.randrange(len(raw) + 1)]
        out.append(bytes(raw) if rng.random() < 0.95 else rng.randbytes(rng.randrange(60)))
    return out


def test_hostile_bytes_with_bounds_checks_on_and_off_and_without_a_compiler() -> None:
    """No read outside an array, and the same words, whichever way the kernels run."""
    compiled = printed(PROGRAM, "200")
    assert printed(PROGRAM, "200", NUMBA_BOUNDSCHECK="1") == compiled
    assert printed(PROGRAM, "8", NUMBA_DISABLE_JIT="1") == printed(PROGRAM, "8")


def test_a_sheaf_gives_back_what_it_was_made_of() -> None:
    records = [(3, None, b"v"), (4, b"", None), (9, b"key", b"")]
    sheaf = sheaf_of(records)
    assert [(int(sheaf.offsets[at]), sheaf.key(at), sheaf.value(at)) for at in range(3)] == records
    assert isinstance(sheaf_of([]), Sheaf)
