"""Reads an archive through and compares what lies beside the records with the records."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from streams import archive, archiverows, flatten
from streams.archive import Piece
from streams.ledgerfile import FileError, Frame

Progress = Callable[[int], None]


class Whole(NamedTuple):
    """What an archive holds: by partition the first and the last offset and the number of files of its records."""

    records: dict[int, tuple[int, int, int]]
    tables: int
    """Files of records beside which their events are."""
    states: int
    """Files of rows."""


def size_of(path: Path) -> int:
    """How many bytes ``check`` reads: those that it tells its progress."""
    tables = (path / archive.EVENTS).rglob("*.parquet")
    return archive.size_of(path) + sum(one.stat().st_size for one in (*tables, *_rows(path)))


def check(path: Path, progress: Progress = lambda _: None) -> Whole:
    """Read everything: each file whole, no record missing, each table of events what its records say.

    ``progress`` hears of each file how many bytes it has. Raises ``FileError``.
    """
    archive.about(path)
    found, tables = archive.pieces(path), set()
    for files in found.values():
        for piece in files:
            frames = _records(piece)
            progress(piece.path.stat().st_size)
            table = archive.table_of(path, piece.path)
            if table.exists():
                _compare(table, frames)
                tables.add(table)
                progress(table.stat().st_size)
    for table in archive.left_over(path, found):
        raise FileError(
            f"{table} is left of a run that was ended, and its events stand elsewhere too: "
            "`whaleline archive update` takes it away"
        )
    states = archiverows.kept(path)
    for one in states:
        archiverows.check(one)
        progress(one.path.stat().st_size)
    told = {partition: (files[0].first, files[-1].last, len(files)) for partition, files in found.items()}
    return Whole(told, len(tables), len(states))


def _rows(path: Path) -> list[Path]:
    return [one.path for one in archiverows.kept(path)]


def _records(piece: Piece) -> list[Frame]:
    """The records of a file, each where its name says that it is."""
    frames = list(archive.frames_of(piece))
    due = piece.first
    for frame in frames:
        if frame.offset != due:
            raise FileError(f"{piece.path} holds record {frame.offset} where {due} must be")
        due += 1
    if due != piece.last + 1:
        raise FileError(f"{piece.path} ends before record {due}: take it from a copy")
    return frames


def _compare(table: Path, frames: list[Frame]) -> None:
    if not flatten.says(table, frames):
        raise FileError(
            f"{table} does not hold the events of its records: take it from a copy, "
            "or if a `whaleline archive forget` was ended, run that again"
        )
