"""What the sources hold, and what an undisturbed life makes of it: worked out once, lived through many times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from random import Random
from typing import NamedTuple

from schemas.block import Source
from schemas.codec import encode
from schemas.codes import Kind
from schemas.policy import parse
from streams.intake import Clock, Intake, SourceRecord, opening
from streams.pipeline import Pipeline, Record
from tests.driver import PURCHASES, SUPPORT, TOPIC_IDS
from tests.worlds import HOUR, START_MS, event

APP = "whaleline"
FAR_MS = 2**45
OPENING = opening([(topic, topic_id, 1) for topic, topic_id in TOPIC_IDS.items()], parse(""), Clock.SOURCE)
NAMES = {topic_id: topic for topic, topic_id in TOPIC_IDS.items()}

FEEDS = 256
EVENTS = 8
CUSTOMERS = 3
KINDS = [Kind.RUDE_CALL, Kind.TICKET_OPENED, Kind.CALL_CLOSED, Kind.PURCHASE, Kind.CANCEL_REQUEST, Kind.CHAT]

Log = list[SourceRecord]
Rows = dict[bytes, bytes]


class Feed(NamedTuple):
    """The source logs, how many of their records are events, and what becomes of them in a life without harm.

    ``late`` says whether events came later than others of later times. Their place in the order is not the feed's
    alone: sources are merged by their next events, and after a crash they are read from another place on.
    """

    logs: dict[Source, Log]
    events: int
    late: bool
    alerts: Counter[bytes]
    rows: Rows


@cache
def feed(number: int) -> Feed:
    """Feed ``number``: the same in every process."""
    late = number % 4 == 0
    logs = _logs(Random(f"feed {number}"), late)
    events = sum(one.key is not None for log in logs.values() for one in log)
    return Feed(logs, events, late, *judged(_ledger(logs)))


def judged(ledger: Iterable[Record]) -> tuple[Counter[bytes], Rows]:
    """The alerts and the rows of one judge who reads a ledger from its beginning to its end."""
    pipeline, alerts = Pipeline(APP), Counter[bytes]()
    for record in ledger:
        alerts.update(one.alert_id.encode() for one in pipeline.step(record).alerts)
    return alerts, rows_of(pipeline)


def rows_of(pipeline: Pipeline) -> Rows:
    """Each customer's row, settled."""
    return {name: row.tobytes() for name, row in pipeline.settled_rows().items()}


def _logs(rng: Random, late: bool) -> dict[Source, Log]:
    """Two source logs: events, some sent twice, some late if any are, and promises of progress between."""
    logs: dict[Source, Log] = {Source(TOPIC_IDS[topic], 0): [] for topic in (SUPPORT, PURCHASES)}

    def add(source: Source, key: bytes | None, value: bytes) -> None:
        topic, log = NAMES[source.topic], logs[source]
        log.append(SourceRecord(source, topic == PURCHASES, topic, len(log), key, value))

    ts_ms = START_MS + 12 * HOUR
    for number in range(EVENTS):
        ts_ms += rng.choice((0, 1, 1, 2, 5)) * HOUR + rng.randrange(HOUR)
        late_ms = rng.randrange(6 * HOUR) if late and rng.random() < 0.3 else 0
        topic, fields = event(rng.choice(KINDS), f"C{rng.randrange(CUSTOMERS)}", ts_ms - late_ms, number, rng)
        source = Source(TOPIC_IDS[SUPPORT if topic == "support" else PURCHASES], 0)
        for _ in range(1 + (rng.random() < 0.05)):
            add(source, str(fields["customer_id"]).encode(), encode(fields))
        if rng.random() < 0.3:
            for other in logs:
                add(other, None, encode({"kind": "progress", "ts_ms": ts_ms}))
    for source in logs:
        add(source, None, encode({"kind": "progress", "ts_ms": ts_ms + 12 * HOUR}))
    return logs


def _ledger(logs: dict[Source, Log]) -> list[Record]:
    """What one ingester makes of the logs that is never disturbed."""
    intake = Intake(1, clock=Clock.SOURCE)
    intake.assign(logs)
    for log in logs.values():
        for record in log:
            intake.offer(record)
    values = [*OPENING, *(value for _, value in intake.take(FAR_MS).records)]
    return [Record(at, None, value) for at, value in enumerate(values)]
