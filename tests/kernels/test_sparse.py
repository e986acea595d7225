"""Rows in few bytes: the kernel writes what the plain form writes, and reads what it reads, whatever the bytes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels import sparse
from schemas import state

WORDS = state.CUSTOMER.itemsize // state.WORD
BLANK = state.blank().view(np.uint64)

CHANGES = st.lists(st.tuples(st.integers(0, state.CUSTOMER.itemsize - 1), st.integers(0, 255)), max_size=200)


def row_of(changes: list[tuple[int, int]]) -> NDArray[np.void]:
    raw = state.blank().view(np.uint8).copy()
    for at, byte in changes:
        raw[at] = byte
    return raw.view(state.CUSTOMER)


def decoded(value: bytes) -> bytes | None:
    raw, out = np.frombuffer(value, np.uint8), np.zeros(WORDS, np.uint64)
    return out.tobytes() if sparse.decode(raw, state.HEAD_BYTES, raw.size, BLANK, out) else None


def unpacked(value: bytes) -> bytes | None:
    try:
        return state.unpack(value)[1].tobytes()
    except state.LayoutError:
        return None


@settings(deadline=None)
@given(st.lists(CHANGES, max_size=4))
def test_rows_are_written_as_the_plain_form_writes_them(many: list[list[tuple[int, int]]]) -> None:
    rows = np.concatenate([state.blank(), *(row_of(changes) for changes in many)])
    words = rows.view(np.uint64).reshape(-1, WORDS)
    slots = np.arange(rows.size)[::-1].copy()
    head = np.frombuffer(state.head(17), np.uint8)
    out = np.full(rows.size * (head.size + sparse.most_bytes(WORDS)), 0xAA, np.uint8)
    ends = np.zeros(rows.size, np.int64)
    sparse.encode_rows(words, slots, BLANK, head, out, ends)
    begins = [0, *ends[:-1].tolist()]
    said = [out[begin:end].tobytes() for begin, end in zip(begins, ends.tolist(), strict=True)]
    assert said == [state.pack(rows[slot : slot + 1], 17) for slot in slots]
    assert [decoded(value) for value in said] == [rows[slot].tobytes() for slot in slots]


@settings(deadline=None)
@given(CHANGES, st.lists(st.tuples(st.integers(0, 4_500), st.integers(0, 255)), max_size=3), st.integers(0, 4_500))
def test_broken_bytes_are_refused_as_the_plain_form_refuses_them(
    changes: list[tuple[int, int]], wounds: list[tuple[int, int]], cut: int
) -> None:
    value = bytearray(state.pack(row_of(changes), 17))
    for at, byte in wounds:
        value[state.HEAD_BYTES + at % (len(value) - state.HEAD_BYTES)] = byte
    hurt = bytes(value[: max(state.HEAD_BYTES, len(value) - cut % 7)])
    assert decoded(hurt) == unpacked(hurt)


def test_a_row_of_zeros_where_nothing_is_set_takes_little_room() -> None:
    assert len(state.pack(state.blank(), 0)) == state.HEAD_BYTES + (WORDS + 7) // 8
    assert sparse.most_bytes(WORDS) == len(state.pack(row_of([(at, 0x55) for at in range(WORDS * 8)]), 0)) - 10
