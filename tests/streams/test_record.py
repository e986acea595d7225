"""A ledger record that a newer version wrote is told from one that is broken."""

from __future__ import annotations

import pytest

from schemas.block import BLOCK_VERSION, CONTROL_MAGIC, EVENTS_MAGIC, retire_entry
from schemas.codes import Control
from streams.record import is_newer
from tests.vectors import SUPPORT

NEXT = (BLOCK_VERSION + 1).to_bytes(2, "little")
NOW = BLOCK_VERSION.to_bytes(2, "little")


@pytest.mark.parametrize(
    ("value", "newer"),
    [
        (EVENTS_MAGIC + NEXT + bytes(100), True),
        (CONTROL_MAGIC + NEXT + bytes(2), True),
        (CONTROL_MAGIC + NOW + (max(Control) + 1).to_bytes(2, "little"), True),
        (EVENTS_MAGIC + NOW + bytes(100), False),
        (CONTROL_MAGIC + NOW + bytes(2), False),
        (retire_entry(SUPPORT, "jo", "moved"), False),
        (b"\xc1 no block", False),
        (b"", False),
    ],
)
def test_who_wrote_it(value: bytes, newer: bool) -> None:
    assert is_newer(value) is newer
