"""The job that other engines do beside whaleline, slowly and plainly: what their alerts are checked against.

A customer's last 24 hours of calls and last 90 days of margin and service cost; a chance to lose them from a
logistic of eight numbers; two flags, each with a border to enter and another to leave by; an alert for each
change. The fast twin is ``java/peers/Job.java``. What is earlier than a window is left out of it, so the result
depends on the order in which a customer's events come, and each engine has its own: it says which.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from tests.bench.load import DAY_MS, HOUR_MS, Load, escalated

HOURS, DAYS = 24, 90
CALL_CENTS = 400.0
SECOND_CENTS = 1.5625
ESCALATED_CENTS = 2_000.0
DESTROYS, DESTROYS_NO_MORE = -10_000.0, -6_000.0
LEAVES, LEAVES_NO_MORE = 0.70, 0.40
SAME_CHANCE = 1e-9
"""Two mathematical libraries may differ in the last bits of an exponential, and nowhere else."""


class Alert(NamedTuple):
    """A flag that changed; an event changes each at most once."""

    event: int
    alert: str
    customer_id: str
    on: bool
    ts_ms: int
    net_cents: float
    calls: int
    chance: float


class Window:
    """Sums of the newest ``length`` slots of time; what is older has left."""

    def __init__(self, length: int) -> None:
        self.length, self.newest = length, 0
        self.slots: dict[int, tuple[float, float]] = {}
        self.total = (0.0, 0.0)

    def pass_to(self, slot: int) -> None:
        if slot > self.newest:
            self.newest = slot
            for old in [one for one in self.slots if one <= slot - self.length]:
                first, second = self.slots.pop(old)
                self.total = (self.total[0] - first, self.total[1] - second)

    def add(self, slot: int, first: float, second: float) -> None:
        if slot > self.newest - self.length:
            was = self.slots.get(slot, (0.0, 0.0))
            self.slots[slot] = (was[0] + first, was[1] + second)
            self.total = (self.total[0] + first, self.total[1] + second)


class Customer:
    """What is remembered of one."""

    def __init__(self) -> None:
        self.calls, self.money = Window(HOURS), Window(DAYS)
        self.repeat = 0
        self.sentiment = self.escalation = 0.0
        self.flags = {"value_destroyer": False, "churn_risk": False}

    def net_cents(self) -> float:
        return self.money.total[0] - self.money.total[1]

    def chance(self) -> float:
        calls, seconds = self.calls.total
        z = -3.2 + 0.8 * self.repeat + 0.2 * calls + 0.001 * (seconds / calls if calls else 0.0)
        z += 1.5 * self.escalation - self.sentiment - 0.00005 * max(-20_000.0, min(20_000.0, self.net_cents()))
        return 1.0 / (1.0 + math.exp(-z))

    def changed(self) -> list[str]:
        """Set the flags anew; the names of those that changed."""
        net, chance = self.net_cents(), self.chance()
        destroys, leaves = self.flags.values()
        now = {
            "value_destroyer": net <= DESTROYS_NO_MORE if destroys else net < DESTROYS,
            "churn_risk": chance >= LEAVES_NO_MORE if leaves else chance > LEAVES,
        }
        before, self.flags = self.flags, now
        return [name for name, on in now.items() if on != before[name]]


def golden(of: Load, order: Iterable[int]) -> list[Alert]:
    """The alerts of a load whose events come in this order."""
    columns = list(zip(*(column.tolist() for column in (*of, escalated(of))), strict=True))
    customers: dict[int, Customer] = {}
    alerts = []
    for event in order:
        bought, number, ts_ms, handle_s, _, resolved, sentiment, revenue, cost, up = columns[event]
        one = customers.get(number)
        if one is None:
            one = customers[number] = Customer()
        hour, day = ts_ms // HOUR_MS, ts_ms // DAY_MS
        one.calls.pass_to(hour)
        one.money.pass_to(day)
        if bought:
            one.money.add(day, revenue - cost, 0.0)
        else:
            one.calls.add(hour, 1, handle_s)
            one.money.add(day, 0.0, CALL_CENTS + handle_s * SECOND_CENTS + (ESCALATED_CENTS if up else 0.0))
            one.repeat = 0 if resolved else one.repeat + 1
            one.sentiment += 0.25 * (sentiment - one.sentiment)
            one.escalation += 0.25 * (up - one.escalation)
        for name in one.changed():
            told = (f"c{number:07d}", one.flags[name], ts_ms, one.net_cents(), int(one.calls.total[0]))
            alerts.append(Alert(event, name, *told, one.chance()))
    return alerts


def faults(expected: Iterable[Alert], told: Iterable[Alert]) -> list[str]:
    """What is wrong with the alerts that an engine told; nothing where they are the job's, in any order."""
    found: list[str] = []
    theirs: dict[tuple[int, str], Alert] = {}
    for one in told:
        if (one.event, one.alert) in theirs:
            found.append(f"doubled: {one}")
        theirs[one.event, one.alert] = one
    for one in expected:
        other = theirs.pop((one.event, one.alert), None)
        if other is None:
            found.append(f"missing: {one}")
        elif one[:-1] != other[:-1] or abs(one.chance - other.chance) > SAME_CHANCE:
            found.append(f"{one} was told as {other}")
    return found + [f"out of nowhere: {one}" for one in theirs.values()]
