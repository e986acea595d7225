"""What if: events and time over a copy of one row until one machine is left.

The judge's own parts do the work; of all that it concludes, only what the one machine looks at is concluded here.
"""

from typing import Any, Final

from kernels import cases
from kernels._jit import kernel
from kernels.attribution import DAY_MS, HOUR_MS, repair_running
from kernels.best import conclude_best
from kernels.calm import needs_the_hour
from kernels.economics import worth_telling
from kernels.fold import fold
from kernels.gaming import conclude_gaming
from kernels.gem import conclude_gem
from kernels.judge import conclude, run_timers
from kernels.news import conclude_news
from kernels.realign import conclude_cause, conclude_value, wants_forward
from kernels.relations import appeal_open
from kernels.scores import known_worth, recall_risk_scores, score_forward, score_value
from kernels.settle import settle_by
from kernels.shapes import Event, Records, Row, Rules, Scores
from kernels.transition import conclude_churn, conclude_service
from schemas.codes import Machine
from schemas.state import NEVER, PERIOD_DAYS

VALUE: Final = int(Machine.VALUE)
CHURN: Final = int(Machine.CHURN)
SERVICE: Final = int(Machine.SERVICE)
CAUSE: Final = int(Machine.CAUSE)
GAMING: Final = int(Machine.GAMING)
BEST: Final = int(Machine.BEST)
REFERRAL: Final = int(Machine.REFERRAL)
GEM: Final = int(Machine.GEM)
NEWS: Final = int(Machine.NEWS)

Beside = Any
"""A blank memo for the rows that are tried, and what ``evidence.daily_factors`` gives, as in ``settle_by``."""


@kernel
def conclude_one(
    row: Row, machine: int, now_ms: int, due: int, rules: Rules, scores: Scores, out: Records, beside: Beside
) -> None:
    """Let ``machine`` conclude at ``now_ms``, and those it looks at; service too, for it makes hours count."""
    day = now_ms // DAY_MS
    if machine == REFERRAL:
        conclude(row, now_ms, due, rules, scores, out, 0)
        return
    told = 0
    listed = due & int(rules["moments"])
    if listed != 0 or _reads_the_risk(machine):
        recall_risk_scores(row, beside[0], now_ms, rules, scores)
    if listed != 0:
        scores["worth_cents"] = NEVER
        known_worth(row, day, rules, scores)
        told = worth_telling(row, now_ms, listed, rules, scores)
    if machine in (VALUE, CAUSE, GEM):
        score_value(row, day, rules, scores)
        if wants_forward(row, now_ms, rules, scores):
            score_forward(row, day, rules, scores)
        conclude_value(row, now_ms, rules, scores, out, 0)
    elif machine == CHURN:
        conclude_churn(row, now_ms, told, rules, scores, out, 0)
    conclude_service(row, now_ms, told, rules, out, 0)
    if machine in (VALUE, CAUSE, GEM):
        conclude_cause(row, now_ms, rules, scores, out, 0)
    if machine == GAMING:
        conclude_gaming(row, now_ms, rules, out, 0)
    elif machine == BEST:
        conclude_best(row, now_ms, rules, scores, out, 0)
    elif machine == GEM:
        conclude_gem(row, now_ms, rules, scores, out, 0)
    elif machine == NEWS:
        conclude_news(row, now_ms, rules, out, 0)


@kernel
def _reads_the_risk(machine: int) -> bool:
    """Whether the machine looks at what settling a row changes from day to day."""
    return machine in (CHURN, BEST, REFERRAL)


@kernel
def _has_timers(row: Row) -> bool:
    """Whether time alone may make something due, or something due has not been told."""
    if row["pending"] != 0 or repair_running(row) or appeal_open(row):
        return True
    return cases.any_waiting(row) or cases.any_callback(row)


