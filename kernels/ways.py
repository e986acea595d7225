"""The ways out of an alert: the smallest changes that leave a machine, found by trying them on a copy of the row.

A way is a set of deeds, done one a minute in the order of their table, the purchase after ``before`` quiet days,
and then ``days`` quiet days (docs/model.md section 7, Clear path).
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np

from kernels import cases, trial
from kernels._jit import allocating, kernel
from kernels.attribution import DAY_MS, repair_running
from kernels.evidence import FACTORS, daily_factors
from kernels.judge import ROOM
from kernels.relations import appeal_open
from kernels.shapes import Records, Row, Rules
from kernels.trial import CAUSE, CHURN, GAMING, NEWS, REFERRAL, VALUE
from schemas.codes import Author, Cause, Fault, Kind, Purpose
from schemas.state import CALLBACKS, CASES, CROSSING, MEMO, NEVER, PERIOD_DAYS, SCORES


class Deed(IntEnum):
    """A change that may help to leave."""

    SETTLE_CASE = 0
    MAKE_CALLBACK = 1
    END_REPAIR = 2
    ANSWER_APPEAL = 3
    RECOVERY = 4
    PURCHASE = 5
    MARGIN = 6
    NAME_CAUSE = 7
    OPEN_FAULT = 8
    THANK_REFERRER = 9
    REFERRAL_ASK = 10


SETTLE_CASE: Final = int(Deed.SETTLE_CASE)
MAKE_CALLBACK: Final = int(Deed.MAKE_CALLBACK)
END_REPAIR: Final = int(Deed.END_REPAIR)
ANSWER_APPEAL: Final = int(Deed.ANSWER_APPEAL)
RECOVERY: Final = int(Deed.RECOVERY)
PURCHASE: Final = int(Deed.PURCHASE)
MARGIN: Final = int(Deed.MARGIN)
NAME_CAUSE: Final = int(Deed.NAME_CAUSE)
OPEN_FAULT: Final = int(Deed.OPEN_FAULT)
THANK_REFERRER: Final = int(Deed.THANK_REFERRER)
REFERRAL_ASK: Final = int(Deed.REFERRAL_ASK)

HAPPENS: Final = np.array(
    [
        *(Kind.TICKET_RESOLVED, Kind.CALLBACK_MADE, Kind.REPAIR_OUT, Kind.ESCALATION_GRANTED, Kind.CREDIT),
        *(Kind.PURCHASE, Kind.PURCHASE, Kind.TICKET_REPLY, Kind.FAULT_OPENED, Kind.REFERRAL_CREDIT),
        Kind.CONTACT_SENT,
    ],
    np.int64,
)
"""The kind of event by which each deed happens."""

DEED: Final = np.dtype([("deed", "<i8"), ("cents", "<i8"), ("case", "<u8")])
"""A deed; what it moves, cents, where that is searched or known before; and the case it is about (0: none)."""

WAY: Final = np.dtype([("deeds", "<i8"), ("before", "<i8"), ("days", "<i8"), ("size", "<i8"), ("cents", "<i8")])
"""Deeds by bits over the table of deeds; quiet days before the purchase and at the end; steps; cents of all."""

DEEDS: Final = CASES + CALLBACKS + 4 + 1 + CASES
"""What may be owed, a recovery, a purchase, a margin, and whatever case a person may name as the company's."""
COPIES: Final = 4
TRIED: Final = 4 * DEEDS
"""Room for ways that were found, and one place to swap them by."""
MOST_WAYS: Final = 4
MOST_DAYS: Final = 400
"""How many quiet days are tried where money is judged; a year of 13 periods has gone by then."""
MOST_CALM_DAYS: Final = 180
"""And where failures are: by then they have faded, or the customer has gone."""
ROUNDING_CENTS: Final = 100
"""Margin is tried in whole hundreds of cents."""
MOST_MARGIN_CENTS: Final = 10**10
MINUTE_MS: Final = 60_000
BY_AGENT: Final = int(Author.AGENT)
BY_COMPANY: Final = int(Cause.COMPANY)
OF_CUSTOMER: Final = int(Fault.CUSTOMER)
TO_ASK: Final = int(Purpose.REFERRAL_ASK)

