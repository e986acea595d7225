"""A file of events becomes the same ledger many at a time as one by one, and is cut where msgpack cuts it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kernels.cut import SHORT, value_end
from schemas.codec import encode
from streams import payloads as reading
from streams import rejudge
from streams.ledgerfile import FileError
from streams.rejudge import Judge
from tests.oracle.feeding import Feed, lines
from tests.worlds import START_MS, world

HOUR = 3_600_000
LAWS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Heard(Judge):
    """Keeps what it is told, and judges nothing."""

    def __init__(self, partitions: int) -> None:
        super().__init__("whaleline", partitions, "a file")
        self.told: list[tuple[int, bytes]] = []
        self.letters: list[tuple[Any, ...]] = []

    def step(self, partition: int, value: bytes) -> None:
        self.told.append((partition, value))

    def refuse(self, letter: Any) -> None:
        self.letters.append((letter.reason, letter.detail, letter.offset, letter.value))


def some(seed: int, count: int) -> list[dict[str, Any] | bytes]:
    """Events out of order by up to some hours, with progress, gaps and junk among them."""
    dice = random.Random(seed)
    told: list[dict[str, Any] | bytes] = []
    span_days, disorder_ms = dice.choice((0.2, 3, 60)), dice.choice((0, 5 * HOUR))
    for _, fields in world(seed, count, span_days=span_days, disorder_ms=disorder_ms):
        chance = dice.random()
        if chance < 0.03:
            told.append({"kind": "progress", "ts_ms": fields["ts_ms"] + dice.randrange(-HOUR, 2 * HOUR)})
        if chance > 0.97:
            odd = ({"kind": "call"}, {**fields, "ts_ms": "late"}, {**fields, "kind": "purchase"}, [1])
            told.append(dice.choice(odd))
        told.append(fields if chance < 0.9 else {**fields, "note": "ü", "nested": {"a": [1, {"b": None}]}})
    return told


def written(told: list[Any], text: bool, seed: int) -> tuple[bytes, list[tuple[int, bytes]]]:
    """The file, and its payloads by number."""
    dice = random.Random(seed)
    if text:
        out = []
        for one in told:
            full = {"version": 1, **one} if isinstance(one, dict) else one
            whole = json.dumps(full, ensure_ascii=dice.random() < 0.5)
            out += [dice.choice(("", " ", "\t")) + whole + dice.choice(("", "\r", "  "))]
            out += [dice.choice(("", " ", "\r"))] * (dice.random() < 0.05)
        data = "\n".join(out).encode() + b"\n" * dice.randrange(2)
        return data, list(lines(data))
    values = [encode(one) if isinstance(one, dict) else msgpack.packb(one) for one in told]
    return b"".join(values), list(enumerate(values, 1))


@LAWS
@given(
    seed=st.integers(0, 10**6), text=st.booleans(), partitions=st.integers(1, 5),
    at_once=st.sampled_from([7, 64, 4_096]), cut_off=st.booleans(),
)  # fmt: skip
@example(seed=3, text=True, partitions=2, at_once=7, cut_off=True)
def test_a_chunk_at_a_time_is_one_by_one(
    seed: int, text: bool, partitions: int, at_once: int, cut_off: bool, tmp_path: Path
) -> None:
    told = some(seed, 150)
    if text and isinstance(told[0], list):
        told.pop(0)
    data, numbered = written(told, text, seed)
    place = tmp_path / "events"
    place.write_bytes(data)
    as_of_ms = START_MS + 30 * HOUR if cut_off else None
    slow, fast = Feed(partitions, "USD", as_of_ms, at_once), Heard(partitions)
    slow.hear(numbered)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "AT_ONCE", at_once)
        patch.setattr(rejudge, "AT_ONCE", at_once)
        rejudge._feed(place, fast, "USD", as_of_ms, lambda _: None)
    assert fast.told == slow.records
    assert sorted(fast.letters) == sorted((one.reason, one.detail, one.offset, one.value) for one in slow.letters)
    assert fast.records == len(numbered)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=40)
    | st.binary(max_size=300) | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=40)),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner, max_size=20),
    max_leaves=30,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(ANY, st.binary(max_size=9))
def test_a_value_ends_where_msgpack_says(value: Any, behind: bytes) -> None:
    raw = msgpack.packb(value)
    assert value_end(np.frombuffer(raw + behind, np.uint8), 0, len(raw + behind)) == len(raw)
    for end in {0, len(raw) // 2, len(raw) - 1}:
        assert value_end(np.frombuffer(raw, np.uint8), 0, end) == SHORT


SIZES = (15, 16, 31, 32, 255, 256, 65_535, 65_536)
WIDE = [
    *(msgpack.packb("x" * size) for size in SIZES),
    *(msgpack.packb(b"x" * size) for size in SIZES),
    *(msgpack.packb([0] * size) for size in SIZES),
    *(msgpack.packb(dict.fromkeys(range(size))) for size in SIZES),
    *(msgpack.packb(msgpack.ExtType(5, b"x" * size)) for size in (1, 2, 4, 8, *SIZES)),
]


@pytest.mark.parametrize("raw", WIDE, ids=[f"{one[0]:02x}-{len(one)}" for one in WIDE])
def test_wide_values_end_where_msgpack_says(raw: bytes) -> None:
    assert value_end(np.frombuffer(raw + b"\xc1", np.uint8), 0, len(raw) + 1) == len(raw)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (encode({"kind": "x"}) + b"\x82\xa1", "value 2, at byte 17, is cut short"),
        (encode({"kind": "x"}) * 2 + b"\xc1more", "value 3, at byte 34, is not msgpack"),
        (b"\xdf\xff\xff\xff\xff", "value 1, at byte 0, is cut short"),
        (b"[1]", "begins with a JSON list"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark"),
    ],
)
def test_a_file_that_breaks_off_says_where(data: bytes, said: str, tmp_path: Path) -> None:
    place = tmp_path / "events"
    place.write_bytes(data)
    with pytest.raises(FileError, match=said):
        list(reading.payloads(place))
