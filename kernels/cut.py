"""Where the payloads of a file begin and end: msgpack values one after another, or lines of text."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.letters import byte
from kernels.scalars import big_endian

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]

SHORT: Final = -1
"""The value is cut short."""
WRONG: Final = -2
"""No value begins so."""
NEWLINE: Final = 10


@kernel
def _head(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    """How many bytes a value takes without those inside it, and how many values are inside; else ``SHORT``."""
    lead = byte(buffer, at)
    if lead < 0x80 or lead >= 0xE0 or lead in (0xC0, 0xC2, 0xC3):
        return 1, 0
    if lead < 0x90:
        return 1, 2 * (lead - 0x80)
    if lead < 0xA0:
        return 1, lead - 0x90
    if lead < 0xC0:
        return 1 + lead - 0xA0, 0
    if lead == 0xC1:
        return WRONG, 0
    if lead in (0xCA, 0xCB):
        return 5 if lead == 0xCA else 9, 0
    if 0xCC <= lead <= 0xD3:
        return 1 + (1 << (lead & 3)), 0
    if 0xD4 <= lead <= 0xD8:
        return 2 + (1 << (lead - 0xD4)), 0
    if lead >= 0xDC:
        width = 2 if lead in (0xDC, 0xDE) else 4
        if at + 1 + width > end:
            return SHORT, 0
        return 1 + width, big_endian(buffer, at + 1, width) * (2 if lead >= 0xDE else 1)
    # What is left has its length in front: bytes, an extension (one byte more), or text.
    first = 0xC4 if lead <= 0xC6 else 0xC7 if lead <= 0xC9 else 0xD9
    width = 1 << (lead - first)
    if at + 1 + width > end:
        return SHORT, 0
    return 1 + width + big_endian(buffer, at + 1, width) + (1 if first == 0xC7 else 0), 0


@kernel
def value_end(buffer: Bytes, at: int, end: int) -> int:
    """Where the msgpack value that begins at ``at`` ends, at most ``end``; else ``SHORT`` or ``WRONG``."""
    left = 1
    while left > 0:
        if at >= end:
            return SHORT
        size, inside = _head(buffer, at, end)
        if size < 0:
            return size
        if size > end - at:
            return SHORT
        at += size
        left += inside - 1
    return at


@kernel
def cut_values(
    buffer: Bytes, at: int, number: int, most: int, numbers: Numbers, starts: Numbers, lengths: Numbers
) -> tuple[int, int, int]:
    """Find msgpack values from ``at`` on, as many as fit and until they take ``most`` bytes.

    Return how many they are, where the next one begins, and ``number`` and one for each; ``numbers`` gets the
    number of each, ``starts`` and ``lengths`` its place. It ends before a value that has no end.
    """
    count, begin = 0, at
    while count < starts.size and at < buffer.size and at - begin < most:
        end = value_end(buffer, at, buffer.size)
        if end < 0:
            break
        number += 1
        numbers[count] = number
        starts[count] = at
        lengths[count] = end - at
        count += 1
        at = end
    return count, at, number


@kernel
def _blank(letter: int) -> bool:
    return letter == 32 or 9 <= letter <= 13


@kernel
def cut_lines(
    buffer: Bytes, at: int, number: int, most: int, numbers: Numbers, starts: Numbers, lengths: Numbers
) -> tuple[int, int, int]:
    """``cut_values`` for lines, without the blanks around them; blank ones count, and are left out."""
    count, begin = 0, at
    while count < starts.size and at < buffer.size and at - begin < most:
        start = at
        while at < buffer.size and byte(buffer, at) != NEWLINE:
            at += 1
        end = at
        at = min(at + 1, buffer.size)
        number += 1
        while start < end and _blank(byte(buffer, start)):
            start += 1
        while end > start and _blank(byte(buffer, end - 1)):
            end -= 1
        if start < end:
            numbers[count] = number
            starts[count] = start
            lengths[count] = end - start
            count += 1
    return count, at, number
