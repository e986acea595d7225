"""A customer row in few bytes: only what differs from a blank row (docs/wire.md, "The customers topic").

The row and the blank one are compared in words of eight bytes. First a map of one bit a word, lowest first; then
for each word that differs a mask of one bit a byte, and those bytes, each as it differs (exclusive or). So zeros,
and times and days that were never set, take no room.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel

Bytes = NDArray[np.uint8]

WORD: Final = 8


@kernel
def most_bytes(words: int) -> int:
    """How long the sparse form of a row of so many words can be."""
    return (words + 7) // 8 + words * (WORD + 1)


@kernel
def encode(row: NDArray[np.uint64], blank: NDArray[np.uint64], out: Bytes, start: int) -> int:
    """Write ``row`` (words,) at ``start`` of ``out``, which has room for ``most_bytes``; return where it ends."""
    words = row.size
    at = start + (words + 7) // 8
    for place in range(start, at):
        out[place] = 0
    for word in range(words):
        left = row[word] ^ blank[word]
        if left == np.uint64(0):
            continue
        out[start + word // 8] |= np.uint8(1 << (word % 8))
        mask, mask_at = 0, at
        at += 1
        for byte in range(WORD):
            here = np.uint8(left & np.uint64(0xFF))
            left >>= np.uint64(8)
            if here != 0:
                mask |= 1 << byte
                out[at] = here
                at += 1
        out[mask_at] = np.uint8(mask)
    return at


@kernel
def decode(buffer: Bytes, start: int, end: int, blank: NDArray[np.uint64], out: NDArray[np.uint64]) -> bool:
    """Read the sparse form in ``buffer[start:end]`` into ``out`` (words,); False, and no row, for any other bytes.

    Each row has one sparse form, and only that is taken: no byte too many, no mask or byte of zero.
    """
    words = out.size
    at = start + (words + 7) // 8
    if start < 0 or end > buffer.size or at > end:
        return False
    for bit in range(words, (words + 7) // 8 * 8):
        if (int(buffer[start + bit // 8]) >> (bit % 8)) & 1:
            return False
    for word in range(words):
        out[word] = blank[word]
        if (int(buffer[start + word // 8]) >> (word % 8)) & 1 == 0:
            continue
        if at >= end or buffer[at] == 0:
            return False
        mask = int(buffer[at])
        at += 1
        for byte in range(WORD):
            if (mask >> byte) & 1 == 0:
                continue
            if at >= end or buffer[at] == 0:
                return False
            out[word] ^= np.uint64(buffer[at]) << np.uint64(8 * byte)
            at += 1
    return at == end


@kernel
def encode_rows(
    rows: NDArray[np.uint64], slots: NDArray[np.int64], blank: NDArray[np.uint64], head: Bytes,
    out: Bytes, ends: NDArray[np.int64],
) -> None:  # fmt: skip
    """Write the rows of ``slots`` one after the other, each behind the bytes of ``head``; ``ends`` (slots,) out.

    rows   (n, words); ``out`` has room for ``head`` and ``most_bytes`` of each
    """
    at = 0
    for i in range(slots.size):
        for byte in range(head.size):
            out[at] = head[byte]
            at += 1
        at = encode(rows[slots[i]], blank, out, at)
        ends[i] = at
