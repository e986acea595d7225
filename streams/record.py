"""One ledger record as a judge reads it, and the complaint that one is missing."""

from typing import NamedTuple


class Record(NamedTuple):
    """One ledger record: its offset, when the broker appended it (None: unknown, no future check), its bytes."""

    offset: int
    append_ms: int | None
    value: bytes


class HoleError(RuntimeError):
    """The ledger record is not the one that must come next: something was lost or deleted."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"the ledger has a hole: offset {expected} must come next, got {got}")
        self.expected, self.got = expected, got
