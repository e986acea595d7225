"""Reading one partition of the customers topic from its beginning to a proven end.

The end is proven by a nonce that the new owner committed there after fencing its predecessor: everything
in front of it is all there is, and everything in front of it has been decided (committed or aborted).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import aiokafka
import msgpack
import numpy as np

from schemas.state import BROKEN, LayoutError, unpack
from schemas.waiting import Sheaf
from streams.accepted import Span
from streams.clock import monotonic_s
from streams.exits import Exit
from streams.fetched import keep_whole
from streams.markers import MarkersError
from streams.outbox import NONCE_KEY, REQUEST_TIMEOUT_MS, Fenced, NotPublished
from streams.pipeline import ROW_KEY
from streams.topics import MAX_RECORD_BYTES
from streams.waiting import sheaf_of

log = logging.getLogger("whaleline")

STUCK_S = 60.0
TELL_EVERY_S = 1.0
LOG_EVERY_S = 5.0
FETCH_WAIT_MS = 20
FOLLOWING_WAIT_MS = 500
FETCH_BYTES = 2 * MAX_RECORD_BYTES
UNREADABLE = (LookupError, TypeError, ValueError, msgpack.UnpackException)
ASLEEP_S = 600.0
"""Who slept for so long may have missed what compaction has taken away since (``delete.retention.ms``: a day)."""

FOLLOWING_S = 0.01
"""After a handful, where nobody waits: the judges of this process come first."""

RECORDS = 2_000
"""Records handed over at once; between two handfuls the event loop gets its turn."""


class RestoreStuck(Exception):
    """No record came for a minute although the proven end was not reached."""


class BadRecord(Exception):
    """A record of the changelog cannot be read: at which offset, and whether a newer version wrote it."""

    def __init__(self, offset: int, kind: str, newer: bool) -> None:
        super().__init__(f"offset {offset} cannot be read ({kind})")
        self.offset, self.newer = offset, newer


class LetGo(NamedTuple):
    """A record that was passed over because a person let it go."""

    offset: int
    key: bytes
    value: bytes | None


@dataclass(slots=True)
class Awaited:
    """The nonce at which a read ends; None as long as nobody takes the partition over."""

    nonce: bytes | None = None


class Restored(Protocol):
    """What takes the records: a pipeline."""

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take one changelog record, in log order."""

    def pass_over(self, key: bytes) -> None:
        """Hear of a record that a person let go."""

    def restore_rows(self, sheaf: Sheaf, first: int, end: int) -> None:
        """Take records ``first`` to ``end`` - 1 of a sheaf, all of them rows."""

    def restored(self, complete: bool) -> None:
        """Hear that the last one was given."""


async def restore(
    kafka: Mapping[str, Any],
    topic: str,
    partition: int,
    until: Awaited,
    into: Restored,
    *,
    stuck_s: float = STUCK_S,
    check_crcs: bool = True,
    let_go: Sequence[Span] = (),
    aside: Callable[[LetGo], None] = lambda one: None,
    tell: Callable[[int, float], None] = lambda left, eta_s: None,
) -> int:
    """Give every committed record before the nonce to ``into``, in log order; return how many.

    While ``until`` has no nonce this follows whoever writes, with less haste.
    ``kafka`` says where the brokers are, as ``streams.connection.aiokafka_of`` does.
    Raises ``RestoreStuck`` if nothing arrives for ``stuck_s`` seconds, and ``BadRecord`` for a record that
    ``into`` cannot take: a restore that skips a record is no restore, unless a person has ``let_go`` exactly that
    one. ``aside`` hears of each of those. ``check_crcs`` is for real brokers; the embedded one writes its
    transaction markers without a checksum. ``tell`` hears after every second how many offsets are left and for how
    many seconds that will go on.
    """
    consumer = aiokafka.AIOKafkaConsumer(
        **kafka,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",  # rows of a topic made anew must not come on top of those of the old one
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS if until.nonce is not None else FOLLOWING_WAIT_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        check_crcs=check_crcs,
    )
    try:
        await consumer.start()
        keep_whole(consumer, {topic})
        place = aiokafka.TopicPartition(topic, partition)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        spans = [one for one in let_go if (one.topic, one.partition) == (topic, partition)]
        count = await _read(consumer, place, until, into, stuck_s, tell, spans, aside)
    finally:
        await consumer.stop()
    into.restored(True)
    return count


