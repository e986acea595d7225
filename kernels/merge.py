"""The frozen order: whose event is next, and when it must be said how far the sources have come."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.shapes import Records, Row
from schemas.codes import FIRST_PURCHASE_KIND, Kind
from schemas.waiting import NEVER, NONE, Pool, Verdict

Numbers = NDArray[np.int64]

HOUR_MS: Final = 3_600_000
DAY_HOURS: Final = 24
SKEW_MS: Final = DAY_HOURS * HOUR_MS
"""How far a worker may run ahead of the slowest source while it works off a backlog."""

FOREVER: Final = 2**62
PROGRESS: Final = int(Kind.PROGRESS)
ACCEPTED: Final = int(Verdict.ACCEPTED)
REFUSED: Final = int(Verdict.REFUSED)
FIRST_PURCHASE: Final = int(FIRST_PURCHASE_KIND)

SETTLED: Final = 0
"""Nothing more has its order, or as many were taken as were asked for."""
REPORT: Final = 1
"""Before the next event is taken, it must be said how far the sources have come."""


@kernel
def _append(rows: Records, queue: Row, at: int) -> None:
    if queue["waiting"] == 0:
        queue["head"] = at
    else:
        rows[queue["tail"]]["next"] = at
    queue["tail"] = at
    queue["waiting"] += 1


@kernel
def enqueue(rows: Records, first: int, end: int, queues: Records, source: int) -> int:
    """Append the accepted of the rows from ``first`` to ``end`` to their queue; return how many were re-keyed."""
    queue = queues[source]
    rekeyed = 0
    for at in range(first, end):
        row = rows[at]
        if row["verdict"] != ACCEPTED and row["verdict"] != REFUSED:
            continue
        queue["last_offset"] = row["offset"]
        queue["caught_up_ms"] = NEVER
        if row["verdict"] == REFUSED:
            if queue["waiting"] == 0:
                queue["done"] = row["offset"]
            continue
        rekeyed += row["rekeyed"]
        _append(rows, queue, at)
    return rekeyed


@kernel
def enqueue_hour(
    rows: Records, first: int, end: int, queues: Records, newest_ms: int, before_ms: int
) -> tuple[int, int]:
    """Append rows of both streams of a file to the two queues, until an event is the first of its hour.

    Return that one's row (it is not appended yet) or ``end``, and the newest time met. Events from ``before_ms``
    on are passed over; so is progress, of which the file's events tell all there is.
    """
    for at in range(first, end):
        row = rows[at]
        if row["verdict"] != ACCEPTED or row["ts_ms"] >= before_ms:
            continue
        if row["ts_ms"] > newest_ms:
            new_hour = row["ts_ms"] // HOUR_MS > newest_ms // HOUR_MS
            newest_ms = row["ts_ms"]
            if new_hour:
                return at, newest_ms
        if row["kind"] != PROGRESS:
            row["source"] = 1 if row["kind"] >= FIRST_PURCHASE else 0
            _append(rows, queues[row["source"]], at)
    return end, newest_ms


@kernel
def promise(rows: Records, at: int, queues: Records, ts_ms: int, offset: int) -> None:
    """Append progress up to ``ts_ms`` to each queue, in unused rows from ``at`` on."""
    for source in range(queues.size):
        row = rows[at + source]
        row["ts_ms"] = ts_ms
        row["offset"] = offset
        row["next"] = NONE
        row["count"] = 0
        row["source"] = source
        row["kind"] = PROGRESS
        _append(rows, queues[source], at + source)


@kernel
def _pop(rows: Records, queues: Records, source: int) -> None:
    """Take the head of a queue; its offset is done with this batch."""
    queue = queues[source]
    row = rows[queue["head"]]
    queue["done"] = row["offset"]
    queue["head"] = row["next"]
    queue["waiting"] -= 1


@kernel
def _hear_promises(rows: Records, queues: Records, source: int, now_ms: int) -> None:
    """Take progress events at the queue's head: they speak for their own source and wait for nobody."""
    queue = queues[source]
    while queue["waiting"] > 0 and rows[queue["head"]]["kind"] == PROGRESS:
        row = rows[queue["head"]]
        queue["promised_ms"] = max(queue["promised_ms"], min(row["ts_ms"], now_ms))
        queue["promise"] = row["offset"]
        _pop(rows, queues, source)


