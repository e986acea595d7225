"""What a shadow says beside the live judge, folded from what both publish. It reads no clock and no socket.

A shadow's worker tells of each partition it judges since when it does, under which policy, and how far it is
(``Begun``, on the shadow's insights). Alerts are compared by the time they tell of, which both judges agree on:
what is older than the beginning counts on neither side.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import msgpack

from schemas.codes import ALERT_NAMES

KEY = b"shadow"
"""The key of ``Begun`` among the shadow's insights: one record a partition."""

LIVE, SHADOW = 0, 1
BOTH, ONLY_LIVE, ONLY_SHADOW = "both", "only_live", "only_shadow"
ENTERED = (BOTH, ONLY_LIVE, ONLY_SHADOW)
DAY_MS = 86_400_000
NAMED = 100
"""So many customers are named for each kind and side, the newest first."""


class Begun(NamedTuple):
    """Under which policy a shadow judges a partition. Times are those of events, ms UTC.

    first_ms   when the shadow began; ``since_ms`` when it began with this policy
    until_ms   the last tick it has judged
    file       the name of the policy's file
    capacity   ``[service] budget_per_day``: the alerts a day that the floors can act on
    """

    first_ms: int
    since_ms: int
    until_ms: int
    file: str
    version: int
    digest: str
    capacity: int

    def to_msgpack(self) -> bytes:
        """As it stands on the topic."""
        return bytes(msgpack.packb(self._asdict()))

    @classmethod
    def of(cls, value: bytes) -> Self:
        """Take it back. Raises ``ValueError``, ``KeyError`` or ``TypeError``."""
        told = msgpack.unpackb(value)
        return cls(*(told[name] for name in cls._fields))


@dataclass(slots=True)
class _Pair:
    """One customer and kind of alert: the state before the first alert, and of each side what came since."""

    before: str
    after: list[str | None] = field(default_factory=lambda: [None, None])
    entered_ms: list[int] = field(default_factory=lambda: [-1, -1])

    @property
    def entered(self) -> str | None:
        """Under which of the two policies the customer was entered."""
        live, shadow = (ms >= 0 for ms in self.entered_ms)
        if live and shadow:
            return BOTH
        return ONLY_LIVE if live else ONLY_SHADOW if shadow else None

    @property
    def differs(self) -> bool:
        """Whether the customer stands in another state under the shadow's policy."""
        live, shadow = (self.before if one is None else one for one in self.after)
        return live != shadow


@dataclass(slots=True)
class Shadowed:
    """The comparison so far. ``entered`` counts customers by kind and by ``ENTERED``, ``differs`` by kind."""

    begun: dict[int, Begun] = field(default_factory=dict)
    entered: Counter[tuple[str, str]] = field(default_factory=Counter)
    differs: Counter[str] = field(default_factory=Counter)
    asked: list[int] = field(default_factory=lambda: [0, 0])
    """Alerts of each side that ask for something."""
    _pairs: dict[tuple[str, str], _Pair] = field(default_factory=dict)

    def begin(self, partition: int, value: bytes) -> bool:
        """Hear of a partition; whether both sides' alerts have to be read anew, from the oldest."""
        told, known = Begun.of(value), self.begun.get(partition)
        self.begun[partition] = told
        if known is not None and told._replace(until_ms=known.until_ms) == known:
            return False
        self.entered.clear()
        self.differs.clear()
        self._pairs.clear()
        self.asked = [0, 0]
        return True

    def take(self, side: int, partition: int, alert: dict[str, Any]) -> None:
        """Hear one alert, of each side in its order."""
        begun = self.begun.get(partition)
        if begun is None or alert["ts_ms"] < begun.first_ms:
            return
        kind, _, change = alert["kind"].rpartition("_")
        place = kind, alert["customer_id"]
        pair = self._pairs.get(place)
        if pair is None:
            pair = self._pairs[place] = _Pair(alert["state_before"])
        self._count(kind, pair, -1)
        pair.after[side] = alert["state_after"]
        if alert["ts_ms"] >= begun.since_ms:
            self.asked[side] += change != "cleared"
            if change == "entered" and pair.entered_ms[side] < 0:
                pair.entered_ms[side] = alert["ts_ms"]
        self._count(kind, pair, 1)

    def _count(self, kind: str, pair: _Pair, by: int) -> None:
        if pair.entered is not None:
            self.entered[kind, pair.entered] += by
        self.differs[kind] += by * pair.differs

    def told(self, hides: Callable[[str, int], bool]) -> dict[str, Any] | None:
        """The comparison for a page; None where no shadow has begun. ``hides`` says who was erased.

        Partitions may have begun, and may stand, at different times: the earliest and the least are told.
        """
        if not self.begun:
            return None
        newest = max(self.begun.values(), key=lambda one: (one.version, one.since_ms))
        since_ms = min((one.since_ms for one in self.begun.values() if one.since_ms > 0), default=0)
        until_ms = min((one.until_ms for one in self.begun.values() if one.until_ms > 0), default=0)
        days = max(0, until_ms - since_ms) / DAY_MS if since_ms else 0.0
        named: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for (kind, customer), pair in self._pairs.items():
            side = {ONLY_LIVE: LIVE, ONLY_SHADOW: SHADOW}.get(pair.entered or "")
            if side is not None and not hides(customer, pair.entered_ms[side]):
                one = {"customer": customer, "since_ms": pair.entered_ms[side]}
                named.setdefault((kind, pair.entered or ""), []).append(one)
        for some in named.values():
            some.sort(key=lambda one: (-one["since_ms"], one["customer"]))
        kinds = [
            {"kind": kind, **{name: self.entered[kind, name] for name in ENTERED}, "differs": self.differs[kind]}
            | {
                name: named.get((kind, of), [])[:NAMED]
                for name, of in (("enters", ONLY_SHADOW), ("leaves", ONLY_LIVE))
            }
            for kind in ALERT_NAMES.values()
            if any(self.entered[kind, name] for name in ENTERED) or self.differs[kind]
        ]
        by_day = [round(count / days, 1) if days >= 1 else None for count in self.asked]
        return {
            "policy": {"file": newest.file, "version": newest.version, "digest": newest.digest},
            "since_ms": since_ms or None,
            "until_ms": until_ms or None,
            "partitions": len(self.begun),
            "capacity_per_day": newest.capacity,
            "alerts": {"live": self.asked[LIVE], "shadow": self.asked[SHADOW]},
            "alerts_per_day": {"live": by_day[LIVE], "shadow": by_day[SHADOW]},
            "kinds": kinds,
        }
