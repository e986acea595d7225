"""``make bench``: how fast the core is on this machine, one core, no broker. Prints one JSON object at the end."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from schemas.block import Source, Sourced, decode, encode_events, policy_entry, progress_entry, sources_entry
from schemas.codec import Reject, encode
from schemas.codec import decode as decode_event
from schemas.policy import parse
from schemas.waiting import Sheaf
from streams.arena import Arena
from streams.intake import Clock, Intake, SourceRecord, opening
from streams.opened import open_block
from streams.pipeline import Pipeline, Record
from streams.rejudge import Judge, judge_file
from streams.waiting import sheaf_of
from streams.warmup import warm, warm_files
from tests.bench import base
from tests.bench.load import Load, events, load
from tests.bench.results import keep
from tests.oracle import intake as slow
from tests.worlds import START_MS, world

EVENTS = 20_000
CUSTOMERS = 2_000
LOAD = 200_000
"""Events of the backlog, of ten times as many customers."""
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


def ledger_of(backlog: Load) -> list[bytes]:
    """What a judge reads when a shop's backlog is worked off, all of it in one partition."""
    intake = Intake(1, clock=Clock.WALL, max_buffered=10**9)
    intake.assign(SOURCES)
    logs: list[list[tuple[int, bytes, bytes]]] = [[], []]
    for bought, key, value in events(backlog):
        logs[bought].append((len(logs[bought]), key, value))
    names = ("support", "purchases")
    values = opening([(name, one.topic, 1) for name, one in zip(names, SOURCES, strict=True)], parse(""))
    for purchases, log in enumerate(logs):
        intake.hear(SOURCES[purchases], names[purchases], sheaf_of(log), purchases=bool(purchases))
    end_ms = int(backlog.ts_ms[-1]) + DAY_MS
    for source in SOURCES:
        intake.at_end(source, end_ms)
    return values + [value for batch in intake.drain(end_ms) for _, value in batch.records]


def way_in(raw: list[tuple[str, bytes]]) -> dict[str, float]:
    """From payloads to the ledger's blocks."""

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
    return {
        "decode_events_per_s": len(raw)
        / seconds(lambda: [decode_event(v, purchases=t == "purchases") for t, v in raw]),
        "take_in_one_by_one_events_per_s": EVENTS / seconds(lambda: taken_in(slow.Intake, minutes)),
        "take_in_events_per_s": EVENTS / seconds(lambda: taken_in(Intake, sheaves[1])),
        "take_in_60_days_events_per_s": EVENTS / seconds(lambda: taken_in(Intake, sheaves[0])),
    }


def way_out(raw: list[tuple[str, bytes]]) -> dict[str, float]:
    """From the ledger's blocks to rows, and back from the changelog."""
    accepted = [decode_event(value, purchases=topic == "purchases") for topic, value in raw]
    sourced = [Sourced(SOURCE, at, one) for at, one in enumerate(accepted) if not isinstance(one, Reject)]
    cut = [sourced[at : at + BLOCK] for at in range(0, len(sourced), BLOCK)]
    blocks = [encode_events(part) for part in cut]
    begin = [sources_entry([("bench", SOURCE.topic, 1)]), policy_entry("", 1)]
    shop = load(LOAD, CUSTOMERS * 10)
    backlog = ledger_of(shop)

    def judged(values: list[bytes]) -> Pipeline:
        pipeline = Pipeline("bench")
        for at, value in enumerate(values):
            pipeline.step(Record(at, None, value))
        return pipeline

    aged = judged([*begin, *blocks])
    rows = [(at, key, value) for at, (key, value) in enumerate(aged.snapshot().records) if key[:1] == b"c"]
    changelog = sheaf_of(rows)
    return {
        "encode_block_events_per_s": len(sourced) / seconds(lambda: [encode_events(part) for part in cut]),
        "decode_block_events_per_s": len(sourced) / seconds(lambda: [decode(value) for value in blocks]),
        "open_block_events_per_s": len(sourced)
        / seconds(lambda: [open_block(value, lambda _: 0) for value in blocks]),
        "judge_events_per_s": len(sourced) / seconds(lambda: judged([*begin, *blocks])),
        "judge_backlog_events_per_s": LOAD / seconds(lambda: judged(backlog)),
        "replay_events_per_s": LOAD / replayed(shop),
        "restore_rows_per_s": len(rows) / seconds(lambda: Arena().restore_rows(changelog, 0, len(rows), 1)),
        "tick_rows_per_s": 48 * len(aged.customers()) / seconds(lambda: tick(aged)),
        "block_bytes_per_event": sum(map(len, blocks)) / len(sourced),
        "row_bytes": len(rows[0][2]),
    }


def replayed(shop: Load) -> float:
    """Seconds in which a file of the same events is replayed, each hour of them."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "events.msgpack"
        file.write_bytes(b"".join(value for _, _, value in events(shop)))
        return seconds(lambda: judge_file(file, lambda partitions: Judge("bench", partitions, "bench")))


def tick(aged: Pipeline) -> None:
    """Two days more."""
    start = max(START_MS + 61 * DAY_MS, aged.last_tick_ms)
    for until in (start, start + 2 * DAY_MS):
        aged.step(Record(aged.next_offset, None, progress_entry([(SOURCE, until)])))


def main() -> None:
    """Measure each step of an event's way, then ticks over all rows."""
    warm()
    warm_files()
    raw = encoded(world(1, EVENTS, CUSTOMERS, span_days=60))
    figures = way_in(raw) | way_out(raw) | base.figures()
    for name, value in figures.items():
        print(f"{name:31} {value:16,.1f}")
    rounded = {name: round(value, 3) for name, value in figures.items()}
    keep("core", rounded)
    print(json.dumps(rounded))


if __name__ == "__main__":
    main()
