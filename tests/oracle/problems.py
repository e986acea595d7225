"""Section 8 of docs/model.md in dicts: what each problem cost, whom it touches, what may leave over it."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas import state
from schemas.codes import CaseFlag, Cause, Fault
from schemas.events import DAY_MS
from tests.oracle import scores
from tests.oracle.booking import COMPANY_FLAGS
from tests.oracle.digest import P1, P4, turn
from tests.oracle.rows import Row, Rules, day_of, period_of

WINDOW_MS = 28 * DAY_MS


def paired(first, second):
    """Two digests stirred into one, as XXH64 merges its lanes; none for none."""
    total = 0
    for lane in (int(first), int(second)):
        total = ((total ^ turn(0, lane)) * P1 + P4) % 2**64
    return total if first or second else 0


@dataclass
class Caused:
    """One problem over customers."""

    customers: int = 0
    open_customers: int = 0
    cost_cents: int = 0
    at_risk_cents: int = 0
    flags: CaseFlag = field(default_factory=lambda: CaseFlag(0))
    times: list[int] = field(default_factory=list)


def _last_heard(row: Row, slot: int) -> int:
    times = (row.case_opened_ms, row.case_asked_ms, row.case_answered_ms, row.case_resolved_ms)
    return max(at[slot] for at in times)


def _cost(row: Row, slot: int, period: int) -> int:
    remembered = zip(
        range(row.case_period[slot], row.case_period[slot] + 3), row.case_cost_cents[slot], strict=True
    )
    return sum(cost[Fault.COMPANY] for of, cost in remembered if of in {period - 1, period})


def _is_ours(row: Row, slot: int, cost: int) -> bool:
    cause = row.case_cause[slot]
    return bool(cost > 0 or cause == Cause.COMPANY or (not cause and row.case_flags[slot] & COMPANY_FLAGS))


def _is_recent(row: Row, slot: int, tick: int) -> bool:
    return row.is_open(slot) or _last_heard(row, slot) >= tick - WINDOW_MS


def problems(rows: list[Row], rules: Rules, tick: int) -> dict[int, Caused]:
    """Every problem as of a midnight, by id."""
    found: dict[int, Caused] = {}
    for row in rows:
        _of_row(found, row, rules, tick)
    return found


def _of_row(found: dict[int, Caused], row: Row, rules: Rules, tick: int) -> None:
    period = period_of(day_of(tick))
    left = sum(row.read("period_cost_cents", one)[Fault.COMPANY] for one in (period - 1, period))
    costs: list[tuple[int, int]] = []
    heirs = []
    for slot in range(state.CASES):
        cost, heard = _cost(row, slot, period), _last_heard(row, slot)
        if not row.case_id[slot] or not _is_ours(row, slot, cost):
            continue
        if cost > 0 or _is_recent(row, slot, tick):
            costs.append((slot, cost))
            left -= cost
        if row.is_open(slot) or heard >= (period - 1) * WINDOW_MS:
            heirs.append((row.is_open(slot), bool(row.case_flags[slot] & CaseFlag.KNOWN_FAULT), heard, -slot))
    recent: dict[int, bool] = {}
    if left > 0 and heirs:
        costs.append((-max(heirs)[3], left))
    elif left > 0:
        one, recent[0] = found.setdefault(0, Caused()), True
        one.cost_cents += left
        one.times.append(row.last_event_ms)
    opened: set[int] = set()
    for slot, cost in costs:
        flags = CaseFlag(row.case_flags[slot])
        names = (row.case_sku[slot], row.case_reason[slot])
        problem = row.case_id[slot] if flags & CaseFlag.KNOWN_FAULT else paired(*names)
        one = found.setdefault(problem, Caused())
        one.cost_cents += cost
        one.flags |= flags & COMPANY_FLAGS
        one.times += [row.case_opened_ms[slot], _last_heard(row, slot)]
        recent[problem] = recent.get(problem, False) or _is_recent(row, slot, tick)
        if row.is_open(slot):
            opened.add(problem)
    now = max(tick, row.last_event_ms)
    for problem, is_recent in recent.items():
        found[problem].customers += is_recent
    for problem in opened:
        found[problem].open_customers += 1
        found[problem].at_risk_cents += round(scores.worth_cents(row, rules, now) * scores.risk(row, rules, now))
