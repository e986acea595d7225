"""What each customer has had of the company's own faults, so that problems can be ranked over customers."""

from typing import Final

import numpy as np

from kernels import cases
from kernels._jit import kernel
from kernels.attribution import BY_COMPANY, COMPANY, DAY_MS
from kernels.digest import paired
from kernels.scores import score_risk, score_worth
from kernels.shapes import Records, Row, Rules, Scores
from schemas.state import CASE_PERIODS, CASES, NEVER, PERIOD_DAYS, PERIODS

WINDOW_MS: Final = PERIOD_DAYS * DAY_MS


@kernel
def problem_of(row: Row, slot: int) -> int:
    """The problem a case belongs to: its known fault, else its sku with its reason; 0 where it has none."""
    if int(row["case_flags"][slot]) & cases.KNOWN_FAULT:
        return int(np.uint64(row["case_id"][slot]))
    return paired(row["case_sku"][slot], row["case_reason"][slot])


@kernel
def recent_cost_cents(row: Row, slot: int, day: int) -> int:
    """What the company caused in the case in the running period and the one before it, as far as remembered."""
    first = int(row["case_period"][slot])
    cents = 0
    for at in range(CASE_PERIODS):
        if day // PERIOD_DAYS - 1 <= first + at <= day // PERIOD_DAYS:
            cents += int(row["case_cost_cents"][slot, at, COMPANY])
    return cents


@kernel
def is_ours(row: Row, slot: int, cost_cents: int) -> bool:
    """Whether the case is the company's doing: a human says so, its flags do, or it cost us by our own fault."""
    cause = int(row["case_cause"][slot])
    return cost_cents > 0 or cause == BY_COMPANY or (cause == 0 and cases.is_companys(row, slot))


@kernel
def is_recent(row: Row, slot: int, now_ms: int) -> bool:
    """Whether the case is open, or was heard of within 28 days."""
    return cases.is_open(row, slot) or cases.last_heard_ms(row, slot) >= now_ms - WINDOW_MS


