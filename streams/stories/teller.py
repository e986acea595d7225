"""How a story is told: a customer's events on a calendar that starts at day zero, and what must follow."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from schemas.alerts import Alert
from schemas.codes import FIRST_PURCHASE_KIND, Kind
from schemas.events import DAY_MS

Topic = Literal["support", "purchases"]
Told = tuple[Topic, dict[str, Any]]
"""One event: which of the two source topics it belongs to, and its fields as they are sent."""

VALUE_LABELS = frozenset(f"value_destroyer_{change}" for change in ("entered", "escalated"))
"""What may never be said of someone whose costs are not of their own making."""


def offset_ms(day: int, clock: str = "00:00") -> int:
    """Milliseconds from the story's start to ``HH:MM`` or ``HH:MM:SS`` of its day ``day``."""
    hours, minutes, seconds = (int(part) for part in (clock + ":00").split(":")[:3])
    return day * DAY_MS + ((hours * 60 + minutes) * 60 + seconds) * 1000


@dataclass(frozen=True, slots=True)
class Expected:
    """An alert the story owes: its kind, its moment if it has one, and its time if that is exact.

    ``at_ms`` counts from the story's start.
    """

    kind: str
    moment: str | None = None
    at_ms: int | None = None

    def meets(self, alert: Alert, start_ms: int) -> bool:
        """Whether ``alert`` is this one."""
        timely = self.at_ms is None or alert.ts_ms == start_ms + self.at_ms
        return alert.kind == self.kind and self.moment in {None, alert.moment} and timely


@dataclass(frozen=True, slots=True)
class Ending:
    """What one customer of a story must and must not get.

    ``expected`` in this order, others may stand between; ``never`` not once; ``at_most`` bounds the
    count of all alerts, which is how a storm is told from an answer.
    """

    expected: tuple[Expected, ...] = ()
    never: frozenset[str] = VALUE_LABELS
    at_most: int | None = None

    def missing(self, alerts: Iterable[Alert], start_ms: int) -> tuple[Expected, ...]:
        """The expected alerts that have not come (yet), given this customer's alerts in order."""
        left = list(self.expected)
        for alert in alerts:
            if left and left[0].meets(alert, start_ms):
                left.pop(0)
        return tuple(left)

    def holds(self, alerts: Iterable[Alert], start_ms: int) -> bool:
        """Whether everything expected came in order, nothing forbidden did, and there was no storm."""
        heard = list(alerts)
        clean = not any(alert.kind in self.never for alert in heard)
        few = self.at_most is None or len(heard) <= self.at_most
        return clean and few and not self.missing(heard, start_ms)


@dataclass(frozen=True, slots=True)
class Story:
    """A true story as a test: events of one customer (or two, to compare), and how it must end.

    ``tell(start_ms)`` gives the events in the order in which they happened, the first at or after
    ``start_ms`` (a UTC midnight), the last before ``days`` have passed; the clock must run on to that day.
    """

    key: str
    title: str
    seed: str
    days: int
    tell: Callable[[int], list[Told]]
    endings: Mapping[str, Ending]

    @property
    def customer_id(self) -> str:
        """Whom it is about; a second customer is there for comparison."""
        return next(iter(self.endings))

    def told(self, alerts: Iterable[Alert], start_ms: int) -> bool:
        """Whether the alerts of a run (of any customers, in order) give this story its ending."""
        heard = list(alerts)
        return all(
            ending.holds((one for one in heard if one.customer_id == customer), start_ms)
            for customer, ending in self.endings.items()
        )


@dataclass(slots=True)
class Teller:
    """Writes down one customer's events; each gets an id of its own, the same at every telling."""

    customer_id: str
    start_ms: int
    events: list[Told] = field(default_factory=list)

    def at(self, day: int, clock: str, kind: Kind, **fields: Any) -> None:
        """Something happens on day ``day`` at ``clock``; ``fields`` are named as they are sent."""
        name = kind.name.lower()
        sent = {
            "ts_ms": self.start_ms + offset_ms(day, clock),
            "kind": name,
            "customer_id": self.customer_id,
            "event_id": f"{self.customer_id}-{len(self.events) + 1:03d}-{name}",
            **fields,
        }
        self.events.append(("purchases" if kind >= FIRST_PURCHASE_KIND else "support", sent))

    def buys(self, days: Iterable[int], clock: str, amount_cents: int, margin_cents: int, sku: str) -> None:
        """The same purchase on several days."""
        for day in days:
            self.at(day, clock, Kind.PURCHASE, amount_cents=amount_cents, margin_cents=margin_cents, sku=sku)


def in_order(*tellers: Teller) -> list[Told]:
    """The events of all tellers by time; equal times keep the order in which they were told."""
    return sorted((told for teller in tellers for told in teller.events), key=lambda told: told[1]["ts_ms"])
