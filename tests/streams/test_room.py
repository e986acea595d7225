"""Arrays that grow in place keep what they hold, whoever looks at them meanwhile."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import pytest

from schemas.state import CUSTOMER
from streams import room
from streams.room import LARGE_BYTES, Room


def filled(one: Room, first: int, end: int) -> None:
    one.array.view(np.uint8).reshape(one.array.size, -1)[first:end] = (
        np.arange(first, end)[:, None] % 251
    ).astype(np.uint8)


def holds(one: Room, count: int) -> bool:
    found = one.array.view(np.uint8).reshape(one.array.size, -1)
    return bool((found[:count] == (np.arange(count)[:, None] % 251)).all() and not found[count:].any())


@pytest.mark.parametrize("dtype", [CUSTOMER, np.dtype(np.int64), np.dtype(np.uint8)])
def test_a_room_keeps_what_it_holds_and_is_zero_behind_it(dtype: Any) -> None:
    """Small, and beyond the size from which on it asks for large pages."""
    one, count = Room(dtype, 3), 3
    filled(one, 0, count)
    for need in (4, 100, 101, LARGE_BYTES // dtype.itemsize + 5):
        one.reserve(need)
        assert one.array.size >= need
        assert holds(one, count)
        filled(one, count, need)
        count = need
    one.reserve(2)
    assert holds(one, count)


def test_who_looks_at_a_room_that_grows_keeps_the_old_one() -> None:
    """A view forces a copy; both stay what they are, and what is written later goes to the new one."""
    one = Room(np.int64, 4)
    one.array[:] = [1, 2, 3, 4]
    view = one.array[1:3]
    one.reserve(10_000)
    one.array[1] = 9
    assert view.tolist() == [2, 3]
    assert one.array[:4].tolist() == [1, 9, 3, 4]


def test_a_system_that_cannot_grow_pages_in_place_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stiff(mmap.mmap):
        def resize(self, *_: Any) -> None:
            raise SystemError("mmap: resizing not available--no mremap()")

    monkeypatch.setattr(room.mmap, "mmap", Stiff)
    one = Room(np.uint8, 10)
    one.array[:] = 7
    one.reserve(5_000)
    assert one.array[:10].tolist() == [7] * 10
    assert not one.array[10:].any()
