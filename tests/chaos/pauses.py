"""For how long a ledger partition judged nothing although events waited: read from the topics."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.block import Block, decode
from streams.topics import describe
from tests.broker.deployment import Deployment

Arrivals = list[tuple[int, int]]
"""Of each ledger record with events: its offset, and since when (ms) the first of them stands in a source."""


class Pause(NamedTuple):
    """From when the oldest event that nobody had judged stood there until some event was judged."""

    begin_ms: int
    end_ms: int

    @property
    def seconds(self) -> float:
        """How long it was."""
        return (self.end_ms - self.begin_ms) / 1_000


def pauses(published: Iterable[tuple[int, int]], arrivals: Arrivals) -> list[Pause]:
    """The pauses between one publication that judged events and the next, in their order.

    ``published`` has times (ms) and next offsets as they were published; one that covers no further event is no
    end of a pause. What was sent while nobody judged waits since then, not since the publication before.
    """
    offsets = [offset for offset, _ in arrivals]
    oldest = _oldest_from(arrivals)
    found: list[Pause] = []
    done, last_ms = 0, 0
    for at_ms, following in published:
        covered = bisect_left(offsets, following)
        if covered > done:
            found.append(Pause(max(last_ms, oldest[done]), at_ms))
            done, last_ms = covered, at_ms
    return found


def _oldest_from(arrivals: Arrivals) -> list[int]:
    """For each record since when the first event in or behind it was there: order is not that of arrival."""
    out = [stamp_ms for _, stamp_ms in arrivals]
    for at in range(len(out) - 2, -1, -1):
        out[at] = min(out[at], out[at + 1])
    return out


def arrivals(deployment: Deployment) -> list[Arrivals]:
    """When the events of each ledger partition's records came into the sources."""
    names = deployment.config.topics
    stamps: dict[tuple[str, int], dict[int, int]] = {}
    for name, info in describe(deployment.broker, [names.support_calls, names.purchases]).items():
        for message in deployment.read(name):
            place = str(info.topic_id), message.partition()
            stamps.setdefault(place, {})[message.offset()] = message.timestamp()[1]
    out: list[Arrivals] = []
    for log in deployment.ledger():
        out.append([])
        for record in log:
            block = decode(record.value)
            if isinstance(block, Block):
                of = [stamps[str(one.topic), one.partition] for one in block.sources]
                places = zip(block.source.tolist(), block.offset.tolist(), strict=True)
                out[-1].append((record.offset, min(of[source][offset] for source, offset in places)))
    return out


def longest_s(found: Iterable[Sequence[Pause]], begin_ms: int, end_ms: int) -> float:
    """The longest pause of any partition that ended in a span of time; 0 for none."""
    return max((one.seconds for some in found for one in some if begin_ms <= one.end_ms < end_ms), default=0.0)


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that so large a share of them does not exceed; 0 where there is none."""
    return sorted(values)[max(0, -int(-share * len(values) // 1) - 1)] if values else 0.0
