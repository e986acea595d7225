"""How the C library keeps memory that was freed: large pieces go back to the system at once.

By itself glibc learns to keep ever larger pieces among the small ones, each thread in a place of its own, so that
a worker that has worked off a backlog stays as large as that had made it.
"""

import ctypes
from contextlib import suppress

LARGE_BYTES = 1 << 19
"""A piece of this size or more has pages of its own: what was fetched, queues, publications."""
SPARE_BYTES = 1 << 24
"""What may be free at the end of the heap before it is cut."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""


def give_back() -> bool:
    """Let freed memory go back to the system; false where the C library has no such setting."""
    with suppress(AttributeError, OSError):
        set_to = ctypes.CDLL(None).mallopt
        return all(
            set_to(what, value)
            for what, value in (
                (M_ARENA_MAX, 1),
                (M_MMAP_THRESHOLD, LARGE_BYTES),
                (M_TRIM_THRESHOLD, SPARE_BYTES),
            )
        )
    return False
