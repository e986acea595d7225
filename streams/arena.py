"""Customer ids become row numbers here once, and names again once in ``alerts``."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import index, restoring, sparse
from schemas import state
from schemas.state import CUSTOMER, MEMO, blank
from schemas.waiting import Sheaf
from streams.opened import Opened
from streams.room import Room

FIRST_CAPACITY = 256
FIRST_NAME_BYTES = 16

AT_ONCE = 1_024
"""Rows written at once."""

WORDS = CUSTOMER.itemsize // state.WORD
_BLANK = blank().view(np.uint64)
_BLANK_2 = state.as_in_2(_BLANK.view(np.uint8)).view(np.uint64)
_HEAD = np.frombuffer(state.head(0)[: state.LAYOUT_BYTES], np.uint8)


class Arena:
    """Rows of one ledger partition's customers, and which row is whose."""

    def __init__(self) -> None:
        self._count = 0
        self._gone: list[bytes] = []
        self._table = np.full(2 * FIRST_CAPACITY, index.FREE, np.int32)
        self._names = Room(np.uint8, FIRST_CAPACITY * FIRST_NAME_BYTES)
        self._begins = Room(np.int64, FIRST_CAPACITY + 1)
        self._rows = Room(CUSTOMER, FIRST_CAPACITY)
        self._memos = Room(MEMO, FIRST_CAPACITY)
        self._quiet = Room(np.uint8, FIRST_CAPACITY)
        self._dirty = Room(np.uint8, FIRST_CAPACITY)

    @property
    def rows(self) -> Any:
        """The customers' rows (``CUSTOMER``), with room behind them."""
        return self._rows.array

    @property
    def memos(self) -> Any:
        """What is remembered beside each row (``MEMO``)."""
        return self._memos.array

    @property
    def quiet(self) -> Any:
        """1 for a row that an hour's tick cannot change, as far as is known."""
        return self._quiet.array

    @property
    def dirty(self) -> Any:
        """1 for a row that changed since the last publication."""
        return self._dirty.array

    def __len__(self) -> int:
        return self._count

    def slots_of(self, block: Opened, wanted: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Whose row each event of the block is; only a wanted event opens a row for someone new (others: -1).

        A slot holds for as long as the arena lives. Opening may replace ``rows`` and what stands
        beside them by larger arrays: hold the arena, never a view of its rows.
        """
        self._reserve(min(block.customer.size, block.starts.size), int(block.lengths.sum()))
        return self._slots_of(block.raw, block.starts, block.lengths, block.customer, wanted)

    def slot(self, customer: bytes) -> int:
        """Give the customer's row number, opening a blank row for anyone new."""
        self._reserve(1, len(customer))
        text, one = np.frombuffer(customer, np.uint8), np.array([len(customer)])
        found = self._slots_of(text, np.zeros(1, np.int64), one, np.zeros(1, np.uint32), np.ones(1, np.uint8))
        return int(found[0])

    def _slots_of(
        self, text: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64],
        which: NDArray[np.uint32], wanted: NDArray[np.uint8],
    ) -> NDArray[np.int64]:  # fmt: skip
        out, scratch = np.empty(which.size, np.int64), np.empty(starts.size, np.int64)
        before, (names, begins) = self._count, self._ids()
        self._count = index.slots_of(
            self._table, names, begins, before, text, starts, lengths, which, wanted, scratch, out
        )
        self._words()[before : self._count] = _BLANK
        return out

    def _ids(self) -> tuple[Any, Any]:
        """All ids one after the other, and where each begins."""
        return self._names.array, self._begins.array

    def _reserve(self, more: int, name_bytes: int) -> None:
        """Make room for ``more`` customers whose ids have ``name_bytes`` together."""
        for room in (self._rows, self._memos, self._quiet, self._dirty):
            room.reserve(self._count + more)
        self._begins.reserve(self._count + more + 1)
        self._names.reserve(int(self._begins.array[self._count]) + name_bytes)
        if 2 * (self._count + more) > self._table.size:
            size = 1 << (2 * (self._count + more) - 1).bit_length()
            self._table = np.full(size, index.FREE, np.int32)
            index.rebuild(self._table, *self._ids(), self._count)

    def customer(self, slot: int) -> bytes:
        """Whose row this is."""
        names, begins = self._ids()
        return bytes(names[begins[slot] : begins[slot + 1]])

    def find(self, customer: bytes) -> int | None:
        """The customer's slot, or None for a stranger."""
        text = np.frombuffer(customer, np.uint8)
        slot = index.find(self._table, *self._ids(), text, 0, text.size)
        return None if slot == index.NOBODY else slot

    def erase(self, customer: bytes) -> int | None:
        """Take a customer's row away; the time of their last event, None for a stranger.

        The last row takes its place: slots are not what they were. It takes as long as finding all ids anew.
        """
        slot = self.find(customer)
        if slot is None:
            return None
        last_ms, last = int(self.rows["last_event_ms"][slot]), self._count - 1
        names, begins = self._ids()
        texts = [bytes(names[begins[at] : begins[at + 1]]) for at in (slot, last)]
        ends = begins[: self._count + 1].copy()
        kept = [names[: ends[slot]], np.frombuffer(texts[1], np.uint8), names[ends[slot + 1] : ends[last]]]
        names[: ends[-1]] = np.concatenate(
            [*(kept if slot < last else kept[:1]), np.zeros(len(texts[0]), np.uint8)]
        )
        lengths = np.diff(ends)
        lengths[slot] = lengths[last]
        begins[1 : self._count] = np.cumsum(lengths[:last])
        for room in (self.rows, self.memos, self.quiet, self.dirty):
            room[slot] = room[last]
            room[last] = 0
        self._count = last
        self._table[:] = index.FREE
        index.rebuild(self._table, *self._ids(), self._count)
        self._gone.append(customer)
        return last_ms

    def take_dirty(self, ledger_offset: int) -> list[tuple[bytes, bytes | None]]:
        """(customer, changelog value) of each row changed since the last call; no value for one that is gone."""
        slots = np.flatnonzero(self.dirty[: len(self)])
        self.dirty[: len(self)] = 0
        head = np.frombuffer(state.head(ledger_offset), np.uint8)
        out = np.empty(min(slots.size, AT_ONCE) * (head.size + sparse.most_bytes(WORDS)), np.uint8)
        gone, self._gone = self._gone, []
        found: list[tuple[bytes, bytes | None]] = [(one, None) for one in gone if self.find(one) is None]
        for at in range(0, slots.size, AT_ONCE):
            some = slots[at : at + AT_ONCE]
            ends = np.empty(some.size, np.int64)
            sparse.encode_rows(self._words(), some, _BLANK, head, out, ends)
            begin = 0
            for slot, end in zip(some.tolist(), ends.tolist(), strict=True):
                found.append((self.customer(slot), out[begin:end].tobytes()))
                begin = end
        return found

    def restore(self, customer: bytes, value: bytes) -> None:
        """Take back one row from its changelog value. Raises ``LayoutError``."""
        old = state.check_layout(value) == 2
        row, raw = np.empty(WORDS, np.uint64), np.frombuffer(value, np.uint8)
        if not sparse.decode(raw, state.HEAD_BYTES, raw.size, _BLANK_2 if old else _BLANK, row):
            raise state.LayoutError(state.BROKEN)
        if old:
            row = state.from_2(row.view(np.uint8)).view(np.uint64)
        slot = self.slot(customer)  # first: it may make room, and then the rows stand elsewhere
        self._words()[slot] = row

    def restore_rows(self, sheaf: Sheaf, first: int, end: int, skip: int) -> None:
        """Take back these records' rows; a key is ``skip`` bytes and the customer. Raises ``LayoutError``."""
        self._reserve(end - first, int(sheaf.key_lengths[first:end].sum()))
        while first < end:
            self._count, at = restoring.take_rows(
                sheaf.letters, first, end, sheaf.key_starts, sheaf.key_lengths, skip, sheaf.starts, sheaf.lengths,
                _HEAD, state.HEAD_BYTES, self._table, *self._ids(), self._count, _BLANK, self._words(),
            )  # fmt: skip
            if at != end:  # of an earlier layout, as after an upgrade; or it is refused
                key, value = sheaf.key(at), sheaf.value(at)
                assert key is not None
                assert value is not None
                self.restore(key[skip:], value)
            first = at + 1

    def restored(self) -> None:
        """Every record was given back: what was taken away among them is durable."""
        self._gone = []
        self.forget()

    def forget(self) -> None:
        """Nothing concluded of the rows is known any more: the rules are others."""
        self.memos[: len(self)] = 0
        self.quiet[: len(self)] = 0

    def _words(self) -> NDArray[np.uint64]:
        words: NDArray[np.uint64] = self.rows.view(np.uint64).reshape(-1, WORDS)
        return words


class Customers(Mapping[str, NDArray[np.void]]):
    """The customers table's face: read one row by customer id, over one or several arenas. Rows are copies."""

    def __init__(self, arenas: Mapping[int, Arena]) -> None:
        self._arenas = arenas

    def __getitem__(self, customer: str) -> NDArray[np.void]:
        for arena in self._arenas.values():
            slot = arena.find(customer.encode())
            if slot is not None:
                row: NDArray[np.void] = arena.rows[slot : slot + 1].copy()
                return row
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
