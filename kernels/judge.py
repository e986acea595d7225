"""The judge's two loops: a block of events into rows, and a tick over all rows.

Events are taken strictly one by one in the ledger's order, so that cutting the ledger into blocks differently
changes nothing.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels import cases
from kernels._jit import allocating, fetch_ahead, kernel
from kernels.attribution import DAY_MS, HOUR_MS, repair_overdue, settle_cause, waited_too_long
from kernels.best import conclude_best
from kernels.calm import EIGHT, calmness, least_log_odds, needs_the_hour, next_awake
from kernels.churn import recall_filter, sum_terms
from kernels.cost import contact_channel, cost_cents
from kernels.economics import worth_telling
from kernels.evidence import FACTORS, daily_factors
from kernels.fold import E_LEAVING, E_MISSED, E_REPAIR, fold
from kernels.gaming import burst_begins, conclude_gaming
from kernels.gem import conclude_gem
from kernels.holds import conclude_hold
from kernels.machine import write_scores
from kernels.news import conclude_news
from kernels.realign import conclude_cause, conclude_value, wants_forward
from kernels.referral import conclude_referral
from kernels.relations import appeal_overdue
from kernels.rings import count_failure
from kernels.scores import (
    known_negative_ppm,
    known_worth,
    recall_risk_scores,
    recall_year,
    score_forward,
    score_risk,
    score_year,
)
from kernels.settle import recall_hazard, settle_by
from kernels.shapes import Memo, Records, Row, Rules, Scores
from kernels.transition import conclude_churn, conclude_service, wants_worth
from schemas.codes import CaseFlag, Moment
from schemas.state import CALLBACKS, CASES, HOT_BYTES, MACHINES, NEVER, PERIOD_DAYS

UNANSWERED_BIT: Final = 1 << int(Moment.TICKET_UNANSWERED)
MISSED_BIT: Final = 1 << int(Moment.CALLBACK_MISSED)
OVERDUE_BIT: Final = 1 << int(Moment.REPAIR_OVERDUE)
APPEAL_BIT: Final = 1 << int(Moment.APPEAL_UNANSWERED)
TOLD: Final = int(CaseFlag.TOLD_UNANSWERED)
ROOM: Final = MACHINES
"""Crossings one event or one row of a tick can make."""


@kernel
def conclude(row: Row, now_ms: int, due: int, rules: Rules, scores: Scores, out: Records, at: int) -> int:
    """Let the machines conclude at ``now_ms``; return the next free place in ``out``."""
    score_year(row, now_ms // DAY_MS, rules, scores)
    score_risk(row, now_ms, rules, scores)
    return _conclude(row, now_ms, due, rules, scores, out, at)


@kernel
def _conclude_with(
    row: Row, memo: Memo, now_ms: int, due: int, rules: Rules, scores: Scores, out: Records, at: int
) -> int:  # fmt: skip
    """``conclude``, sparing what the memo knows; the memo then knows what stays as it is."""
    recall_year(row, memo, now_ms // DAY_MS, rules, scores)
    recall_risk_scores(row, memo, now_ms, rules, scores)
    after = _conclude(row, now_ms, due, rules, scores, out, at)
    if after > at:
        forget(memo)  # a machine that turns may book costs anew
    else:
        memo["p_negative_ppm"] = scores["p_negative_ppm"]
        memo["calm"] = calmness(row, now_ms, rules, scores)
    return after


@kernel
def forget(memo: Memo) -> None:
    """The row has changed: what was concluded of it is not known any more."""
    memo["until_day"] = 0
    memo["calm"] = 0


@kernel
def _conclude(row: Row, now_ms: int, due: int, rules: Rules, scores: Scores, out: Records, at: int) -> int:
    """``conclude`` where ``scores`` holds the year and the risk."""
    first = at
    day = now_ms // DAY_MS
    scores["worth_cents"] = NEVER
    scores["at_risk_cents"] = 0
    scores["savable_cents"] = 0
    listed = due & int(rules["moments"])
    if listed != 0:
        known_worth(row, day, rules, scores)
    told = worth_telling(row, now_ms, listed, rules, scores)
    if wants_worth(row, now_ms, told, rules, scores):
        known_worth(row, day, rules, scores)
    forward = wants_forward(row, now_ms, rules, scores)
    if forward:
        score_forward(row, day, rules, scores)
    at = conclude_value(row, now_ms, rules, scores, out, at)
    at = conclude_churn(row, now_ms, told, rules, scores, out, at)
    at = conclude_service(row, now_ms, told, rules, out, at)
    at = conclude_cause(row, now_ms, rules, scores, out, at)
    if burst_begins(row, now_ms, rules):
        known_negative_ppm(row, day, rules, scores)  # of the money as it stood before the burst is set aside
    at = conclude_gaming(row, now_ms, rules, out, at)
    at = conclude_best(row, now_ms, rules, scores, out, at)
    at = conclude_referral(row, now_ms, rules, scores, out, at)
    at = conclude_gem(row, now_ms, rules, scores, out, at)
    at = conclude_news(row, now_ms, rules, out, at)
    at = conclude_hold(row, now_ms, rules, out, at)
    if at > first:
        known_worth(row, day, rules, scores)
        known_negative_ppm(row, day, rules, scores)
        if not forward:
            score_forward(row, day, rules, scores)
        for crossed in range(first, at):
            write_scores(out[crossed], scores)
    return at


@allocating
def fold_events(
    rows: Records,
    memos: Records,
    quiet: NDArray[np.uint8],
    slots: NDArray[np.int64],
    events: Records,
    start: int,
    admitted: NDArray[np.uint8],
    last_tick_ms: int,
    rules: Records,
    scores: Records,
    dirty: NDArray[np.uint8],
    spent: NDArray[np.int64],
    out: Records,
    copies: Records,
) -> tuple[int, int]:
    """Take the admitted events from ``start`` on into their rows; return (next event, crossings written).

    Stops early when ``out`` may not hold another event's crossings; call again from the returned event.

    rows      all customers, changed in place, and the memo of each; ``slots`` (n,) says whose each event is
    quiet     1 for a row that an hour's tick cannot change, as far as is known
    events    (n,) in ledger order; ``admitted`` (n,) 0 for those to pass over
    dirty     1 for every row that was changed
    spent     what the contacts cost, cents, is added to their channel's place
    out       crossings, ``copies`` the row as it stood right after each
    """
    rule = rules[0]
    score = scores[0]
    factors = np.empty(FACTORS)
    daily_factors(rule, factors)
    at = 0
    for i in range(start, events.size):
        if at + ROOM > out.size:
            return i, at
        if admitted[i] == 0:
            continue
        event = events[i]
        row, memo = rows[slots[i]], memos[slots[i]]
        fetch_ahead(rows[max(slots[min(i + 1, events.size - 1)], 0)], HOT_BYTES)
        ts_ms = int(event["ts_ms"])
        now_ms = max(ts_ms, last_tick_ms, int(row["last_event_ms"]))
        if row["day"] == NEVER:
            row["day"] = now_ms // DAY_MS
            row["first_day"] = ts_ms // DAY_MS
        settle_by(row, memo, now_ms // DAY_MS, rule, factors)
        row["first_day"] = min(int(row["first_day"]), ts_ms // DAY_MS)
        row["last_event_ms"] = max(int(row["last_event_ms"]), ts_ms)
        moment = fold(row, event, now_ms, rule)
        dirty[slots[i]] = 1
        quiet[slots[i]] = 0
        forget(memo)
        channel = contact_channel(event)
        if channel != 0:
            spent[channel] += cost_cents(event, rule)
        due = 1 << moment if moment > 0 else 0
        if ts_ms < last_tick_ms:
            row["pending"] = 1
            row["pending_moments"] = int(row["pending_moments"]) | due
            continue
        first = at
        at = _conclude_with(row, memo, now_ms, due, rule, score, out, at)
        quiet[slots[i]] = not needs_the_hour(row)
        for crossed in range(first, at):
            out[crossed]["slot"] = slots[i]
            out[crossed]["trigger_kind"] = event["kind"]
            out[crossed]["trigger_digest"] = event["event_id"]
            copies[crossed] = row
    return events.size, at


@kernel
def run_timers(row: Row, tick_ms: int, rules: Rules) -> int:
    """What became due without any event, as moment bits; evidence and marks are set whatever the policy tells."""
    due = 0
    for slot in range(CASES):
        flags = int(row["case_flags"][slot])
        if flags & TOLD == 0 and waited_too_long(row, slot, rules, tick_ms):
            was_companys = cases.is_companys(row, slot)
            row["case_flags"][slot] = flags | TOLD | cases.UNANSWERED
            settle_cause(row, slot, 0, was_companys)
            due |= UNANSWERED_BIT
    grace_ms = int(rules["fault_callback_grace_hours"]) * HOUR_MS
    for slot in range(CALLBACKS):
        due_ms = int(row["callback_due_ms"][slot])
        if due_ms == NEVER or due_ms + grace_ms >= tick_ms:
            continue
        case_id = row["callback_case"][slot]
        row["callback_due_ms"][slot] = NEVER
        row["callback_case"][slot] = 0
        row["evidence"][E_MISSED] += 1.0
        count_failure(row, tick_ms // DAY_MS)
        of = cases.find(row, case_id) if case_id != 0 else -1
        if of >= 0:
            was_companys = cases.is_companys(row, of)
            row["case_flags"][of] = int(row["case_flags"][of]) | cases.MISSED
            settle_cause(row, of, 0, was_companys)
        due |= MISSED_BIT
    if row["repair_told_ms"] != row["repair_in_ms"] and repair_overdue(row, rules, tick_ms):
        row["repair_told_ms"] = row["repair_in_ms"]
        row["evidence"][E_REPAIR] += 1.0
        count_failure(row, tick_ms // DAY_MS)
        due |= OVERDUE_BIT
    if row["appeal_told_ms"] != row["appeal_ms"] and appeal_overdue(row, rules, tick_ms):
        row["appeal_told_ms"] = row["appeal_ms"]
        row["evidence"][E_LEAVING] += 1.0
        count_failure(row, tick_ms // DAY_MS)
        due |= APPEAL_BIT
    if due != 0:
        row["failure_day"] = max(int(row["failure_day"]), tick_ms // DAY_MS)
    return due


@allocating
def sweep(
    rows: Records,
    memos: Records,
    quiet: NDArray[np.uint8],
    start: int,
    n: int,
    tick_ms: int,
    rules: Records,
    scores: Records,
    dirty: NDArray[np.uint8],
    out: Records,
    copies: Records,
) -> tuple[int, int]:
    """Conclude rows ``start .. n-1`` at a tick: all of them at midnight, else those an hour can change.

    Returns (next row, crossings written) and stops early like ``fold_events``. Only a row whose conclusion,
    timer or pending moment changed becomes dirty; settling alone can be taken again.
    """
    rule = rules[0]
    score = scores[0]
    midnight = tick_ms % DAY_MS == 0
    factors = np.empty(FACTORS)
    daily_factors(rule, factors)
    least = least_log_odds(rule)
    eights = quiet[: n // EIGHT * EIGHT].view(np.int64)
    at = 0
    i = start if midnight else next_awake(quiet, eights, start, n)
    while i < n:
        if at + ROOM > out.size:
            return i, at
        row, memo = rows[i], memos[i]
        if midnight:
            fetch_ahead(rows[min(i + 1, n - 1)], HOT_BYTES)
        if row["day"] == NEVER or not (midnight or needs_the_hour(row)):
            quiet[i] = 1
        elif not (midnight and quiet[i] != 0 and _stays_calm(row, memo, tick_ms, rule, factors, least)):
            first = at
            at = _take_tick(row, memo, tick_ms, rule, factors, score, dirty[i : i + 1], out, at)
            quiet[i] = not needs_the_hour(row)
            for crossed in range(first, at):
                out[crossed]["slot"] = i
                out[crossed]["trigger_kind"] = 0
                out[crossed]["trigger_digest"] = 0
                copies[crossed] = row
        i = i + 1 if midnight else next_awake(quiet, eights, i + 1, n)
    return n, at


@kernel
def _stays_calm(
    row: Row, memo: Memo, midnight_ms: int, rules: Rules, factors: NDArray[np.float64], least: float
) -> bool:  # fmt: skip
    """Settle a row that is known to be calm; whether it is so still, so that nothing is to be concluded of it."""
    day = midnight_ms // DAY_MS
    if memo["calm"] == 0 or memo["until_day"] != (day // PERIOD_DAYS + 1) * PERIOD_DAYS:
        return False
    settle_by(row, memo, day, rules, factors)
    now_ms = max(midnight_ms, int(row["last_event_ms"]))
    of_filter = recall_filter(row, memo, recall_hazard(row, memo, now_ms, rules), rules)
    return bool(sum_terms(row, of_filter, now_ms, rules) < least)


@kernel
def _take_tick(
    row: Row, memo: Memo, tick_ms: int, rules: Rules, factors: NDArray[np.float64], scores: Scores,
    dirty: NDArray[np.uint8], out: Records, at: int,
) -> int:  # fmt: skip
    """Settle one row, run its timers and conclude; ``dirty[0]`` becomes 1 where more than the settling changed."""
    settle_by(row, memo, tick_ms // DAY_MS, rules, factors)
    due = run_timers(row, tick_ms, rules)
    if due != 0:
        forget(memo)
    if due != 0 or row["pending"] != 0:
        dirty[0] = 1
    due |= int(row["pending_moments"])
    row["pending"] = 0
    row["pending_moments"] = 0
    calm_ms, quiet_ms = int(row["risk_calm_since_ms"]), int(row["hold_calm_since_ms"])
    news_ms, good_ms = int(row["news_told_ms"]), int(row["value_good_since_ms"])
    first = at
    # An event may be ahead of the tick; what it concluded is not concluded again in its past.
    now_ms = max(tick_ms, int(row["last_event_ms"]))
    at = _conclude_with(row, memo, now_ms, due, rules, scores, out, at)
    if at > first or calm_ms != row["risk_calm_since_ms"] or quiet_ms != row["hold_calm_since_ms"]:
        dirty[0] = 1
    if news_ms != row["news_told_ms"] or good_ms != row["value_good_since_ms"]:
        dirty[0] = 1
    return at
