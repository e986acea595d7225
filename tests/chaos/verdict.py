"""What the topics say after a run, read and judged again by code that shares nothing with the workers.

Sources are compared with the ledger event by event, rows and alerts with the slow oracle over the ledger, rows
once more to the byte with an undisturbed judge, purchases and reviews with counts made straight from the sources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgpack

from schemas.block import Block, decode, decode_control
from streams.arena import as_dict
from streams.config import Config
from streams.pipeline import Pipeline, Record
from streams.secret import load_key
from streams.topics import describe
from tests.broker.deployment import Deployment
from tests.laws.test_oracle import differing
from tests.oracle.judge import Oracle

DAY_MS = 86_400_000
COUNTED = {"purchase": "purchases", "review": "reviews"}
"""Kinds of event that a field of the row simply counts, one of each stream."""

Place = tuple[str, int, int]
"""A source record: topic id, partition, offset."""


@dataclass(slots=True)
class Sent:
    """What stands in the source topics: where each event is, and what of each customer can simply be counted."""

    places: set[Place] = field(default_factory=set)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)


class Expected(NamedTuple):
    """What one ledger partition must have led to."""

    alerts: list[str]
    rows: dict[bytes, Any] | None
    bytes: dict[bytes, bytes]
    last_tick_ms: int
    places: set[Place]
    withdrawn: set[str]
    erased: set[bytes]
    receipts: list[bytes]


class Verdict(NamedTuple):
    """Counts that must be zero, and beside them what there was to compare."""

    rows_wrong: int
    lost: int
    doubled: int
    alerts_missing: int
    alerts_phantom: int
    events: int
    rows: int
    alerts: int

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self[:5])


def sent(deployment: Deployment) -> Sent:
    """Read both source topics to their ends."""
    names, found, seen = deployment.config.topics, Sent(), set()
    infos = describe(deployment.broker, [names.support_calls, names.purchases])
    for name, info in infos.items():
        for message in deployment.read(name):
            event = msgpack.unpackb(message.value())
            if event["kind"] == "progress":
                continue
            found.places.add((str(info.topic_id), message.partition(), message.offset()))
            who = (name, event["customer_id"], event["event_id"])
            if who not in seen and event["kind"] in COUNTED:
                found.counts[event["customer_id"], COUNTED[event["kind"]]] += 1
            seen.add(who)
    return found


def expected(config: Config, partition: int, log: list[Record], tick_ms: int, slowly: bool = True) -> Expected:
    """Judge one ledger partition from its beginning, undisturbed, by the oracle too if ``slowly``."""
    app_id, partitions = config.app_id, config.ledger_partitions
    oracle = Oracle(app_id, partitions) if slowly else None
    pipeline = Pipeline(app_id, partition, partitions, erasure_key=load_key(config))
    alerts: list[str] = []
    places: set[Place] = set()
    withdrawn: set[str] = set()
    erased: set[bytes] = set()
    receipts: list[bytes] = []
    for record in log:
        if oracle is not None:
            alerts += [one["alert_id"] for one in oracle.step(record.value, record.offset, record.append_ms)]
        kept = pipeline.kept() if pipeline.waiting or pipeline.held else []
        outcome = pipeline.step(record)
        if oracle is None:
            alerts += [one.alert_id for one in outcome.produced]
        if outcome.receipts:
            receipts += [one.to_json() for one in outcome.receipts]
            withdrawn |= {one.alert_id for one in kept} - {one.alert_id for one in pipeline.kept()}
            erased.add(decode_control(record.value).body["customer_id"].encode())
        places.update(_in_order(record.value))
    rows = oracle.settled(tick_ms // DAY_MS) if oracle is not None else None
    plain = {name: row.tobytes() for name, row in pipeline.settled_rows().items()}
    return Expected(alerts, rows, plain, pipeline.last_tick_ms, places, withdrawn, erased, receipts)


def _in_order(value: bytes) -> list[Place]:
    content = decode(value)
    if not isinstance(content, Block):
        return []
    sources = [(str(one.topic), one.partition) for one in content.sources]
    return [
        (*sources[source], offset)
        for source, offset in zip(content.source.tolist(), content.offset.tolist(), strict=True)
    ]


def disordered(logs: Iterable[list[Record]]) -> int:
    """How many events stand in the ledger behind a later one of their source partition."""
    count = 0
    for log in logs:
        newest: dict[tuple[str, int], int] = {}
        for record in log:
            for topic, partition, offset in _in_order(record.value):
                count += offset <= newest.get((topic, partition), -1)
                newest[topic, partition] = max(offset, newest.get((topic, partition), -1))
    return count


def judge(
    deployment: Deployment, jobs: int, tell: Callable[[str], None], slowly: Collection[int] | None = None
) -> Verdict:
    """Compare what is in the topics with what must be there.

    The oracle judges the partitions ``slowly`` (None: all); the others are held to an undisturbed judge alone.
    """
    tell("reading the topics")
    there, states, logs = sent(deployment), deployment.state(), deployment.ledger()
    out = Counter(one["alert_id"] for one in deployment.alerts())
    # Every alert is out, or waits, or is held: what is kept is no loss.
    out.update(alert.alert_id for state in states for alert in state.kept())
    config, due = deployment.config, []
    tell("judging the ledger again, slowly")
    with ProcessPoolExecutor(jobs) as pool:
        for at, (log, state) in enumerate(zip(logs, states, strict=True)):
            slow = slowly is None or at in slowly
            due.append(pool.submit(expected, config, at, log[: state.next_offset], state.last_tick_ms, slow))
        wanted = [one.result() for one in due]
    receipts = [one.value() for one in deployment.read(config.topics.erasures) if one.value()]
    return compared(there, states, wanted, out, receipts)


def compared(
    there: Sent, states: list[Pipeline], wanted: list[Expected], out: Counter[str], left: list[bytes]
) -> Verdict:
    """Compare sources, states, alerts by id and receipts with what is expected of each ledger partition."""
    told = Counter(alert for one in wanted for alert in one.alerts)
    written: set[Place] = set().union(*(one.places for one in wanted))
    withdrawn: set[str] = set().union(*(one.withdrawn for one in wanted))
    receipts = Counter(receipt for one in wanted for receipt in one.receipts)
    receipts.subtract(left)
    wrong, lost, doubled, rows = sum(map(abs, receipts.values())), 0, 0, 0
    for state, one in zip(states, wanted, strict=True):
        mine = state.settled_rows()
        rows += len(one.bytes)
        wrong += len(mine.keys() ^ one.bytes.keys()) + (one.last_tick_ms != state.last_tick_ms)
        if one.rows is not None:
            wrong += len(mine.keys() ^ one.rows.keys())
        for name in mine.keys() & one.bytes.keys():
            row = as_dict(mine[name])
            is_wrong = mine[name].tobytes() != one.bytes[name]
            if one.rows is not None and name in one.rows:
                is_wrong |= bool(differing(row, one.rows[name]))
            wrong += is_wrong
            if name in one.erased:
                continue  # what was counted before is forgotten
            for counter in COUNTED.values():
                off = row[counter] - there.counts[name.decode(), counter]
                lost, doubled = lost + max(0, -off), doubled + max(0, off)
    return Verdict(
        rows_wrong=wrong,
        lost=lost + len(there.places - written),
        doubled=doubled + sum(count - 1 for count in out.values()),
        alerts_missing=len(told.keys() - out.keys() - withdrawn),
        alerts_phantom=len(out.keys() - told.keys()),
        events=len(there.places),
        rows=rows,
        alerts=len(told),
    )
