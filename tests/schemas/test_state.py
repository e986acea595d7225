"""The customer row: one layout, little-endian, without a gap, and refused when it is another."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codes import DECAYED, Evidence, Fault, Machine
from schemas.state import CROSSING, CUSTOMER, LAYOUT, SCORES, LayoutError, blank, pack, unpack
from tests.vectors import pack_2, sample_row

WIRE = Path(__file__).parents[2] / "docs" / "wire.md"
PLACES = {3: "c56744f29219328d"}
"""What the fields of a layout and their places come to; a line for each layout, and none is changed."""

OFFSETS = st.integers(-(2**63), 2**63 - 1)


@given(OFFSETS, st.binary(min_size=CUSTOMER.itemsize, max_size=CUSTOMER.itemsize))
def test_a_row_comes_back_as_it_was_packed(offset: int, content: bytes) -> None:
    row = np.frombuffer(content, CUSTOMER, 1)
    found_offset, found = unpack(pack(row, offset))
    assert found_offset == offset
    assert found.shape == (1,)
    assert found.tobytes() == content
    assert found.flags.writeable


def test_an_unpacked_row_is_nobody_elses_memory() -> None:
    value = pack(sample_row(), 7)
    _, row = unpack(value)
    row["purchases"] += 1
    assert unpack(value)[1].tobytes() == sample_row().tobytes()


def test_a_newer_layout_is_refused_with_what_to_do() -> None:
    newer = (LAYOUT + 1).to_bytes(2, "little") + pack(blank(), 0)[2:]
    with pytest.raises(
        LayoutError, match=f"layout {LAYOUT + 1}, this version reads 2 and {LAYOUT}: start a newer version"
    ):
        unpack(newer)


@given(st.binary(min_size=CUSTOMER.itemsize, max_size=CUSTOMER.itemsize))
def test_a_row_of_the_layout_before_is_read_field_by_field(content: bytes) -> None:
    row = np.frombuffer(content, CUSTOMER, 1)
    offset, found = unpack(pack_2(row, 7))
    assert (offset, found.tobytes()) == (7, content)
    assert unpack(pack_2(blank(), 7))[1].tobytes() == blank().tobytes()


def test_the_fields_of_a_layout_stand_where_they_stood() -> None:
    """A field that moves makes every stored row another one: a new number, and the old layout stays readable."""
    fields = CUSTOMER.fields or {}
    where = [(name, one.base.str, one.shape, at) for name, (one, at) in ((n, fields[n][:2]) for n in fields)]
    assert sha256(repr(where).encode()).hexdigest()[:16] == PLACES[LAYOUT]


@pytest.mark.parametrize("layout", [0, 1, 255, 65_535])
def test_no_other_layout_is_read(layout: int) -> None:
    with pytest.raises(LayoutError):
        unpack(layout.to_bytes(2, "little") + pack(blank(), 0)[2:])


def test_every_other_size_is_refused() -> None:
    value = pack(sample_row(), 7)
    for length in range(len(value)):
        with pytest.raises(LayoutError):
            unpack(value[:length])
    with pytest.raises(LayoutError, match="no row of the layout"):
        unpack(value + b"\0")


@pytest.mark.parametrize("dtype", [CUSTOMER, SCORES, CROSSING], ids=["customer", "scores", "crossing"])
def test_a_record_is_packed_little_endian_without_a_gap(dtype: np.dtype[np.void]) -> None:
    end = 0
    for name in dtype.names or ():
        base, at = dtype[name].base, dtype.fields[name][1]  # type: ignore[index]
        assert at == end, f"there is a gap in front of {name}"
        assert base.itemsize == 1 or base.str.startswith("<"), f"{name} is {base.str}"
        end += dtype[name].itemsize
    assert end == dtype.itemsize
    assert not dtype.isalignedstruct


def test_the_row_has_a_column_for_every_code_it_is_indexed_by() -> None:
    assert CUSTOMER["evidence"].shape == (DECAYED,)
    assert len(Evidence) == DECAYED + 1  # the unanswered ticket is counted live
    assert CUSTOMER["state"].shape == (len(Machine),)
    assert CUSTOMER["life_cost_cents"].shape == (len(Fault),)
    assert CUSTOMER["period_cost_cents"].shape[-1] == len(Fault)


def test_a_blank_row_says_that_nothing_was_heard() -> None:
    row = blank()[0]
    for name in CUSTOMER.names or ():
        unset = name.endswith(("_day", "_ms", "_head"))
        expected = -1 if unset or name == "day" else 0
        assert (np.asarray(row[name]) == expected).all(), name


def test_the_document_states_the_size() -> None:
    assert f"{CUSTOMER.itemsize} bytes" in WIRE.read_text(encoding="utf-8")
