"""Bytes in place: one, eight at a time, whether two stretches are the same, and whether one is a plain text.

An index is handed over as unsigned: numba then looks for no negative one, and eight bytes become one load.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel, unrolled

Bytes = NDArray[np.uint8]

ONES: Final = np.uint64(0x0101_0101_0101_0101)
LOWS: Final = np.uint64(0x7F7F_7F7F_7F7F_7F7F)
SPACES: Final = np.uint64(0x2020_2020_2020_2020)
MASKS: Final = np.array([2 ** (8 * length) - 1 for length in range(9)], np.uint64)
"""The lowest so many bytes of eight."""
HIGHS: Final = np.uint64(0x8080_8080_8080_8080)
ABOVE_CONTROLS: Final = np.uint64(0x6060_6060_6060_6060)
"""Added to a byte below 0x80, it sets the highest bit of those from 0x20 on, as ``ONES`` does for 0x7f alone."""


@kernel
def byte(buffer: Bytes, at: int) -> int:
    """One byte as a number."""
    return int(np.int64(buffer[np.uint64(at)]))


@unrolled
def little_endian(buffer: Bytes, at: int, width: int) -> int:
    """The unsigned number in ``width`` bytes from ``at``, lowest byte first."""
    word = int(np.uint64(0))
    for k in range(width):
        word |= int(np.uint64(buffer[np.uint64(at + k)])) << int(np.uint64(8 * k))
    return word


@unrolled
def put(buffer: Bytes, at: int, number: int, width: int) -> None:
    """Write a number in ``width`` bytes from ``at``, lowest byte first."""
    for k in range(width):
        buffer[np.uint64(at + k)] = (number >> (8 * k)) & 0xFF


@unrolled
def _short(buffer: Bytes, at: int, length: int) -> int:
    """The same of fewer than eight bytes; mostly without a loop, whose end would be guessed wrong."""
    if at + 8 > buffer.size:
        return little_endian(buffer, at, length)
    return little_endian(buffer, at, 8) & int(MASKS[np.uint64(length)])


@kernel
def same(one: Bytes, start: int, other: Bytes, at: int, length: int) -> bool:
    """Whether two texts of this length, each in its buffer, are the same."""
    if length < 8:
        return _short(one, start, length) == _short(other, at, length)
    for k in range(0, length - 8, 8):
        if little_endian(one, start + k, 8) != little_endian(other, at + k, 8):
            return False
    return little_endian(one, start + length - 8, 8) == little_endian(other, at + length - 8, 8)


@kernel
def copy(source: Bytes, start: int, target: Bytes, at: int, length: int) -> None:
    """Write ``length`` bytes of ``source`` from ``start`` into ``target`` from ``at``."""
    for k in range(length):
        target[np.uint64(at + k)] = source[np.uint64(start + k)]


@kernel
def _printable(word: int) -> bool:
    """Whether each of eight bytes is an ASCII character that is no control character."""
    eight, low = np.uint64(word), np.uint64(word) & LOWS
    controls = ((low + ABOVE_CONTROLS) & HIGHS) ^ HIGHS
    return bool(((eight & HIGHS) | ((low + ONES) & HIGHS) | controls) == 0)


@kernel
def plain(buffer: Bytes, start: int, length: int) -> bool:
    """Whether a text is valid UTF-8 without control characters."""
    if length < 8:
        word = _short(buffer, start, length) | int(SPACES & ~MASKS[np.uint64(length)])
        return _printable(word) or _utf8(buffer, start, length)
    for at in range(start, start + length - 8, 8):
        if not _printable(little_endian(buffer, at, 8)):
            return _utf8(buffer, start, length)
    return _printable(little_endian(buffer, start + length - 8, 8)) or _utf8(buffer, start, length)


@kernel
def _utf8(buffer: Bytes, start: int, length: int) -> bool:
    """The same, character by character."""
    at, end = start, start + length
    while at < end:
        lead = byte(buffer, at)
        if lead < 0x80:
            if lead < 0x20 or lead == 0x7F:
                return False
            at += 1
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            low = 0xA0 if lead == 0xE0 else low  # no longer than needed
            high = 0x9F if lead == 0xED else high  # no half of a surrogate pair
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            low = 0x90 if lead == 0xF0 else low
            high = 0x8F if lead == 0xF4 else high  # nothing behind the last character
        else:
            return False
        if at + more >= end:
            return False
        if not low <= byte(buffer, at + 1) <= high:
            return False
        for k in range(2, more + 1):
            if not 0x80 <= byte(buffer, at + k) <= 0xBF:
                return False
        at += 1 + more
    return True
