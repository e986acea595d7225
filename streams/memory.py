"""What a ledger partition remembers beside its rows: recent event ids, and its position in the ledger.

Both are published with the rows they belong to, in one transaction, and restored together.
"""

from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import msgpack
import numpy as np
from numpy.typing import NDArray

from kernels import admit
from schemas.block import Source
from schemas.policy import Policy
from schemas.state import LAYOUT, LayoutError
from streams.ticking import Ticking

RING = 65_536
SEGMENT = 256
FIRST_RING = 1_024
PLACES_EACH = 4
"""The search table has so many places for each digest that the ring has room for."""
MANY_SOURCES = 64
OF_THE_STATE = (b"c", b"r", b"t", b"g", b"b", b"k", b"e")
"""First letters of the keys that a position covers: rows, recent ids, names, survey, breaker, shelf and markers.

Not the nonce of a new owner: it proves the end of a changelog and is no part of the state.
"""


class RestoreError(RuntimeError):
    """The changelog does not hold a whole state; the process must not judge on."""


class Snapshot(NamedTuple):
    """Changelog records (key, value) to publish together, the position last; a row without a value is gone."""

    records: list[tuple[bytes, bytes | None]]


class Recent:
    """The digests of the last 65,536 events of this ledger partition: the horizon for producers' duplicates."""

    KEY = b"r"

    def __init__(self) -> None:
        self.count = 0
        self._published = 0
        self._ids = np.zeros(0, np.uint64)
        self._have_room(FIRST_RING)

    def _have_room(self, need: int) -> None:
        """Let so many digests fit, up to a whole ring; until it is whole, none is in another's place."""
        size = self._ids.size
        if min(need, RING) <= size:
            return
        grown = max(FIRST_RING, 1 << (min(need, RING) - 1).bit_length())
        self._ids = np.concatenate([self._ids, np.zeros(grown - size, np.uint64)])
        self._table = np.full(PLACES_EACH * grown, -1, np.int32)
        admit.rebuild(self._table, self._ids, min(self.count, size))

    def admit(
        self, events: NDArray[np.void], marks: NDArray[np.int64], latest_ms: int, verdict: NDArray[np.uint8]
    ) -> None:
        """Give each event its verdict (``kernels.admit``) and remember the admitted ones."""
        self._have_room(self.count + events.size)
        self.count = admit.admit(events, marks, latest_ms, self._table, self._ids, self.count, verdict)

    def take_dirty(self) -> list[tuple[bytes, bytes]]:
        """Changelog records of the ring's segments that changed since the last call."""
        first = max(self._published, self.count - RING)
        changed = sorted({at % RING // SEGMENT for at in range(first, self.count)})
        self._published = self.count
        return [
            (self.KEY + b"%03d" % number, self._ids[number * SEGMENT : (number + 1) * SEGMENT].tobytes())
            for number in changed
        ]

    def restore(self, key: bytes, value: bytes) -> None:
        """Take back one segment; nothing is found before ``rebuild``."""
        number = int(key[1:])
        self._have_room((number + 1) * SEGMENT)
        self._ids[number * SEGMENT : (number + 1) * SEGMENT] = np.frombuffer(value, np.uint64)

    def rebuild(self) -> None:
        """Make the search table anew after a restore."""
        self._have_room(self.count)
        self._published = self.count
        admit.rebuild(self._table, self._ids, self.count)


@dataclass(slots=True)
class Position:
    """How far the partition is judged, and all that is not in a row. ``KEY`` is its changelog key."""

    next_offset: int = 0
    publication: int = 0
    marks: NDArray[np.int64] = field(default_factory=lambda: np.full(MANY_SOURCES, -1, np.int64))
    sources: dict[Source, int] = field(default_factory=dict)
    budget_day: int = -1
    budget_used: int = 0
    ledger: UUID | None = None
    _since_position: int = 0
    _gone: int = 0
    _missing: int = 0

    KEY = b"p"

    def index(self, source: Source) -> int:
        """The place of a source's mark, a new one (mark -1) for a source never seen."""
        found = self.sources.get(source)
        if found is None:
            found = self.sources[source] = len(self.sources)
            if found == self.marks.size:
                self.marks = np.concatenate([self.marks, np.full(found, -1, np.int64)])
        return found

    def spend(self, day: int, share: int) -> bool:
        """Count one service alert of ``day``; say whether the day's share still covers it."""
        if day > self.budget_day:
            self.budget_day, self.budget_used = day, 0
        self.budget_used += 1
        return self.budget_used <= share

    def pack(self, records: int, remembered: int, ticking: Ticking, policy: Policy | None) -> tuple[bytes, bytes]:
        """The position's changelog record; ``records`` counts the publication's records, this one included."""
        body = {
            "layout": LAYOUT,
            "ledger": None if self.ledger is None else self.ledger.bytes,
            "next": self.next_offset,
            "publication": self.publication,
            "records": records,
            "marks": [
                [source.topic.bytes, source.partition, int(self.marks[at])] for source, at in self.sources.items()
            ],
            "remembered": remembered,
            "budget": [self.budget_day, self.budget_used],
            "policy": None if policy is None else policy.toml,
            **ticking.pack(),
        }
        return self.KEY, bytes(msgpack.packb(body))

    def unpack(self, value: bytes, recent: Recent, ticking: Ticking) -> str | None:
        """Take back a position; returns the stored policy's TOML."""
        body = msgpack.unpackb(value)
        if body["layout"] > LAYOUT:
            what = f"layout {body['layout']}, this version reads {LAYOUT}"
            raise LayoutError(f"the stored position has {what}: start a newer version")
        self.next_offset, self.publication = body["next"], body["publication"]
        self.ledger = None if body["ledger"] is None else UUID(bytes=body["ledger"])
        for topic, partition, mark in body["marks"]:
            self.marks[self.index(Source(UUID(bytes=topic), partition))] = mark
        recent.count = body["remembered"]
        self.budget_day, self.budget_used = body["budget"]
        ticking.unpack(body)
        # Compaction keeps the newest record of each key, so those of the last publication are all there.
        self._missing = body["records"] - 1 - self._since_position
        self._since_position = self._gone = 0
        policy: str | None = body["policy"]
        return policy

    def seen(self, key: bytes, gone: bool = False) -> None:
        """Count a restored record; a position resets the count, so records after it belong to nothing whole.

        One that is ``gone`` was let go by a person, and may be nothing of ours.
        """
        if key[:1] in OF_THE_STATE:
            self._since_position += 1
            self._gone += gone

    def seen_rows(self, count: int) -> None:
        """The same for so many rows."""
        self._since_position += count

    def check_ledger(self, ledger: UUID | None) -> None:
        """Refuse a state that was judged over another ledger than this; None stands for any."""
        if None not in (ledger, self.ledger) and ledger != self.ledger:
            raise RestoreError(
                f"the state was judged over ledger {self.ledger}, the ledger is now {ledger}: "
                "a ledger that was made anew needs a customers topic made anew"
            )

    def check_whole(self) -> None:
        """Refuse a changelog whose last publication is not whole, at its end or in its middle."""
        if self._missing > 0:
            raise RestoreError(f"the last publication lacks {self._missing} of its records")
        if self._since_position > self._gone:
            raise RestoreError(
                f"the changelog ends with {self._since_position} records that no position covers: "
                "the last publication is not whole"
            )
