"""Whom it is worth winning back: a lost deal, buying less and less, or a product line left behind for another's.

A list and no alert: nothing has just happened, and whoever works through it chooses the day. Nobody is on it who
is held (docs/model.md section 9): first comes what we owe, then what we would like to sell.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.codes import Machine
from schemas.insights import Prospect, WinBack
from schemas.policy import Policy
from schemas.state import LINES, NEVER, PERIOD_DAYS, PERIODS
from streams.arena import Arena

DAY_MS = 86_400_000
HALF_YEAR = 6
"""Full periods whose revenue is compared with that of as many before them."""
LEAST_LINE_DAYS = 2
LEAST_REPEAT_DAYS = 3
MOST = 1_000
"""So many customers a partition lists, those with most money in it."""

Rows = NDArray[np.void]
Flags = NDArray[np.bool_]
Cents = NDArray[np.int64]


def win_back(arena: Arena, tick_ms: int, rules: Policy, name_of: Callable[[int], str]) -> tuple[Prospect, ...]:
    """The list as of a midnight, most money first; a function of the rows alone."""
    rows, day = arena.rows[: len(arena)], tick_ms // DAY_MS
    rule = rules.record[0]
    free = (rows["state"][:, Machine.HOLD] == 0) & (rows["day"] != NEVER)
    lost, lost_cents = _lost_deals(rows, tick_ms, int(rule["winback_days"]))
    down, down_cents = _trading_down(rows, day, float(rule["winback_share"]))
    left, left_cents, line = _line_left(rows, day, int(rule["winback_line_days"]))
    found = []
    for slot in np.flatnonzero(free & (lost | down | left)).tolist():
        reasons = [
            (lost, "deal_lost", lost_cents),
            (down, "buys_less", down_cents),
            (left, "line_left", left_cents),
        ]
        held = [(name, int(cents[slot])) for flags, name, cents in reasons if flags[slot]]
        found.append(
            Prospect(
                customer_id=arena.customer(slot).decode(),
                reasons=tuple(name for name, _ in held),
                product_line=name_of(int(line[slot])) if left[slot] else None,
                cents=max(cents for _, cents in held),
            )
        )
    return tuple(sorted(found, key=_rank)[:MOST])


def of_insights(insights: Mapping[bytes, bytes | None]) -> list[Prospect]:
    """The lists of all partitions as one; raises ``InsightError``."""
    return ranked(WinBack.read(value) for key, value in insights.items() if value and key.startswith(b"win-back/"))


def ranked(parts: Iterable[WinBack]) -> list[Prospect]:
    """Prospects of all partitions, most money first."""
    return sorted((one for part in parts for one in part.prospects), key=_rank)


def lines(found: Iterable[Prospect], money: Callable[[int], str]) -> Iterator[str]:
    """Each prospect in a line."""
    words = {"deal_lost": "a deal went elsewhere", "buys_less": "buys half of what they did"}
    for one in found:
        why = [words.get(reason, f"left the line {one.product_line}, and stays with us") for reason in one.reasons]
        yield f"{one.customer_id}: {'; '.join(why)} ({money(one.cents)})"


def _rank(one: Prospect) -> tuple[int, str]:
    return -one.cents, one.customer_id


def _lost_deals(rows: Rows, tick_ms: int, days: int) -> tuple[Flags, Cents]:
    """A deal lost of late, and no purchase since that was worth as much."""
    at, cents = rows["deal_ms"].astype(np.int64), rows["deal_cents"].astype(np.int64)
    won = (rows["last_purchase_day"] > at // DAY_MS) & (rows["last_spend_cents"] >= cents)
    return (at != NEVER) & (tick_ms - at <= days * DAY_MS) & ~won, cents


def _trading_down(rows: Rows, day: int, share: float) -> tuple[Flags, Cents]:
    """Still buying, but in half a year at most ``share`` of the half year before it."""
    period = day // PERIOD_DAYS
    recent = _revenue(rows, range(period - HALF_YEAR, period))
    before = _revenue(rows, range(period - 2 * HALF_YEAR, period - HALF_YEAR))
    known = (rows["first_day"] // PERIOD_DAYS <= period - 2 * HALF_YEAR) & (
        rows["repeat_days"] >= LEAST_REPEAT_DAYS
    )
    return known & (recent > 0) & (recent <= share * before), before - recent


def _revenue(rows: Rows, periods: Iterable[int]) -> Cents:
    head = rows["period_head"].astype(np.int64)
    total = np.zeros(rows.size, np.int64)
    for one in periods:
        held = (one <= head) & (one > head - PERIODS)
        total += np.where(held, rows["period_revenue_cents"][:, one % PERIODS], 0)
    return total


def _line_left(rows: Rows, day: int, days: int) -> tuple[Flags, Cents, NDArray[Any]]:
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
