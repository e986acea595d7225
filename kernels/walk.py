"""Record batches of Kafka's log (format 2, uncompressed) walked in place: where each key and value stands."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.letters import byte

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]

LEAST_RECORD: Final = 7
"""Bytes of the smallest record: its length, attributes, two deltas, no key, no value, no headers."""

VARINT_BYTES: Final = 5
"""No length or offset delta needs more; a time delta may."""

FAILED: Final = -1


@kernel
def varint(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    """A zigzag number of up to five bytes and where it is over, ``FAILED`` where it is longer or cut short."""
    total = 0
    for k in range(VARINT_BYTES):
        if at >= end:
            return 0, FAILED
        one = byte(buffer, at)
        at += 1
        total |= (one & 0x7F) << (7 * k)
        if one < 0x80:
            return (total >> 1) ^ -(total & 1), at
    return 0, FAILED


@kernel
def _after_varint(buffer: Bytes, at: int, end: int) -> int:
    """Where the number at ``at``, of up to ten bytes, is over."""
    for _ in range(2 * VARINT_BYTES):
        if at >= end:
            return FAILED
        at += 1
        if byte(buffer, at - 1) < 0x80:
            return at
    return FAILED


@kernel
def _part(buffer: Bytes, at: int, end: int) -> tuple[int, int, int]:
    """A key's or value's start, its length (-1: None), and where it is over or ``FAILED``."""
    length, at = varint(buffer, at, end)
    if at == FAILED or length < -1 or length > end - at:
        return 0, 0, FAILED
    return at, length, at + max(length, 0)


@kernel
def walk(
    buffer: Bytes,
    batches: Numbers,
    offsets: Numbers,
    starts: Numbers,
    lengths: Numbers,
    key_starts: Numbers,
    key_lengths: Numbers,
) -> int:
    """Find the wanted records of batches; return how many, ``FAILED`` for anything odd.

    batches  (n, 5): where a batch's records begin and end in ``buffer``, its base offset, how many there are, and
             from which offset on they are wanted
    Headers and times are passed over. A record must end where it says, and a batch with its last record.
    """
    found = 0
    for b in range(batches.shape[0]):
        at, end, least = batches[b, 0], batches[b, 1], batches[b, 4]
        if at < 0 or end > buffer.size:
            return FAILED
        for _ in range(batches[b, 3]):
            size, at = varint(buffer, at, end)
            if at == FAILED or size < 1 or size > end - at:
                return FAILED
            over = at + size
            if byte(buffer, at) >= 0x80:
                return FAILED  # attributes: a byte, and none are known
            at = _after_varint(buffer, at + 1, over)
            if at == FAILED:
                return FAILED
            delta, at = varint(buffer, at, over)
            if at == FAILED or delta < 0:
                return FAILED
            key, key_length, at = _part(buffer, at, over)
            if at == FAILED:
                return FAILED
            start, length, at = _part(buffer, at, over)
            if at == FAILED or not _headers_fit(buffer, at, over):
                return FAILED
            at = over
            offset = batches[b, 2] + delta
            if offset < least:
                continue
            if found == offsets.size:
                return FAILED
            least = offset + 1
            offsets[found] = offset
            starts[found] = start
            lengths[found] = length
            key_starts[found] = key
            key_lengths[found] = key_length
            found += 1
        if at != end:
            return FAILED
    return found


@kernel
def _headers_fit(buffer: Bytes, at: int, over: int) -> bool:
    """Whether a record's headers end where the record does."""
    count, at = varint(buffer, at, over)
    if at == FAILED or count < 0:
        return False
    for _ in range(count):
        for _ in range(2):
            at = _part(buffer, at, over)[2]
            if at == FAILED:
                return False
    return at == over
