"""Who may be won back, and for how much: a lost deal, buying less, a line left (docs/model.md section 9)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.attribution import DAY_MS
from kernels.nets import holds_period
from kernels.shapes import Records, Row, Rules
from schemas.codes import Machine
from schemas.state import LINES, NEVER, PERIOD_DAYS, PERIODS

HOLD: Final = int(Machine.HOLD)
DEAL_LOST: Final = 1
BUYS_LESS: Final = 2
LINE_LEFT: Final = 4
HALF_YEAR: Final = 6
"""Full periods whose revenue is compared with that of as many before them."""
LEAST_LINE_DAYS: Final = 2
LEAST_REPEAT_DAYS: Final = 3


@kernel
def lost_a_deal(row: Row, tick_ms: int, rules: Rules) -> bool:
    """Whether a deal was lost of late, and no purchase since was worth as much."""
    lost_ms = int(row["deal_ms"])
    if lost_ms == NEVER or tick_ms - lost_ms > int(rules["winback_days"]) * DAY_MS:
        return False
    won = row["last_purchase_day"] > lost_ms // DAY_MS and row["last_spend_cents"] >= row["deal_cents"]
    return not won


@kernel
def revenue_cents(row: Row, first: int, end: int) -> int:
    """Revenue of the periods from ``first`` to the one before ``end`` that the ring holds."""
    total = 0
    for period in range(first, end):
        if holds_period(row, period):
            total += int(row["period_revenue_cents"][period % PERIODS])
    return total


@kernel
def bought_less_cents(row: Row, day: int, rules: Rules) -> int:
    """By how much the last half year's revenue fell short of the one before it; ``NEVER`` where not so far.

    It counts of somebody who still buys, but at most ``winback_share`` of what they did.
    """
    period = day // PERIOD_DAYS
    known = int(row["first_day"]) // PERIOD_DAYS <= period - 2 * HALF_YEAR
    if not known or row["repeat_days"] < LEAST_REPEAT_DAYS:
        return NEVER
    lately = revenue_cents(row, period - HALF_YEAR, period)
    before = revenue_cents(row, period - 2 * HALF_YEAR, period - HALF_YEAR)
    fell = lately > 0 and float(lately) <= float(rules["winback_share"]) * float(before)
    return before - lately if fell else NEVER


@kernel
def line_left(row: Row, day: int, rules: Rules) -> int:
    """The digest of the line bought on most days of those left for others; 0 where there is none."""
    last, days = int(row["last_purchase_day"]), int(rules["winback_line_days"])
    found, most = int(np.uint64(0)), LEAST_LINE_DAYS - 1
    if last == NEVER or day - last > days:
        return found
    for at in range(LINES):
        bought = int(row["line_days"][at])
        quiet = row["line"][at] != 0 and last - int(row["line_last_day"][at]) >= days
        if quiet and bought > most:
            found, most = int(np.uint64(row["line"][at])), bought
    return found


@kernel
def look(
    rows: Records,
    n: int,
    tick_ms: int,
    rules: Records,
    reasons: NDArray[np.uint8],
    cents: NDArray[np.int64],
    lines: NDArray[np.uint64],
) -> None:
    """Look at the first ``n`` rows as of a midnight; who is held comes first for what we owe, and is none of them.

    reasons  (n,) out: what speaks for it, a bit each; 0 for nobody to win back
    cents    (n,) out: the most of what the reasons are worth; ``lines`` (n,) the line that was left, 0 for none
    """
    rule = rules[0]
    for i in range(n):
        row = rows[i]
        reasons[i], cents[i], lines[i] = 0, 0, 0
        if row["day"] == NEVER or row["state"][HOLD] != 0:
            continue
        if lost_a_deal(row, tick_ms, rule):
            reasons[i] |= DEAL_LOST
            cents[i] = row["deal_cents"]
        less = bought_less_cents(row, tick_ms // DAY_MS, rule)
        if less != NEVER:
            reasons[i] |= BUYS_LESS
            cents[i] = max(cents[i], less)
        left = line_left(row, tick_ms // DAY_MS, rule)
        if left != 0:
            reasons[i] |= LINE_LEFT
            lines[i] = left
            cents[i] = max(cents[i], int(row["spent_cents"]) // max(1, int(row["purchases"])))
