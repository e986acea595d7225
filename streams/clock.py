"""The only door to the time of day: everything else is told what time it is."""

import time


def now_ms() -> int:
    """The wall clock, in ms UTC; it may jump when someone sets it."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """A clock for durations, in seconds from an arbitrary start; it never jumps back."""
    return time.monotonic()


def rest(seconds: float) -> None:
    """Let this thread, never the event loop, do nothing for a while."""
    time.sleep(seconds)
