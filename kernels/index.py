"""Which row is whose: an open-addressed index over ids of any length, for ids that are never taken away.

The ids stand one after the other in ``names``, that of slot s from ``begins[s]`` to ``begins[s + 1]``. ``table``,
a power of two in size and never more than half full, holds slots, -1 where free.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.digest import xxh64
from kernels.letters import Bytes, copy, same

Slots = NDArray[np.int32]
Places = NDArray[np.int64]

FREE: Final = -1
NOBODY: Final = -1


@kernel
def _is(names: Bytes, begin: int, end: int, text: Bytes, start: int, length: int) -> bool:
    """Whether the id in ``names`` is the text of ``length`` bytes at ``start``."""
    return end - begin == length and same(names, begin, text, start, length)


@kernel
def place(table: Slots, names: Bytes, begins: Places, text: Bytes, start: int, length: int) -> int:
    """The place of the table that holds the slot of an id, or the free place where it would go."""
    mask = table.size - 1
    at = int(np.int64(np.uint64(xxh64(text, start, length, int(np.uint64(0)))) & np.uint64(mask)))
    while table[at] != FREE:
        slot = int(table[at])
        if _is(names, begins[slot], begins[slot + 1], text, start, length):
            return at
        at = (at + 1) & mask
    return at


@kernel
def find(table: Slots, names: Bytes, begins: Places, text: Bytes, start: int, length: int) -> int:
    """The slot of an id; ``NOBODY`` for a stranger."""
    return int(table[place(table, names, begins, text, start, length)])


@kernel
def rebuild(table: Slots, names: Bytes, begins: Places, count: int) -> None:
    """Fill an empty table with the first ``count`` ids."""
    for slot in range(count):
        table[place(table, names, begins, names, begins[slot], begins[slot + 1] - begins[slot])] = slot


@kernel
def enter(
    table: Slots, names: Bytes, begins: Places, count: int, text: Bytes, start: int, length: int
) -> tuple[int, int]:
    """The slot of an id, which a stranger gets now; and how many ids there are. There is room for one more."""
    at = place(table, names, begins, text, start, length)
    if table[at] == FREE:
        table[at] = count
        copy(text, start, names, begins[count], length)
        begins[count + 1] = begins[count] + length
        count += 1
    return int(table[at]), count


@kernel
def slots_of(
    table: Slots, names: Bytes, begins: Places, count: int, text: Bytes, starts: Places, lengths: Places,
    which: NDArray[np.uint32], wanted: NDArray[np.uint8], of_text: Places, out: Places,
) -> int:  # fmt: skip
    """Find the slot of each event's customer, opening one for each stranger; return how many ids there are now.

    table, names, begins  have room for every id that may come
    which      (n,) which of the texts (``starts``, ``lengths`` in ``text``) is the customer
    wanted     (n,) 0 for an event to pass over: it opens no slot, and its ``out`` (n,) is ``NOBODY``
    of_text    (texts,) scratch
    """
    of_text[:] = NOBODY
    for i in range(which.size):
        out[i] = NOBODY
        if wanted[i] == 0:
            continue
        one = int(which[i])
        if of_text[one] == NOBODY:
            of_text[one], count = enter(table, names, begins, count, text, starts[one], lengths[one])
        out[i] = of_text[one]
    return count
