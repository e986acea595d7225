"""The payloads of a file of events: JSON lines, or msgpack values one after another, as its first byte says."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.cut import SHORT, cut_lines, cut_values, value_end
from schemas.waiting import NONE, Sheaf
from streams.ledgerfile import FileError

AT_ONCE = 4_096
"""Payloads of a chunk; as many are put in order together, so that long hours do not fill the memory."""
MOST_BYTES = 16 * 1024 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Chunk(NamedTuple):
    """Payloads that stand one after another, their numbers from 1 (blank lines count), how far the file is read.

    Payload ``n`` has the offset ``2 n``, so that there is one left before it for the passing of time.
    """

    sheaf: Sheaf
    numbers: NDArray[np.int64]
    end: int


class Payload(NamedTuple):
    """One payload of a file: its line or its place from 1, its bytes, and how far the file is read."""

    number: int
    value: bytes
    end: int


def chunks(path: Path) -> Iterator[Chunk]:
    """All payloads of a file, many at a time. Raises ``FileError``, at once or where the damage is reached."""
    try:
        if path.stat().st_size > 0:
            yield from cut(str(path), np.asarray(np.memmap(path, np.uint8, "r")))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error


def cut(name: str, buffer: NDArray[np.uint8]) -> Iterator[Chunk]:
    """``chunks`` of what a file of this name holds."""
    opening = buffer[:3].tobytes()
    if opening[:1] == b"[" or opening == BYTE_ORDER_MARK:
        what = "a byte order mark" if opening == BYTE_ORDER_MARK else "a JSON list"
        raise FileError(
            f"{name} begins with {what}: it must hold one JSON object a line, or msgpack maps one after another"
        )
    lines = opening[:1] in b"{ \t\r\n"
    at = number = 0
    while at < buffer.size:
        numbers, starts, lengths = (np.zeros(AT_ONCE, np.int64) for _ in range(3))
        begin, find = at, cut_lines if lines else cut_values
        count, at, number = find(buffer, at, number, MOST_BYTES, numbers, starts, lengths)
        numbers, nobody = numbers[:count], np.full(count, NONE)
        yield Chunk(
            Sheaf(
                *(buffer[begin:at].copy(), 2 * numbers, starts[:count] - begin, lengths[:count]),
                *(np.zeros(count, np.int64), nobody),
            ),
            numbers,
            at,
        )
        if at < buffer.size and not lines and count < AT_ONCE and value_end(buffer, at, buffer.size) < 0:
            short = value_end(buffer, at, buffer.size) == SHORT
            what = "is cut short" if short else "is not msgpack"
            raise FileError(f"{name}: value {number + 1}, at byte {at}, {what}")


def payloads(path: Path) -> Iterator[Payload]:
    """The same, one at a time."""
    for chunk in chunks(path):
        ends = chunk.end - chunk.sheaf.letters.size + chunk.sheaf.starts + chunk.sheaf.lengths
        for at, (number, end) in enumerate(zip(chunk.numbers.tolist(), ends.tolist(), strict=True)):
            yield Payload(number, chunk.sheaf.value(at) or b"", end)
