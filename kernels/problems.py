"""What each customer has had of the company's own faults, so that problems can be ranked over customers."""

from typing import Final

import numpy as np

from kernels import cases
from kernels._jit import kernel
from kernels.attribution import BY_COMPANY, COMPANY, DAY_MS
from kernels.digest import paired
from kernels.scores import score_risk, score_worth
from kernels.shapes import Records, Row, Rules, Scores
from schemas.state import CASE_PERIODS, CASES, NEVER, PERIOD_DAYS

WINDOW_MS: Final = PERIOD_DAYS * DAY_MS


@kernel
def problem_of(row: Row, slot: int) -> int:
    """The problem a case belongs to: its known fault, else its sku with its reason; 0 where it has none of them."""
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
    """Whether the case is the company's doing: a human says so, or its flags do, or it cost us by our own fault."""
    cause = int(row["case_cause"][slot])
    return cost_cents > 0 or cause == BY_COMPANY or (cause == 0 and cases.is_companys(row, slot))


@kernel
def counts(row: Row, slot: int, now_ms: int, cost_cents: int) -> bool:
    """Whether the case is ours, and open or heard of within 28 days."""
    if row["case_id"][slot] == 0 or not is_ours(row, slot, cost_cents):
        return False
    return cases.is_open(row, slot) or cases.last_heard_ms(row, slot) >= now_ms - WINDOW_MS


@kernel
def _same_before(out: Records, begin: int, end: int, problem: int) -> int:
    """The place between ``begin`` and ``end`` that holds this problem already, else ``end``."""
    for at in range(begin, end):
        if out[at]["problem"] == problem:
            return at
    return end


@kernel
def _add_case(row: Row, slot: int, cost_cents: int, caused: Row, first: bool) -> None:
    opened_ms = int(row["case_opened_ms"][slot])
    if first:
        caused["fault"] = 0
        caused["sku"] = 0
        caused["reason"] = 0
        caused["flags"] = 0
        caused["open"] = 0
        caused["cost_cents"] = 0
        caused["at_risk_cents"] = 0
        caused["first_ms"] = opened_ms
        caused["last_ms"] = NEVER
    if int(row["case_flags"][slot]) & cases.KNOWN_FAULT:
        caused["fault"] = row["case_id"][slot]
    # Which of two names a fault gets must not depend on the order of slots: the greater digest.
    caused["sku"] = max(np.uint64(caused["sku"]), np.uint64(row["case_sku"][slot]))
    caused["reason"] = max(np.uint64(caused["reason"]), np.uint64(row["case_reason"][slot]))
    caused["flags"] = int(caused["flags"]) | (int(row["case_flags"][slot]) & cases.COMPANY_FLAGS)
    caused["open"] = max(int(caused["open"]), 1 if cases.is_open(row, slot) else 0)
    caused["cost_cents"] = int(caused["cost_cents"]) + cost_cents
    caused["first_ms"] = min(int(caused["first_ms"]), opened_ms)
    caused["last_ms"] = max(int(caused["last_ms"]), cases.last_heard_ms(row, slot))


@kernel
def collect(
    rows: Records, start: int, n: int, tick_ms: int, rules: Rules, scores: Scores, out: Records
) -> tuple[int, int]:
    """Write for rows ``start .. n-1`` what each has had of each problem; return (next row, entries written).

    Stops early when ``out`` may not hold another row's entries; call again from the returned row. A customer
    with two cases of one problem is one entry. ``rows`` are read only.

    out  (>= CASES,) of ``schemas.insights.CAUSED``
    """
    rule = rules[0]
    score = scores[0]
    day = tick_ms // DAY_MS
    at = 0
    for i in range(start, n):
        if at + CASES > out.size:
            return i, at
        row = rows[i]
        if row["day"] == NEVER:
            continue
        begin = at
        any_open = False
        for slot in range(CASES):
            cost_cents = recent_cost_cents(row, slot, day)
            if not counts(row, slot, tick_ms, cost_cents):
                continue
            problem = problem_of(row, slot)
            place = _same_before(out, begin, at, problem)
            out[place]["problem"] = problem
            _add_case(row, slot, cost_cents, out[place], place == at)
            at = max(at, place + 1)
            any_open |= cases.is_open(row, slot)
        if any_open:
            score_risk(row, max(tick_ms, int(row["last_event_ms"])), rule, score)
            score_worth(row, max(day, int(row["day"])), rule, score)
            for place in range(begin, at):
                if out[place]["open"] != 0:
                    out[place]["at_risk_cents"] = score["at_risk_cents"]
    return n, at


@kernel
def case_of_alert(row: Row, now_ms: int, dearest: bool) -> int:
    """The case an alert is about: of those with a problem, the one heard of last, or the dearest; -1 for none."""
    best = -1
    best_cents = best_ms = 0
    for slot in range(CASES):
        cents = recent_cost_cents(row, slot, now_ms // DAY_MS)
        if not counts(row, slot, now_ms, cents) or problem_of(row, slot) == 0:
            continue
        heard_ms = cases.last_heard_ms(row, slot)
        weight = cents if dearest else 0
        if best < 0 or weight > best_cents or (weight == best_cents and heard_ms > best_ms):
            best, best_cents, best_ms = slot, weight, heard_ms
    return best
