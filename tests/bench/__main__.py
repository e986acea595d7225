"""``make bench``: how fast the core is on this machine, one core, no broker. Prints one JSON object at the end."""

import json
import time
from collections.abc import Callable
from uuid import UUID

from schemas.block import Source, Sourced, decode, encode_events, policy_entry, progress_entry, sources_entry
from schemas.codec import Reject, encode
from schemas.codec import decode as decode_event
from streams.intake import Clock, Intake, SourceRecord
from streams.pipeline import Pipeline, Record
from tests.bench import base
from tests.worlds import START_MS, world

EVENTS = 20_000
CUSTOMERS = 2_000
BLOCK = 1_000
SOURCE = Source(UUID(int=1), 0)
DAY_MS = 86_400_000


def seconds(work: Callable[[], object]) -> float:
    """The best of three runs."""
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best


def main() -> None:
    """Measure each step of an event's way, then a tick over all rows."""
    Pipeline.warm()
    raw = [(topic, encode(fields)) for topic, fields in world(1, EVENTS, CUSTOMERS, span_days=60)]
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

    def taken_in() -> None:
        intake = Intake(16, clock=Clock.WALL, max_buffered=10**9)
        intake.assign([SOURCE])
        for at, (topic, value) in enumerate(raw):
            intake.offer(SourceRecord(SOURCE, topic == "purchases", topic, at, None, value))
        intake.at_end(SOURCE, START_MS + 90 * DAY_MS)
        list(intake.drain(START_MS + 90 * DAY_MS))

    def ticked() -> None:
        start = START_MS + 61 * DAY_MS
        for at, until in enumerate((start, start + DAY_MS)):
            aged.step(Record(aged.next_offset, None, progress_entry([(SOURCE, until + runs[0] * 2 * DAY_MS)])))
            runs[0] += at

    aged, runs = judged(), [0]
    figures = {
        "decode_events_per_s": len(raw)
        / seconds(lambda: [decode_event(v, purchases=t == "purchases") for t, v in raw]),
        "take_in_events_per_s": len(raw) / seconds(taken_in),
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
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
