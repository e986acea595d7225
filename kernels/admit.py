"""Which events of a block count: not those applied before, not those of the future, not a producer's repeats."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.shapes import Records

REDELIVERED: Final = 0
ADMITTED: Final = 1
FUTURE: Final = 2
REPEATED: Final = 3
VERDICTS: Final = 4
NO_LIMIT: Final = 2**62


@kernel
def _place(digest: int, size: int) -> int:
    """Where a digest's search begins in a table of ``size`` places (a power of two)."""
    return int(np.int64(np.uint64(digest) & np.uint64(size - 1)))


@kernel
def seek(table: NDArray[np.int32], ids: NDArray[np.uint64], digest: int) -> int:
    """The table place that holds ``digest``, or the empty place where it would go."""
    size = table.size
    at = _place(digest, size)
    while table[at] >= 0 and ids[table[at]] != digest:
        at = (at + 1) % size
    return at


@kernel
def forget(table: NDArray[np.int32], ids: NDArray[np.uint64], place: int) -> None:
    """Empty a place and close the gap behind it, so that later searches still end where they should."""
    size = table.size
    gap = place
    at = (gap + 1) % size
    while table[at] >= 0:
        home = _place(ids[table[at]], size)
        if (at - home) % size >= (at - gap) % size:
            table[gap] = table[at]
            gap = at
        at = (at + 1) % size
    table[gap] = -1


@kernel
def remember(table: NDArray[np.int32], ids: NDArray[np.uint64], count: int, digest: int) -> None:
    """Enter a new digest as number ``count`` of the ring, in place of the one that is ``ids.size`` older."""
    at = count % ids.size
    if count >= ids.size:
        forget(table, ids, seek(table, ids, ids[at]))
    ids[at] = digest
    table[seek(table, ids, digest)] = at


@kernel
def rebuild(table: NDArray[np.int32], ids: NDArray[np.uint64], count: int) -> None:
    """Make the table anew from the ring of the last ``count`` digests."""
    table[:] = -1
    for at in range(min(count, ids.size)):
        table[seek(table, ids, ids[at])] = at


@kernel
def admit(
    events: Records,
    marks: NDArray[np.int64],
    latest_ms: int,
    table: NDArray[np.int32],
    ids: NDArray[np.uint64],
    count: int,
    verdict: NDArray[np.uint8],
) -> int:
    """Give each event its verdict, in order; return the new count of remembered digests.

    events     (n,) with ``source`` an index into ``marks``
    marks      highest offset taken from each source, moved up in place
    latest_ms  newest event time believed
    table,ids  the recent digests (open addressing over a ring), changed in place
    verdict    (n,) out: ``ADMITTED``, ``REDELIVERED``, ``FUTURE`` or ``REPEATED``
    """
    for i in range(events.size):
        event = events[i]
        source = int(event["source"])
        if event["offset"] <= marks[source]:
            verdict[i] = REDELIVERED
            continue
        marks[source] = event["offset"]
        if event["ts_ms"] > latest_ms:
            verdict[i] = FUTURE
            continue
        digest = event["event_id"]
        place = seek(table, ids, digest)
        if table[place] >= 0:
            verdict[i] = REPEATED
            continue
        remember(table, ids, count, digest)
        count += 1
        verdict[i] = ADMITTED
    return count
