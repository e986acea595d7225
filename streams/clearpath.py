"""The smallest changes that would clear an alert, found by trying them on a copy of the row.

What is tried is folded and concluded by the kernels that judge, so a path that is told is a path that clears.
"""

from collections.abc import Iterator
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import judge, trial
from kernels.attribution import repair_running
from kernels.cases import is_open
from kernels.relations import appeal_open
from schemas import codes, state
from schemas.alerts import Step
from schemas.block import EVENT
from schemas.events import FIELDS, Type
from schemas.policy import Policy

MOST_DAYS = 400
"""How many quiet days are tried where money is judged; a year of 13 periods has gone by then."""
MOST_CALM_DAYS = 180
"""And where failures are: by then they have faded, or the customer has gone."""
MOST_PATHS = 4
ROUNDING_CENTS = 100
"""Margin is tried in whole hundreds of cents."""
MOST_MARGIN_CENTS = 10**10
MINUTE_MS = 60_000
DAY_MS = 86_400_000

Path = tuple[Step, ...]

GESTURE = Step("recovery", 1, "gesture")
PURCHASE = Step("purchase", 1, "purchase")
A_DAY = Step("quiet", 1, "days")
ON_MONEY = (codes.Machine.VALUE, codes.Machine.CAUSE)

KINDS = {
    "settle_case": codes.Kind.TICKET_RESOLVED,
    "make_callback": codes.Kind.CALLBACK_MADE,
    "end_repair": codes.Kind.REPAIR_OUT,
    "recovery": codes.Kind.CREDIT,
    "purchase": codes.Kind.PURCHASE,
    "margin": codes.Kind.PURCHASE,
    "name_cause": codes.Kind.TICKET_REPLY,
    "open_fault": codes.Kind.FAULT_OPENED,
    "referral_ask": codes.Kind.CONTACT_SENT,
    "answer_appeal": codes.Kind.ESCALATION_GRANTED,
    "thank_referrer": codes.Kind.REFERRAL_CREDIT,
}
"""The event by which each change happens; ``quiet`` is time without any."""

BLANK = np.zeros(1, EVENT)
for _field in FIELDS:
    if _field.type is not Type.TEXT:
        BLANK[_field.name] = _field.absent