@kernel
def _next(rows: Records, queues: Records, by_source: bool, now_ms: int) -> int:
    """Whose event is next: the earliest, if no source can still bring an earlier one; else ``NONE``."""
    best, best_ms = NONE, FOREVER
    for source in range(queues.size):
        queue = queues[source]
        if queue["waiting"] > 0:
            head_ms = min(rows[queue["head"]]["ts_ms"], now_ms)
            if head_ms < best_ms:
                best, best_ms = source, head_ms
    if best == NONE:
        return NONE
    for source in range(queues.size):
        queue = queues[source]
        if queue["waiting"] > 0:
            continue
        if by_source:
            if queue["promised_ms"] <= best_ms:
                return NONE
        elif queue["caught_up_ms"] == NEVER:
            return NONE
    return best


@kernel
def come_so_far(
    rows: Records, queues: Records, by_source: bool, now_ms: int, grace_ms: int, before_ms: int, out: Numbers
) -> None:
    """Up to which time, at most ``before_ms``, everything of each source has been taken."""
    for source in range(queues.size):
        queue = queues[source]
        head_ms = min(rows[queue["head"]]["ts_ms"], now_ms) if queue["waiting"] > 0 else NEVER
        if not by_source:
            passed_ms = max(queue["seen_ms"], head_ms, queue["caught_up_ms"]) - grace_ms
        elif queue["waiting"] > 0:
            passed_ms = max(queue["seen_ms"], head_ms)
        else:
            passed_ms = queue["promised_ms"]
        out[source] = min(passed_ms, before_ms)


@kernel
def due(queues: Records, progress: Numbers, reported_hour: int) -> bool:
    """Whether ``progress`` is worth saying.

    Only if a whole hour has passed in every source, or a day in one whose pace the others do not keep: they
    may be retired one day, and what this one had reached must then be known.
    """
    least, ahead = FOREVER, False
    for source in range(queues.size):
        least = min(least, progress[source])
        ahead = ahead or progress[source] - queues[source]["reported_ms"] >= SKEW_MS
    return ahead or least // HOUR_MS > reported_hour


@kernel
def merge(
    pool: Pool,
    queues: Records,
    by_source: bool,
    now_ms: int,
    not_after_ms: int,
    grace_ms: int,
    reported_hour: int,
    progress: Numbers,
    picked: Numbers,
) -> tuple[int, int]:
    """Take what has its order, at most ``picked.size``; return how many, and why it ended.

    queues    QUEUE, changed in place; events of equal time are taken in their order
    progress  (queues,) out: where it ended for a report, how far the sources have come
    picked    out: the rows taken, in order
    """
    rows = pool.rows
    for source in range(queues.size if picked.size > 0 else 0):
        _hear_promises(rows, queues, source, now_ms)
    for taken in range(picked.size):
        source = _next(rows, queues, by_source, now_ms)
        if source == NONE:
            return taken, SETTLED
        queue = queues[source]
        at = queue["head"]
        ts_ms = min(rows[at]["ts_ms"], now_ms)
        if ts_ms // HOUR_MS > reported_hour:
            come_so_far(rows, queues, by_source, now_ms, grace_ms, ts_ms, progress)
            if due(queues, progress, reported_hour):
                return taken, REPORT
        if not_after_ms < ts_ms < now_ms - SKEW_MS:
            return taken, SETTLED
        picked[taken] = at
        _pop(rows, queues, source)
        queue["seen_ms"] = max(queue["seen_ms"], ts_ms)
        if taken + 1 < picked.size:
            _hear_promises(rows, queues, source, now_ms)
    return picked.size, SETTLED
