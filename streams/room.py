"""Arrays that grow in place: no second copy while they do, and memory only for what was written."""

import mmap
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

GROWTH = 2
"""Room grows by a half; what is spare has no pages yet."""
LARGE_BYTES = 1 << 24
PRIVATE = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)


class Room:
    """Items of one type, zero at first; ``array`` is replaced when it grows: hold the room, no view of it."""

    def __init__(self, dtype: np.dtype[np.void] | type[np.generic], size: int) -> None:
        self._dtype = np.dtype(dtype)
        self._pages = _pages(size * self._dtype.itemsize)
        self.array: NDArray[np.generic] = np.frombuffer(self._pages, self._dtype, size)

    def reserve(self, need: int) -> None:
        """Have room for ``need`` items."""
        count = self.array.size
        if need <= count:
            return
        size = max(need, count + count // GROWTH)
        del self.array  # pages that somebody looks at stay where they are
        try:
            self._pages.resize(size * self._dtype.itemsize)
        except (BufferError, SystemError, OSError):
            # Somebody looks at them after all, or this system cannot: a copy then.
            before, self._pages = self._pages, _pages(size * self._dtype.itemsize)
            grown = np.frombuffer(self._pages, self._dtype, size)
            grown[:count] = np.frombuffer(before, self._dtype, count)
        if size * self._dtype.itemsize >= LARGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
            # Two million bytes a page instead of four thousand: a fifth of the time to fill them.
            with suppress(OSError):
                self._pages.madvise(mmap.MADV_HUGEPAGE)
        self.array = np.frombuffer(self._pages, self._dtype, size)


def _pages(size: int) -> mmap.mmap:
    size = max(size, mmap.PAGESIZE)
    return mmap.mmap(-1, size, flags=PRIVATE) if PRIVATE else mmap.mmap(-1, size)