async def _read(
    consumer: Any,
    place: Any,
    until: Awaited,
    into: Restored,
    stuck_s: float,
    tell: Callable[[int, float], None],
    let_go: Sequence[Span],
    aside: Callable[[LetGo], None],
) -> int:
    count = 0
    begun = heard = told = logged = now = monotonic_s()
    first: int | None = None
    while True:
        found = await consumer.getmany(place, timeout_ms=1_000, max_records=RECORDS)
        before, now = now, monotonic_s()
        if now - before > ASLEEP_S:
            raise RestoreStuck(f"{place.topic}/{place.partition} was not read for {now - before:.0f} s")
        for sheaf in _sheaves(found.get(place, ())):
            heard = now
            if first is None:
                first = int(sheaf.offsets[0])
            taken, ended = _take(sheaf, until.nonce, into, let_go, aside)
            count += taken
            if ended:
                return count
        if until.nonce is None:
            heard = now
        if now - heard > stuck_s:
            raise RestoreStuck(f"{place.topic}/{place.partition} stands still after {count} records")
        if now - told >= TELL_EVERY_S:
            told, at = now, await consumer.position(place)
            done, left = _progress(at if first is None else first, consumer.highwater(place), at)
            eta_s = left * (now - begun) / done if done else 0.0
            tell(left, eta_s)
            if until.nonce is not None and now - logged >= LOG_EVERY_S:
                logged = now
                _log(place, done, left, eta_s)
        await asyncio.sleep(FOLLOWING_S if until.nonce is None and found else 0)


def restore_exit(error: Exception) -> Exit:
    """Which code a worker ends with that could not take a partition over."""
    if isinstance(error, Fenced):
        return Exit.FENCED
    if isinstance(error, NotPublished):
        return Exit.WRITE_FAILED
    if isinstance(error, MarkersError):
        return Exit.CONFIGURATION
    return Exit.STUCK if isinstance(error, RestoreStuck) else Exit.MISSING


def _sheaves(records: Sequence[Any]) -> list[Sheaf]:
    """What was fetched, whole; records that came one by one are made a sheaf."""
    if records and not isinstance(records[0], Sheaf):
        return [sheaf_of([(one.offset, one.key, one.value) for one in records])]
    return list(records)


def _take(
    sheaf: Sheaf,
    nonce: bytes | None,
    into: Restored,
    let_go: Sequence[Span] = (),
    aside: Callable[[LetGo], None] = lambda one: None,
) -> tuple[int, bool]:
    """Hand records over, rows in runs; how many, and whether the nonce came. Raises ``BadRecord``."""
    is_row = (sheaf.key_lengths >= len(ROW_KEY)) & (sheaf.lengths >= 0)
    is_row[is_row] = sheaf.letters[sheaf.key_starts[is_row]] == ROW_KEY[0]
    gone = np.zeros(is_row.size, np.bool_)
    for span in let_go:
        gone |= (sheaf.offsets >= span.first) & (sheaf.offsets <= span.last)
    count = begin = 0
    for at in (*np.flatnonzero(~is_row | gone).tolist(), is_row.size):
        if at > begin:
            _take_rows(sheaf, begin, at, into)
            count += at - begin
        begin = at + 1
        if at == is_row.size:
            break
        key = sheaf.key(at) or b""  # nothing of ours is without a key: a stranger's, as the pipeline knows
        if key == NONCE_KEY:
            if sheaf.value(at) == nonce:
                return count, True
            continue  # it is the nonce of an earlier owner
        count += 1
        if gone[at]:
            aside(LetGo(int(sheaf.offsets[at]), key, sheaf.value(at)))
            into.pass_over(key)
            continue
        try:
            into.restore(key, sheaf.value(at))
        except UNREADABLE as error:
            raise _bad(sheaf, at, error) from error
    return count, False


def _take_rows(sheaf: Sheaf, begin: int, end: int, into: Restored) -> None:
    try:
        into.restore_rows(sheaf, begin, end)
    except UNREADABLE as found:
        for at in range(begin, end):
            try:
                unpack(sheaf.value(at) or b"")
            except LayoutError as error:
                raise _bad(sheaf, at, error) from found
        raise


def _bad(sheaf: Sheaf, at: int, error: Exception) -> BadRecord:
    """Says where and what, with nothing that the record holds."""
    named = isinstance(error, LayoutError) and str(error) != BROKEN
    newer = named and "newer version" in str(error)
    return BadRecord(int(sheaf.offsets[at]), str(error) if named else type(error).__name__, newer)


def _progress(first: int, end: int | None, position: int) -> tuple[int, int]:
    """How many offsets are read, and how many are left."""
    return position - first, max((end or position) - position, 0)


def _log(place: Any, done: int, left: int, eta_s: float) -> None:
    """Log how far it is, and for how long it will go on at this pace."""
    log.info(
        "restoring %s/%d: %d of %d offsets, about %.0f s to go",
        place.topic,
        place.partition,
        done,
        done + left,
        eta_s,
    )