Trial = tuple[Any, ...]
"""What every try needs: rows, machine, now_ms, rules, events, deeds, scores, out, beside, as in ``find_ways``."""


@kernel
def _count(deeds: int) -> int:
    """How many deeds a set holds."""
    count = 0
    while deeds != 0:
        deeds &= deeds - 1
        count += 1
    return count


@kernel
def _put_event(events: Records, deed: Records, row: Row, ts_ms: int, rules: Rules) -> None:
    """Write the event by which the deed happens to ``events[1]``; ``events[0]`` has nothing in it."""
    what = int(deed["deed"])
    events[1] = events[0]
    event = events[1]
    event["kind"], event["ts_ms"] = HAPPENS[what], ts_ms
    event["case_id"] = event["fault_id"] = deed["case"]
    if what == MARGIN:
        event["amount_cents"] = event["margin_cents"] = deed["cents"]
    elif what == PURCHASE:
        event["amount_cents"] = int(row["spent_cents"]) // max(1, int(row["purchases"]))
    elif what == RECOVERY:
        event["amount_cents"] = rules["economics_gesture_cents"]
    elif what == NAME_CAUSE:
        event["author"], event["cause"] = BY_AGENT, BY_COMPANY
    elif what == OPEN_FAULT:
        event["fault_id"] = 1
    elif what == REFERRAL_ASK:
        event["purpose"] = TO_ASK


@kernel
def _do(trial_of: Trial, at: int, copy: int, ts_ms: int) -> bool:
    """Let one deed of the table happen to a copy of the row; whether that left the machine."""
    rows, machine, _, rules, events, deeds, scores, out, beside = trial_of
    row = rows[copy]
    _put_event(events, deeds[at], row, ts_ms, rules)
    trial.take_event(row, machine, events[1], rules, scores, out, beside)
    return bool(row["state"][machine] == 0)


