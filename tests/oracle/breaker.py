"""The slow breaker: docs/model.md section 8 in one list of all that ever happened, searched anew each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.codes import ALERT_NAMES, Change, Machine
from schemas.events import DAY_MS
from tests.oracle.rows import HOUR_MS, Rules

Cause = tuple[int, ...]
FAMILIES = (Machine.VALUE, Machine.GAMING)


@dataclass
class Heard:
    """One alert, and what has become of it: "out", "waits" (until a time) or the id of an incident."""

    alert_id: str
    customer: str
    machine: Machine
    change: Change
    ts: int
    place: str = "out"
    until: int = 0
    initial: bool = False


class SlowBreaker:
    """Hears alerts; ``out`` is what went out, in order, ``held`` what incidents took, in order."""

    def __init__(self, rules: Rules, partition: int, partitions: int, recorded: bool = False) -> None:
        self.out: list[str] = []
        self.held: list[tuple[str, str]] = []
        self.incidents: dict[str, list[Any]] = {}
        self.heard: list[Heard] = []
        self._rules, self._partition, self._partitions = rules, partition, partitions
        self._time, self._base, self._read = -1, 0, recorded
        self._counted: list[tuple[Any, int]] = []
        self._gone: list[tuple[Machine, int]] = []

    def tick(self, tick: int, base: int) -> None:
        """A tick, before its alerts."""
        self._time, self._base = max(self._time, tick), base
        for one in self.heard:
            if one.place == "waits" and one.until <= self._time:
                self._put(one, "out", 0, one.initial)

    def ticked(self, tick: int, append: int | None) -> None:
        """The end of a progress entry."""
        if append is None or append - tick <= self._rules.breaker_initial_days * DAY_MS:
            self._read = True

    def hear(self, one: Heard, cause: Cause | None, append: int | None) -> None:
        """The judge's next alert."""
        self._time = max(self._time, one.ts)
        earlier = [each for each in self.heard if (each.customer, each.machine) == (one.customer, one.machine)]
        self.heard.append(one)
        if one.change is not Change.ENTERED:
            entry = earlier[-1] if earlier else one
            ended = entry.change is Change.CLEARED or not earlier or entry.place == "out"
            ended |= entry.initial and one.change is Change.ESCALATED and not self._is_past(one, append)
            self._put(one, "out" if ended else entry.place, entry.until, entry.initial and not ended)
            return
        if self._is_past(one, append):
            self._put(one, self._incident("initial", "initial", "initial_days", 0), 0, True)
            return
        self._put(one, *self._weigh(one, cause))

    def _is_past(self, one: Heard, append: int | None) -> bool:
        days = self._rules.breaker_initial_days
        old = append is not None and days > 0 and append - one.ts > days * DAY_MS
        return not self._read and old and one.machine is not Machine.SERVICE

    def release(self, incident: str) -> None:
        """A person's word."""
        if self.incidents.get(incident, [True])[0]:
            return
        self.incidents[incident][0] = True
        self._counted = [each for each in self._counted if each[0] != self.incidents[incident][1]]
        for one in self.heard:
            if one.place == incident:
                self._put(one, "out", 0, one.initial)

    def _put(self, one: Heard, place: str, until: int = 0, initial: bool = False) -> None:
        one.place, one.until, one.initial = place, until, initial
        if place == "out":
            self.out.append(one.alert_id)
            if one.machine in FAMILIES and one.change is Change.ENTERED and not self._was_held(one):
                self._gone.append((one.machine, one.ts // HOUR_MS))
        elif place != "waits":
            self.held.append((one.alert_id, place))
            self.incidents[place][2] += 1

    def _was_held(self, one: Heard) -> bool:
        return any(alert_id == one.alert_id for alert_id, _ in self.held)

    def _weigh(self, one: Heard, cause: Cause | None) -> tuple[str, int]:
        rules = self._rules
        asked: list[tuple[Any, str, list[tuple[str, int, int]]]] = []
        if cause is not None and one.machine in (Machine.CHURN, Machine.SERVICE):
            asked.append((cause, "common_cause", [("same_cause", HOUR_MS, rules.breaker_same_cause)]))
        if one.machine is Machine.CHURN:
            allowed = max(rules.breaker_churn_least_entries, int(rules.breaker_churn_share_per_hour * self._base))
            asked.append((one.machine, "churn_risk", [("churn_share_per_hour", HOUR_MS, allowed)]))
        if one.machine in FAMILIES:
            asked.append((one.machine, ALERT_NAMES[one.machine], self._watched(one.machine)))
        for what, _, _ in asked:
            for name, (released, about, _, _, _) in self.incidents.items():
                if not released and about == what:
                    return name, 0
        for what, kind, limits in asked:
            self._counted.append((what, self._time))
            for name, span, allowed in limits:
                times = [at for about, at in self._counted if about == what and at > self._time - span]
                if len(times) > allowed:
                    return self._trip(what, kind, name, allowed), 0
        if one.machine in FAMILIES and rules.breaker_wait_minutes:
            return "waits", self._time + rules.breaker_wait_minutes * 60_000
        return "out", 0

    def _watched(self, machine: Machine) -> list[tuple[str, int, int]]:
        rules, hour = self._rules, self._time // HOUR_MS
        least = rules.breaker_least_entries
        gone = [at for who, at in self._gone if who is machine and hour - 672 <= at < hour]
        usual = len(gone) / len(set(gone)) if gone else 0.0
        return [
            ("entries_per_hour", HOUR_MS, -(-rules.breaker_entries_per_hour // self._partitions)),
            ("entries_per_day", DAY_MS, -(-rules.breaker_entries_per_day // self._partitions)),
            ("share_per_hour", HOUR_MS, max(least, int(rules.breaker_share_per_hour * self._base))),
            ("share_per_day", DAY_MS, max(least, int(rules.breaker_share_per_day * self._base))),
            ("times_usual", HOUR_MS, max(least, int(rules.breaker_times_usual * usual))),
        ]

    def _incident(self, what: Any, kind: str, limit: str, allowed: int) -> str:
        for name, (released, about, _, _, _) in self.incidents.items():
            if not released and about == what:
                return name
        name = f"{kind}-{self._partition}-{len(self.incidents) + 1}"
        self.incidents[name] = [False, what, 0, limit, allowed]
        return name

    def _trip(self, what: Any, kind: str, limit: str, allowed: int) -> str:
        name = self._incident(what, kind, limit, allowed)
        for one in self.heard:
            if one.place == "waits" and one.machine is what:
                self._put(one, name, 0, one.initial)
        return name
