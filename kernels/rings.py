"""Rings of buckets over hours, days and 28-day periods: exact whatever the order of arrival.

Bucket ``b`` of a ring with ``n`` buckets lives at index ``b % n`` while ``head - n < b <= head``. Moving the head
forward empties what leaves the window, so an event older than the window changes nothing, early or late.
"""

from kernels._jit import kernel
from kernels.shapes import Row
from schemas.state import DAYS, FAULTS, HOURS, MONEY_MOST_CENTS, PERIOD_DAYS, PERIODS

COUNT_MAX = 255
PERIOD_COUNT_MAX = 65_535
MONEY_MAX = 2**32 - 1
SECONDS_MAX = 2**32 - 1


@kernel
def reach_hour(row: Row, hour: int) -> bool:
    """Make ``hour`` a bucket of the hourly ring if it is not too old; say whether it is one."""
    head = int(row["hour_head"])
    if hour > head:
        for bucket in range(max(head, hour - HOURS) + 1, hour + 1):
            row["hour_contacts"][bucket % HOURS] = 0
            row["hour_short"][bucket % HOURS] = 0
            row["hour_aside_cents"][bucket % HOURS] = 0
        row["hour_head"] = hour
        return True
    return hour > head - HOURS


@kernel
def reach_day(row: Row, day: int) -> bool:
    """The same for the daily ring."""
    head = int(row["day_head"])
    if day > head:
        for bucket in range(max(head, day - DAYS) + 1, day + 1):
            row["day_contacts"][bucket % DAYS] = 0
            row["day_failures"][bucket % DAYS] = 0
            row["day_purchases"][bucket % DAYS] = 0
            row["day_cost_cents"][bucket % DAYS] = 0
        row["day_head"] = day
        return True
    return day > head - DAYS


@kernel
def reach_period(row: Row, period: int) -> bool:
    """The same for the ring of 28-day periods."""
    head = int(row["period_head"])
    if period > head:
        for bucket in range(max(head, period - PERIODS) + 1, period + 1):
            row["period_contacts"][bucket % PERIODS] = 0
            row["period_handle_seconds"][bucket % PERIODS] = 0
            row["period_margin_cents"][bucket % PERIODS] = 0
            row["period_aside_cents"][bucket % PERIODS] = 0
            row["period_fee_cents"][bucket % PERIODS] = 0
            row["period_doubt_cents"][bucket % PERIODS] = 0
            row["period_revenue_cents"][bucket % PERIODS] = 0
            for fault in range(FAULTS):
                row["period_cost_cents"][bucket % PERIODS, fault] = 0
        row["period_head"] = period
        return True
    return period > head - PERIODS


