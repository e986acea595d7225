"""The alerts that are not out yet, in the order they were produced: they wait, or an incident holds them.

Each is one record of the changelog under a numbered place; a place that has become free is written empty and
used again, because a deletion that compaction has taken away would make a whole publication look cut.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgpack

from schemas.alerts import Alert
from schemas.codes import Change, Machine

NEVER = -1


class Produced(NamedTuple):
    """An alert of the judge, with the machine and the change it tells of."""

    alert: Alert
    machine: Machine
    change: Change

    @property
    def of(self) -> tuple[str, int]:
        """Whose machine it is about."""
        return self.alert.customer_id, int(self.machine)


@dataclass(slots=True)
class Kept:
    """One alert on the shelf: it waits until ``until_ms``, or (then -1) belongs to an incident.

    ``passed``: a later change of its episode is out already, and those that follow go after that.
    """

    number: int
    place: int
    one: Produced
    until_ms: int
    incident_id: str | None
    passed: bool = False

    def pack(self) -> bytes:
        """Its changelog value."""
        alert, machine, change = self.one
        kept = [self.number, int(machine), int(change), self.until_ms, self.incident_id, self.passed]
        return bytes(msgpack.packb([*kept, alert.as_map()]))


class Shelf:
    """All alerts that are kept, found by time, by incident, and by customer and machine."""

    KEY = b"k"

    def __init__(self) -> None:
        self._waiting: dict[int, Kept] = {}
        self._held: dict[str, dict[int, Kept]] = {}
        self._newest: dict[tuple[str, int], Kept] = {}
        self._places: dict[int, Kept] = {}
        self._free: list[int] = []
        self._changed: set[int] = set()
        self._next = 0

    def __len__(self) -> int:
        return len(self._places)

    @property
    def waiting(self) -> int:
        """How many wait for a time."""
        return len(self._waiting)

    def all(self) -> list[Alert]:
        """Every kept alert, in the order they were produced."""
        return [kept.one.alert for kept in sorted(self._places.values(), key=lambda kept: kept.number)]

    def newest(self, one: Produced) -> Kept | None:
        """The newest kept alert of the same customer and machine, unless its episode ended or was passed."""
        kept = self._newest.get(one.of)
        return None if kept is None or kept.passed or kept.one.change is Change.CLEARED else kept

    def let_pass(self, kept: Kept) -> None:
        """A later change goes out before this one."""
        kept.passed = True
        self._changed.add(kept.place)

    def keep(self, one: Produced, until_ms: int, incident_id: str | None = None) -> None:
        """Take an alert in: to wait until a time, or for an incident."""
        place = heapq.heappop(self._free) if self._free else len(self._places)
        self._put(Kept(self._next, place, one, until_ms, incident_id))
        self._changed.add(place)

    def _put(self, kept: Kept) -> None:
        self._next = max(self._next, kept.number + 1)
        self._places[kept.place] = kept
        self._newest[kept.one.of] = kept
        if kept.incident_id is None:
            self._waiting[kept.number] = kept
        else:
            self._held.setdefault(kept.incident_id, {})[kept.number] = kept

    def hold(self, machine: Machine, incident_id: str) -> list[Produced]:
        """Let an incident have all that wait of one machine; return them in order."""
        found = [kept for kept in self._waiting.values() if kept.one.machine is machine]
        for kept in found:
            del self._waiting[kept.number]
            kept.until_ms, kept.incident_id = NEVER, incident_id
            self._held.setdefault(incident_id, {})[kept.number] = kept
            self._changed.add(kept.place)
        return [kept.one for kept in found]

    def due(self, now_ms: int) -> list[Produced]:
        """Give out those whose wait is over, in order."""
        found = [kept for kept in self._waiting.values() if kept.until_ms <= now_ms]
        for kept in found:
            del self._waiting[kept.number]
        return list(self._leave(found))

    def release(self, incident_id: str) -> list[Produced]:
        """Give out all that an incident holds, in order."""
        return list(self._leave(list(self._held.pop(incident_id, {}).values())))

    def forget(self, customer_id: str) -> list[Kept]:
        """Take away all of one customer's."""
        found = [kept for kept in self._places.values() if kept.one.alert.customer_id == customer_id]
        for kept in found:
            self._waiting.pop(kept.number, None)
            self._held.get(kept.incident_id or "", {}).pop(kept.number, None)
        list(self._leave(found))
        return found

    def _leave(self, found: list[Kept]) -> Iterator[Produced]:
        for kept in found:
            del self._places[kept.place]
            heapq.heappush(self._free, kept.place)
            self._changed.add(kept.place)
            if self._newest.get(kept.one.of) is kept:
                del self._newest[kept.one.of]
            yield kept.one

    def take_dirty(self) -> list[tuple[bytes, bytes]]:
        """Changelog records of the places that changed since the last call; a free one is empty."""
        changed = sorted(self._changed)
        self._changed.clear()
        return [
            (self.KEY + b"%d" % place, self._places[place].pack() if place in self._places else b"")
            for place in changed
        ]

    def restore(self, key: bytes, value: bytes) -> None:
        """Take back one place; ``rebuild`` once all are there."""
        place = int(key[1:])
        self._places.pop(place, None)
        self._changed.add(place)
        if value:
            number, machine, change, until_ms, incident_id, passed, sent = msgpack.unpackb(value)
            one = Produced(Alert.of(sent), Machine(machine), Change(change))
            self._places[place] = Kept(number, place, one, until_ms, incident_id, passed)

    def rebuild(self) -> None:
        """Find everything again after a restore."""
        places, self._places = self._places, {}
        for kept in sorted(places.values(), key=lambda kept: kept.number):
            self._put(kept)
        self._free = sorted(self._changed - self._places.keys())
        self._changed.clear()
