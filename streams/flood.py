"""Notices when more of a source is refused than can be chance, before it is drained into the dead letters."""

from collections import deque
from collections.abc import Iterable

from schemas.block import Source

SPAN = 10_000
"""So many records of a source partition are looked at together."""


class Flood:
    """What was refused of each source partition's last ten thousand records.

    ``most_percent`` of them may be; 100 lets everything pass.
    """

    def __init__(self, most_percent: int) -> None:
        self._most = SPAN * most_percent // 100
        self._refused: dict[Source, deque[int]] = {}

    def hear(self, refused: Iterable[tuple[Source, int]]) -> Source | None:
        """Count refused records by their offsets; the first source of which it is too much, else None."""
        for source, offset in refused:
            lately = self._refused.setdefault(source, deque())
            if lately and offset <= lately[-1]:
                continue  # read again after a rebalance
            lately.append(offset)
            while lately[0] <= offset - SPAN:
                lately.popleft()
            if len(lately) > self._most:
                return source
        return None
