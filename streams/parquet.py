"""Parquet in and out, by pyarrow, which is only imported when a file asks for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streams.ledgerfile import FileError, whole_file

SUFFIXES = (".parquet", ".pq")
COMPRESSION = "zstd"


def is_parquet(path: Path) -> bool:
    """Whether a file's name says that it is Parquet."""
    return path.suffix.lower() in SUFFIXES


def arrow(path: Path) -> Any:
    """The package, or a ``FileError`` that says how to get it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise FileError(
            f"{path}: Parquet needs pyarrow, which is not installed: pip install 'whaleline[parquet]'"
        ) from None
    return pyarrow


def batches(path: Path, columns: Sequence[str], rows: int) -> Iterator[tuple[Any, int, int]]:
    """The record batches of a file, each with the rows read so far and those there are. Raises ``FileError``."""
    pyarrow = arrow(path)
    try:
        with pyarrow.parquet.ParquetFile(path) as data:
            done, whole = 0, data.metadata.num_rows
            for batch in data.iter_batches(rows, columns=list(columns)):
                done += batch.num_rows
                yield batch, done, whole
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except pyarrow.ArrowException as error:
        raise FileError(f"{path} is not Parquet that can be read: {type(error).__name__}") from None


def schema_of(path: Path) -> Any:
    """The ``pyarrow.Schema`` of a file. Raises ``FileError``."""
    pyarrow = arrow(path)
    try:
        return pyarrow.parquet.read_schema(path)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except pyarrow.ArrowException as error:
        raise FileError(f"{path} is not Parquet that can be read: {type(error).__name__}") from None


@contextmanager
def writing(path: Path, schema: Any) -> Iterator[Any]:
    """A ``pyarrow.parquet.ParquetWriter`` whose file appears only when complete. Raises ``FileError``."""
    pyarrow = arrow(path)
    with (
        whole_file(path) as out,
        pyarrow.parquet.ParquetWriter(out, schema, compression=COMPRESSION) as writer,
    ):
        yield writer
