"""The board: every record of the topics folded into what a desk shows. It reads no clock and no socket.

Its state is a function of the records alone, of each partition in its order: how the partitions and topics were
interleaved, and how often something was read, makes no difference (``tests/laws/test_desk.py``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgpack

from schemas.alerts import Hold, Incident
from schemas.erasures import Receipt
from streams.desk import ranking
from streams.desk.action import Action, ActionError
from streams.desk.alerts import alert_of, hold_of, incident_of
from streams.desk.forgotten import Forgotten
from streams.desk.standing import Heard, Standing, Taken, stand

READ = ("alerts", "alerts_held", "incidents", "holds", "insights", "desk_actions", "erasures")
"""The topics that make the board, by their role in ``TopicNames``."""
HELD_SHOWN = 200

_BROKEN = (ValueError, KeyError, TypeError, AttributeError, msgpack.UnpackException)


class Record(NamedTuple):
    """One record as a reader gives it; ``at_ms`` is the time the broker or producer stamped on it."""

    role: str
    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Person:
    """What is known of one customer, in the order of each topic."""

    heard: dict[str, Heard] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=dict)
    standing: Standing | None = None


@dataclass(slots=True)
class HeldBack:
    """The alerts that an incident holds, the first of them as (customer, kind, time)."""

    first: dict[str, tuple[str, str, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Board:
    """Everything a desk knows. ``changed`` collects whom and what the last records were about."""

    people: dict[str, Person] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    held: dict[str, HeldBack] = field(default_factory=dict)
    insights: dict[bytes, bytes] = field(default_factory=dict)
    releases: dict[str, dict[str, Action]] = field(default_factory=dict)
    forgotten: Forgotten = field(default_factory=Forgotten)
    unread: int = 0
    changed: set[str] = field(default_factory=set)
    pages: set[str] = field(default_factory=set)
    _next: dict[tuple[str, int], int] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Fold one record; what cannot be read is counted, and what was read before is passed over."""
        place = record.role, record.partition
        if record.offset < self._next.get(place, 0):
            return
        self._next[place] = record.offset + 1
        try:
            getattr(self, f"_take_{record.role}")(record)
        except (*_BROKEN, ActionError):
            self.unread += 1

    def reached(self, role: str, partition: int) -> int:
        """The offset behind the last record taken from a partition."""
        return self._next.get((role, partition), 0)

    def standing(self, customer_id: str) -> Standing | None:
        """Where a customer stands; None for one whom no alert was about."""
        person = self.people.get(customer_id)
        if person is None or not person.heard:
            return None
        if person.standing is None:
            person.standing = stand(person.heard.values(), person.actions.values())
        return person.standing

    def known(self, key: str, action_id: str) -> Taken | None:
        """What became of an action about this customer or incident; None where it has not been read."""
        released = self.releases.get(key, {}).get(action_id)
        if released is not None:
            return Taken(released)
        person = self.people.get(key)
        if person is None or action_id not in person.actions:
            return None
        one = self.standing(key)
        if one is None:
            return Taken(person.actions[action_id], "its alert is not known here")
        return next(taken for taken in one.taken if taken.action.action_id == action_id)

    def held_back(self, incident_id: str) -> list[tuple[str, str]]:
        """The first alerts that an incident holds, as (customer, kind); nobody's who was erased."""
        held = self.held.get(incident_id)
        first = [] if held is None else list(held.first.values())
        return [(who, kind) for who, kind, ts_ms in first if not self.forgotten.hides(who, ts_ms)]

    def places(self, now_ms: int) -> Iterable[ranking.Place]:
        """Where each card stands that has ever been one."""
        for customer_id in self.people:
            one = self.standing(customer_id)
            if one is not None:
                yield ranking.place(customer_id, one, now_ms)

    def actions(self) -> Iterable[tuple[Taken, Standing | None]]:
        """Every action about a customer, and where that customer stands."""
        for customer_id, person in self.people.items():
            one = self.standing(customer_id)
            if one is not None:
                yield from ((taken, one) for taken in one.taken)
            else:
                yield from (
                    (Taken(action, "its alert is not known here"), None) for action in person.actions.values()
                )

    # ------------------------------------------------------------ one topic each

    def _take_alerts(self, record: Record) -> None:
        alert = alert_of(_map(record.value))
        if self.forgotten.hides(alert.customer_id, alert.ts_ms):
            return
        person = self._person(alert.customer_id)
        person.heard.setdefault(alert.alert_id, Heard(alert, record.at_ms))
        person.standing = None
        self.changed.add(alert.customer_id)

    def _take_alerts_held(self, record: Record) -> None:
        alert = alert_of(_map(record.value))
        held = self.held.setdefault(alert.incident_id or "", HeldBack())
        if len(held.first) < HELD_SHOWN:
            held.first[alert.alert_id] = alert.customer_id, alert.kind, alert.ts_ms
        self.pages.add("incidents")

    def _take_incidents(self, record: Record) -> None:
        if record.key is not None and record.value is None:
            return
        one = incident_of(_map(record.value))
        self.incidents[one.incident_id] = one
        self.pages.add("incidents")

    def _take_holds(self, record: Record) -> None:
        self.pages.add("holds")
        if record.value is None:
            self.holds.pop((record.key or b"").decode(), None)
            return
        one = hold_of(_map(record.value))
        if one.held:
            self.holds[one.customer_id] = one
        else:
            self.holds.pop(one.customer_id, None)
        if one.customer_id in self.people:
            self.changed.add(one.customer_id)

    def _take_insights(self, record: Record) -> None:
        if record.key is None:
            return
        if record.value:
            self.insights[record.key] = record.value
        else:
            self.insights.pop(record.key, None)
        self.pages.add("insights")

    def _take_desk_actions(self, record: Record) -> None:
        if record.key is not None and record.value is None:
            return  # one that an erasure took away; what it was about is hidden already
        action = Action.of(record.value or b"")
        if action.verb == "release":
            self.releases.setdefault(action.key, {}).setdefault(action.action_id, action)
            self.pages.add("incidents")
            return
        if self.forgotten.hides_action(action.key, action.ts_ms):
            return
        person = self._person(action.key)
        person.actions.setdefault(action.action_id, action)
        person.standing = None
        self.changed.add(action.key)

    def _take_erasures(self, record: Record) -> None:
        if record.value is None:
            return
        customer_id = self.forgotten.take(Receipt.of(record.value))
        self.pages |= {"incidents", "holds"}
        if customer_id is None:
            return
        person, hides = self.people.pop(customer_id), self.forgotten
        heard = {one: it for one, it in person.heard.items() if not hides.hides(customer_id, it.alert.ts_ms)}
        actions = {one: it for one, it in person.actions.items() if not hides.hides_action(customer_id, it.ts_ms)}
        if heard or actions:
            kept = self._person(customer_id)
            kept.heard, kept.actions = heard, actions
        self.changed.add(customer_id)

    def _person(self, customer_id: str) -> Person:
        person = self.people.get(customer_id)
        if person is None:
            person = self.people[customer_id] = Person()
            self.forgotten.meet(customer_id)
        return person


def _map(value: bytes | None) -> dict[str, Any]:
    found: dict[str, Any] = msgpack.unpackb(value or b"")
    return found
