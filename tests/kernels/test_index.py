"""Ids become rows: a table of our own against a Python dictionary, in any order and cutting."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.arena import Arena

IDS = st.binary(min_size=1, max_size=80)


@settings(deadline=None)
@given(st.lists(IDS, max_size=2_000))
def test_an_id_has_one_row_for_ever(ids: list[bytes]) -> None:
    arena, plain = Arena(), dict[bytes, int]()
    for one in ids:
        assert arena.slot(one) == plain.setdefault(one, len(plain))
    assert len(arena) == len(plain)
    for one, slot in plain.items():
        assert (arena.find(one), arena.customer(slot)) == (slot, one)
    for stranger in (b"", b"\0", b"never"):
        assert arena.find(stranger) == plain.get(stranger)


def test_rows_keep_their_content_and_their_owner_while_the_arena_grows() -> None:
    arena = Arena()
    for number in range(3_000):
        slot = arena.slot(b"customer %d" % number)
        assert arena.rows["day"][slot] == -1
        arena.rows["purchases"][slot] = number
    found = [int(arena.rows["purchases"][arena.find(b"customer %d" % number)]) for number in range(3_000)]
    assert found == list(range(3_000))
    assert not np.any(arena.dirty)
