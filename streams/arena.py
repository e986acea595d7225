"""Customer ids become row numbers here once, and names again once in ``alerts``.

Also where a block's texts turn into digests, so that kernels only ever see numbers.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import admit
from schemas.block import EVENT, Block, Source
from schemas.codes import FIRST_PURCHASE_KIND
from schemas.events import FIELDS, Type
from schemas.state import CUSTOMER, blank

FIRST_CAPACITY = 256


class Arena:
    """Rows of one ledger partition's customers, and which row is whose."""

    def __init__(self) -> None:
        self._slots: dict[bytes, int] = {}
        self._ids: list[bytes] = []
        self.rows = np.repeat(blank(), FIRST_CAPACITY)
        self.dirty = np.zeros(FIRST_CAPACITY, np.uint8)

    def __len__(self) -> int:
        return len(self._ids)

    def slot(self, customer: bytes) -> int:
        """Give the customer's row number, opening a blank row for anyone new.

        A slot holds for as long as the arena lives. Opening may replace ``rows`` and ``dirty`` by larger ones:
        hold the arena, never a view of its rows.
        """
        slot = self._slots.get(customer)
        if slot is None:
            slot = self._slots[customer] = len(self._ids)
            self._ids.append(customer)
            if slot == self.rows.size:
                self.rows = np.concatenate([self.rows, np.repeat(blank(), slot)])
                self.dirty = np.concatenate([self.dirty, np.zeros(slot, np.uint8)])
        return slot

    def customer(self, slot: int) -> bytes:
        """Whose row this is."""
        return self._ids[slot]

    def find(self, customer: bytes) -> int | None:
        """The customer's slot, or None for a stranger."""
        return self._slots.get(customer)

    def take_dirty(self) -> list[int]:
        """The slots changed since the last call, in ascending order of customer id."""
        slots = np.flatnonzero(self.dirty[: len(self)]).tolist()
        self.dirty[:] = 0
        return sorted(slots, key=self._ids.__getitem__)


def unpack(block: Block, sources: Mapping[Source, int]) -> NDArray[np.void]:
    """Turn a block into ``n`` events (``EVENT``): texts to digests, sources to the indices given."""
    digests = np.empty(block.starts.size, np.uint64)
    admit.digests(block.buffer, block.starts, block.lengths, digests)
    events = np.zeros(block.n, EVENT)
    for one in FIELDS:
        column = block.column(one.name)
        events[one.name] = digests[column] if one.type is Type.TEXT else column
    customer = block.column("customer_id")
    identity = np.empty(block.n, np.uint64)
    stream = np.where(events["kind"] >= FIRST_PURCHASE_KIND, ord("p"), ord("s")).astype(np.uint8)
    admit.event_digests(
        block.buffer, block.starts, block.lengths, stream, customer, block.column("event_id"), identity
    )
    events["event_id"] = identity
    events["source"] = np.array([sources[one] for one in block.sources], np.uint16)[block.source]
    events["offset"] = block.offset
    return events


def slots_of(block: Block, admitted: NDArray[np.bool_], arena: Arena) -> NDArray[np.int64]:
    """Whose row each event of the block is; only an admitted event opens a row (others: -1)."""
    customer = block.column("customer_id")
    slot_of_text = {int(text): arena.slot(block.text(int(text))) for text in np.unique(customer[admitted])}
    return np.array([slot_of_text.get(text, -1) for text in customer.tolist()], np.int64)


class Customers(Mapping[str, NDArray[np.void]]):
    """The customers table's face: read one row by customer id, over one or several arenas. Rows are copies."""

    def __init__(self, arenas: Mapping[int, Arena]) -> None:
        self._arenas = arenas

    def __getitem__(self, customer: str) -> NDArray[np.void]:
        for arena in self._arenas.values():
            slot = arena.find(customer.encode())
            if slot is not None:
                return arena.rows[slot : slot + 1].copy()
        raise KeyError(customer)

    def __iter__(self) -> Iterator[str]:
        for arena in self._arenas.values():
            for slot in range(len(arena)):
                yield arena.customer(slot).decode()

    def __len__(self) -> int:
        return sum(len(arena) for arena in self._arenas.values())


def as_dict(row: NDArray[np.void]) -> dict[str, Any]:
    """One row (shape (1,)) as plain numbers and lists by field name."""
    return {name: row[name][0].tolist() for name in CUSTOMER.names or ()}


def copied(records: NDArray[np.void]) -> NDArray[np.void]:
    """A copy, of the bytes at once and not field by field."""
    return records.view(np.uint8).copy().view(records.dtype)
