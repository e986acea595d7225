"""When time moves: a tick for each whole hour that every known source partition has passed.

Progress is written into the ledger behind the events it speaks of, so no lag, outage or import can make an
answered ticket look unanswered (docs/decisions/0002-time-is-progress-in-the-ledger.md).
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from schemas.block import Source

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
HOURLY_SPAN_MS = 40 * DAY_MS
NEVER = -1


class Ticking:
    """Which sources there are, how far each has come, and the last tick."""

    def __init__(self) -> None:
        self.last_ms = NEVER
        self._partitions: dict[UUID, int] = {}
        self._until: dict[Source, int] = {}
        self._retired: set[UUID] = set()
        self._names: dict[str, UUID] = {}

    def know(self, name: str, topic: UUID, partitions: int) -> None:
        """A source topic with so many partitions; a topic may grow, it never shrinks.

        A topic that was deleted and made again has another UUID under its old name: the old one is retired.
        """
        before = self._names.get(name)
        if before is not None and before != topic:
            self._retired.add(before)
        self._names[name] = topic
        self._retired.discard(topic)
        self._partitions[topic] = max(partitions, self._partitions.get(topic, 0))

    def retire(self, topic: UUID) -> None:
        """Time no longer waits for this topic."""
        self._retired.add(topic)

    def report(self, source: Source, until_ms: int) -> None:
        """Everything of ``source`` before ``until_ms`` stands earlier in this ledger partition."""
        self._until[source] = max(until_ms, self._until.get(source, NEVER))

    @property
    def passed_ms(self) -> int:
        """The time that every source known has passed; -1 while one has not reported."""
        reported = [
            self._until.get(Source(topic, partition), NEVER)
            for topic, partitions in self._partitions.items()
            if topic not in self._retired
            for partition in range(partitions)
        ]
        return min(reported, default=NEVER)

    def due(self) -> Iterator[int]:
        """Each tick now due, in order; ``last_ms`` moves with it.

        The first time all sources have reported only sets the last tick. Hours more than 40 days back tick
        only at midnight.
        """
        until_ms = self.passed_ms // HOUR_MS * HOUR_MS
        if until_ms < 0:
            return
        if self.last_ms == NEVER:
            self.last_ms = until_ms
            return
        hourly_from_ms = until_ms - HOURLY_SPAN_MS + HOUR_MS
        while self.last_ms < until_ms:
            following = self.last_ms + HOUR_MS
            if following < hourly_from_ms:
                following = min((self.last_ms // DAY_MS + 1) * DAY_MS, hourly_from_ms)
            self.last_ms = following
            yield following

    def pack(self) -> dict[str, Any]:
        """What a position stores."""
        return {
            "tick": self.last_ms,
            "topics": sorted([topic.bytes, count] for topic, count in self._partitions.items()),
            "until": sorted([one.topic.bytes, one.partition, ms] for one, ms in self._until.items()),
            "retired": sorted(topic.bytes for topic in self._retired),
            "names": sorted([name, topic.bytes] for name, topic in self._names.items()),
        }

    def unpack(self, stored: dict[str, Any]) -> None:
        """Take back what ``pack`` stored."""
        self.last_ms = stored["tick"]
        self._partitions = {UUID(bytes=topic): count for topic, count in stored["topics"]}
        self._until = {Source(UUID(bytes=topic), partition): ms for topic, partition, ms in stored["until"]}
        self._retired = {UUID(bytes=topic) for topic in stored["retired"]}
        self._names = {name: UUID(bytes=topic) for name, topic in stored["names"]}
