"""Events on their way into the ledger, as kernels hold them: sparse, texts in place.

An event is a ``ROW`` and, beside it, its *pairs*: a field's number and that field's value each. A text's value is
where it stands: ``start << TEXT_SHIFT | length``. Rows of one source partition form a list, by ``next``.
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

TEXT_SHIFT: Final = 8
TEXT_LENGTH: Final = (1 << TEXT_SHIFT) - 1
NONE: Final = -1
NEVER: Final = -1


class Verdict(IntEnum):
    """What is known of a row."""

    ACCEPTED = 0
    ODD = 1
    """Not for the kernel to say: ``schemas.codec`` decides."""
    REFUSED = 2
    KNOWN = 3
    """An offset that was had before."""


ROW = np.dtype(
    [
        ("ts_ms", "<i8"),
        ("offset", "<i8"),
        ("next", "<i8"),
        ("first", "<i8"),
        ("count", "<i8"),
        ("present", "<i8"),
        ("partition", "<i4"),
        ("source", "<i4"),
        ("kind", "u1"),
        ("verdict", "u1"),
        ("rekeyed", "u1"),
    ],
    align=True,
)
"""``first`` and ``count`` name the row's pairs, ``present`` is the set of their fields; ``partition`` is of the
ledger, ``source`` the queue; ``rekeyed`` says that the record's key was not the customer's id."""

QUEUE = np.dtype(
    [
        ("head", "<i8"),
        ("tail", "<i8"),
        ("waiting", "<i8"),
        ("seen_ms", "<i8"),
        ("promised_ms", "<i8"),
        ("promise", "<i8"),
        ("caught_up_ms", "<i8"),
        ("reported_ms", "<i8"),
        ("last_offset", "<i8"),
        ("done", "<i8"),
    ]
)
"""One source partition: its list of rows, how far its time has come, and what of it is done in this batch.

``promise`` is the offset of the newest progress event that was heard, whose time is ``promised_ms``.
"""


class Pool(NamedTuple):
    """Where rows, pairs and texts lie; whoever holds it knows how much of each is used."""

    rows: NDArray[np.void]
    fields: NDArray[np.uint8]
    values: NDArray[np.int64]
    letters: NDArray[np.uint8]


class Sheaf(NamedTuple):
    """Many records of one source partition in one buffer, offsets ascending; a length of -1 means None."""

    letters: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    key_starts: NDArray[np.int64]
    key_lengths: NDArray[np.int64]

    def value(self, at: int) -> bytes | None:
        """The value of one record."""
        return self._cut(int(self.starts[at]), int(self.lengths[at]))

    def key(self, at: int) -> bytes | None:
        """The key of one record."""
        return self._cut(int(self.key_starts[at]), int(self.key_lengths[at]))

    def _cut(self, start: int, length: int) -> bytes | None:
        return None if length < 0 else self.letters[start : start + length].tobytes()
