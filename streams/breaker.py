"""The breaker: a wave of alerts is more likely our mistake than a thousand customers' (docs/model.md section 8).

It stands behind the judge and changes no judgement: every alert it is given leaves it once, unchanged but for the
marks of its incident, or is kept. Its time is the greatest time of any tick or alert it has heard of.
"""

from bisect import bisect_right
from collections import Counter
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgpack

from kernels import grounds
from kernels.cases import KNOWN_FAULT
from schemas.alerts import Alert, Incident
from schemas.codes import ALERT_NAMES, Change, Machine
from schemas.policy import Policy
from schemas.state import CASES
from streams.names import Names
from streams.outcome import Outcome
from streams.shelf import NEVER, Produced, Shelf

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
USUAL_HOURS = 28 * 24
SAMPLE = 5
WATCHED = (Machine.VALUE, Machine.GAMING)
"""Machines whose entries wait, so that a wave can be seen before it is heard."""
CAUSED = (Machine.CHURN, Machine.SERVICE)
"""Machines whose entries are grouped by what caused them."""


class Key(NamedTuple):
    """What may trip: the entries of a machine, of a known fault, of a product and reason, of an imported base."""

    what: int
    one: int = 0
    other: int = 0


OF_MACHINE: Final = 0
OF_FAULT: Final = 1
OF_PRODUCT: Final = 2
INITIAL: Final = Key(3)


class Limit(NamedTuple):
    """How many entries a span of time may bring; ``name`` is the setting that says so."""

    name: str
    span_ms: int
    allowed: int


HISTORY: Final = Limit("initial_days", 0, 0)


def cause_of(row: Any) -> Key | None:
    """What the newest trouble of this row is about: a known fault that is open, else its product and reason."""
    opened = sorted(
        ((max(int(row["case_opened_ms"][slot]), int(row["case_asked_ms"][slot])), -slot) for slot in range(CASES)),
        reverse=True,
    )
    unsettled = grounds.open_slots(row.reshape(1))
    slots = [-slot for _, slot in opened if unsettled >> -slot & 1]
    for slot in slots:
        if int(row["case_flags"][slot]) & KNOWN_FAULT:
            return Key(OF_FAULT, int(row["case_id"][slot]))
    if not slots:
        return None
    sku, reason = int(row["case_sku"][slots[0]]), int(row["case_reason"][slots[0]])
    return Key(OF_PRODUCT, sku, reason) if sku or reason else None


