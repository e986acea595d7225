"""Which records a person has let go: ranges of offsets, named one by one in the setting ``accept_lost``.

Nothing is skipped silently. Where records are missing, or one cannot be read, a worker ends and says which; this
is how a person answers, so that it goes on without exactly those.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

SPAN = re.compile(r"([A-Za-z0-9._-]{1,249})/(\d{1,9}):(\d{1,18})(?:-(\d{1,18}))?")


class Span(NamedTuple):
    """Offsets ``first`` to ``last`` of a topic's partition, both of them included."""

    topic: str
    partition: int
    first: int
    last: int

    def __str__(self) -> str:
        end = "" if self.last == self.first else f"-{self.last}"
        return f"{self.topic}/{self.partition}:{self.first}{end}"

    def holds(self, other: "Span") -> bool:
        """Whether all of another span lies in this one."""
        return self[:2] == other[:2] and self.first <= other.first <= other.last <= self.last


class LostRecords(Exception):
    """Records are missing that nobody has let go; one sentence, and what to do."""


def parse(text: str) -> tuple[Span, ...]:
    """The spans of ``TOPIC/PARTITION:FIRST-LAST`` or ``TOPIC/PARTITION:OFFSET``, with commas between.

    Raises ``ValueError``.
    """
    spans = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        found = SPAN.fullmatch(part)
        if found is None:
            raise ValueError(part)
        first = int(found[3])
        span = Span(found[1], int(found[2]), first, first if found[4] is None else int(found[4]))
        if span.last < span.first:
            raise ValueError(part)
        spans.append(span)
    return tuple(spans)


def accepts(spans: Iterable[Span], lost: Span) -> bool:
    """Whether one of the spans holds all that is lost."""
    return any(one.holds(lost) for one in spans)


def begin(spans: Iterable[Span], place: tuple[str, int], at: int, log: tuple[int, int], past: str) -> Span | None:
    """What is let go where reading a partition stands at ``at`` and the log holds ``log``; None for nothing.

    ``past`` says what to do where the log ends before that. Raises ``LostRecords`` for what nobody has let go.
    """
    low, high = log
    if low <= at <= high:
        return None
    stands = f"{place[0]}/{place[1]}: offset {at} comes next, the log holds {low} to {high}"
    if at > high:
        raise LostRecords(f"{stands}; {past}.")
    lost = Span(*place, at, low - 1)
    if not accepts(spans, lost):
        raise LostRecords(f"{stands}. {remedy(lost)}.")
    return lost


def remedy(lost: Span) -> str:
    """How to go on without these records, as a sentence for whoever reads a worker's last word."""
    return f"To go on without for good, set accept_lost to {lost}"