@kernel
def company_cents(row: Row, day: int) -> int:
    """What the company caused this customer to cost in the running period and the one before it."""
    head = int(row["period_head"])
    cents = 0
    for period in range(day // PERIOD_DAYS - 1, day // PERIOD_DAYS + 1):
        if head - PERIODS < period <= head:
            cents += int(row["period_cost_cents"][period % PERIODS, COMPANY])
    return cents


@kernel
def _goes_before(row: Row, slot: int, other: int) -> bool:
    """Whether cost without a case is rather this case's than the other's: open, a known fault, heard of last."""
    if cases.is_open(row, slot) != cases.is_open(row, other):
        return cases.is_open(row, slot)
    known = int(row["case_flags"][slot]) & cases.KNOWN_FAULT
    if known != int(row["case_flags"][other]) & cases.KNOWN_FAULT:
        return known != 0
    return cases.last_heard_ms(row, slot) > cases.last_heard_ms(row, other)


@kernel
def _place_of(out: Records, begin: int, end: int, problem: int, heard_ms: int) -> int:
    """Where between ``begin`` and ``end`` this problem stands; ``end``, made blank for it, when it does not."""
    for at in range(begin, end):
        if out[at]["problem"] == problem:
            return at
    caused = out[end]
    caused["problem"] = problem
    caused["fault"] = 0
    caused["sku"] = 0
    caused["reason"] = 0
    caused["flags"] = 0
    caused["recent"] = 0
    caused["open"] = 0
    caused["cost_cents"] = 0
    caused["at_risk_cents"] = 0
    caused["first_ms"] = heard_ms
    caused["last_ms"] = heard_ms
    return end


@kernel
def _add_case(row: Row, slot: int, tick_ms: int, cents: int, out: Records, begin: int, end: int) -> int:
    """Add a case and cents to its problem between ``begin`` and ``end``; return the end as it is now."""
    place = _place_of(out, begin, end, problem_of(row, slot), int(row["case_opened_ms"][slot]))
    caused = out[place]
    if int(row["case_flags"][slot]) & cases.KNOWN_FAULT:
        caused["fault"] = row["case_id"][slot]
    # Which of two names a fault gets must not depend on the order of slots: the greater digest.
    caused["sku"] = max(np.uint64(caused["sku"]), np.uint64(row["case_sku"][slot]))
    caused["reason"] = max(np.uint64(caused["reason"]), np.uint64(row["case_reason"][slot]))
    caused["flags"] = int(caused["flags"]) | (int(row["case_flags"][slot]) & cases.COMPANY_FLAGS)
    caused["recent"] = max(int(caused["recent"]), 1 if is_recent(row, slot, tick_ms) else 0)
    caused["open"] = max(int(caused["open"]), 1 if cases.is_open(row, slot) else 0)
    caused["first_ms"] = min(int(caused["first_ms"]), int(row["case_opened_ms"][slot]))
    caused["last_ms"] = max(int(caused["last_ms"]), cases.last_heard_ms(row, slot))
    caused["cost_cents"] = int(caused["cost_cents"]) + cents
    return max(end, place + 1)


@kernel
def of_row(row: Row, tick_ms: int, out: Records, begin: int) -> int:
    """Write what one customer has had of each problem from ``begin`` on; return the place behind the last.

    Each case's cost goes to its problem. What no case remembers (an event that named none, a case that went on
    for long) goes to one of the customer's cases of that time, or without one to the problem that has no name.
    So the entries add up to what the company caused this customer to cost.
    """
    day = tick_ms // DAY_MS
    window_ms = (day // PERIOD_DAYS - 1) * WINDOW_MS
    left_cents = company_cents(row, day)
    end = begin
    heir = -1
    for slot in range(CASES):
        if row["case_id"][slot] == 0:
            continue
        cents = recent_cost_cents(row, slot, day)
        if not is_ours(row, slot, cents):
            continue
        if cents > 0 or is_recent(row, slot, tick_ms):
            end = _add_case(row, slot, tick_ms, cents, out, begin, end)
            left_cents -= cents
        of_that_time = cases.is_open(row, slot) or cases.last_heard_ms(row, slot) >= window_ms
        if of_that_time and (heir < 0 or _goes_before(row, slot, heir)):
            heir = slot
    if left_cents <= 0:
        return end
    if heir >= 0:
        return _add_case(row, heir, tick_ms, left_cents, out, begin, end)
    place = _place_of(out, begin, end, int(np.uint64(0)), int(row["last_event_ms"]))
    out[place]["recent"] = 1
    out[place]["cost_cents"] += left_cents
    return max(end, place + 1)


@kernel
def collect(
    rows: Records, start: int, n: int, tick_ms: int, rules: Rules, scores: Scores, out: Records
) -> tuple[int, int]:
    """Write for rows ``start .. n-1`` what each has had of each problem; return (next row, entries written).

    Stops early when ``out`` may not hold another row's entries; call again from the returned row. A customer
    with two cases of one problem is one entry. ``rows`` are read only.

    out  (> CASES,) of ``schemas.insights.CAUSED``
    """
    rule = rules[0]
    score = scores[0]
    at = 0
    for i in range(start, n):
        if at + CASES >= out.size:
            return i, at
        row = rows[i]
        if row["day"] == NEVER:
            continue
        begin = at
        at = of_row(row, tick_ms, out, begin)
        scored = False
        for place in range(begin, at):
            if out[place]["open"] == 0:
                continue
            if not scored:
                score_risk(row, max(tick_ms, int(row["last_event_ms"])), rule, score)
                score_worth(row, max(tick_ms // DAY_MS, int(row["day"])), rule, score)
                scored = True
            out[place]["at_risk_cents"] = score["at_risk_cents"]
    return n, at


@kernel
def case_of_alert(row: Row, now_ms: int, dearest: bool) -> int:
    """The case an alert is about: of the recent ones with a problem the last heard of, or the dearest; else -1."""
    best = -1
    best_cents = best_ms = 0
    for slot in range(CASES):
        if row["case_id"][slot] == 0 or not is_recent(row, slot, now_ms):
            continue
        cents = recent_cost_cents(row, slot, now_ms // DAY_MS)
        if not is_ours(row, slot, cents) or problem_of(row, slot) == 0:
            continue
        heard_ms = cases.last_heard_ms(row, slot)
        weight = cents if dearest else 0
        if best < 0 or weight > best_cents or (weight == best_cents and heard_ms > best_ms):
            best, best_cents, best_ms = slot, weight, heard_ms
    return best
