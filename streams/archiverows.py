"""What the judges know, kept in an archive from time to time: a replay may begin there instead of with the past.

    rows/day=2026-11-24/partition=003/OFFSET.parquet    the state that ledger record OFFSET is judged upon

The day is that on which it was taken, in UTC. A file holds the newest value of each key of the changelog, packed
as it stands there (docs/architecture.md), the position last: ``customer_id`` of a row, ``key`` of anything else.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from schemas.state import LayoutError, unpack
from streams import parquet
from streams.breaker import Breaker
from streams.ledgerfile import FileError
from streams.markers import MarkersError
from streams.memory import Position, RestoreError
from streams.pipeline import ROW_KEY, Pipeline
from streams.shelf import Shelf

ROWS = "rows"
EVERY_DAYS = 7
COLUMNS = ("customer_id", "key", "value")
AT_ONCE = 8_192

Progress = Callable[[int], None]
State = Mapping[bytes, bytes]
"""The newest value of each key of a partition's changelog."""


class Kept(NamedTuple):
    """One file: the state of a partition, as ``offset`` is to be judged next."""

    path: Path
    day: str
    partition: int
    offset: int


def kept(path: Path) -> list[Kept]:
    """The states in an archive, by partition and offset. Raises ``FileError``."""
    found = []
    for one in path.glob(f"{ROWS}/day=*/partition=*/*.parquet"):
        day, partition = (name.partition("=")[2] for name in (one.parent.parent.name, one.parent.name))
        try:
            found.append(Kept(one, day, int(partition), int(one.stem)))
        except ValueError:
            raise FileError(f"{one} does not belong into an archive: its name says no offset") from None
    return sorted(found, key=lambda one: (one.partition, one.offset))


def due(path: Path, partition: int, now_ms: int, every_days: int) -> bool:
    """Whether the newest state of a partition is that many days old."""
    days = [date.fromisoformat(one.day) for one in kept(path) if one.partition == partition]
    return not days or (_day(now_ms) - max(days)).days >= every_days


def keep(path: Path, partition: int, state: State, now_ms: int) -> bool:
    """Write down the state of a partition; False where it has no position, so that nobody judged there yet."""
    position = state.get(Position.KEY)
    if position is None:
        return False
    offset = int(msgpack.unpackb(position)["next"])
    place = path / ROWS / f"day={_day(now_ms)}" / f"partition={partition:03d}" / f"{offset:020d}.parquet"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{place.parent} cannot be made: {error.strerror or error}") from error
    rest = ((key, value) for key, value in state.items() if key != Position.KEY)
    _write(place, [*rest, (Position.KEY, position)])
    return True


def _day(now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms / 1_000, UTC).date()


def _write(place: Path, records: list[tuple[bytes, bytes]]) -> None:
    pyarrow = parquet.arrow(place)
    schema = pyarrow.schema(
        [("customer_id", pyarrow.string()), ("key", pyarrow.binary()), ("value", pyarrow.binary())]
    )
    with parquet.writing(place, schema) as writer:
        for at in range(0, len(records), AT_ONCE):
            some = records[at : at + AT_ONCE]
            rows = [key[1:].decode() if key[:1] == ROW_KEY else None for key, _ in some]
            keys = [None if key[:1] == ROW_KEY else key for key, _ in some]
            columns = [rows, keys, [value for _, value in some]]
            writer.write_table(pyarrow.table(columns, schema=schema))


def read(place: Path) -> Iterator[tuple[bytes, bytes]]:
    """The records of a file, the position last. Raises ``FileError``."""
    for batch, _, _ in parquet.batches(place, COLUMNS, AT_ONCE):
        for customer, key, value in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield (key if customer is None else ROW_KEY + customer.encode()), value


def check(one: Kept) -> None:
    """Read a file through: its position must stand last, and be the one in its name. Raises ``FileError``."""
    last = next(iter(deque(read(one.path), maxlen=1)), None)
    if last is None or last[0] != Position.KEY or int(msgpack.unpackb(last[1])["next"]) != one.offset:
        raise FileError(
            f"{one.path} does not end with the position {one.offset}: remove it, and a later one counts"
        )


def newest(path: Path, before: Mapping[int, int]) -> dict[int, Kept]:
    """The newest state of each partition whose next record is not behind the one in ``before``."""
    found: dict[int, Kept] = {}
    for one in kept(path):
        if one.offset <= before.get(one.partition, -1):
            found[one.partition] = one
    return found


def restore(one: Kept, pipeline: Pipeline) -> None:
    """Give a new pipeline the state of a file. Raises ``FileError``."""
    try:
        for key, value in read(one.path):
            pipeline.restore(key, value)
        pipeline.restored()
    except MarkersError:
        raise FileError(
            f"{one.path} remembers erased customers by a key: name its file with --erasure-key (docs/privacy.md)"
        ) from None
    except (RestoreError, LayoutError) as error:
        raise FileError(f"{one.path} cannot be judged on from: {error}") from error


def forget(path: Path, customer_id: str, until_ms: int | None, progress: Progress) -> tuple[int, int]:
    """Take a customer out of every state; how many states spoke of them, and how many there are.

    With ``until_ms`` a row and alerts that came later stay. What the whole base added up to is left as it was.
    """
    changed, every = 0, kept(path)
    for one in every:
        before = list(read(one.path))
        after = without(before, customer_id, until_ms)
        if after != before:
            changed += 1
            _write(one.path, after)
        progress(1)
    return changed, len(every)


def without(
    records: list[tuple[bytes, bytes]], customer_id: str, until_ms: int | None
) -> list[tuple[bytes, bytes]]:
    """The records of a state without a customer; the position counts no more of them than there are."""
    left = list(_without(records, customer_id, until_ms))
    if len(left) < len(records):
        key, position = left[-1]
        body = msgpack.unpackb(position)
        left[-1] = key, bytes(msgpack.packb({**body, "records": min(body["records"], len(left))}))
    return left


def _without(
    records: Iterable[tuple[bytes, bytes]], customer_id: str, until_ms: int | None
) -> Iterator[tuple[bytes, bytes]]:
    name = customer_id.encode()
    for key, value in records:
        if key == ROW_KEY + name:
            if until_ms is not None and int(unpack(value)[1]["last_event_ms"][0]) > until_ms:
                yield key, value
        elif key[:1] == Shelf.KEY and name in value and _is_theirs(value, customer_id, until_ms):
            yield key, b""  # a free place, as the shelf itself leaves it
        elif key[:1] == Breaker.KEY and name in value:
            yield key, _unnamed(value, customer_id)
        else:
            yield key, value


def _is_theirs(value: bytes, customer_id: str, until_ms: int | None) -> bool:
    alert: dict[str, Any] = msgpack.unpackb(value)[-1]
    return alert["customer_id"] == customer_id and (until_ms is None or alert["ts_ms"] <= until_ms)


def _unnamed(value: bytes, customer_id: str) -> bytes:
    """What the breaker knows, without the customer among the examples of an incident."""
    body = msgpack.unpackb(value)
    for _, incident in body["open"]:
        incident["customers"] = [one for one in incident["customers"] if one != customer_id]
    return bytes(msgpack.packb(body))
