"""Fetched record sets as sheaves say what aiokafka's own records say, of any batches, codecs, markers, bytes."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.waiting import Sheaf
from streams.fetched import KeptRecords, WholeRecords, keep_whole
from tests.alone import printed

CALLS = TP("support-calls", 0)
PLAIN, GZIP, SNAPPY, LZ4, ZSTD = range(5)
COMMIT, ABORT = 1, 0


def batch(
    base: int, records: list[tuple[int, bytes | None, bytes | None]], codec: int = PLAIN, **how: Any
) -> bytes:
    """One batch; records are (offset above base, key, value). ``last`` keeps an offset that compaction emptied."""
    transactional, producer = how.get("transactional", False), how.get("producer", -1)
    builder = DefaultRecordBatchBuilder(2, codec, transactional, producer, 0, 0, 10**6)
    for delta, key, value in records:
        headers = [("h", b"1"), ("", None)] if how.get("headers") else []
        assert builder.append(delta, 1_700_000_000_000 + delta, key, value, headers)
    raw = bytearray(builder.build())
    raw[0:8] = struct.pack(">q", base)
    attributes = struct.unpack_from(">h", raw, 21)[0] | (0x20 if how.get("control") else 0)
    raw[21:23] = struct.pack(">h", attributes)
    if "last" in how:
        raw[23:27] = struct.pack(">i", how["last"])
    return stamped(raw)


def stamped(raw: bytearray) -> bytes:
    """The batch with the checksum of what it now holds."""
    raw[17:21] = struct.pack(">I", calc_crc32c(bytes(raw[21:])))
    return bytes(raw)


def marker(base: int, producer: int, kind: int) -> bytes:
    """The end of a transaction."""
    return batch(
        base, [(0, struct.pack(">hh", 0, kind), b"\0" * 6)], transactional=True, producer=producer, control=True
    )


def read(
    raw: bytes, first: int = 0, aborted: tuple[tuple[int, int], ...] = (), committed: bool = True, crc: bool = True
) -> tuple[Any, int, bool]:
    """What our way hands out: records (or the error's kind), the position behind them, whether as a sheaf."""
    return _drained(WholeRecords, KeptRecords(raw), first, aborted, committed, crc)


def law(
    raw: bytes, first: int = 0, aborted: tuple[tuple[int, int], ...] = (), committed: bool = True, crc: bool = True
) -> tuple[Any, int]:
    """What aiokafka's way hands out."""
    return _drained(fetcher.PartitionRecords, fetcher.MemoryRecords(raw), first, aborted, committed, crc)[:2]


def _drained(
    kind: Any, records: Any, first: int, aborted: Any, committed: bool, crc: bool
) -> tuple[Any, int, bool]:
    unpacked = kind(CALLS, records, list(aborted), first, None, None, crc, int(committed))
    found: list[Any] = []
    whole = False
    try:
        for one in unpacked:
            if isinstance(one, Sheaf):
                whole = True
                offsets = one.offsets.tolist()
                found += [(offset, one.key(at), one.value(at)) for at, offset in enumerate(offsets)]
            else:
                found.append((one.offset, one.key, one.value))
    except Exception as error:
        found.append(type(error).__name__)
    return found, unpacked.next_fetch_offset, whole


def agree(raw: bytes, *how: Any) -> bool:
    """Assert that both say the same; tell whether ours came as a sheaf."""
    found, after, whole = read(raw, *how)
    expected, expected_after = law(raw, *how)
    if whole and expected[-1:] == ["UnicodeDecodeError"]:
        # A header whose name is no text ends aiokafka's reading for ever; no header is of use to us.
        assert found[: len(expected) - 1] == expected[:-1]
        return whole
    assert (found, after) == (expected, expected_after)
    return whole


THREE = [(0, b"C1", b"one"), (1, None, b""), (4, b"", None)]

SETS: dict[str, tuple[bytes, int, tuple[tuple[int, int], ...]]] = {
    "two batches": (batch(5, THREE) + batch(10, THREE, headers=True), 5, ()),
    "begun in the middle of a batch": (batch(5, THREE) + batch(10, THREE), 6, ()),
    "emptied by compaction": (batch(5, THREE, last=8) + batch(20, [], last=3) + batch(30, THREE[:1]), 5, ()),
    "cut in the last batch, as brokers do": (batch(5, THREE) + batch(10, THREE)[:-3], 5, ()),
    "a committed transaction": (batch(0, THREE, transactional=True, producer=7) + marker(5, 7, COMMIT), 0, ()),
    "an aborted transaction": (
        batch(0, THREE, transactional=True, producer=7)
        + batch(5, THREE, transactional=True, producer=8)
        + marker(10, 7, ABORT)
        + marker(11, 8, COMMIT)
        + batch(12, THREE, transactional=True, producer=7)
        + marker(17, 7, COMMIT),
        0,
        ((7, 0),),
    ),
    **{
        f"codec {codec}": (
            batch(0, [(at, b"k", b"value" * 50) for at in range(20)], codec) + batch(20, THREE),
            0,
            (),
        )
        for codec in (GZIP, SNAPPY, LZ4, ZSTD)
    },
}


@pytest.mark.parametrize("what", SETS)
def test_a_whole_set_comes_as_a_sheaf(what: str) -> None:
    raw, first, aborted = SETS[what]
    for committed in (True, False):
        assert agree(raw, first, aborted, committed)


def test_where_only_markers_stand_the_position_moves() -> None:
    raw = marker(5, 7, COMMIT) + marker(6, 8, ABORT)
    assert read(raw, 5) == ([], 7, False)
    agree(raw, 5)


def test_records_of_an_older_format_come_one_by_one() -> None:
    builder = LegacyRecordBatchBuilder(1, PLAIN, 10**6)
    builder.append(0, 1_700_000_000_000, b"k", b"v")
    assert not agree(bytes(builder.build()))


def test_a_wrong_checksum_is_aiokafkas_to_report_unless_nobody_asked() -> None:
    raw = bytearray(batch(0, THREE) + batch(5, THREE))
    raw[-6] ^= 1
    found, after, whole = read(bytes(raw))
    assert (found[-1], after, whole) == ("CorruptRecordException", 5, False)
    agree(bytes(raw))
    agree(bytes(raw), 0, (), True, False)


@st.composite
def record_sets(draw: st.DrawFn) -> tuple[bytes, int, tuple[tuple[int, int], ...]]:
    """A few batches as brokers keep them, with damage now and then (and the checksum right again, or not)."""
    raws, at = [], draw(st.integers(0, 2**40))
    first = at + draw(st.integers(0, 3))
    aborted = [(producer, at) for producer in draw(st.lists(st.integers(1, 3), max_size=2))]
    texts = st.one_of(st.none(), st.binary(max_size=200))
    for _ in range(draw(st.integers(1, 4))):
        how = {"transactional": draw(st.booleans()), "producer": draw(st.integers(1, 3))}
        if draw(st.integers(0, 4)) == 0:
            raws.append(marker(at, how["producer"], draw(st.sampled_from((COMMIT, ABORT)))))
            at += 1
            continue
        deltas = sorted(draw(st.sets(st.integers(0, 30), max_size=6)))
        how["last"] = (deltas[-1] if deltas else 0) + draw(st.integers(0, 2))
        how["headers"] = draw(st.booleans())
        records = [(delta, draw(texts), draw(texts)) for delta in deltas]
        one = bytearray(batch(at, records, draw(st.sampled_from((PLAIN, PLAIN, GZIP, SNAPPY, LZ4, ZSTD))), **how))
        for _ in range(draw(st.sampled_from((0, 0, 0, 1, 3)))):
            one[draw(st.sampled_from(range(8, len(one))))] = draw(st.integers(0, 255))
        raws.append(stamped(one) if draw(st.booleans()) and len(one) > 21 else bytes(one))
        at += how["last"] + 1
    raw = b"".join(raws)
    cut = draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))
    return raw[:cut], first, tuple(aborted)


