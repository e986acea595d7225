"""A recorded ledger: the ledger topic's records in one file, so that they can be judged again anywhere.

The file is the magic ``WLLF``, then msgpack values: a map ``{"version", "topic", "partitions"}``, then one
``[partition, offset, append_ms, value]`` for each record, offsets of a partition ascending. It is written
beside its name and renamed when complete, so a file with the final name is whole.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgpack

from streams.reading import reading

MAGIC = b"WLLF"
VERSION = 1
LOG_APPEND_TIME = 1
Progress = Callable[[int], None]
"""Told how many records there were so far."""


class FileError(RuntimeError):
    """A file cannot be read or written; the message is one sentence that names it."""


class Frame(NamedTuple):
    """One record of the ledger topic; ``append_ms`` is the broker's append time, None where it has none."""

    partition: int
    offset: int
    append_ms: int | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """Which ledger the file holds."""

    topic: str
    partitions: int


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open ``path`` for writing so that it appears only when complete; nothing is left behind on an error."""
    # Not by the process's number, which is the same at every start of a container: kill -9 leaves a draft behind.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with draft.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)


def is_ledger(path: Path) -> bool:
    """Whether the file starts as a recorded ledger does. Raises ``FileError`` if it cannot be read."""
    try:
        with path.open("rb") as data:
            return data.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error


def write(path: Path, head: Head, frames: Iterable[Frame], progress: Progress = lambda _: None) -> int:
    """Record ``frames`` in their order; return how many there were."""
    count = 0
    with whole_file(path) as out:
        out.write(MAGIC)
        out.write(msgpack.packb({"version": VERSION, "topic": head.topic, "partitions": head.partitions}))
        for frame in frames:
            out.write(msgpack.packb(list(frame)))
            count += 1
            progress(count)
    return count


def read(path: Path) -> tuple[Head, Iterator[Frame]]:
    """The head and, one by one, the frames; a damaged file is a ``FileError`` where the damage is reached."""
    frames = _frames(path)
    head = next(frames)
    assert isinstance(head, Head)
    return head, frames  # type: ignore[return-value]


def _frames(path: Path) -> Iterator[Head | Frame]:
    try:
        with path.open("rb") as data:
            if data.read(len(MAGIC)) != MAGIC:
                raise FileError(f"{path} is not a recorded ledger")
            unpacker = msgpack.Unpacker(data, raw=False)
            head = _head(path, unpacker)
            yield head
            number, at = 0, unpacker.tell()
            for number, sent in enumerate(unpacker, 1):
                yield _frame(path, number, head, sent)
                at = unpacker.tell()
            # The unpacker ends without a word when the last value is cut short.
            if len(MAGIC) + at != path.stat().st_size:
                raise FileError(f"{path}: record {number + 1} is cut short: record the ledger again")
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise FileError(f"{path} is damaged and cannot be read on: {type(error).__name__}") from error


def _head(path: Path, unpacker: Any) -> Head:
    sent = next(unpacker, None)
    if not isinstance(sent, dict) or sent.get("version") != VERSION:
        raise FileError(f"{path} is a ledger of another version; this one reads version {VERSION}")
    topic, partitions = sent.get("topic"), sent.get("partitions")
    if not isinstance(topic, str) or type(partitions) is not int or partitions < 1:
        raise FileError(f"{path} does not say which topic it holds")
    return Head(topic, partitions)


def _frame(path: Path, number: int, head: Head, sent: Any) -> Frame:
    if isinstance(sent, list) and len(sent) == 4:
        partition, offset, append_ms, value = sent
        numbers = type(partition) is int and type(offset) is int and type(append_ms) in {int, type(None)}
        if numbers and 0 <= partition < head.partitions and isinstance(value, bytes):
            return Frame(partition, offset, append_ms, value)
    raise FileError(f"{path}: record {number} is not a ledger record")


def dump(
    bootstrap: str, topic: str, path: Path, timeout_s: float = 30.0, progress: Progress = lambda _: None,
    **client: Any,
) -> int:  # fmt: skip
    """Record ``topic`` from its oldest record to what is its end now; return how many records there were.

    ``client`` holds further settings of KafkaConsumer. Raises ``TopicError`` and ``FileError``.
    """
    with reading(bootstrap, topic, timeout_s, **client) as (partitions, messages):
        return write(path, Head(topic, partitions), (frame_of(*one) for one in messages), progress)


def frame_of(partition: int, message: Any) -> Frame:
    """A message of the ledger topic."""
    # Only the broker's own time is an append time; a producer's clock proves nothing.
    append_ms = message.timestamp if message.timestamp_type == LOG_APPEND_TIME else None
    return Frame(partition, message.offset, append_ms, message.value)
