"""What if: time passing over a copy of one row until a machine is left, by the very kernels that judge."""

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.attribution import DAY_MS, HOUR_MS
from kernels.judge import sweep
from kernels.shapes import Records
from schemas.state import NEVER


@kernel
def run_hours(
    rows: Records, machine: int, from_ms: int, until_ms: int,
    rules: Records, scores: Records, marks: NDArray[np.uint8], out: Records, copies: Records,
) -> int:  # fmt: skip
    """Tick every whole hour after ``from_ms`` up to ``until_ms``; the tick that left the machine, or ``NEVER``.

    rows    (1,) a copy, changed in place; ``marks`` (1,) u1, ``out`` and ``copies`` are room for the sweep
    """
    for tick_ms in range((from_ms // HOUR_MS + 1) * HOUR_MS, until_ms + 1, HOUR_MS):
        sweep(rows, 0, 1, tick_ms, rules, scores, marks, out, copies)
        if rows[0]["state"][machine] == 0:
            return tick_ms
    return NEVER


@kernel
def clears_at(
    rows: Records, machine: int, now_ms: int, most_days: int,
    rules: Records, scores: Records, marks: NDArray[np.uint8], out: Records, copies: Records, before: Records,
) -> int:  # fmt: skip
    """When the machine is left if nothing happens from ``now_ms`` on; ``NEVER`` if not within ``most_days``.

    Midnights are tried first, then the hours of the day before the one that cleared. ``before`` (1,) is room.
    """
    if rows[0]["state"][machine] == 0:
        return now_ms
    first = now_ms // DAY_MS + 1
    for midnight in range(first, first + most_days):
        before[0] = rows[0]
        sweep(rows, 0, 1, midnight * DAY_MS, rules, scores, marks, out, copies)
        if rows[0]["state"][machine] == 0:
            rows[0] = before[0]
            since_ms = max(now_ms, (midnight - 1) * DAY_MS)
            at_ms = run_hours(rows, machine, since_ms, midnight * DAY_MS, rules, scores, marks, out, copies)
            if at_ms != NEVER:
                return at_ms
    return NEVER
