"""A file of events given to the intake one by one: read by the codec, each hour reported as it passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemas.alerts import DeadLetter
from schemas.block import Source
from schemas.codec import Reject, decode, encode
from schemas.codes import Kind, Reason
from schemas.events import TS_MAX_MS
from streams.intake import Clock, Intake, SourceRecord
from streams.rejudge import CALLS, SALES

HOUR_MS = 3_600_000


class Feed:
    """Numbered payloads in, the ledger's records and the dead letters out; ``n`` has the offset ``2 n``."""

    def __init__(self, partitions: int, currency: str, as_of_ms: int | None, take_every: int) -> None:
        self.records: list[tuple[int, bytes]] = []
        self.letters: list[DeadLetter] = []
        self._intake = Intake(partitions, clock=Clock.SOURCE, currency=currency)
        self._intake.assign((CALLS, SALES))
        self._currency, self._as_of_ms, self._take_every = currency, as_of_ms, take_every
        self._newest_ms = 0

    def hear(self, payloads: Iterable[tuple[int, bytes]]) -> None:
        """Feed a whole file."""
        number = count = 0
        for count, (number, value) in enumerate(payloads, 1):
            self._hear(number, value)
            if count % self._take_every == 0:
                self._take()
        if number and (self._as_of_ms is not None or self._newest_ms > 0):
            self._report(self._newest_ms + 1 if self._as_of_ms is None else self._as_of_ms, 2 * number + 1)
        self._take()

    def _hear(self, number: int, value: bytes) -> None:
        stream, found = CALLS, decode(value, purchases=False, currency=self._currency)
        if isinstance(found, Reject) and found.reason is Reason.WRONG_TOPIC:
            stream, found = SALES, decode(value, purchases=True, currency=self._currency)
        if not isinstance(found, Reject):
            if self._as_of_ms is not None and found.ts_ms >= self._as_of_ms:
                return
            self._pass(found.ts_ms, 2 * number - 1)
            if found.kind is Kind.PROGRESS:
                return
        self._offer(stream, 2 * number, value)

    def _pass(self, ts_ms: int, offset: int) -> None:
        before_ms, self._newest_ms = self._newest_ms, max(self._newest_ms, ts_ms)
        if self._newest_ms // HOUR_MS > before_ms // HOUR_MS:
            self._report(ts_ms // HOUR_MS * HOUR_MS, offset)
            self._take()

    def _report(self, ts_ms: int, offset: int) -> None:
        for source in (CALLS, SALES):
            self._offer(source, offset, encode({"kind": "progress", "ts_ms": ts_ms}))

    def _offer(self, source: Source, offset: int, value: bytes) -> None:
        self._intake.offer(SourceRecord(source, source is SALES, "a file", offset, None, value))

    def _take(self) -> None:
        for batch in self._intake.drain(TS_MAX_MS):
            self.records += batch.records
            self.letters += batch.dead_letters


def lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The numbered lines of a file that are not blank."""
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield number, line.strip()
