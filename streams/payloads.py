"""The payloads of a file of events: JSON lines, msgpack values one after another, or rows of Parquet or CSV.

Which of the first two it is, its first byte says; that it is a table, its name.
"""

import csv
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.cut import SHORT, cut_lines, cut_values, value_end
from schemas.codec import encode
from schemas.events import FIELD, Type
from schemas.waiting import NONE, Sheaf
from streams import parquet
from streams.ledgerfile import FileError

AT_ONCE = 4_096
"""Payloads of a chunk; as many are put in order together, so that long hours do not fill the memory."""
NEEDED_EVERYWHERE = ("kind", "ts_ms")
MOST_BYTES = 16 * 1024 * 1024
GZIP = b"\x1f\x8b"
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
    if parquet.is_parquet(path):
        yield from _rows(path)
        return
    if path.suffix.lower() == ".csv":
        yield from _lines(path)
        return
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
    if opening[:2] == GZIP:
        raise FileError(f"{name} is compressed: unpack it first, as with gunzip")
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


def _rows(path: Path) -> Iterator[Chunk]:
    """The rows of a Parquet file, whose columns are named as the wire's fields; others are ignored."""
    schema = parquet.schema_of(path)
    names = _named(path, schema.names)
    for name in names:
        if not _fits(schema.field(name).type):
            raise FileError(
                f"{path}: column {name} holds {schema.field(name).type}, not text, numbers or truths; "
                "`whaleline import` brings such columns"
            )
    size, number = path.stat().st_size, 0
    for batch, done, whole in parquet.batches(path, names, AT_ONCE):
        columns = [_column(name, column.to_pylist()) for name, column in zip(names, batch.columns, strict=True)]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        yield _chunk(rows, number, size * done // max(1, whole))
        number += len(rows)


def _named(path: Path, columns: Sequence[str]) -> list[str]:
    """Those columns of a table that are fields. Raises ``FileError`` where one lacks that every event needs."""
    lacking = [name for name in NEEDED_EVERYWHERE if name not in columns]
    if lacking:
        raise FileError(
            f"{path} has no column {lacking[0]}: columns must be named as the wire names its fields; "
            "`whaleline import` brings other files"
        )
    return [name for name in columns if name in FIELD]


def _chunk(rows: Sequence[dict[str, Any]], number: int, end: int) -> Chunk:
    """Rows behind ``number`` others as payloads; what is None was not sent."""
    values = [encode({name: one for name, one in row.items() if one is not None}) for row in rows]
    numbers = np.arange(number + 1, number + 1 + len(values))
    lengths = np.array([len(one) for one in values], np.int64)
    sheaf = Sheaf(
        *(np.frombuffer(b"".join(values), np.uint8), 2 * numbers, np.cumsum(lengths) - lengths, lengths),
        *(np.zeros(len(values), np.int64), np.full(len(values), NONE)),
    )
    return Chunk(sheaf, numbers, end)


def _lines(path: Path) -> Iterator[Chunk]:
    """The lines of a CSV file whose columns are named as the wire's fields; an empty cell was not sent."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as data:
            cells = csv.reader(iter(data.readline, ""), strict=True)
            head = next(cells, [])
            names, number, rows = _named(path, head), 0, []
            places = [(name, head.index(name)) for name in names]
            for line in cells:
                rows.append({name: _said(name, line[at]) for name, at in places if at < len(line)})
                if len(rows) == AT_ONCE:
                    yield _chunk(rows, number, data.tell())
                    number, rows = number + len(rows), []
            if rows:
                yield _chunk(rows, number, data.tell())
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise FileError(f"{path} is not text in UTF-8: `whaleline import` takes other encodings") from None
    except csv.Error as error:
        raise FileError(f"{path}, line {cells.line_num}: not CSV that can be read: {error}") from None


_TRUTHS = {"true": True, "false": False, "1": True, "0": False}


def _said(name: str, text: str) -> Any:
    """What a cell says; what is no value of its field stays text, and is refused where all events are checked."""
    text, kind = text.strip(), FIELD[name].type
    if not text:
        return None
    try:
        if kind is Type.INTEGER:
            return int(text)
        if kind is Type.RATIO:
            return float(text)
    except ValueError:
        return text
    return _TRUTHS.get(text.lower(), text) if kind is Type.BOOLEAN else text


def _fits(kind: Any) -> bool:
    """Whether values of an Arrow type are what the wire has: text, whole and other numbers, truths."""
    told = str(getattr(kind, "value_type", kind))
    return told in ("string", "large_string", "string_view", "bool", "null", "float", "double") or "int" in told


def _column(name: str, values: list[Any]) -> list[Any]:
    """What a data frame makes of gaps is nothing, and its whole numbers with a point are whole."""
    whole = FIELD[name].type is Type.INTEGER

    def meant(one: Any) -> Any:
        if not isinstance(one, float):
            return one
        if isnan(one):
            return None
        return int(one) if whole and one.is_integer() else one

    return [meant(one) for one in values] if any(isinstance(one, float) for one in values) else values


def payloads(path: Path) -> Iterator[Payload]:
    """The same, one at a time."""
    for chunk in chunks(path):
        ends = chunk.end - chunk.sheaf.letters.size + chunk.sheaf.starts + chunk.sheaf.lengths
        for at, (number, end) in enumerate(zip(chunk.numbers.tolist(), ends.tolist(), strict=True)):
            yield Payload(number, chunk.sheaf.value(at) or b"", end)