@kernel
def held_year(row: Row, period: int) -> tuple[int, int, int]:
    """Of the 13 periods up to ``period`` those the ring holds: first, the one after the last, the first's index.

    Those before the customer's first day are left out, for they are empty. Walk on with ``next_index``: a division
    for each bucket would take longer than what is done with it.
    """
    head = int(row["period_head"])
    first = max(head, period) - PERIODS + 1
    first = max(first, int(row["first_day"]) // PERIOD_DAYS)
    return first, min(head, period) + 1, first % PERIODS


@kernel
def next_index(at: int) -> int:
    """The index of the period after the one at ``at``."""
    return 0 if at == PERIODS - 1 else at + 1


@kernel
def count_contact(row: Row, hour: int, day: int, period: int, short: bool, seconds: int) -> None:
    """Count one contact in all three rings, and the time that it took; counters stop at their type's end."""
    if reach_hour(row, hour):
        at = hour % HOURS
        row["hour_contacts"][at] = min(int(row["hour_contacts"][at]) + 1, COUNT_MAX)
        if short:
            row["hour_short"][at] = min(int(row["hour_short"][at]) + 1, COUNT_MAX)
    if reach_day(row, day):
        row["day_contacts"][day % DAYS] = min(int(row["day_contacts"][day % DAYS]) + 1, COUNT_MAX)
    if reach_period(row, period):
        at = period % PERIODS
        row["period_contacts"][at] = min(int(row["period_contacts"][at]) + 1, PERIOD_COUNT_MAX)
        row["period_handle_seconds"][at] = min(int(row["period_handle_seconds"][at]) + seconds, SECONDS_MAX)


@kernel
def count_failure(row: Row, day: int) -> None:
    """Count one failure on ``day``, and remember the latest such day."""
    row["failure_day"] = max(int(row["failure_day"]), day)
    if reach_day(row, day):
        row["day_failures"][day % DAYS] = min(int(row["day_failures"][day % DAYS]) + 1, COUNT_MAX)


@kernel
def count_purchase(row: Row, day: int) -> bool:
    """Count one purchase on ``day``; say whether it is the day's first (always true for a day too old)."""
    if not reach_day(row, day):
        return True
    before = int(row["day_purchases"][day % DAYS])
    row["day_purchases"][day % DAYS] = min(before + 1, COUNT_MAX)
    return before == 0


@kernel
def bounded(cents: int) -> int:
    """A sum of money, stopped at what a row may hold."""
    return min(MONEY_MOST_CENTS, max(-MONEY_MOST_CENTS, cents))


@kernel
def book(row: Row, day: int, period: int, cost_cents: int, fault: int) -> None:
    """Book one event's cost, cents, in the rings and for life."""
    row["life_cost_cents"][fault] = bounded(int(row["life_cost_cents"][fault]) + cost_cents)
    if cost_cents == 0:
        return
    if reach_day(row, day):
        at = day % DAYS
        row["day_cost_cents"][at] = min(int(row["day_cost_cents"][at]) + cost_cents, MONEY_MAX)
    if reach_period(row, period):
        at = period % PERIODS
        row["period_cost_cents"][at, fault] = bounded(int(row["period_cost_cents"][at, fault]) + cost_cents)


@kernel
def earn(row: Row, period: int, margin_cents: int, fee_cents: int, revenue_cents: int) -> None:
    """Book one event's margin, how much of it is a fee's, and its revenue, cents, in the ring and for life."""
    row["life_margin_cents"] = bounded(int(row["life_margin_cents"]) + margin_cents)
    row["life_fee_cents"] = bounded(int(row["life_fee_cents"]) + fee_cents)
    if (margin_cents != 0 or revenue_cents != 0) and reach_period(row, period):
        at = period % PERIODS
        row["period_margin_cents"][at] = bounded(int(row["period_margin_cents"][at]) + margin_cents)
        row["period_fee_cents"][at] = bounded(int(row["period_fee_cents"][at]) + fee_cents)
        row["period_revenue_cents"][at] = bounded(int(row["period_revenue_cents"][at]) + revenue_cents)


@kernel
def doubt(row: Row, period: int, cost_cents: int) -> None:
    """Remember a cost of unknown fault, booked just before, as one that tells of a defect."""
    if cost_cents != 0 and reach_period(row, period):
        at = period % PERIODS
        row["period_doubt_cents"][at] = bounded(int(row["period_doubt_cents"][at]) + cost_cents)


@kernel
def move(row: Row, period: int, cents: int, before: int, after: int) -> None:
    """Book cents of a period under another fault, in the ring (if it still holds the period) and for life."""
    row["life_cost_cents"][before] = bounded(int(row["life_cost_cents"][before]) - cents)
    row["life_cost_cents"][after] = bounded(int(row["life_cost_cents"][after]) + cents)
    head = int(row["period_head"])
    if head - PERIODS < period <= head:
        cost = row["period_cost_cents"][period % PERIODS]
        cost[before] = bounded(int(cost[before]) - cents)
        cost[after] = bounded(int(cost[after]) + cents)


@kernel
def contacts_of_days(row: Row, first: int, last: int) -> int:
    """Contacts on the days ``first`` to ``last``, as far as the ring holds them."""
    head = int(row["day_head"])
    total = 0
    for day in range(max(first, head - DAYS + 1), min(last, head) + 1):
        total += int(row["day_contacts"][day % DAYS])
    return total


@kernel
def purchases_of_days(row: Row, first: int, last: int) -> int:
    """Purchases on the days ``first`` to ``last``, as far as the ring holds them."""
    head = int(row["day_head"])
    total = 0
    for day in range(max(first, head - DAYS + 1), min(last, head) + 1):
        total += int(row["day_purchases"][day % DAYS])
    return total


@kernel
def contacts_in_day(row: Row, hour: int) -> int:
    """Contacts in the 24 hour buckets that end with ``hour``."""
    head = int(row["hour_head"])
    total = 0
    for bucket in range(max(hour, head) - HOURS + 1, min(hour, head) + 1):
        total += int(row["hour_contacts"][bucket % HOURS])
    return total


@kernel
def short_in_day(row: Row, hour: int) -> int:
    """Short contacts in the 24 hour buckets that end with ``hour``."""
    head = int(row["hour_head"])
    total = 0
    for bucket in range(max(hour, head) - HOURS + 1, min(hour, head) + 1):
        total += int(row["hour_short"][bucket % HOURS])
    return total


@kernel
def set_aside(row: Row, period: int, cents: int) -> None:
    """Take cents of a period back out of its adjusted net, where the ring holds the period."""
    if cents != 0 and reach_period(row, period):
        at = period % PERIODS
        row["period_aside_cents"][at] = bounded(int(row["period_aside_cents"][at]) + cents)
