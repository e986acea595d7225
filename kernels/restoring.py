"""Rows come back from the changelog: a fetch of records at once, as it came."""

import numpy as np
from numpy.typing import NDArray

from kernels import index, sparse
from kernels._jit import kernel
from kernels.letters import Bytes, same

Numbers = NDArray[np.int64]


@kernel
def take_rows(
    letters: Bytes, first: int, end: int, key_starts: Numbers, key_lengths: Numbers, skip: int,
    starts: Numbers, lengths: Numbers, head: Bytes, head_bytes: int,
    table: index.Slots, names: Bytes, begins: index.Places, count: int,
    blank: NDArray[np.uint64], rows: NDArray[np.uint64],
) -> tuple[int, int]:  # fmt: skip
    """Put the rows of records ``first`` to ``end`` - 1 into ``rows``, in order: the last of a customer stays.

    Returns how many ids there are now, and the first record that holds no row of this layout, ``end`` for none.

    skip   how many bytes of a key stand before the customer's id
    head   what a value begins with, of the ``head_bytes`` before the row
    table, names, begins, rows  have room for every id that may come
    """
    for at in range(first, end):
        start, length = int(starts[at]), int(lengths[at])
        if length < head_bytes or not same(letters, start, head, 0, head.size):
            return count, at
        key, key_bytes = int(key_starts[at]) + skip, int(key_lengths[at]) - skip
        slot, count = index.enter(table, names, begins, count, letters, key, key_bytes)
        if not sparse.decode(letters, start + head_bytes, start + length, blank, rows[slot]):
            return count, at
    return count, end
