"""One msgpack value read in place: a number, a truth, nothing, or a text; of all others only that they are odd.

Every read is checked against ``end`` before it happens, so no bytes lead outside.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.letters import byte, plain

Bytes = NDArray[np.uint8]

ODD: Final = 0
NIL: Final = 1
TRUTH: Final = 2
INTEGER: Final = 3
REAL: Final = 4
TEXT: Final = 5


@kernel
def big_endian(buffer: Bytes, at: int, width: int) -> int:
    """The unsigned number in up to seven bytes from ``at``, highest byte first."""
    number = 0
    for k in range(width):
        number = number * 256 + byte(buffer, at + k)
    return number


@kernel
def signed(buffer: Bytes, at: int, width: int) -> int:
    """The two's complement number in up to eight bytes from ``at``, highest byte first."""
    number = byte(buffer, at)
    if number >= 128:
        number -= 256
    for k in range(1, width):
        number = number * 256 + byte(buffer, at + k)
    return number


@kernel
def text_at(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    """Where the text that is written at ``at`` begins, and its length; -1 where none is, or a cut or long one."""
    if at >= end:
        return end, -1
    lead = byte(buffer, at)
    at += 1
    if 0xA0 <= lead < 0xC0:
        length = lead - 0xA0
    elif lead in (0xD9, 0xDA) and at + lead - 0xD8 <= end:
        length = big_endian(buffer, at, lead - 0xD8)
        at += lead - 0xD8
    else:
        return end, -1
    return (at, length) if at + length <= end else (end, -1)


@kernel
def scalar(buffer: Bytes, at: int, end: int) -> tuple[int, int, int, int]:
    """Read the value at ``at``: what it is, its number, a text's length, and where the next value begins.

    A text's number is where it begins, a real number's its bits as a double. Whatever is not one of these, is cut
    short, or holds what only ``schemas.codec`` may judge, is ``ODD``.
    """
    if at >= end:
        return ODD, 0, 0, end
    lead = byte(buffer, at)
    if lead < 0x80:
        return INTEGER, lead, 0, at + 1
    if 0xA0 <= lead < 0xC0 or lead in (0xD9, 0xDA):
        start, length = text_at(buffer, at, end)
        if length < 0 or not plain(buffer, start, length):
            return ODD, 0, 0, end
        return TEXT, start, length, start + length
    if lead >= 0xE0:
        return INTEGER, lead - 256, 0, at + 1
    if lead == 0xC0:
        return NIL, 0, 0, at + 1
    if lead in (0xC2, 0xC3):
        return TRUTH, lead - 0xC2, 0, at + 1
    at += 1
    if 0xCC <= lead <= 0xD3:
        width = 1 << (lead & 3)
        if at + width > end or (lead == 0xCF and byte(buffer, at) >= 0x80):
            return ODD, 0, 0, end
        number = signed(buffer, at, width) if lead >= 0xCF else big_endian(buffer, at, width)
        return INTEGER, number, 0, at + width
    if lead == 0xCB and at + 8 <= end:
        return REAL, signed(buffer, at, 8), 0, at + 8
    if lead == 0xCA and at + 4 <= end:
        single = np.int32(signed(buffer, at, 4)).view(np.float32)
        return REAL, int(np.float64(single).view(np.int64)), 0, at + 4
    return ODD, 0, 0, end
