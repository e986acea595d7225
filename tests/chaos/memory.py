"""What workers hold in memory, looked at from outside, and whether it grows."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

Samples = list[tuple[float, float]]
"""Moments (seconds) and memory (MB)."""

MOST_SAMPLES = 200
"""A slope is taken from so many samples at most: every pair of them is looked at."""

GROWS_PERCENT = 3.0
"""More than this of its memory within ten minutes, by its slope, is growth and no noise."""


def rss_mb(pid: int) -> float | None:
    """The memory of a process that is in RAM; None for one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1_024 for line in lines if line.startswith("VmRSS:")), None)


class Memory:
    """Samples of each process by its id. ``look`` as often as samples are wanted."""

    def __init__(self) -> None:
        self.lives: dict[int, Samples] = {}

    def look(self, now_s: float, pids: Iterable[int]) -> None:
        """Take a sample of each process that is there."""
        for pid in pids:
            held_mb = rss_mb(pid)
            if held_mb:
                self.lives.setdefault(pid, []).append((now_s, held_mb))


class Life(NamedTuple):
    """A process whose memory was followed after it had warmed up."""

    minutes: float
    median_mb: float
    slope_mb_per_h: float

    @property
    def grows(self) -> bool:
        """Whether its memory grows."""
        return self.slope_mb_per_h / 6 > self.median_mb * GROWS_PERCENT / 100


def slope_mb_per_h(samples: Samples) -> float:
    """The median of the slopes of all pairs (Theil and Sen), which a step up or down for a while does not sway."""
    every = max(1, len(samples) // MOST_SAMPLES)
    pairs = combinations(samples[::every], 2)
    return 3_600 * statistics.median((b_mb - a_mb) / (b - a) for (a, a_mb), (b, b_mb) in pairs)


def long_lives(lives: Iterable[Samples], warm_s: float, least_s: float) -> list[Life]:
    """What became of each process that was there for ``least_s`` after its first ``warm_s``; the longest first."""
    found = []
    for samples in lives:
        warm = [one for one in samples if one[0] >= samples[0][0] + warm_s]
        if len(warm) > 2 and warm[-1][0] - warm[0][0] >= least_s:
            held: Sequence[float] = [mb for _, mb in warm]
            minutes = (warm[-1][0] - warm[0][0]) / 60
            found.append(Life(minutes, statistics.median(held), slope_mb_per_h(warm)))
    return sorted(found, key=lambda one: -one.minutes)
