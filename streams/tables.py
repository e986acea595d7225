"""Rows of a CSV or Parquet file as maps by column, one after the other."""

import csv
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from streams.ledgerfile import FileError
from streams.mapping import Table

Progress = Callable[[int], None]


class Line(NamedTuple):
    """One row: its line in the file, or its place from 1, and what it holds; or why it is no row."""

    number: int
    values: dict[str, Any]
    fault: str | None


def rows(table: Table, progress: Progress) -> Iterator[Line]:
    """Each row of the table's file. Raises ``FileError`` where it cannot be read, or lacks a column."""
    reading = _parquet if table.file.suffix.lower() in {".parquet", ".pq"} else _csv
    return reading(table, progress)


def _lacks(table: Table, columns: list[str]) -> None:
    missing = sorted(table.columns - set(columns))
    if missing:
        what = "column" if len(missing) == 1 else "columns"
        raise FileError(
            f"{table.file}: it has no {what} {', '.join(map(repr, missing))}, which [{table.name}] names; "
            f"it has {', '.join(map(repr, columns))}"
        )
    doubled = sorted({one for one in columns if columns.count(one) > 1} & table.columns)
    if doubled:
        raise FileError(f"{table.file}: the column {doubled[0]!r} stands in it twice")


def _csv(table: Table, progress: Progress) -> Iterator[Line]:
    try:
        with table.file.open("rb") as raw:
            text = (_decoded(line, table, number) for number, line in enumerate(_counted(raw, progress), 1))
            reader = csv.reader(text, delimiter=table.delimiter, strict=True)
            columns = [one.strip() for one in next(reader, [])]
            _lacks(table, columns)
            for cells in reader:
                if not cells:
                    continue
                values = dict(zip(columns, cells, strict=False))
                fault = None
                if len(cells) != len(columns):
                    fault = f"the row has {len(cells)} cells, the first line names {len(columns)} columns"
                yield Line(reader.line_num, values, fault)
    except OSError as error:
        raise FileError(f"{table.file} cannot be read: {error.strerror or error}") from error
    except csv.Error as error:
        raise FileError(f"{table.file}: line {reader.line_num} is not CSV: {error}") from None


def _counted(raw: Any, progress: Progress) -> Iterator[bytes]:
    done = 0
    for line in raw:
        done += len(line)
        progress(done)
        yield line


def _decoded(line: bytes, table: Table, number: int) -> str:
    encoding = table.encoding if number == 1 or table.encoding != "utf-8-sig" else "utf-8"
    try:
        return line.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise FileError(
            f"{table.file}: line {number} is not text in {encoding}: name the file's encoding in [{table.name}]"
        ) from None


def _parquet(table: Table, progress: Progress) -> Iterator[Line]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise FileError(
            f"{table.file}: Parquet needs pyarrow, which is not installed: pip install 'whaleline[parquet]'"
        ) from None
    try:
        with ParquetFile(table.file) as data:
            columns = list(data.schema_arrow.names)
            _lacks(table, columns)
            size, whole, number = table.file.stat().st_size, max(1, data.metadata.num_rows), 0
            for batch in data.iter_batches(columns=sorted(table.columns)):
                for values in batch.to_pylist():
                    number += 1
                    yield Line(number, values, None)
                progress(size * number // whole)
    except OSError as error:
        raise FileError(f"{table.file} cannot be read: {error.strerror or error}") from error
    except ArrowException as error:
        raise FileError(f"{table.file} is not Parquet that can be read: {type(error).__name__}") from None
