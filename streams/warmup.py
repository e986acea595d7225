"""Compile every kernel on a made-up ledger, before the first real record waits for one."""

import json
from uuid import UUID

import msgpack
import numpy as np

from kernels.cut import value_end
from kernels.digest import murmur2
from kernels.merge import FOREVER
from kernels.walk import walk
from kernels.whale import brought_by_top
from schemas.block import Source, Sourced, encode_events, policy_entry, progress_entry, sources_entry
from schemas.codec import encode, fields_of
from schemas.codes import FIRST_PURCHASE_KIND, Kind
from schemas.events import FIELD, SHAPES, Event, Type
from schemas.insights import BINS
from schemas.policy import parse
from schemas.waiting import NEVER
from streams.intake import Clock, Intake, SourceRecord, opening
from streams.payloads import cut
from streams.pipeline import Pipeline, Record
from streams.rejudge import Feed, Judge
from streams.simulate import Simulation
from streams.waiting import LEAST_ROWS, Waiting, sheaf_of

DAY_MS = 86_400_000
START_MS = 1_600_000_000_000 // DAY_MS * DAY_MS
TOPIC, OTHER = UUID(int=1), UUID(int=2)
CROWD = 20
"""Customers beside those of the stories."""


def _event(kind: Kind, number: int) -> Event:
    numbers = {"ts_ms": START_MS + number, "kind": int(kind)}
    texts = {"customer_id": "warm", "event_id": f"{kind.name}"}
    for name in SHAPES[kind].needs:
        one = FIELD[name]
        if one.type is Type.TEXT:
            texts[name] = "x"
        elif name not in numbers:
            numbers[name] = one.low
    return Event(numbers, texts)


def warm() -> None:
    """Compile every kernel, so that none compiles while events wait (``tests/laws/test_warm.py``).

    One event of each kind, a snapshot, a restore and a day's ticks go through a pipeline that is thrown away, and
    a simulated year with its stories through another.
    """
    source = Source(TOPIC, 0)
    kinds = [kind for kind in SHAPES if kind is not Kind.PROGRESS]
    kinds.sort(key=lambda kind: kind >= FIRST_PURCHASE_KIND)
    events = [Sourced(source, number, _event(kind, number)) for number, kind in enumerate(kinds)]
    entries = [
        sources_entry([("warm", TOPIC, 1)]),
        policy_entry("", 1),
        progress_entry([(source, START_MS - DAY_MS)]),
        encode_events(events),
        progress_entry([(source, START_MS + DAY_MS)]),
    ]
    first = Pipeline("warm")
    for offset, value in enumerate(entries):
        first.step(Record(offset, None, value))
    again = Pipeline("warm")
    records = first.snapshot().records
    for key, kept in records:
        again.restore(key, kept)
    rows = [(offset, key, row) for offset, (key, row) in enumerate(records) if key[:1] == b"c"]
    again.arena.restore_rows(sheaf_of(rows), 0, len(rows), 1)
    again.restored()
    again.settled_rows()
    _tell_stories()
    brought_by_top(np.zeros((2, BINS), np.int64), 0.5)
    murmur2(np.frombuffer(b"warm", np.uint8), 0, 4)
    _take_in()


def warm_files() -> None:
    """Compile what reads files of events, which a worker never does: one of each form is judged."""
    event = {"version": 1, **fields_of(_event(Kind.CHAT, 1))}
    judge = Judge("warm", 1, "a file")
    judge.open(parse(""))
    for raw in (json.dumps(event).encode(), bytes(msgpack.packb(event))):
        feed = Feed(judge, "USD", FOREVER)
        for chunk in cut("a file", np.frombuffer(raw, np.uint8)):
            feed.hear(chunk)
        feed.finish()
    value_end(np.frombuffer(b"", np.uint8), 0, 0)


def simulated_ledger(history: Simulation) -> list[bytes]:
    """What the judge of one partition reads of a simulated history."""
    sources = {"support": Source(TOPIC, 0), "purchases": Source(OTHER, 0)}
    intake = Intake(1, clock=Clock.SOURCE)
    intake.assign(sources.values())
    values = opening([(name, one.topic, 1) for name, one in sources.items()], parse(""), Clock.SOURCE)
    for offset, fed in enumerate(history.feed()):
        bought = fed.topic == "purchases"
        intake.offer(SourceRecord(sources[fed.topic], bought, fed.topic, offset, fed.key, fed.value))
        if fed.everywhere:
            values += [value for _, value in intake.take(history.end_ms).records]
    return values


def _tell_stories() -> None:
    """Whatever alerts are made of is asked for by the stories of a simulated year."""
    told = Pipeline("warm")
    for offset, value in enumerate(simulated_ledger(Simulation(customers=CROWD))):
        told.step(Record(offset, None, value))


def _take_in() -> None:
    """Read, keep, move, merge and write a few events."""
    source, other = Source(TOPIC, 0), Source(TOPIC, 1)
    waiting = Waiting([source, other], 1)
    values = [encode(fields_of(_event(Kind.CALL_OPENED, number))) for number in range(LEAST_ROWS)]
    json = b'{"version": 1, "kind": "progress", "ts_ms": %d}' % START_MS
    waiting.add(source, False, sheaf_of([(0, None, json)]))
    for first in (1, LEAST_ROWS + 1):
        waiting.add(source, False, sheaf_of([(first + at, b"warm", value) for at, value in enumerate(values)]))
    waiting.queues["caught_up_ms"] = START_MS
    walk(np.zeros(1, np.uint8), np.zeros((0, 5), np.int64), *(np.zeros(0, np.int64) for _ in range(5)))
    waiting.report_due(START_MS, NEVER)
    for reported in (NEVER, FOREVER):
        picked, _ = waiting.merge(LEAST_ROWS, START_MS, FOREVER, reported)
        waiting.blocks(picked)
