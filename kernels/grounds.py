"""What an alert's words stand on, in few calls: Python hands numba an array twenty times sooner than a record.

``rows`` is everywhere one customer as an array of one, ``rules`` the policy likewise.
"""

import numpy as np
from numpy.typing import NDArray

from kernels import cases, churn, economics, evidence, problems
from kernels._jit import kernel
from kernels.attribution import repair_running
from kernels.nets import asked_cents, holds_period, own_cost_cents, served_cents
from kernels.shapes import Records
from schemas.codes import Evidence
from schemas.state import CASES, FAULTS, PERIOD_DAYS, PERIODS

EVIDENCE: int = len(Evidence)


@kernel
def open_slots(rows: Records) -> int:
    """The slots of open cases, a bit each."""
    bits = 0
    for slot in range(CASES):
        if cases.is_open(rows[0], slot):
            bits |= 1 << slot
    return bits


@kernel
def waits(rows: Records) -> bool:
    """Whether any ticket waits for an answer."""
    return cases.any_waiting(rows[0])


@kernel
def owes(rows: Records) -> bool:
    """Whether the company owes this customer an answer, a call, a repair, or the end of a case of its making."""
    row = rows[0]
    running = cases.any_waiting(row) or cases.any_callback(row) or repair_running(row)
    return running or cases.any_company_case(row)


@kernel
def repairs(rows: Records) -> bool:
    """Whether the customer's product is with us for repair."""
    return repair_running(rows[0])


@kernel
def served_lately(rows: Records, cents: NDArray[np.int64]) -> int:
    """Seconds of contacts in the row's period and the one before it; ``cents`` (FAULTS,) out: cost by fault."""
    row, seconds = rows[0], 0
    cents[:] = 0
    last = int(row["day"]) // PERIOD_DAYS
    for period in range(last - 1, last + 1):
        if holds_period(row, period):
            seconds += int(row["period_handle_seconds"][period % PERIODS])
            for fault in range(FAULTS):
                cents[fault] += row["period_cost_cents"][period % PERIODS, fault]
    return seconds


@kernel
def gesture(rows: Records, now_ms: int, rules: Records) -> tuple[float, int]:
    """The 90-day risk with everything settled and made good, and what a replacement costs, cents."""
    made_good = economics.risk_made_good(rows[0], now_ms, rules[0])
    return made_good, economics.replacement_cents(rows[0], rules[0])


@kernel
def costs(rows: Records, moment: int, rules: Records) -> tuple[int, int, int]:
    """Cents of a replacement, of a part, and of acting on a moment."""
    dear = economics.replacement_cents(rows[0], rules[0])
    return dear, int(rules[0]["cost_part_cents"]), economics.moment_cents(moment, rules[0])


@kernel
def reasons(
    rows: Records,
    now_ms: int,
    rules: Records,
    parts: NDArray[np.float64],
    terms: NDArray[np.float64],
    values: NDArray[np.float64],
    without: NDArray[np.float64],
) -> float:
    """Why the risk is what it is; returns its log-odds.

    parts    (1 + ``churn.TERMS`` + ``evidence.TERMS``,) what they are made of, as in ``churn.contributions``
    terms    (``churn.TERMS``,) each term, with the days of silence in place of the filter
    values   (``evidence.TERMS``,) each evidence as it enters the hazard; ``without`` the risk if it were not there
    """
    row, rule = rows[0], rules[0]
    eta = churn.contributions(row, now_ms, rule, parts)
    churn.terms_beside_filter(row, now_ms, rule, terms)
    terms[churn.FILTER] = float(churn.silent_days(row, now_ms // churn.DAY_MS))
    evidence.terms(row, now_ms, values)
    cancels = parts[1 + churn.CANCEL] != 0.0
    for which in range(EVIDENCE):
        added = parts[1 + churn.TERMS + which] != 0.0
        if added or (cancels and which == churn.E_CANCEL):
            without[which] = economics.risk_without(row, which, now_ms, rule)
    return eta


@kernel
def weigh(rows: Records, now_ms: int, values: NDArray[np.float64]) -> None:
    """Each evidence as it enters the hazard, into ``values`` (``evidence.TERMS``,)."""
    evidence.terms(rows[0], now_ms, values)


@kernel
def year(rows: Records, rules: Records, cost: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """Margin, service asked, service that counts, and own cost that counts, cents, of the year to the row's day.

    cost  (FAULTS,) out: all cost by fault
    """
    row, share = rows[0], float(rules[0]["value_unknown_share"])
    margin = asked = served = own = 0
    cost[:] = 0
    last = int(row["day"]) // PERIOD_DAYS
    for period in range(last - PERIODS + 1, last + 1):
        if holds_period(row, period):
            at = period % PERIODS
            margin += int(row["period_margin_cents"][at])
            asked += asked_cents(row, at, share)
            served += served_cents(row, at, share)
            own += own_cost_cents(row, at, share)
            for fault in range(FAULTS):
                cost[fault] += row["period_cost_cents"][at, fault]
    return margin, asked, served, own


@kernel
def stake_cents(worth_cents: int, rules: Records) -> int:
    """What is lost with the customer."""
    return economics.stake_cents(worth_cents, rules[0])


@kernel
def pays(saved_cents: int, cost_cents: int, rules: Records) -> bool:
    """Whether a gesture saves enough times its cost to be recommended."""
    return economics.pays(saved_cents, cost_cents, rules[0])


@kernel
def problem(rows: Records, now_ms: int, dearest: bool) -> tuple[int, np.uint64]:
    """The slot of the case an alert is about (-1: none), and its problem."""
    slot = problems.case_of_alert(rows[0], now_ms, dearest)
    if slot < 0:
        return slot, np.uint64(0)
    return slot, np.uint64(problems.problem_of(rows[0], slot))