class Trial:
    """A copy of one row at one time, and the machine that is to be left; ``room`` is what the kernels write to."""

    def __init__(self, rows: NDArray[np.void], machine: codes.Machine, now_ms: int, policy: Policy) -> None:
        """``rows`` (1,) changes in place."""
        self.rows, self.machine, self.now_ms, self.policy = rows, machine, now_ms, policy
        self.room = (
            np.zeros(1, state.SCORES),
            np.zeros(1, np.uint8),
            np.zeros(judge.ROOM, state.CROSSING),
            np.zeros(judge.ROOM, state.CUSTOMER),
        )
        self._before = np.zeros(1, state.CUSTOMER)
        self._known: dict[tuple[Path, int], Path | None] = {}

    @property
    def cleared(self) -> bool:
        """Whether the machine has been left."""
        return bool(self.rows[0]["state"][self.machine] == 0)

    def take(self, step: Step) -> None:
        """Let one step happen: quiet days pass, anything else is an event a minute later."""
        if step.change == "quiet":
            until_ms = self.now_ms + step.amount * DAY_MS
            trial.run_hours(
                *(self.rows, self.machine, self.now_ms, until_ms, self.policy.record),
                *self.room,
            )
            self.now_ms = until_ms
            return
        self.now_ms += MINUTE_MS
        judge.fold_events(
            *(self.rows, np.zeros(1, np.int64), self._event(step), 0, np.ones(1, np.uint8), 0, self.policy.record),
            *self.room,
        )

    def _event(self, step: Step) -> NDArray[np.void]:
        event = BLANK.copy()
        event["kind"], event["ts_ms"] = KINDS[step.change], self.now_ms
        event["case_id"] = event["fault_id"] = int(step.case_digest, 16) if step.case_digest else 0
        row = self.rows[0]
        if step.change == "margin":
            event["amount_cents"] = event["margin_cents"] = step.amount
        elif step.change == "purchase":
            event["amount_cents"] = int(row["spent_cents"]) // max(1, int(row["purchases"]))
        elif step.change == "recovery":
            event["amount_cents"] = self.policy.record["economics_gesture_cents"][0]
        elif step.change == "name_cause":
            event["author"], event["cause"] = codes.Author.AGENT, codes.Cause.COMPANY
        elif step.change == "open_fault":
            event["fault_id"] = 1
        elif step.change == "referral_ask":
            event["purpose"] = codes.Purpose.REFERRAL_ASK
        return event

    def _fork(self) -> "Trial":
        """The same at this time, to try something on; it shares the room."""
        fork = copy(self)
        fork.rows = np.empty(1, state.CUSTOMER)
        fork.rows.view(np.uint8)[:] = self.rows.view(np.uint8)
        return fork

    def path(self, steps: Path, most_days: int | None = None) -> Path | None:
        """The steps and the quiet days that must follow until the machine is left; None if it is not."""
        if most_days is None:
            most_days = MOST_DAYS if self.machine in ON_MONEY else MOST_CALM_DAYS
        if (steps, most_days) not in self._known:
            self._known[steps, most_days] = self._tried(steps, most_days)
        return self._known[steps, most_days]

    def _tried(self, steps: Path, most_days: int) -> Path | None:
        if self.cleared:
            return ()
        fork = self._fork()
        for at, step in enumerate(steps, 1):
            fork.take(step)
            if fork.cleared:
                return steps[:at]
        at_ms = trial.clears_at(
            *(fork.rows, fork.machine, fork.now_ms, most_days, fork.policy.record),
            *(*fork.room, fork._before),
        )
        if at_ms == state.NEVER:
            return None
        return (*steps, Step("quiet", -(-(at_ms - fork.now_ms) // DAY_MS), "days"))


def find(row: Any, machine: codes.Machine, now_ms: int, policy: Policy) -> tuple[Path, ...]:
    """Up to four alternatives that clear, smallest first: fewest steps, then fewest days, then least money.

    row  one customer (shape ()), as it stood right after the alert's crossing
    """
    rows = np.zeros(1, state.CUSTOMER)
    rows[0] = row
    start = Trial(rows, machine, now_ms, policy)
    found: dict[Path, None] = {}
    for steps in _candidates(start):
        if any(_days(path) == 0 and _changes(path) <= _changes(steps) for path in found):
            continue  # less of it clears at once
        path = start.path(steps)
        if path:
            found[_trimmed(start, path)] = None
    kept: list[Path] = []
    for path in sorted(found, key=_size):
        if not any(_changes(other) <= _changes(path) and _days(other) <= _days(path) for other in kept):
            kept.append(path)
    return tuple(kept[:MOST_PATHS])


def _days(path: Path) -> int:
    return sum(step.amount for step in path if step.change == "quiet")


def _changes(path: Path) -> set[tuple[str, str | None]]:
    return {(step.change, step.case_digest) for step in path if step.change != "quiet"}


def _size(path: Path) -> tuple[int, int, int, str]:
    return len(path), _days(path), sum(step.amount for step in path if step.unit == "cents"), repr(path)


def _trimmed(start: Trial, path: Path) -> Path:
    """The path without the steps that it clears without, in no more days."""
    steps = path[:-1] if path[-1].change == "quiet" else path
    for at, step in enumerate(steps):
        if step.change == "quiet":
            continue
        shorter = start.path(steps[:at] + steps[at + 1 :])
        if shorter and _days(shorter) <= _days(path) and len(shorter) < len(path):
            return _trimmed(start, shorter)
    return path


def _candidates(start: Trial) -> Iterator[Path]:
    """What is tried, each to be followed by as many quiet days as it takes."""
    owed = tuple(_owed(start.rows[0]))
    yield ()
    for one in owed:
        yield (one,)
    yield owed
    yield (GESTURE,)
    yield (*owed, GESTURE)
    yield (A_DAY, PURCHASE)
    for steps in ((*owed, A_DAY, PURCHASE), (*owed, GESTURE, A_DAY, PURCHASE)):
        yield steps
        if start.machine is codes.Machine.CHURN and start.path(steps) is None:
            yield from _late_purchase(start, steps[:-2])
    if start.machine in ON_MONEY:
        yield from _money(start)
    if start.machine is codes.Machine.GAMING:
        yield (Step("open_fault", 1, "fault"),)
    if start.machine is codes.Machine.NEWS:
        yield (Step("thank_referrer", 1, "thanks"),)
    if start.machine is codes.Machine.REFERRAL:
        yield (Step("referral_ask", 1, "message"),)


def _owed(row: Any) -> Iterator[Step]:
    """Everything that is still to be settled, each as one step."""
    for slot in range(state.CASES):
        if is_open(row, slot):
            yield Step("settle_case", 1, "case", f"{int(row['case_id'][slot]):016x}")
    for slot in range(state.CALLBACKS):
        if row["callback_due_ms"][slot] != state.NEVER:
            case = int(row["callback_case"][slot])
            yield Step("make_callback", 1, "callback", f"{case:016x}" if case else None)
    if repair_running(row):
        yield Step("end_repair", 1, "repair")
    if appeal_open(row):
        yield Step("answer_appeal", 1, "appeal")


def _late_purchase(start: Trial, steps: Path) -> Iterator[Path]:
    """The steps and a purchase after as many quiet days as it takes until what went wrong has faded enough."""

    def after(days: int) -> Path:
        return (*steps, Step("quiet", days, "days"), PURCHASE)

    def clears(days: int) -> bool:
        return start.path(after(days), 1) is not None

    low, high = 1, 2
    while not clears(high):
        low, high = high, 2 * high
        if high > MOST_CALM_DAYS:
            return
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if clears(middle) else (middle, high)
    yield after(high)


def _money(start: Trial) -> Iterator[Path]:
    """Margin, the least that clears within the dwell and two periods; and cost that may be seen to be ours."""
    margin = _least_margin(start)
    if margin is not None:
        yield (Step("margin", margin, "cents"),)
    row = start.rows[0]
    named = []
    for slot in range(state.CASES):
        cents = int(row["case_cost_cents"][slot, :, codes.Fault.CUSTOMER :].sum())
        if row["case_id"][slot] != 0 and cents > 0:
            named.append(Step("name_cause", cents, "cents", f"{int(row['case_id'][slot]):016x}"))
            yield (named[-1],)
    yield tuple(named)


def _least_margin(start: Trial) -> int | None:
    """The least margin, in whole hundreds of cents, that clears soon; None where no margin does."""
    within = int(start.policy.record["value_dwell_days"][0]) + 2 * state.PERIOD_DAYS

    def clears(cents: int) -> bool:
        return start.path((Step("margin", cents, "cents"),), within) is not None

    low, high = 0, ROUNDING_CENTS
    while not clears(high):
        low, high = high, 2 * high
        if high > MOST_MARGIN_CENTS:
            return None
    while high - low > ROUNDING_CENTS:
        middle = (low + high) // 2 // ROUNDING_CENTS * ROUNDING_CENTS
        low, high = (low, middle) if clears(middle) else (middle, high)
    return high
