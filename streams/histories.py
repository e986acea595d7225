"""Who bought when and for how much, from a recorded history: what a fit needs to know, and no more.

Read with the readers of ``streams.rejudge``, and counted as the judge counts: a customer's repeated event id is
one purchase, a day is a UTC day, and an event of a ledger's future is none.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from math import inf
from pathlib import Path

import numpy as np

from schemas import block
from schemas.codec import Reject, decode
from schemas.codes import Control, Kind, Reason
from schemas.events import DAY_MS
from schemas.policy import Policy, PolicyError, parse
from streams.ledgerfile import FileError, Frame
from streams.payloads import payloads
from streams.recorded import is_recorded, read, size_of

MINUTE_MS = 60_000

Progress = Callable[[float], None]
"""Told which share of the work is done, 0 to 1, now and then."""


@dataclass(slots=True)
class Buyer:
    """What one customer bought: the UTC days with a purchase, how many purchases, and what they came to."""

    days: set[int] = field(default_factory=set)
    purchases: int = 0
    spent_cents: int = 0
    event_ids: set[str] = field(default_factory=set)


@dataclass(slots=True)
class History:
    """Every buyer of a file, by customer id, and how the file was read. ``newest_ms`` is -1 while it is empty."""

    buyers: dict[str, Buyer] = field(default_factory=dict)
    newest_ms: int = -1
    refused: int = 0
    repeated: int = 0

    def passed(self, ts_ms: int) -> None:
        """Something, whatever it was, happened at this time: the history reaches this far."""
        self.newest_ms = max(self.newest_ms, ts_ms)

    def bought(self, customer: str, event_id: str, ts_ms: int, amount_cents: int) -> None:
        """Count a purchase, once for each event id of a customer."""
        buyer = self.buyers.setdefault(customer, Buyer())
        if event_id in buyer.event_ids:
            self.repeated += 1
            return
        buyer.event_ids.add(event_id)
        buyer.days.add(ts_ms // DAY_MS)
        buyer.purchases += 1
        buyer.spent_cents += amount_cents

    def digest(self) -> str:
        """Sixteen hex digits of what was bought and how far the history reaches; equal for equal histories."""
        found = blake2b(str(self.last_day).encode(), digest_size=8)
        for customer in sorted(self.buyers):
            one = self.buyers[customer]
            found.update(f"\n{customer}\0{one.purchases} {one.spent_cents} {sorted(one.days)}".encode())
        return found.hexdigest()

    @property
    def first_day(self) -> int:
        """The day of the first purchase of all."""
        return min(min(buyer.days) for buyer in self.buyers.values())

    @property
    def last_day(self) -> int:
        """The last day that was observed."""
        return self.newest_ms // DAY_MS


def read_history(
    path: Path, currency: str = "USD", as_of_ms: int | None = None, progress: Progress = lambda _: None
) -> History:
    """Collect the purchases of a file of events, or of a recorded ledger, whose events are all of one currency."""
    history = History()
    before_ms = inf if as_of_ms is None else as_of_ms
    size = size_of(path)
    if is_recorded(path):
        ledger, done = _Ledger(history, path, before_ms), 0
        for frame in read(path)[1]:
            ledger.take(frame)
            done += len(frame.value)
            progress(min(1.0, done / size))
    else:
        for payload in payloads(path):
            _take_payload(history, payload.value, currency, before_ms)
            progress(min(1.0, payload.end / size))
    if as_of_ms is not None:
        history.passed(as_of_ms - 1)
    return history


def _take_payload(history: History, value: bytes, currency: str, before_ms: float) -> None:
    event = decode(value, purchases=True, currency=currency)
    if isinstance(event, Reject) and event.reason is Reason.WRONG_TOPIC:
        event = decode(value, purchases=False, currency=currency)
    if isinstance(event, Reject):
        history.refused += 1
    elif event.ts_ms < before_ms:
        history.passed(event.ts_ms)
        if event.kind is Kind.PURCHASE:
            amount_cents = event.numbers["amount_cents"]
            history.bought(event.customer_id, event.texts["event_id"], event.ts_ms, amount_cents)


class _Ledger:
    """Takes the frames of a recorded ledger; leaves out what the judge refuses as of the future."""

    def __init__(self, history: History, path: Path, before_ms: float) -> None:
        self._history, self._path, self._before_ms = history, path, before_ms
        self._offsets: dict[int, int] = {}
        self._policies: dict[int, Policy] = {}
        self._default = parse("")

    def take(self, frame: Frame) -> None:
        """Count the purchases of one frame. Raises ``FileError`` if it is damaged, or one before it is lost."""
        place = f"{self._path}: partition {frame.partition}, offset {frame.offset}"
        expected = self._offsets.get(frame.partition, frame.offset)
        if frame.offset != expected:
            raise FileError(f"{place}: the ledger has a hole, offset {expected} must come next")
        self._offsets[frame.partition] = frame.offset + 1
        if frame.append_ms is not None and frame.append_ms >= self._before_ms:
            return
        try:
            content = block.decode(frame.value)
            if isinstance(content, block.Block):
                self._count(content, frame)
            elif content.control is Control.POLICY:
                self._adopt(frame.partition, parse(content.body["toml"], "its policy"))
        except (block.BlockError, PolicyError, KeyError, TypeError) as error:
            raise FileError(f"{place}: {error}") from error

    def _adopt(self, partition: int, offered: Policy) -> None:
        if partition not in self._policies or offered.version > self._policies[partition].version:
            self._policies[partition] = offered

    def _count(self, events: block.Block, frame: Frame) -> None:
        latest_ms = self._before_ms - 1
        if frame.append_ms is not None:
            rules = self._policies.get(frame.partition, self._default).record
            tolerance_ms = int(rules["ledger_future_tolerance_minutes"][0]) * MINUTE_MS
            latest_ms = min(latest_ms, frame.append_ms + tolerance_ms)
        ts_ms = events.column("ts_ms")
        counts = ts_ms <= latest_ms
        if counts.any():
            self._history.passed(int(ts_ms[counts].max()))
        names = ("customer_id", "event_id", "ts_ms", "amount_cents")
        columns = [events.column(name) for name in names]
        for at in np.flatnonzero(counts & (events.column("kind") == Kind.PURCHASE)).tolist():
            customer, event_id, when, amount = (int(column[at]) for column in columns)
            self._history.bought(events.text(customer).decode(), events.text(event_id).decode(), when, amount)
