"""A ledger block as kernels take it: its events as numbers, and its texts by number, where they stand."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.apart import EVENT_BYTES, IDENTITY_BYTES, take_apart
from schemas.block import EVENT, FIELD_SHAPES, BlockError, Source, decode, read_head


class Opened(NamedTuple):
    """``n`` events (``EVENT``), and the block's texts: where each stands in ``raw``, and its digest."""

    raw: NDArray[np.uint8]
    events: NDArray[np.void]
    customer: NDArray[np.uint32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    digests: NDArray[np.uint64]
    told: NDArray[np.uint8]
    """1 for a text whose name is kept, if an event that has it is admitted."""

    def text(self, number: int) -> bytes:
        """A text of the block, as UTF-8."""
        start = int(self.starts[number])
        return self.raw[start : start + int(self.lengths[number])].tobytes()


_SCRATCH = np.zeros(IDENTITY_BYTES, np.uint8)


def open_block(value: bytes, number_of: Callable[[Source], int]) -> Opened:
    """Read a block; ``number_of`` gives each source's number in the events. Raises ``BlockError``."""
    head = read_head(value)
    opened = Opened(
        np.frombuffer(value, np.uint8),
        np.empty(head.n, EVENT),
        np.empty(head.n, np.uint32),
        np.empty(head.texts, np.int64),
        np.empty(head.texts, np.int64),
        np.empty(head.texts, np.uint64),
        np.empty(head.texts, np.uint8),
    )
    firsts = np.array(head.first, np.int64)
    numbers = np.array([number_of(one) for one in head.sources], np.int64)
    sound = take_apart(
        opened.raw, head.end, head.text_bytes, head.present, FIELD_SHAPES, firsts, numbers, opened.starts,
        opened.lengths, opened.digests, opened.told, opened.customer, _SCRATCH, opened.events.view(np.uint8),
    )  # fmt: skip
    assert opened.events.itemsize == EVENT_BYTES
    if not sound:
        decode(value)
        raise BlockError("the block cannot be taken apart")
    return opened
