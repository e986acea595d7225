"""What the digests in rows were called: the few texts that a problem, an owner or a product line is named by.

A sku is learned from the events of cases and of known faults only, so that the catalogue of everything sold never
enters.
"""

from collections.abc import Callable

import msgpack
import numpy as np
from numpy.typing import NDArray

from schemas.block import NAMED, NAMED_EVERYWHERE
from streams.opened import Opened

SEGMENTS = 64
MOST = 65_536
"""So many names are kept; with more, a problem or an incident is told by its digest until some are forgotten."""


class Names:
    """Texts by digest. ``KEY`` begins the changelog keys of its segments."""

    KEY = b"t"

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._changed: set[int] = set()

    def get(self, digest: int) -> str | None:
        """The text behind a digest; None for no text (0) or one that is not kept."""
        return self._texts.get(digest)

    def of(self, digest: int) -> str:
        """The text behind a digest, or the digest in hex where it is not kept."""
        return self._texts.get(digest, f"{digest:016x}")

    def learn(self, block: Opened, admitted: NDArray[np.bool_]) -> None:
        """Take the names from the admitted events of a block."""
        for text in np.flatnonzero(block.told).tolist():
            digest = int(block.digests[text])
            if digest == 0 or digest in self._texts or len(self._texts) >= MOST:
                continue
            if self._is_told(block.events[admitted], digest):
                self._texts[digest] = block.text(text).decode()
                self._changed.add(digest % SEGMENTS)

    @staticmethod
    def _is_told(events: NDArray[np.void], digest: int) -> bool:
        """Whether one of these events names it."""
        of_problem = events[(events["case_id"] != 0) | (events["fault_id"] != 0)]
        return any((of_problem[name] == digest).any() for name in NAMED) or any(
            (events[name] == digest).any() for name in NAMED_EVERYWHERE
        )

    def forget_unless(self, used: Callable[[], set[int]]) -> None:
        """Once half of the room is taken, forget every name that nothing points at any more."""
        if len(self._texts) <= MOST // 2:
            return
        kept = used()
        gone = [digest for digest in self._texts if digest not in kept]
        for digest in gone:
            del self._texts[digest]
            self._changed.add(digest % SEGMENTS)

    def take_dirty(self) -> list[tuple[bytes, bytes]]:
        """Changelog records of the segments that changed since the last call; one may become empty."""
        changed, self._changed = sorted(self._changed), set()
        return [
            (
                self.KEY + b"%02d" % segment,
                bytes(msgpack.packb({d: t for d, t in sorted(self._texts.items()) if d % SEGMENTS == segment})),
            )
            for segment in changed
        ]

    def restore(self, key: bytes, value: bytes) -> None:
        """Take back one segment in place of what it held."""
        segment = int(key[1:])
        stored: dict[int, str] = msgpack.unpackb(value, strict_map_key=False)
        for digest in [one for one in self._texts if one % SEGMENTS == segment]:
            del self._texts[digest]
        self._texts.update(stored)
