"""A customer row in few bytes: only what differs from a blank row (docs/wire.md, "The customers topic").

The row and the blank one are compared in words of eight bytes. First a map of one bit a word, lowest first; then
for each word that differs a mask of one bit a byte, and those bytes, each as it differs (exclusive or). So zeros,
and times and days that were never set, take no room.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.letters import HIGHS, LOWS, MASKS, byte, copy, little_endian, put

Bytes = NDArray[np.uint8]

WORD: Final = 8

LOWEST: Final = np.array([0, *((mask & -mask).bit_length() - 1 for mask in range(1, 256))])
"""Which bit of a mask is its lowest."""

COUNT: Final = np.array([mask.bit_count() for mask in range(256)])
RUN: Final = np.array([0, *((mask // (mask & -mask) + 1).bit_count() == 1 for mask in range(1, 256))], np.uint8)
"""1 for a mask whose bits stand one beside the other: mostly they do, and then the bytes move all at once."""

GATHER: Final = np.uint64(0x0102_0408_1020_4080)
"""Times this, the lowest bits of eight bytes stand in the highest one."""


@kernel
def most_bytes(words: int) -> int:
    """How long the sparse form of a row of so many words can be."""
    return (words + 7) // 8 + words * (WORD + 1)


@kernel
def _mask_of(word: int) -> int:
    """One bit a byte, for those that are not zero."""
    eight = np.uint64(word)
    here = ((((eight & LOWS) + LOWS) | eight) & HIGHS) >> np.uint64(7)
    return int(np.int64((here * GATHER) >> np.uint64(56)))


@kernel
def encode(row: NDArray[np.uint64], blank: NDArray[np.uint64], out: Bytes, start: int) -> int:
    """Write ``row`` (words,) at ``start`` of ``out``, which has room for ``most_bytes``; return where it ends.

    Up to seven bytes behind the end may be written too, where there is room.
    """
    words = row.size
    at = start + (words + 7) // 8
    for place in range(start, at):
        out[place] = 0
    for word in range(words):
        left = row[word] ^ blank[word]
        if left == np.uint64(0):
            continue
        out[start + word // 8] |= np.uint8(1 << (word % 8))
        mask = _mask_of(left)
        out[at] = np.uint8(mask)
        at += 1
        if RUN[mask] != 0 and at + WORD <= out.size:
            put(out, at, left >> np.uint64(WORD * LOWEST[mask]), WORD)
            at += COUNT[mask]
            continue
        for place in range(WORD):
            if (mask >> place) & 1 != 0:
                out[at] = np.uint8((left >> np.uint64(WORD * place)) & np.uint64(0xFF))
                at += 1
    return at


@kernel
def _any_zero(word: int) -> bool:
    """Whether one of eight bytes is zero."""
    return _mask_of(word) != 0xFF


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
        if (byte(buffer, start + bit // 8) >> (bit % 8)) & 1:
            return False
    for word in range(words):
        out[word] = blank[word]
    for place in range((words + 7) // 8):
        bits = byte(buffer, start + place)
        while bits != 0:
            word = 8 * place + LOWEST[bits]
            bits &= bits - 1
            if at >= end:
                return False
            mask = byte(buffer, at)
            at += 1
            count = COUNT[mask]
            if count == 0 or at + count > end:
                return False
            if RUN[mask] != 0 and at + WORD <= buffer.size:
                found = little_endian(buffer, at, WORD) & MASKS[count]
                if _any_zero(found | ~MASKS[count]):
                    return False
                out[word] ^= found << np.uint64(WORD * LOWEST[mask])
                at += count
            elif not _scattered(buffer, at, mask, out, word):
                return False
            else:
                at += count
    return at == end


@kernel
def _scattered(buffer: Bytes, at: int, mask: int, out: NDArray[np.uint64], word: int) -> bool:
    """Take the bytes of a mask one by one into a word; False where one is zero."""
    for place in range(WORD):
        if (mask >> place) & 1 == 0:
            continue
        if buffer[at] == 0:
            return False
        out[word] ^= np.uint64(buffer[at]) << np.uint64(WORD * place)
        at += 1
    return True


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
        copy(head, 0, out, at, head.size)
        at = encode(rows[slots[i]], blank, out, at + head.size)
        ends[i] = at
