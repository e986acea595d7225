"""Reading one partition of the customers topic from its beginning to a proven end.

The end is proven by a nonce that the new owner committed there after fencing its predecessor: everything
in front of it is all there is, and everything in front of it has been decided (committed or aborted).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import aiokafka
import numpy as np

from schemas.waiting import Sheaf
from streams.clock import monotonic_s
from streams.fetched import keep_whole
from streams.outbox import NONCE_KEY, REQUEST_TIMEOUT_MS
from streams.pipeline import ROW_KEY
from streams.topics import MAX_RECORD_BYTES
from streams.waiting import sheaf_of

log = logging.getLogger("whaleline")

STUCK_S = 60.0
TELL_EVERY_S = 1.0
LOG_EVERY_S = 5.0
FETCH_WAIT_MS = 20
FETCH_BYTES = 2 * MAX_RECORD_BYTES
RECORDS = 2_000
"""Records handed over at once; between two handfuls the event loop gets its turn."""


class RestoreStuck(Exception):
    """No record came for a minute although the proven end was not reached."""


class Restored(Protocol):
    """What takes the records: a pipeline."""

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take one changelog record, in log order."""

    def restore_rows(self, sheaf: Sheaf, first: int, end: int) -> None:
        """Take records ``first`` to ``end`` - 1 of a sheaf, all of them rows."""

    def restored(self, complete: bool) -> None:
        """Hear that the last one was given."""


async def restore(
    kafka: Mapping[str, Any],
    topic: str,
    partition: int,
    nonce: bytes,
    into: Restored,
    *,
    stuck_s: float = STUCK_S,
    check_crcs: bool = True,
    tell: Callable[[int, float], None] = lambda left, eta_s: None,
) -> int:
    """Give every committed record before the nonce to ``into``, in log order; return how many.

    ``kafka`` says where the brokers are, as ``streams.connection.aiokafka_of`` does.
    Raises ``RestoreStuck`` if nothing arrives for ``stuck_s`` seconds, and whatever ``into`` raises about a
    record that it cannot take: a restore that skips a record is no restore. ``check_crcs`` is for real
    brokers; the embedded one writes its transaction markers without a checksum. ``tell`` hears after every second
    how many offsets are left and for how many seconds that will go on.
    """
    consumer = aiokafka.AIOKafkaConsumer(
        **kafka,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        check_crcs=check_crcs,
    )
    await consumer.start()
    try:
        keep_whole(consumer, {topic})
        place = aiokafka.TopicPartition(topic, partition)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        count = await _read(consumer, place, nonce, into, stuck_s, tell)
    finally:
        await consumer.stop()
    into.restored(True)
    return count


async def _read(
    consumer: Any, place: Any, nonce: bytes, into: Restored, stuck_s: float, tell: Callable[[int, float], None]
) -> int:
    count = 0
    begun = heard = told = logged = monotonic_s()
    first: int | None = None
    while True:
        found = await consumer.getmany(place, timeout_ms=1_000, max_records=RECORDS)
        now = monotonic_s()
        for sheaf in _sheaves(found.get(place, ())):
            heard = now
            if first is None:
                first = int(sheaf.offsets[0])
            taken, ended = _take(sheaf, nonce, into)
            count += taken
            if ended:
                return count
        if now - heard > stuck_s:
            raise RestoreStuck(f"{place.topic}/{place.partition} stands still after {count} records")
        if first is not None and now - told >= TELL_EVERY_S:
            told = now
            done, left = _progress(first, consumer.highwater(place), await consumer.position(place))
            eta_s = left * (now - begun) / done if done else 0.0
            tell(left, eta_s)
            if now - logged >= LOG_EVERY_S:
                logged = now
                _log(place, done, left, eta_s)
        await asyncio.sleep(0)


def _sheaves(records: Sequence[Any]) -> list[Sheaf]:
    """What was fetched, whole; records that came one by one are made a sheaf."""
    if records and not isinstance(records[0], Sheaf):
        return [sheaf_of([(one.offset, one.key, one.value) for one in records])]
    return list(records)


def _take(sheaf: Sheaf, nonce: bytes, into: Restored) -> tuple[int, bool]:
    """Hand records over, rows in runs; how many, and whether the nonce came."""
    is_row = (sheaf.key_lengths >= len(ROW_KEY)) & (sheaf.lengths >= 0)
    is_row[is_row] = sheaf.letters[sheaf.key_starts[is_row]] == ROW_KEY[0]
    count = begin = 0
    for at in (*np.flatnonzero(~is_row).tolist(), is_row.size):
        if at > begin:
            into.restore_rows(sheaf, begin, at)
            count += at - begin
        begin = at + 1
        if at == is_row.size:
            break
        key = sheaf.key(at) or b""  # nothing of ours is without a key: a stranger's, as the pipeline knows
        if key != NONCE_KEY:
            into.restore(key, sheaf.value(at))
            count += 1
        elif sheaf.value(at) == nonce:
            return count, True
        # Else it is the nonce of an earlier owner.
    return count, False


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