@kernel
def _cause_stands(row: Row, tick_ms: int, rules: Rules) -> bool:
    """Whether this tick cannot leave the cause machine: its dwell is not over, or the period unchanged."""
    dwelt_ms = int(row["since_ms"][CAUSE]) + int(rules["value_dwell_days"]) * DAY_MS
    unchanged = tick_ms // DAY_MS % PERIOD_DAYS != 0 and tick_ms - dwelt_ms >= DAY_MS
    return (tick_ms < dwelt_ms or unchanged) and row["state"][SERVICE] == 0


@kernel
def take_tick(
    row: Row, machine: int, tick_ms: int, rules: Rules, scores: Scores, out: Records, beside: Beside
) -> None:
    """One hour's tick as far as ``machine`` is concerned; a row that need not be settled for it is not."""
    if tick_ms % DAY_MS != 0 and not needs_the_hour(row):
        return
    due = 0
    timers = _has_timers(row)
    if timers or _reads_the_risk(machine):
        settle_by(row, beside[0], tick_ms // DAY_MS, rules, beside[1])
    elif machine == CAUSE and _cause_stands(row, tick_ms, rules):
        return
    if timers:
        due = run_timers(row, tick_ms, rules) | int(row["pending_moments"])
        row["pending"] = 0
        row["pending_moments"] = 0
    conclude_one(row, machine, max(tick_ms, int(row["last_event_ms"])), due, rules, scores, out, beside)


@kernel
def take_event(
    row: Row, machine: int, event: Event, rules: Rules, scores: Scores, out: Records, beside: Beside
) -> None:
    """One event as far as ``machine`` is concerned; it is not older than anything the row has heard."""
    now_ms = int(event["ts_ms"])
    settle_by(row, beside[0], now_ms // DAY_MS, rules, beside[1])
    row["last_event_ms"] = now_ms
    moment = fold(row, event, now_ms, rules)
    conclude_one(row, machine, now_ms, 1 << moment if moment > 0 else 0, rules, scores, out, beside)


@kernel
def run_hours(
    row: Row, machine: int, from_ms: int, until_ms: int, rules: Rules, scores: Scores, out: Records, beside: Beside
) -> int:
    """Tick every whole hour after ``from_ms`` up to ``until_ms``; the tick that left the machine, or ``NEVER``."""
    for tick_ms in range((from_ms // HOUR_MS + 1) * HOUR_MS, until_ms + 1, HOUR_MS):
        take_tick(row, machine, tick_ms, rules, scores, out, beside)
        if row["state"][machine] == 0:
            return tick_ms
    return NEVER


@kernel
def _needs_an_event(row: Row, machine: int) -> bool:
    """Whether no time at all can leave the machine: while something is owed, a failure of service stands."""
    owed = cases.any_waiting(row) or repair_running(row) or appeal_open(row)
    return machine == SERVICE and owed


@kernel
def clears_at(
    rows: Records,
    machine: int,
    now_ms: int,
    most_days: int,
    rules: Rules,
    scores: Scores,
    out: Records,
    beside: Beside,
) -> int:
    """When the machine is left if nothing happens from ``now_ms`` on; ``NEVER`` if not within ``most_days``.

    Midnights are tried first, then the hours of the day before the one that cleared.

    rows  (2,) the copy and room for it as it stood the midnight before
    """
    row = rows[0]
    if row["state"][machine] == 0:
        return now_ms
    if _needs_an_event(row, machine):
        return NEVER
    first = now_ms // DAY_MS + 1
    until_ms = now_ms + most_days * DAY_MS
    for midnight in range(first, first + most_days + 1):
        rows[1] = rows[0]
        take_tick(row, machine, midnight * DAY_MS, rules, scores, out, beside)
        if row["state"][machine] == 0:
            rows[0] = rows[1]
            since_ms = max(now_ms, (midnight - 1) * DAY_MS)
            at_ms = run_hours(row, machine, since_ms, midnight * DAY_MS, rules, scores, out, beside)
            if at_ms != NEVER:
                return at_ms if at_ms <= until_ms else NEVER
    return NEVER