class Breaker:
    """Lets alerts through, lets them wait, or holds them under an incident; one for each ledger partition."""

    KEY = b"b"

    def __init__(self, partition: int, partitions: int, names: Names) -> None:
        self.recorded = False
        self._partition, self._partitions, self._names = partition, partitions, names
        self._shelf = Shelf()
        self._now_ms = NEVER
        self._base = 0
        self._caught_up = False
        self._numbered = 0
        self._times_ms: dict[Key, list[int]] = {}
        self._usual: dict[Machine, dict[int, int]] = {}
        self._open: dict[Key, Incident] = {}
        self._told: dict[str, Incident] = {}
        self._moved = False

    @property
    def waiting(self) -> int:
        """How many alerts wait for their time."""
        return self._shelf.waiting

    @property
    def held(self) -> int:
        """How many alerts incidents hold."""
        return len(self._shelf) - self._shelf.waiting

    def kept(self) -> list[Alert]:
        """Every alert that was produced and is not out, in order."""
        return self._shelf.all()

    def open(self) -> list[Incident]:
        """The incidents that nobody has released, oldest first."""
        return list(self._open.values())

    def know(self, recorded: bool) -> None:
        """Whether the ledger's time is a recording's, which says nothing about the age of an event."""
        self.recorded, self._moved = recorded, True

    def hear(self, one: Produced, row: Any, rules: Policy, append_ms: int | None, out: Outcome) -> None:
        """Take the judge's next alert; ``row`` is its customer's, ``append_ms`` when the ledger got its reason."""
        self._move(one.alert.ts_ms)
        out.produced.append(one.alert)
        incident: Incident | None
        if one.change is not Change.ENTERED:
            self._follow(one, rules, append_ms, out)
            return
        if self._is_initial(one, rules, append_ms):
            one = one._replace(alert=replace(one.alert, initial=True))
            incident = self._open.get(INITIAL) or self._trip(INITIAL, "initial", HISTORY, out)
        else:
            incident = self._held_back(one, row, rules, out)
        if incident is not None:
            self._hold(one, incident.incident_id, out)
            return
        wait_ms = int(rules.record["breaker_wait_minutes"][0]) * MINUTE_MS
        if one.machine in WATCHED and wait_ms > 0:
            self._shelf.keep(one, self._now_ms + wait_ms)
        else:
            self._let_out(one, out)

    def tick(self, tick_ms: int, base: int, out: Outcome) -> None:
        """Time has come to a tick, at which the partition knows ``base`` customers: what has waited goes out.

        At ticks only, because they are the same in every partition: so it is equal for any number of them.
        """
        self._move(tick_ms)
        for one in self._shelf.due(self._now_ms):
            self._let_out(one, out)
        if base != self._base:
            self._base, self._moved = base, True
        for key, times_ms in list(self._times_ms.items()):
            del times_ms[: bisect_right(times_ms, self._now_ms - DAY_MS)]
            if not times_ms:
                del self._times_ms[key]
        oldest = self._now_ms // HOUR_MS - USUAL_HOURS
        for hours in self._usual.values():
            for hour in [hour for hour in hours if hour < oldest]:
                del hours[hour]

    def arrived(self, tick_ms: int, append_ms: int | None, rules: Policy) -> None:
        """Ticks have come to ``tick_ms``: if that is close to the broker's clock, the past has been read."""
        if not self._caught_up and (append_ms is None or append_ms - tick_ms <= _initial_ms(rules)):
            self._caught_up = self._moved = True

    def release(self, incident_id: str, author: str, reason: str, out: Outcome) -> None:
        """A person lets the alerts of an incident go: they go out in order, and counting begins anew."""
        key = next((key for key, one in self._open.items() if one.incident_id == incident_id), None)
        if key is None:
            out.conflicts.append(f"incident {incident_id} is not open: its release is ignored")
            return
        incident = self._open.pop(key)
        self._times_ms.pop(key, None)
        for one in self._shelf.release(incident_id):
            out.alerts.append(replace(one.alert, incident_id=incident_id))
        # Nobody looks into it any more, so it needs no examples, and an erasure need not find them.
        over = replace(incident, customers=(), released_ms=self._now_ms)
        self._tell(replace(over, released_by=author, released_because=reason), None)

    def forget(self, customer_id: str) -> int:
        """An erased customer's alerts go to nobody, and no incident names them; how many alerts there were."""
        withdrawn = self._shelf.forget(customer_id)
        held = Counter(one.incident_id for one in withdrawn)
        for key, incident in list(self._open.items()):
            less = held[incident.incident_id]
            if less or customer_id in incident.customers:
                left = tuple(one for one in incident.customers if one != customer_id)
                self._tell(replace(incident, count=incident.count - less, customers=left), key)
        return len(withdrawn)

    def take_told(self) -> list[Incident]:
        """The incidents that changed since the last call."""
        told = list(self._told.values())
        self._told.clear()
        return told

    # ---------------------------------------------------------------- one alert

    def _move(self, now_ms: int) -> None:
        if now_ms > self._now_ms:
            self._now_ms, self._moved = now_ms, True

    def _follow(self, one: Produced, rules: Policy, append_ms: int | None, out: Outcome) -> None:
        """A later change of an episode goes where its entry is, so that the order stays.

        But who is in a report of the past and gets worse now is news.
        """
        kept = self._shelf.newest(one)
        past = kept is not None and kept.one.alert.initial
        news = past and one.change is Change.ESCALATED and not self._is_initial(one, rules, append_ms)
        if kept is not None and news:
            self._shelf.let_pass(kept)
        if kept is None or news:
            self._let_out(one, out)
        elif kept.incident_id is None:
            self._shelf.keep(one, kept.until_ms)
        else:
            one = one._replace(alert=replace(one.alert, initial=kept.one.alert.initial))
            self._hold(one, kept.incident_id, out)

    def _let_out(self, one: Produced, out: Outcome) -> None:
        out.alerts.append(one.alert)
        if one.machine in WATCHED and one.change is Change.ENTERED:
            hours = self._usual.setdefault(one.machine, {})
            hour = one.alert.ts_ms // HOUR_MS
            hours[hour] = hours.get(hour, 0) + 1
            self._moved = True

    def _hold(self, one: Produced, incident_id: str, out: Outcome) -> None:
        self._shelf.keep(one, NEVER, incident_id)
        self._count(one, incident_id, out)

    def _count(self, one: Produced, incident_id: str, out: Outcome) -> None:
        out.held.append(replace(one.alert, held=True, incident_id=incident_id))
        key, incident = next((key, each) for key, each in self._open.items() if each.incident_id == incident_id)
        customers = incident.customers
        if len(customers) < SAMPLE and one.alert.customer_id not in customers:
            customers = (*customers, one.alert.customer_id)
        self._tell(replace(incident, count=incident.count + 1, customers=customers), key)

    def _tell(self, incident: Incident, key: Key | None) -> None:
        """Remember the newest word on an incident: under its key while it is open, and to be published."""
        if key is not None:
            self._open[key] = incident
        self._told[incident.incident_id] = incident
        self._moved = True

    # ---------------------------------------------------------------- does it trip

    def _is_initial(self, one: Produced, rules: Policy, append_ms: int | None) -> bool:
        """Whether this is history: concluded long before its reason was written, while the past is being read."""
        if self._caught_up or self.recorded or append_ms is None or one.machine is Machine.SERVICE:
            return False
        days_ms = _initial_ms(rules)
        return days_ms > 0 and append_ms - one.alert.ts_ms > days_ms

    def _held_back(self, one: Produced, row: Any, rules: Policy, out: Outcome) -> Incident | None:
        """The incident that holds this entry: one that is open, or one that trips by it."""
        keys: list[tuple[Key, str, list[Limit]]] = []
        cause = cause_of(row) if one.machine in CAUSED else None
        name = ALERT_NAMES[one.machine]
        if cause is not None:
            allowed = int(rules.record["breaker_same_cause"][0])
            keys.append((cause, "common_cause", [Limit("same_cause", HOUR_MS, allowed)]))
        if one.machine is Machine.CHURN:
            keys.append((Key(OF_MACHINE, one.machine), name, [self._churn_limit(rules)]))
        if one.machine in WATCHED:
            keys.append((Key(OF_MACHINE, one.machine), name, self._watched_limits(one.machine, rules)))
        for key, _, _ in keys:
            if key in self._open:
                return self._open[key]
        for key, kind, limits in keys:
            times_ms = self._times_ms.setdefault(key, [])
            times_ms.append(self._now_ms)
            self._moved = True
            for limit in limits:
                if len(times_ms) - bisect_right(times_ms, self._now_ms - limit.span_ms) > limit.allowed:
                    return self._trip(key, kind, limit, out)
        return None

    def _churn_limit(self, rules: Policy) -> Limit:
        rule = rules.record[0]
        share = int(float(rule["breaker_churn_share_per_hour"]) * self._base)
        return Limit("churn_share_per_hour", HOUR_MS, max(int(rule["breaker_churn_least_entries"]), share))

    def _watched_limits(self, machine: Machine, rules: Policy) -> list[Limit]:
        """This partition's part of the absolute limits, and those that grow with its base and its habits."""
        rule = rules.record[0]
        least = int(rule["breaker_least_entries"])
        hour = self._now_ms // HOUR_MS
        before = [count for at, count in self._usual.get(machine, {}).items() if hour - USUAL_HOURS <= at < hour]
        usual = sum(before) / len(before) if before else 0.0

        def part(entries: Any) -> int:
            return -(-int(entries) // self._partitions)

        def grown(share: Any) -> int:
            return max(least, int(float(share) * self._base))

        return [
            Limit("entries_per_hour", HOUR_MS, part(rule["breaker_entries_per_hour"])),
            Limit("entries_per_day", DAY_MS, part(rule["breaker_entries_per_day"])),
            Limit("share_per_hour", HOUR_MS, grown(rule["breaker_share_per_hour"])),
            Limit("share_per_day", DAY_MS, grown(rule["breaker_share_per_day"])),
            Limit("times_usual", HOUR_MS, max(least, int(float(rule["breaker_times_usual"]) * usual))),
        ]

    def _trip(self, key: Key, kind: str, limit: Limit, out: Outcome) -> Incident:
        """Open an incident; entries of its machine that still wait are its first."""
        self._numbered += 1
        incident = Incident(
            incident_id=f"{kind}-{self._partition}-{self._numbered}",
            kind=kind,
            cause=self._in_words(key),
            partition=self._partition,
            since_ms=self._now_ms,
            count=0,
            customers=(),
            limit=limit.name,
            allowed=limit.allowed,
        )
        self._tell(incident, key)
        if key.what == OF_MACHINE:
            for one in self._shelf.hold(Machine(key.one), incident.incident_id):
                self._count(one, incident.incident_id, out)
        return incident

    def _in_words(self, key: Key) -> str | None:
        if key.what == OF_FAULT:
            return f"known fault {self._names.of(key.one)}"
        if key.what != OF_PRODUCT:
            return None
        named = (("product", key.one), ("reason", key.other))
        return ", ".join(f"{what} {self._names.of(digest)}" for what, digest in named if digest)

    # ---------------------------------------------------------------- the changelog

    def take_dirty(self) -> list[tuple[bytes, bytes]]:
        """Changelog records of what changed since the last call."""
        records = self._shelf.take_dirty()
        if self._moved:
            records.append((self.KEY, self._pack()))
        self._moved = False
        return records

    def _pack(self) -> bytes:
        body = {
            "now": self._now_ms,
            "base": self._base,
            "caught_up": self._caught_up,
            "recorded": self.recorded,
            "numbered": self._numbered,
            "times": [[list(key), times_ms] for key, times_ms in self._times_ms.items()],
            "usual": [[int(machine), list(map(list, hours.items()))] for machine, hours in self._usual.items()],
            "open": [[list(key), incident.as_map()] for key, incident in self._open.items()],
        }
        return bytes(msgpack.packb(body))

    def restore(self, key: bytes, value: bytes) -> None:
        """Take back one changelog record; ``rebuild`` once all are there."""
        if key[:1] == Shelf.KEY:
            self._shelf.restore(key, value)
            return
        body = msgpack.unpackb(value)
        self._now_ms, self._base, self._caught_up = body["now"], body["base"], body["caught_up"]
        self.recorded, self._numbered = body["recorded"], body["numbered"]
        self._times_ms = {Key(*key): times_ms for key, times_ms in body["times"]}
        self._usual = {Machine(machine): dict(hours) for machine, hours in body["usual"]}
        self._open = {Key(*key): Incident.of(sent) for key, sent in body["open"]}

    def rebuild(self) -> None:
        """Find everything again after a restore."""
        self._shelf.rebuild()
        self._moved = False


def _initial_ms(rules: Policy) -> int:
    return int(rules.record["breaker_initial_days"][0]) * DAY_MS
