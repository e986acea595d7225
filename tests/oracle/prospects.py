"""Who may be won back, column by column over all customers; the kernel goes customer by customer."""

from __future__ import annotations

import numpy as np

from schemas.codes import Machine
from schemas.state import LINES, NEVER, PERIOD_DAYS, PERIODS

DAY_MS = 86_400_000
HALF_YEAR = 6
LEAST_LINE_DAYS = 2
LEAST_REPEAT_DAYS = 3


def look(rows, tick_ms, days, share, line_days):
    """For each row the reasons, their most cents, and the line that was left."""
    day = tick_ms // DAY_MS
    free = (rows["state"][:, Machine.HOLD] == 0) & (rows["day"] != NEVER)
    found = (_lost_deals(rows, tick_ms, days), _trading_down(rows, day, share), _line_left(rows, day, line_days))
    reasons = sum((flags & free).astype(np.uint8) << bit for bit, (flags, *_) in enumerate(found))
    cents = np.max([np.where(flags & free, one, 0) for flags, one, *_ in found], axis=0)
    return reasons, cents, np.where(found[2][0] & free, found[2][2], 0)


def _lost_deals(rows, tick_ms, days):
    """A deal lost of late, and no purchase since that was worth as much."""
    at, cents = rows["deal_ms"].astype(np.int64), rows["deal_cents"].astype(np.int64)
    won = (rows["last_purchase_day"] > at // DAY_MS) & (rows["last_spend_cents"] >= cents)
    return (at != NEVER) & (tick_ms - at <= days * DAY_MS) & ~won, cents


def _trading_down(rows, day, share):
    """Still buying, but in half a year at most ``share`` of the half year before it."""
    period = day // PERIOD_DAYS
    recent = _revenue(rows, range(period - HALF_YEAR, period))
    before = _revenue(rows, range(period - 2 * HALF_YEAR, period - HALF_YEAR))
    known = (rows["first_day"] // PERIOD_DAYS <= period - 2 * HALF_YEAR) & (
        rows["repeat_days"] >= LEAST_REPEAT_DAYS
    )
    return known & (recent > 0) & (recent <= share * before), before - recent


def _revenue(rows, periods):
    head = rows["period_head"].astype(np.int64)
    total = np.zeros(rows.size, np.int64)
    for one in periods:
        held = (one <= head) & (one > head - PERIODS)
        total += np.where(held, rows["period_revenue_cents"][:, one % PERIODS], 0)
    return total


def _line_left(rows, day, days):
    """Loyal to the brand and no more to one line: others were bought for long after it, and are still."""
    here = (rows["last_purchase_day"] != NEVER) & (day - rows["last_purchase_day"] <= days)
    left, line, most = np.zeros(rows.size, np.bool_), np.zeros(rows.size, np.uint64), np.zeros(rows.size, np.int64)
    for at in range(LINES):
        bought = rows["line_days"][:, at].astype(np.int64)
        quiet = (rows["line"][:, at] != 0) & (rows["last_purchase_day"] - rows["line_last_day"][:, at] >= days)
        better = here & quiet & (bought >= LEAST_LINE_DAYS) & (bought > most)
        left |= better
        line, most = np.where(better, rows["line"][:, at], line), np.where(better, bought, most)
    return left, rows["spent_cents"] // np.maximum(rows["purchases"].astype(np.int64), 1), line
