"""An archive of the ledger: Parquet files by day and partition, which outlive Kafka's retention.

    archive.json                                      whose ledger it is
    day=2026-11-24/partition=003/FIRST-LAST.parquet   the records as they are: offset, append_ms, value
    events/day=.../partition=.../FIRST-LAST.parquet   the same records' events, a row each, for whoever asks in SQL
    rows/day=.../partition=.../OFFSET.parquet         what the judges knew then (``streams.archiverows``)

A file appears only when complete, and its name says which offsets it holds; so whatever ends an archiving, the
next one goes on behind the last whole file. Days are those of the broker's clock, in UTC.
"""

import fcntl
import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from streams import parquet
from streams.ledgerfile import FileError, Frame, Head, Progress, whole_file

ABOUT = "archive.json"
VERSION = 1
EVENTS = "events"
MOST_BYTES = 64 * 1024 * 1024
"""What waits for its file, before it is written although its day goes on."""

DAY_MS = 86_400_000
NO_DAY = "unknown"

COLUMNS = ("offset", "append_ms", "value")


class About(NamedTuple):
    """Whose ledger an archive holds."""

    topic: str
    topic_id: UUID
    partitions: int


class Piece(NamedTuple):
    """One file: the records ``first`` to ``last`` of a partition, or some of them."""

    path: Path
    partition: int
    first: int
    last: int


def is_archive(path: Path) -> bool:
    """Whether this directory holds an archive."""
    return (path / ABOUT).is_file()


def about(path: Path) -> About:
    """What an archive says of itself. Raises ``FileError``."""
    try:
        sent = json.loads((path / ABOUT).read_text())
        if sent.get("version") != VERSION:
            raise FileError(f"{path} is an archive of another version; this one reads version {VERSION}")
        return About(str(sent["topic"]), UUID(sent["topic_id"]), int(sent["partitions"]))
    except OSError as error:
        raise FileError(f"{path} is no archive of a ledger: {ABOUT} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{path / ABOUT} is damaged: {type(error).__name__}") from error


