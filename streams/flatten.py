"""Events as a table, a row each and a column for each field of the wire, for SQL and data frames."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.block import Block, decode, is_control
from schemas.codes import Answer
from schemas.events import FIELDS, PPM, Field, Type
from streams import parquet
from streams.ledgerfile import Frame

PLACE = ("ledger_offset", "source_topic", "source_partition", "source_offset")
AT_ONCE = 65_536
"""Events of a row group."""


def schema(pyarrow: Any) -> Any:
    """Where each event stands in the ledger, and its fields by their names on the wire."""
    word = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    places = zip(PLACE, (pyarrow.int64(), word, pyarrow.int32(), pyarrow.int64()), strict=True)
    kinds = {
        Type.TEXT: pyarrow.string(), Type.CODE: word, Type.BOOLEAN: pyarrow.bool_(), Type.RATIO: pyarrow.float64(),
    }  # fmt: skip
    return pyarrow.schema([*places, *((one.name, kinds.get(one.type, pyarrow.int64())) for one in FIELDS)])


def write_events(path: Path, frames: Iterable[Frame]) -> int:
    """Write the events of some ledger records as Parquet; return how many. Raises ``FileError``."""
    pyarrow = parquet.arrow(path)
    count = 0
    with parquet.writing(path, schema(pyarrow)) as writer:
        for table in _tables(pyarrow, frames):
            writer.write_table(table)
            count += table.num_rows
    return count


def says(path: Path, frames: Iterable[Frame]) -> bool:
    """Whether a file holds the events of these records, each figure of them. Raises ``FileError``."""
    pyarrow = parquet.arrow(path)
    read = parquet.schema_of(path)
    if read.names != schema(pyarrow).names:
        return False
    found = (batch for batch, _, _ in parquet.batches(path, read.names, AT_ONCE))
    one, two = (_plain(pyarrow, some) for some in (found, _tables(pyarrow, frames)))
    return bool(one.equals(two))


def _plain(pyarrow: Any, some: Iterable[Any]) -> Any:
    """Batches or tables as one, its words as text: how a dictionary is laid out says nothing."""
    shape = schema(pyarrow)
    plain = pyarrow.schema([
        (one.name, pyarrow.string() if pyarrow.types.is_dictionary(one.type) else one.type) for one in shape
    ])  # fmt: skip
    tables = [pyarrow.table(one.columns, names=shape.names).cast(plain) for one in some]
    return pyarrow.concat_tables(tables) if tables else plain.empty_table()


def _tables(pyarrow: Any, frames: Iterable[Frame]) -> Iterator[Any]:
    shape = schema(pyarrow)
    for some in _gathered(frames):
        columns = _places(pyarrow, some) + [_column(pyarrow, one, some) for one in FIELDS]
        yield pyarrow.table(columns, schema=shape)


def _gathered(frames: Iterable[Frame]) -> Iterator[list[tuple[int, Block]]]:
    some: list[tuple[int, Block]] = []
    size = 0
    for frame in frames:
        if is_control(frame.value):
            continue
        block = decode(frame.value)
        assert isinstance(block, Block)
        some.append((frame.offset, block))
        size += block.n
        if size >= AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _places(pyarrow: Any, some: list[tuple[int, Block]]) -> list[Any]:
    topics = sorted({str(source.topic) for _, block in some for source in block.sources})
    at = {topic: number for number, topic in enumerate(topics)}
    named = [np.array([at[str(source.topic)] for source in block.sources])[block.source] for _, block in some]
    parts = [np.array([source.partition for source in block.sources])[block.source] for _, block in some]
    return [
        pyarrow.array(np.repeat([offset for offset, _ in some], [block.n for _, block in some])),
        pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.concatenate(named).astype(np.int32)), topics),
        pyarrow.array(np.concatenate(parts).astype(np.int32)),
        pyarrow.array(np.concatenate([block.offset for _, block in some])),
    ]


def _column(pyarrow: Any, one: Field, some: list[tuple[int, Block]]) -> Any:
    if one.type is Type.TEXT:
        return pyarrow.array(np.concatenate([_texts(one.name, block) for _, block in some]), pyarrow.string())
    values: NDArray[Any] = np.concatenate([block.column(one.name) for _, block in some])
    absent = values == one.absent
    if one.type is Type.BOOLEAN:
        return pyarrow.array(values == Answer.YES, mask=absent)
    if one.type is Type.RATIO:
        return pyarrow.array(values / PPM, mask=absent)
    if one.type is Type.CODE:
        assert one.codes is not None
        names = [code.name.lower() for code in one.codes]
        place = np.zeros(max(one.codes) + 2, np.int32)
        place[[int(code) for code in one.codes]] = range(len(names))
        numbers = place[np.where(absent, 0, values)]
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array(numbers, mask=absent), names)
    return pyarrow.array(values.astype(np.int64), mask=absent)


def _texts(name: str, block: Block) -> NDArray[Any]:
    """A field's texts, None where an event has none."""
    found = block.columns.get(name)
    if found is None:
        return np.full(block.n, None, object)
    texts = np.array([None, *(block.text(at).decode() for at in range(1, block.starts.size))], object)
    named: NDArray[Any] = texts[found]
    return named
