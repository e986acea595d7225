"""What is freed goes back to the system."""

import platform
import subprocess
import sys

import pytest

from streams.heap import give_back

WORK = """
import sys
from streams.heap import give_back

def held_mb():
    return int(open("/proc/self/statm").read().split()[1]) * 4_096 >> 20

if sys.argv[1] == "set" and not give_back():
    sys.exit("no such setting")
bytes(2 << 20)  # by freeing a piece of this size glibc learns to keep such
before = held_mb()
large, small = [], []
for _ in range(100):
    large.append(b"x" * (1 << 20))
    small.append(b"x" * 2_000)
assert held_mb() - before > 90
del large
print(held_mb() - before)
"""


@pytest.mark.parametrize(("how", "stays"), [("set", False), ("left", True)])
def test_large_pieces_go_back_although_small_ones_lie_between_them(how: str, stays: bool) -> None:
    """Left to itself the C library keeps them: the control."""
    if platform.libc_ver()[0] != "glibc":
        assert not give_back(), "no other has such a setting"
        return
    done = subprocess.run(
        [sys.executable, "-c", WORK, how], capture_output=True, text=True, check=True, timeout=60
    )
    assert (int(done.stdout) > 50) is stays
