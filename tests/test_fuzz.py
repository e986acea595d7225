"""Negative control of ``make fuzz``: one step outside is an error in the run that checks, and only there."""

from __future__ import annotations

from tests.alone import printed

OUTSIDE = """
import numpy as np
from kernels.letters import byte
letters = np.zeros(64, np.uint8)[:3]
try:
    byte(letters, 3)
    print("read")
except IndexError:
    print("refused")
"""


def test_a_read_outside_is_noticed_where_indices_are_checked() -> None:
    assert printed(OUTSIDE, NUMBA_BOUNDSCHECK="1") == "refused"
    assert printed(OUTSIDE) == "read"
