"""What outlives every worker: logs, transactions, fencing, committed offsets. A broker in a few lists.

It keeps Kafka's promises and no others: a writer's records stay in their order, a transaction is seen whole or not
at all, whoever opens a transactional id shuts out its predecessor, a commit of an older generation is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from schemas.block import Source
from streams.intake import SourceRecord
from streams.pipeline import Record


class Fenced(Exception):
    """Someone else has opened this transactional id since."""


@dataclass(eq=False, slots=True)
class Transaction:
    """One transaction; ``committed`` is None while nobody knows."""

    epoch: int
    committed: bool | None = None


@dataclass(slots=True)
class Sent:
    """One record of a log that is written in transactions (None: without one, so it is there at once)."""

    by: Transaction | None
    key: bytes
    value: bytes | None


@dataclass(slots=True)
class Broker:
    """One ledger partition with its sources, its changelog and its alerts."""

    sources: dict[Source, list[SourceRecord]]
    ledger: list[Record] = field(default_factory=list)
    changelog: list[Sent] = field(default_factory=list)
    alerts: list[Sent] = field(default_factory=list)
    offsets: dict[Source, int] = field(default_factory=dict)
    published: list[int] = field(default_factory=list)
    generation: int = 0
    epoch: int = 0
    fences: bool = True
    _open: list[Transaction] = field(default_factory=list)

    def append(self, value: bytes) -> None:
        """A ledger record, acknowledged."""
        self.ledger.append(Record(len(self.ledger), None, value))

    def commit_offsets(self, generation: int, offsets: dict[Source, int]) -> bool:
        """Note how far the sources are taken in, unless the caller's generation is over."""
        if generation != self.generation:
            return False
        self.offsets.update(offsets)
        return True

    def open(self) -> int:
        """Give out an epoch above all others, and abort what the predecessor left open."""
        self.epoch += 1
        if self.fences:
            self.time_out()
        return self.epoch

    def time_out(self) -> None:
        """Abort what nobody will end."""
        for one in self._open:
            one.committed = False
        self._open = []

    def begin(self, epoch: int) -> Transaction:
        """Begin a transaction."""
        self._check(epoch)
        one = Transaction(epoch)
        self._open.append(one)
        return one

    def send(self, by: Transaction, log: list[Sent], records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Write records that are seen once their transaction is committed."""
        self._check(by.epoch)
        log += [Sent(by, *record) for record in records]

    def end(self, by: Transaction, committed: bool = True) -> None:
        """Commit or abort."""
        self._check(by.epoch)
        by.committed = committed
        self._open.remove(by)

    def _check(self, epoch: int) -> None:
        if self.fences and epoch != self.epoch:
            raise Fenced

    def seen(self, log: list[Sent], committed_only: bool = True) -> Iterator[Sent]:
        """What a reader sees: up to the first record that is not decided, without those that were aborted."""
        for one in log:
            if one.by is None or not committed_only or one.by.committed:
                yield one
            elif one.by.committed is None:
                return

    def compact(self) -> None:
        """Forget all but the last decided version of each key, what was aborted, and what was taken back."""
        last = {one.key: at for at, one in enumerate(self.changelog) if one.by is None or one.by.committed}
        self.changelog = [
            one
            for at, one in enumerate(self.changelog)
            if (one.by is not None and one.by.committed is None)
            or (last.get(one.key) == at and one.value is not None)
        ]
