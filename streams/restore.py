"""Reading one partition of the customers topic from its beginning to a proven end.

The end is proven by a nonce that the new owner committed there after fencing its predecessor: everything
in front of it is all there is, and everything in front of it has been decided (committed or aborted).
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

import aiokafka

from streams.clock import monotonic_s
from streams.outbox import NONCE_KEY, REQUEST_TIMEOUT_MS
from streams.topics import MAX_RECORD_BYTES

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

    def restored(self, complete: bool) -> None:
        """Hear that the last one was given."""


async def restore(
    bootstrap: str,
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

    Raises ``RestoreStuck`` if nothing arrives for ``stuck_s`` seconds, and whatever ``into`` raises about a
    record that it cannot take: a restore that skips a record is no restore. ``check_crcs`` is for real
    brokers; the embedded one writes its transaction markers without a checksum. ``tell`` hears after every second
    how many offsets are left and for how many seconds that will go on.
    """
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
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
        for record in found.get(place, ()):
            heard = now
            if first is None:
                first = record.offset
            if record.key == NONCE_KEY:
                if record.value == nonce:
                    return count
                continue  # the nonce of an earlier owner
            into.restore(record.key, record.value)
            count += 1
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