def begin(path: Path, of: About) -> None:
    """Make an archive of this ledger, or see that the one there is of the same. Raises ``FileError``."""
    if not is_archive(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise FileError(f"{path} holds other things than an archive: name an empty directory")
        except OSError as error:
            raise FileError(f"{path} cannot be made: {error.strerror or error}") from error
        told = {"version": VERSION, "topic": of.topic, "topic_id": str(of.topic_id), "partitions": of.partitions}
        with whole_file(path / ABOUT) as out:
            out.write(json.dumps(told, indent=2).encode() + b"\n")
        return
    found = about(path)
    if found != of:
        what = f"{found.topic} with {found.partitions} partitions"
        raise FileError(
            f"{path} archives another ledger ({what}, id {found.topic_id}): "
            "one that was made anew needs a new archive"
        )


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let nobody else write into an archive meanwhile. Raises ``FileError``."""
    with (path / ABOUT).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FileError(f"{path} is being written by another process") from None
        _tidy(path)
        yield


def _tidy(path: Path) -> None:
    """Take away what a run that was ended left behind: drafts, and events whose records were not written any more.

    The records are in another file, or will be, and their events with them. Events of before the oldest record
    stay: whoever took the records away may keep them.
    """
    for draft in path.rglob(".*.part"):
        draft.unlink(missing_ok=True)
    for one in left_over(path, pieces(path)):
        one.unlink()


def left_over(path: Path, found: dict[int, list[Piece]]) -> Iterator[Path]:
    """Tables of events whose records are not under the same offsets, though no older than the oldest there are."""
    oldest = {partition: files[0].first for partition, files in found.items()}
    for one in sorted(path.glob(f"{EVENTS}/day=*/partition=*/*.parquet")):
        first, partition = int(one.stem.partition("-")[0]), int(one.parent.name.removeprefix("partition="))
        if not (path / one.relative_to(path / EVENTS)).exists() and first >= oldest.get(partition, 0):
            yield one


def table_of(path: Path, records: Path) -> Path:
    """Where the events of a file of records lie, if they are kept."""
    return path / EVENTS / records.relative_to(path)


def pieces(path: Path) -> dict[int, list[Piece]]:
    """The files of an archive by partition, by their offsets. Raises ``FileError`` where some lack."""
    found: dict[int, list[Piece]] = {}
    for one in sorted(path.glob("day=*/partition=*/*.parquet")):
        try:
            first, _, last = one.stem.partition("-")
            partition = int(one.parent.name.removeprefix("partition="))
            found.setdefault(partition, []).append(Piece(one, partition, int(first), int(last)))
        except ValueError:
            raise FileError(f"{one} does not belong into an archive: its name says no offsets") from None
    for partition, files in found.items():
        files.sort(key=lambda piece: piece.first)
        for before, after in pairwise(files):
            if after.first != before.last + 1:
                raise FileError(
                    f"{path}: the records between {before.last} and {after.first} of partition {partition} are "
                    "missing: a file was taken away or put there twice"
                )
    return found


def next_offsets(path: Path) -> dict[int, int]:
    """The offset behind the last archived record of each partition that has one."""
    return {partition: files[-1].last + 1 for partition, files in pieces(path).items()}


def write(path: Path, frames: Iterable[Frame], *, events: bool = True, progress: Progress = lambda _: None) -> int:
    """Append frames, each partition's in their order; return how many. What came before an error stays."""
    waiting: dict[int, list[Frame]] = {}
    sizes: dict[int, int] = {}
    days: dict[int, str] = {}
    count = 0

    def put(partition: int) -> None:
        some = waiting.pop(partition, [])
        sizes.pop(partition, None)
        if some:
            _put(path, days[partition], some, events)

    for count, frame in enumerate(frames, 1):
        partition, day = frame.partition, _day(frame.append_ms)
        if day != days.get(partition):
            put(partition)
            days[partition] = day
        waiting.setdefault(partition, []).append(frame)
        sizes[partition] = sizes.get(partition, 0) + len(frame.value)
        if sum(sizes.values()) >= MOST_BYTES:
            put(max(sizes, key=lambda one: sizes[one]))
        progress(count)
    for partition in sorted(waiting):
        put(partition)
    return count


def _day(append_ms: int | None) -> str:
    return NO_DAY if append_ms is None else datetime.fromtimestamp(append_ms / 1000, UTC).date().isoformat()


def _put(path: Path, day: str, frames: list[Frame], events: bool) -> None:
    """Write frames of one partition and day, the events first: the file of records says that it is done."""
    partition = frames[0].partition
    offsets = f"{frames[0].offset:020d}-{frames[-1].offset:020d}.parquet"
    name = Path(f"day={day}", f"partition={partition:03d}", offsets)
    if events:
        from streams.flatten import write_events

        write_events(_made(path / EVENTS / name), frames)
    _write_records(_made(path / name), frames)


def frames_of(piece: Piece) -> Iterator[Frame]:
    """The records of one file, in their order. Raises ``FileError``."""
    return _frames([piece])


def rewrite(path: Path, piece: Piece, frames: list[Frame]) -> None:
    """Put other records of the same offsets in a file's place, and their events, where a table has them."""
    table = table_of(path, piece.path)
    if table.exists():
        from streams.flatten import write_events

        write_events(table, frames)
    _write_records(piece.path, frames)


def _made(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{path.parent} cannot be made: {error.strerror or error}") from error
    return path


def _write_records(path: Path, frames: list[Frame]) -> None:
    pyarrow = parquet.arrow(path)
    schema = pyarrow.schema(
        [("offset", pyarrow.int64()), ("append_ms", pyarrow.int64()), ("value", pyarrow.binary())]
    )
    table = pyarrow.table(
        [
            [one.offset for one in frames],
            [one.append_ms for one in frames],
            [one.value for one in frames],
        ],
        schema=schema,
    )
    with parquet.writing(path, schema) as writer:
        writer.write_table(table)


def read(path: Path, starts: Mapping[int, int] | None = None) -> tuple[Head, Iterator[Frame]]:
    """The head and the frames of an archive, like a recorded ledger's, in the order of the broker's time.

    ``starts`` says with which record to begin in some partitions.
    """
    found = about(path)
    by_partition, starts = pieces(path), starts or {}
    merged = heapq.merge(
        *(_frames(files, starts.get(partition, 0)) for partition, files in sorted(by_partition.items())),
        key=lambda frame: (frame.append_ms is not None, frame.append_ms or 0, frame.partition),
    )
    return Head(found.topic, found.partitions), merged


def size_of(path: Path) -> int:
    """How many bytes the record files of an archive take."""
    return sum(one.path.stat().st_size for files in pieces(path).values() for one in files)


def firsts_of(path: Path, day: str) -> dict[int, int]:
    """The first record of each partition that was written on this UTC day or later, or the one that comes next."""
    found = {}
    for partition, files in pieces(path).items():
        if files[0].path.parent.parent.name == f"day={NO_DAY}":
            raise FileError(f"{path}: its records have no append time, so nobody can tell what was of which day")
        since = [one.first for one in files if one.path.parent.parent.name >= f"day={day}"]
        found[partition] = since[0] if since else files[-1].last + 1
    return found


def _frames(files: list[Piece], start: int = 0) -> Iterator[Frame]:
    for piece in (one for one in files if one.last >= start):
        for batch, _, _ in parquet.batches(piece.path, COLUMNS, 4_096):
            for offset, append_ms, value in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if offset >= start:
                    yield Frame(piece.partition, offset, append_ms, value)


def archive(
    config: Any, path: Path, *, events: bool = True, rows_days: int | None = None,
    progress: Progress = lambda _: None, **client: Any,
) -> tuple[int, int]:  # fmt: skip
    """Append what the ledger topic holds now to the archive at ``path``; how many records, and how many states.

    ``rows_days``: so old the newest state of a partition must be before it is kept anew; None keeps none.
    ``client`` holds further settings of KafkaConsumer. Raises ``FileError`` and ``TopicError``.
    """
    from streams import archiverows
    from streams.clock import now_ms
    from streams.ledgerfile import frame_of
    from streams.reading import reading
    from streams.shadow import latest_state
    from streams.topics import TopicError, describe

    parquet.arrow(path)
    topic = config.topics.ledger
    found = describe(config.broker, [topic], **client).get(topic)
    if found is None:
        raise TopicError(f"topic {topic} does not exist at {config.broker}: run `whaleline topics apply`")
    begin(path, About(topic, found.topic_id, found.partitions))
    with alone(path):
        states = 0
        # The rows first: the records that they are judged on from are then there.
        for partition in range(found.partitions) if rows_days is not None else ():
            if archiverows.due(path, partition, now_ms(), rows_days or 0):
                states += archiverows.keep(path, partition, latest_state(config, partition), now_ms())
        starts = next_offsets(path)
        with reading(config.broker, topic, starts=starts, **client) as (_, messages):
            frames = (frame_of(*one) for one in messages)
            return write(path, _behind(path, frames, starts), events=events, progress=progress), states


def _behind(path: Path, frames: Iterable[Frame], starts: dict[int, int]) -> Iterator[Frame]:
    """The frames, if each partition goes on where the archive ended. Raises ``FileError`` otherwise."""
    expected = dict(starts)
    for frame in frames:
        due = expected.get(frame.partition, frame.offset)
        if frame.offset != due:
            raise FileError(
                f"{path}: the records {due} to {frame.offset - 1} of partition {frame.partition} are gone from "
                "Kafka and not in the archive: begin a new one, and archive more often than retention deletes"
            )
        expected[frame.partition] = frame.offset + 1
        yield frame
