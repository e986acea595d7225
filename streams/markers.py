"""What is remembered of erased customers: a keyed hash and a time each, so that a late event brings nobody back.

Without the key a marker says nothing about whom it stands for. What is judged depends on which ids are equal, and
not on the key: a replay under any other key gives the same rows and alerts.
"""

from collections.abc import Iterable

import msgpack
import numpy as np
from numpy.typing import NDArray

from schemas.erasures import fingerprint, marker_of
from streams.opened import Opened

OFFLINE_KEY = b"a replay keeps no markers"
"""The key of whoever judges without publishing."""

HORIZON_MS = 400 * 86_400_000
"""So long a marker is kept: nothing of ours holds an event for longer, so none can be sent again after that."""
ROLL_MS = 21 * 86_400_000
"""So long after an erasure every midnight writes to each compacted topic: Kafka compacts no segment that is being
written to, and where nobody writes none is ever closed."""
MOST = 65_536
"""So many markers a ledger partition keeps; beyond them the oldest goes."""
SEGMENTS = 64


class MarkersError(RuntimeError):
    """An erasure cannot be remembered, or those that are cannot be recognised; one sentence for the operator."""


class Markers:
    """Erased customers of one ledger partition. ``KEY`` begins the changelog keys of its segments."""

    KEY = b"e"

    def __init__(self, key: bytes | None) -> None:
        """``key`` is the deployment's secret; None for a worker without one, which can apply no erasure."""
        self._key = key
        self._erased_ms: dict[bytes, int] = {}
        self._newest_ms = -1
        self._changed: set[int] = set()

    def __len__(self) -> int:
        return len(self._erased_ms)

    def of(self, customer: bytes) -> bytes:
        """The marker of a customer. Raises ``MarkersError`` without a key."""
        if self._key is None:
            raise MarkersError(
                "the ledger holds an erasure, and erasure_key is not set: give every worker the key"
            )
        return marker_of(self._key, customer)

    def erased_ms(self, customer: bytes) -> int | None:
        """Up to when events of this customer count no more; None for somebody who was not erased."""
        return self._erased_ms.get(self.of(customer)) if self._erased_ms else None

    def erase(self, customer: bytes, times_ms: Iterable[int | None]) -> tuple[bytes, int]:
        """Remember an erasure as of the latest of these times, or of an earlier one; its marker and that time."""
        marker = self.of(customer)
        erased_ms = max(one for one in (-1, *times_ms, self._erased_ms.get(marker)) if one is not None)
        if len(self._erased_ms) >= MOST and marker not in self._erased_ms:
            self._drop(min(self._erased_ms, key=lambda one: (self._erased_ms[one], one)))
        self._erased_ms[marker] = erased_ms
        self._newest_ms = max(self._newest_ms, erased_ms)
        self._changed.add(_segment(marker))
        return marker, erased_ms

    def expire(self, now_ms: int) -> None:
        """Forget the markers whose time is over."""
        for marker in [one for one, erased_ms in self._erased_ms.items() if erased_ms < now_ms - HORIZON_MS]:
            self._drop(marker)

    def young(self, now_ms: int) -> bool:
        """Whether topics may still hold something of a customer who was erased."""
        return bool(self._erased_ms) and self._newest_ms >= now_ms - ROLL_MS

    def _drop(self, marker: bytes) -> None:
        del self._erased_ms[marker]
        self._newest_ms = max(self._erased_ms.values(), default=-1)
        self._changed.add(_segment(marker))

    def app_id(self, app_id: str, customer: bytes) -> str:
        """What the ids of a customer's alerts are made with: whoever came back is somebody new, with new ids."""
        erased_ms = self.erased_ms(customer)
        return app_id if erased_ms is None else f"{app_id}/{erased_ms}"

    def leave_out(self, block: Opened, admitted: NDArray[np.bool_]) -> int:
        """Admit no event of a block that is of before its customer's erasure; how many there were."""
        if not self._erased_ms:
            return 0
        count, ts_ms = 0, block.events["ts_ms"]
        old = admitted & (ts_ms <= self._newest_ms)
        for text in np.unique(block.customer[old]).tolist():
            erased_ms = self.erased_ms(block.text(text))
            if erased_ms is not None:
                late = old & (block.customer == text) & (ts_ms <= erased_ms)
                admitted &= ~late
                count += int(late.sum())
        return count

    # ---------------------------------------------------------------- the changelog

    def take_dirty(self) -> list[tuple[bytes, bytes]]:
        """Changelog records of the segments that changed since the last call; one may become empty."""
        changed, self._changed = sorted(self._changed), set()
        return [(self.KEY + b"%02d" % segment, self._pack(segment)) for segment in changed]

    def _pack(self, segment: int) -> bytes:
        assert self._key is not None
        kept = sorted((one, ms) for one, ms in self._erased_ms.items() if _segment(one) == segment)
        return bytes(msgpack.packb([fingerprint(self._key), kept]))

    def restore(self, key: bytes, value: bytes) -> None:
        """Take back one segment in place of what it held. Raises ``MarkersError`` where another key made it."""
        made_with, kept = msgpack.unpackb(value)
        if kept and (self._key is None or made_with != fingerprint(self._key)):
            what = "erasure_key is not set" if self._key is None else "erasure_key is another one"
            raise MarkersError(f"customers were erased under a key, and {what}: give every worker that key")
        segment = int(key[1:])
        for marker in [one for one in self._erased_ms if _segment(one) == segment]:
            del self._erased_ms[marker]
        self._erased_ms.update(kept)
        self._newest_ms = max(self._erased_ms.values(), default=-1)


def _segment(marker: bytes) -> int:
    return marker[0] % SEGMENTS
