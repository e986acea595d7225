"""What one ledger record led to, as a value: the core says it, the shell sends it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.alerts import Alert, DeadLetter, Hold, Incident
from schemas.codes import Channel
from schemas.erasures import Receipt
from schemas.insights import Insight


@dataclass(slots=True)
class Outcome:
    """What one ledger record led to; nothing has been sent yet.

    ``produced`` is all that the judge concluded; ``alerts`` is what goes out now, ``held`` what an incident took
    in, each in order. Whatever was produced and is in neither waits in the breaker. ``append_ms`` is when the
    ledger got the record (None: unknown), ``contact_cents`` what the contacts in it cost, ``answers`` what
    a canary waits for. ``erased`` events came too late for an erasure; ``forgotten`` customers were erased now,
    as ``receipts`` say. ``rolls``: every compacted topic is to be written to.
    """

    alerts: list[Alert] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    refused: list[DeadLetter] = field(default_factory=list)
    applied: int = 0
    skipped: int = 0
    duplicates: int = 0
    ticks: list[int] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    produced: list[Alert] = field(default_factory=list)
    held: list[Alert] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    insights: list[Insight] = field(default_factory=list)
    answers: list[Insight] = field(default_factory=list)
    erased: int = 0
    forgotten: list[str] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    rolls: bool = False
    append_ms: int | None = None
    contact_cents: dict[Channel, int] = field(default_factory=dict)

    @property
    def says_something(self) -> bool:
        """Whether somebody waits to hear of it."""
        said = (self.alerts, self.holds, self.refused, self.held, self.incidents, self.answers, self.receipts)
        return any(said) or self.rolls


def newest(incidents: Iterable[Incident]) -> list[Incident]:
    """Only the last word on each incident, in the order in which they were first spoken of."""
    return list({one.incident_id: one for one in incidents}.values())


def hold_records(outcomes: Iterable[Outcome]) -> list[tuple[bytes, bytes | None]]:
    """Records of the holds topic in their order; a customer who was erased has none any more."""
    found: list[tuple[bytes, bytes | None]] = []
    for one in outcomes:
        found += [(customer.encode(), None) for customer in one.forgotten]
        found += [(hold.customer_id.encode(), hold.to_msgpack()) for hold in one.holds]
    return found