@kernel
def _try(trial_of: Trial, wanted: int, before: int, most_days: int) -> tuple[int, int, int]:
    """Do the deeds, then let days pass: (deeds, days before the purchase, days after) until the machine was left.

    Less than was wanted where that is enough; ``NEVER`` days where it is not left within ``most_days``.
    """
    rows, machine, at_ms, rules, _, deeds, scores, out, beside = trial_of
    rows[1] = rows[0]
    done = 0
    for at in range(DEEDS):
        if wanted >> at & 1 == 0:
            continue
        bought = deeds[at]["deed"] == PURCHASE
        if bought and before > 0:
            until_ms = at_ms + before * DAY_MS
            if trial.run_hours(rows[1], machine, at_ms, until_ms, rules, scores, out, beside) != NEVER:
                return done, 0, before
            at_ms = until_ms
        at_ms += MINUTE_MS
        done |= 1 << at
        if _do(trial_of, at, 1, at_ms):
            return done, before if bought else 0, 0
    left_ms = trial.clears_at(rows[1:3], machine, at_ms, most_days, rules, scores, out, beside)
    return wanted, before, -(-(left_ms - at_ms) // DAY_MS) if left_ms != NEVER else NEVER


@kernel
def _limit(ways: Records, count: int, wanted: int, most_days: int) -> int:
    """Days in all that a way may take to be sooner than those whose deeds it holds."""
    for at in range(count):
        if ways[at]["deeds"] & ~wanted == 0:
            most_days = min(most_days, ways[at]["before"] + ways[at]["days"] - 1)
    return most_days


@kernel
def _most_days(machine: int) -> int:
    return MOST_DAYS if machine in (VALUE, CAUSE) else MOST_CALM_DAYS


@kernel
def _offer(trial_of: Trial, ways: Records, count: int, wanted: int, before: int) -> int:
    """Try one candidate; if it leaves the machine, it joins the ways, without what it does not need."""
    machine, deeds = trial_of[1], trial_of[5]
    most_days = _limit(ways, count, wanted, before + _most_days(machine)) - before
    if most_days < 0:
        return count
    done, before, days = _try(trial_of, wanted, before, most_days)
    at = DEEDS if days != NEVER else 0
    while at > 0:
        at -= 1
        less = done & ~(1 << at)
        # Time alone, and single deeds, are candidates of their own and come first.
        if less == done or _count(less) < 2:
            continue
        wait = 0 if deeds[at]["deed"] == PURCHASE else before
        found = _try(trial_of, less, wait, before + days - wait)
        if found[2] != NEVER:
            done, before, days = found
            at = DEEDS
    if days == NEVER:
        return count
    cents = 0
    for at in range(DEEDS):
        if done >> at & 1:
            cents += deeds[at]["cents"]
    way = ways[count]
    way["deeds"], way["before"], way["days"], way["cents"] = done, before, days, cents
    way["size"] = _count(done) + (1 if before > 0 else 0) + (1 if days > 0 else 0)
    return count + 1


@kernel
def _offer_late_purchase(trial_of: Trial, ways: Records, count: int, wanted: int, purchase: int) -> int:
    """The deeds and a purchase after as many days as it takes until what went wrong has faded enough."""
    rows, machine, at_ms, rules, _, _, scores, out, beside = trial_of
    most_days = _limit(ways, count, wanted, MOST_CALM_DAYS)
    rows[3] = rows[0]
    for at in range(purchase):
        if wanted >> at & 1:
            at_ms += MINUTE_MS
            _do(trial_of, at, 3, at_ms)
    for before in range(1, most_days + 1):
        at_ms += DAY_MS
        trial.take_tick(rows[3], machine, at_ms // DAY_MS * DAY_MS, rules, scores, out, beside)
        rows[1] = rows[3]
        if _do(trial_of, purchase, 1, at_ms + MINUTE_MS):
            found = _offer(trial_of, ways, count, wanted, before)
            if found > count:
                return found
    return count


@kernel
def _offer_money(trial_of: Trial, ways: Records, count: int, place: int) -> int:
    """Margin, the least that leaves the machine within the dwell and two periods; and cost named as ours."""
    rows, _, _, rules, _, deeds, _, _, _ = trial_of
    deeds[place]["deed"] = MARGIN
    within = int(rules["value_dwell_days"]) + 2 * PERIOD_DAYS
    within = _limit(ways, count, 1 << place, within)
    if within >= 0 and _find_margin(trial_of, place, within):
        count = _offer(trial_of, ways, count, 1 << place, 0)
    named = 0
    for slot in range(CASES):
        cents = int(rows[0]["case_cost_cents"][slot, :, OF_CUSTOMER:].sum())
        if rows[0]["case_id"][slot] != 0 and cents > 0:
            place += 1
            deed = deeds[place]
            deed["deed"], deed["cents"], deed["case"] = NAME_CAUSE, cents, rows[0]["case_id"][slot]
            count = _offer(trial_of, ways, count, 1 << place, 0)
            named |= 1 << place
    return _offer(trial_of, ways, count, named, 0) if _count(named) > 1 else count


@kernel
def _margin_clears(trial_of: Trial, place: int, within: int, cents: int) -> bool:
    trial_of[5][place]["cents"] = cents
    return _try(trial_of, 1 << place, 0, within)[2] != NEVER


@kernel
def _find_margin(trial_of: Trial, place: int, within: int) -> bool:
    """Write the least margin that clears, in whole hundreds of cents, to its deed; False where none does."""
    if not _margin_clears(trial_of, place, within, MOST_MARGIN_CENTS):
        return False
    low, high = 0, ROUNDING_CENTS
    while high < MOST_MARGIN_CENTS and not _margin_clears(trial_of, place, within, high):
        low, high = high, min(2 * high, MOST_MARGIN_CENTS)
    while high - low > ROUNDING_CENTS:
        middle = (low + high) // 2 // ROUNDING_CENTS * ROUNDING_CENTS
        if _margin_clears(trial_of, place, within, middle):
            high = middle
        else:
            low = middle
    trial_of[5][place]["cents"] = high
    return True


@kernel
def _list_owed(row: Row, deeds: Records) -> int:
    """Write everything that is still to be settled, each as one deed; return how many."""
    count = 0
    for slot in range(CASES):
        if cases.is_open(row, slot):
            deeds[count]["deed"], deeds[count]["case"] = SETTLE_CASE, row["case_id"][slot]
            count += 1
    for slot in range(CALLBACKS):
        if row["callback_due_ms"][slot] != NEVER:
            deeds[count]["deed"], deeds[count]["case"] = MAKE_CALLBACK, row["callback_case"][slot]
            count += 1
    if repair_running(row):
        deeds[count]["deed"] = END_REPAIR
        count += 1
    if appeal_open(row):
        deeds[count]["deed"] = ANSWER_APPEAL
        count += 1
    return count


@kernel
def _is_smaller(one: Records, other: Records) -> bool:
    if one["size"] != other["size"]:
        return bool(one["size"] < other["size"])
    days, other_days = one["before"] + one["days"], other["before"] + other["days"]
    if days != other_days:
        return bool(days < other_days)
    if one["cents"] != other["cents"]:
        return bool(one["cents"] < other["cents"])
    return bool(one["deeds"] < other["deeds"])


@kernel
def _keep_smallest(ways: Records, count: int) -> int:
    """Sort the ways and drop what holds a smaller one's deeds and is no sooner; return how many are left."""
    kept = 0
    for at in range(count):
        least = at
        for other in range(at + 1, count):
            if _is_smaller(ways[other], ways[least]):
                least = other
        ways[TRIED - 1] = ways[at]
        ways[at] = ways[least]
        ways[least] = ways[TRIED - 1]
        days = ways[at]["before"] + ways[at]["days"]
        if kept < MOST_WAYS and _limit(ways, kept, int(ways[at]["deeds"]), days) == days:
            ways[kept] = ways[at]
            kept += 1
    return kept


@allocating
def find_ways(
    rows: Records, machine: int, now_ms: int, rules: Rules, events: Records, deeds: Records, ways: Records
) -> int:  # fmt: skip
    """Fill ``ways`` with the ways to leave ``machine``, smallest first, ``MOST_WAYS`` at most; return how many.

    A candidate that holds a found way's deeds is tried for fewer days than that takes. Smallest is fewest steps,
    then fewest days, then least money, then the order of the deeds.

    rows    (``COPIES``,) the row as it stood right after the crossing at ``now_ms``, and room
    events  (2,) an event with nothing in it, and room; ``rules`` (1,)
    deeds   (``DEEDS``,) room for what may be done; ``ways`` (``TRIED``,) room
    """
    if rows[0]["state"][machine] == 0:
        return 0
    scores, out = np.empty(1, SCORES), np.empty(ROOM, CROSSING)
    memos, factors = np.zeros(1, MEMO), np.empty(FACTORS)
    daily_factors(rules[0], factors)
    trial_of = (rows, machine, now_ms, rules[0], events, deeds, scores[0], out, (memos[0], factors))
    owed = _list_owed(rows[0], deeds)
    gesture, purchase = 1 << owed, 1 << (owed + 1)
    deeds[owed]["deed"], deeds[owed + 1]["deed"] = RECOVERY, PURCHASE
    everything = gesture - 1
    count = _offer(trial_of, ways, 0, 0, 0)
    for at in range(owed):
        twin = at > 0 and deeds[at]["deed"] == deeds[at - 1]["deed"] and deeds[at]["case"] == deeds[at - 1]["case"]
        if not twin:
            count = _offer(trial_of, ways, count, 1 << at, 0)
    if owed > 1:
        count = _offer(trial_of, ways, count, everything, 0)
    count = _offer(trial_of, ways, count, gesture, 0)
    if owed > 0:
        count = _offer(trial_of, ways, count, everything | gesture, 0)
        count = _offer(trial_of, ways, count, purchase, 1)
    for helped in (everything, everything | gesture):
        before = count
        count = _offer(trial_of, ways, count, helped | purchase, 1)
        if machine == CHURN and count == before:
            count = _offer_late_purchase(trial_of, ways, count, helped | purchase, owed + 1)
    if machine in (VALUE, CAUSE):
        count = _offer_money(trial_of, ways, count, owed + 2)
    elif machine in (GAMING, NEWS, REFERRAL):
        deeds[owed + 2]["deed"] = (
            OPEN_FAULT if machine == GAMING else THANK_REFERRER if machine == NEWS else REFERRAL_ASK
        )
        count = _offer(trial_of, ways, count, 1 << (owed + 2), 0)
    return _keep_smallest(ways, count)
