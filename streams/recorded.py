"""A recorded ledger, whichever way it was recorded: one file (``whaleline ledger dump``) or an archive."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from streams import archive, archiverows, ledgerfile
from streams.archiverows import Kept
from streams.ledgerfile import FileError, Frame, Head


def is_recorded(path: Path) -> bool:
    """Whether this is a ledger, and not a file of events. Raises ``FileError`` for any other directory."""
    if not path.is_dir():
        return ledgerfile.is_ledger(path)
    if not archive.is_archive(path):
        raise FileError(f"{path} is a directory and no archive of a ledger: name a file of events, or an archive")
    return True


def read(path: Path, starts: Mapping[int, int] | None = None) -> tuple[Head, Iterator[Frame]]:
    """The head and, one by one, the frames; damage is a ``FileError`` where it is reached.

    ``starts`` says with which record of some partitions to begin, of an archive.
    """
    return archive.read(path, starts) if path.is_dir() else ledgerfile.read(path)


def rows_before(path: Path, from_ms: int) -> dict[int, Kept]:
    """For each partition the newest rows that were kept before a midnight; a ledger in one file has none."""
    if not path.is_dir():
        return {}
    day = datetime.fromtimestamp(from_ms / 1_000, UTC).date().isoformat()
    return archiverows.newest(path, archive.firsts_of(path, day))


def size_of(path: Path) -> int:
    """About how many bytes there are to read, at least 1: what progress is measured by."""
    if path.is_dir():
        return max(1, archive.size_of(path)) if archive.is_archive(path) else 1
    return max(1, path.stat().st_size) if path.is_file() else 1
