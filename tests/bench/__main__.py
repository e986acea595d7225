"""``make bench``: how fast the core is on this machine, one core, no broker. Prints one JSON object at the end."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from schemas.block import Source, Sourced, decode, encode_events, policy_entry, progress_entry, sources_entry
from schemas.codec import Reject, encode
from schemas.codec import decode as decode_event
from schemas.waiting import Sheaf
from streams.intake import Clock, Intake, SourceRecord
from streams.pipeline import Pipeline, Record
from streams.waiting import sheaf_of
from streams.warmup import warm
from tests.bench import base
from tests.bench.results import keep
from tests.oracle import intake as slow
from tests.worlds import START_MS, world

EVENTS = 20_000
CUSTOMERS = 2_000
BLOCK = 1_000
SOURCE = Source(UUID(int=1), 0)
SOURCES = [SOURCE, Source(UUID(int=2), 0)]
FETCH = 5_000
"""Events of one fetch, where they are taken in fetch by fetch."""

Fetched = Sequence[tuple[str, Any]]
DAY_MS = 86_400_000


def seconds(work: Callable[[], object]) -> float:
    """The best of three runs."""
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best


def encoded(events: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, bytes]]:
    """Topics and payloads."""
    return [(topic, encode(fields)) for topic, fields in events]


def fetched(raw: list[tuple[str, bytes]]) -> Fetched:
    """The same as fetches: of each topic so many records at a time (offset, key, value)."""
    out: list[tuple[str, Any]] = []
    for first in range(0, len(raw), FETCH):
        part = [(at, topic, value) for at, (topic, value) in enumerate(raw[first : first + FETCH], first)]
        out += [
            (topic, [(at, b"C1", value) for at, name, value in part if name == topic])
            for topic in ("support", "purchases")
        ]
    return out


def main() -> None:
    """Measure each step of an event's way, then a tick over all rows."""
    warm()
    raw = encoded(world(1, EVENTS, CUSTOMERS, span_days=60))
    events = [decode_event(value, purchases=topic == "purchases") for topic, value in raw]
    sourced = [Sourced(SOURCE, at, one) for at, one in enumerate(events) if not isinstance(one, Reject)]
    cut = [sourced[at : at + BLOCK] for at in range(0, len(sourced), BLOCK)]
    blocks = [encode_events(part) for part in cut]
    opening = [sources_entry([("bench", SOURCE.topic, 1)]), policy_entry("", 1)]

    def judged() -> Pipeline:
        pipeline = Pipeline("bench")
        for at, value in enumerate([*opening, *blocks]):
            pipeline.step(Record(at, None, value))
        return pipeline

    def taken_in(made: type[Any], fetched: Fetched) -> None:
        intake = made(16, clock=Clock.WALL, max_buffered=10**9)
        intake.assign(SOURCES)
        for topic, records in fetched:
            source, purchases = SOURCES[topic == "purchases"], topic == "purchases"
            if isinstance(records, Sheaf):
                intake.hear(source, topic, records, purchases=purchases)
            else:
                for offset, key, value in records:
                    intake.offer(SourceRecord(source, purchases, topic, offset, key, value))
        for source in SOURCES:
            intake.at_end(source, START_MS + 90 * DAY_MS)
        assert sum(batch.events for batch in intake.drain(START_MS + 90 * DAY_MS)) == EVENTS

    year, minutes = fetched(raw), fetched(encoded(world(1, EVENTS, CUSTOMERS, span_days=0.01)))
    sheaves = [[(topic, sheaf_of(records)) for topic, records in one] for one in (year, minutes)]

    def ticked() -> None:
        start = START_MS + 61 * DAY_MS
        for at, until in enumerate((start, start + DAY_MS)):
            aged.step(Record(aged.next_offset, None, progress_entry([(SOURCE, until + runs[0] * 2 * DAY_MS)])))
            runs[0] += at

    aged, runs = judged(), [0]
    figures = {
        "decode_events_per_s": len(raw)
        / seconds(lambda: [decode_event(v, purchases=t == "purchases") for t, v in raw]),
        "take_in_one_by_one_events_per_s": EVENTS / seconds(lambda: taken_in(slow.Intake, minutes)),
        "take_in_events_per_s": EVENTS / seconds(lambda: taken_in(Intake, sheaves[1])),
        "take_in_60_days_events_per_s": EVENTS / seconds(lambda: taken_in(Intake, sheaves[0])),
        "encode_block_events_per_s": len(sourced) / seconds(lambda: [encode_events(part) for part in cut]),
        "decode_block_events_per_s": len(sourced) / seconds(lambda: [decode(value) for value in blocks]),
        "judge_events_per_s": len(sourced) / seconds(judged),
        "tick_rows_per_s": 48 * len(aged.customers()) / seconds(ticked),
        "block_bytes_per_event": sum(map(len, blocks)) / len(sourced),
        "row_bytes": len(aged.snapshot().records[0][1]),
        **base.figures(),
    }
    for name, value in figures.items():
        print(f"{name:28} {value:14,.1f}")
    rounded = {name: round(value, 3) for name, value in figures.items()}
    keep("core", rounded)
    print(json.dumps(rounded))


if __name__ == "__main__":
    main()