@settings(max_examples=500, deadline=None)
@given(record_sets(), st.booleans(), st.booleans())
def test_any_record_set_is_told_alike(
    found: tuple[bytes, int, tuple[tuple[int, int], ...]], committed: bool, crc: bool
) -> None:
    raw, first, aborted = found
    if fetcher.MemoryRecords(raw).has_next():
        agree(raw, first, aborted, committed, crc)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=150), st.integers(0, 100))
def test_any_bytes_are_told_alike(body: bytes, count: int) -> None:
    """A batch whose head is right and whose records are anything."""
    raw = bytearray(batch(0, THREE)[:61] + body)
    raw[8:12] = struct.pack(">i", len(raw) - 12)
    raw[57:61] = struct.pack(">i", count)
    agree(stamped(raw))


def test_only_the_named_topics_of_this_consumer_are_read_whole() -> None:

    class Fetcher:
        pass

    one, other = SimpleNamespace(_fetcher=Fetcher()), SimpleNamespace(_fetcher=Fetcher())
    keep_whole(one, {"support-calls"})
    keep_whole(one, {"support-calls"})
    bound = one._fetcher._proc_fetch_request
    view = bound.__func__.__globals__
    arguments = (KeptRecords(batch(0, THREE)), [], 0, None, None, True, 1)
    asked = [type(view["PartitionRecords"](TP(topic, 0), *arguments)) for topic in ("support-calls", "ledger")]
    assert asked == [WholeRecords, fetcher.PartitionRecords]
    assert bound.__func__.__code__ is fetcher.Fetcher._proc_fetch_request.__code__
    assert "_proc_fetch_request" not in vars(other._fetcher)
    assert fetcher.Fetcher._proc_fetch_request.__globals__["PartitionRecords"] is fetcher.PartitionRecords


PROGRAM = """
import hashlib, random
from kernels.walk import walk
import numpy as np
from tests.streams.test_fetched import batch
hasher = hashlib.sha256()
for seed in range(500):
    rng = random.Random(seed)
    raw = bytearray(batch(0, [(at, b"k" * rng.randrange(4), b"v" * rng.randrange(90)) for at in range(4)])[61:])
    for _ in range(rng.randrange(4)):
        raw[rng.randrange(len(raw))] = rng.choice((rng.randrange(256), 0x80, 0xFF, 1))
    raw = raw[: rng.choice((len(raw), rng.randrange(len(raw) + 1)))]
    letters = np.frombuffer(bytes(raw), np.uint8)
    columns = [np.zeros(4, np.int64) for _ in range(5)]
    bounds = np.array([[0, len(raw), 10, rng.choice((4, 4, 3, 5, 2**31)), 0]], np.int64)
    n = int(walk(letters, bounds, *columns))
    hasher.update(repr((n, [column[: max(n, 0)].tolist() for column in columns])).encode())
print(hasher.hexdigest())
"""


def test_hostile_records_with_bounds_checks_on_and_off_and_without_a_compiler() -> None:
    compiled = printed(PROGRAM)
    assert printed(PROGRAM, NUMBA_BOUNDSCHECK="1") == compiled
    assert printed(PROGRAM, NUMBA_DISABLE_JIT="1") == compiled
