"""Whom it is worth winning back: a lost deal, buying less and less, or a product line left behind for another's.

A list and no alert: nothing has just happened, and whoever works through it chooses the day. Nobody is on it who
is held (docs/model.md section 9): first comes what we owe, then what we would like to sell.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from kernels import prospects as kernel
from schemas.insights import Prospect, WinBack
from schemas.policy import Policy
from streams.arena import Arena

MOST = 1_000
"""So many customers a partition lists, those with most money in it."""

REASONS = {kernel.DEAL_LOST: "deal_lost", kernel.BUYS_LESS: "buys_less", kernel.LINE_LEFT: "line_left"}


def win_back(arena: Arena, tick_ms: int, rules: Policy, name_of: Callable[[int], str]) -> tuple[Prospect, ...]:
    """The list as of a midnight, most money first; a function of the rows alone."""
    n = len(arena)
    reasons, cents, line = np.empty(n, np.uint8), np.empty(n, np.int64), np.empty(n, np.uint64)
    kernel.look(arena.rows, n, tick_ms, rules.record, reasons, cents, line)
    found = [
        Prospect(
            customer_id=arena.customer(slot).decode(),
            reasons=tuple(name for bit, name in REASONS.items() if reasons[slot] & bit),
            product_line=name_of(int(line[slot])) if line[slot] else None,
            cents=int(cents[slot]),
        )
        for slot in np.flatnonzero(reasons).tolist()
    ]
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
