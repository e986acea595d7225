"""One ledger record as a judge reads it, and the complaint that one is missing."""

from typing import NamedTuple

from schemas.block import BLOCK_VERSION, CONTROL_MAGIC, EVENTS_MAGIC
from schemas.codes import Control


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


def is_newer(value: bytes) -> bool:
    """Whether a ledger record that cannot be read says of itself that a newer version wrote it."""
    version, control = int.from_bytes(value[4:6], "little"), int.from_bytes(value[6:8], "little")
    if value[:4] == CONTROL_MAGIC and version == BLOCK_VERSION:
        return control > max(Control)
    return value[:4] in (EVENTS_MAGIC, CONTROL_MAGIC) and version > BLOCK_VERSION
