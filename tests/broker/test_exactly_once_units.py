"""Outbox and restore against a real broker: what is committed is seen whole, what is not is never seen."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiokafka
import pytest

from schemas.alerts import Alert, DeadLetter
from schemas.block import Source, Sourced, encode_events, policy_entry, progress_entry, sources_entry
from schemas.codec import decode, encode
from schemas.events import Event
from schemas.insights import Insight
from schemas.waiting import Sheaf
from streams import topics
from streams.outbox import NONCE_KEY, Fenced, Outbox, Publication, transactional_id
from streams.pipeline import Pipeline, Record, RestoreError, Snapshot
from streams.restore import Awaited, RestoreStuck, restore
from streams.topics import TopicNames
from tests.vectors import ALERT, INCIDENT

PARTITION = 1
PARTITIONS = 2
DAY_MS = 86_400_000
MONDAY_MS = 1_700_000_000_000 // DAY_MS * DAY_MS


class Stage:
    """The topics of one test, and outboxes for one of their partitions that are closed behind it."""

    def __init__(self, broker: str, prefix: str) -> None:
        self.broker, self.prefix = broker, prefix
        self.kafka = {"bootstrap_servers": broker}
        self.names = TopicNames(
            customers=f"{prefix}customers",
            alerts=f"{prefix}alerts",
            dead_letters=f"{prefix}dead",
            holds=f"{prefix}holds",
            insights=f"{prefix}insights",
            alerts_held=f"{prefix}held",
            incidents=f"{prefix}incidents",
        )
        not_mine = {self.names.support_calls, self.names.purchases, self.names.ledger}
        plans = [one for one in topics.plan(self.names, PARTITIONS, 1, 1) if one.name not in not_mine]
        topics.apply(broker, plans)
        self.ledger = uuid.uuid4()
        self._outboxes: list[Outbox] = []

    async def outbox(self, nonce: bytes = b"first") -> Outbox:
        outbox = Outbox(self.kafka, self.prefix, self.names, self.ledger, PARTITION)
        self._outboxes.append(outbox)
        await outbox.open(nonce)
        return outbox

    async def close(self) -> None:
        for outbox in self._outboxes:
            await outbox.close()

    async def read(self, topic: str, partition: int, last: bytes) -> list[Any]:
        """The partition's committed records up to and with the one that has this key."""
        consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=self.broker, isolation_level="read_committed", auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign([aiokafka.TopicPartition(topic, partition)])
            seen: list[Any] = []
            while not seen or seen[-1].key != last:
                seen.append(await asyncio.wait_for(consumer.getone(), 20))
            return seen
        finally:
            await consumer.stop()


class Heard:
    """Takes what a restore gives."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes | None]] = []
        self.complete: bool | None = None

    def restore(self, key: bytes, value: bytes | None) -> None:
        self.records.append((key, value))

    def restore_rows(self, sheaf: Sheaf, first: int, end: int) -> None:
        for at in range(first, end):
            self.restore(sheaf.key(at) or b"", sheaf.value(at))

    def restored(self, complete: bool) -> None:
        self.complete = complete


@pytest.fixture
def play(kafka_broker: str, topic_prefix: str) -> Callable[[Callable[[Stage], Awaitable[None]]], None]:
    """Run a story on a stage of its own."""
    stage = Stage(kafka_broker, topic_prefix)

    def run(story: Callable[[Stage], Awaitable[None]]) -> None:
        async def whole() -> None:
            try:
                await story(stage)
            finally:
                await stage.close()

        asyncio.run(whole())
        gc.collect()  # what aiokafka leaves of a fenced producer speaks up when it is collected: here, please

    return run


def snapshot_of_a_day() -> tuple[Pipeline, Snapshot]:
    """A pipeline that has judged something, and all it has to say."""
    source = Source(uuid.UUID(int=9), 0)
    day = [Sourced(source, number, chat(number)) for number in range(5)]
    ledger = [
        sources_entry([("calls", source.topic, 1)]),
        policy_entry("", 1),
        progress_entry([(source, MONDAY_MS - DAY_MS)]),
        encode_events(day),
        progress_entry([(source, MONDAY_MS + DAY_MS)]),
    ]
    pipeline = Pipeline("exactly", PARTITION, PARTITIONS)
    for offset, value in enumerate(ledger):
        pipeline.step(Record(offset, None, value))
    return pipeline, pipeline.snapshot()


def chat(number: int) -> Event:
    """A chat of one of three customers."""
    fields = {"version": 1, "kind": "chat", "customer_id": f"C{number % 3}", "event_id": f"e{number}"}
    event = decode(encode({**fields, "ts_ms": MONDAY_MS + number}), purchases=False)
    assert isinstance(event, Event)
    return event


def an_alert(number: int) -> Alert:
    return replace(ALERT, alert_id=f"{number:032x}", customer_id="C1")


def a_refusal() -> DeadLetter:
    return DeadLetter("future", "too far ahead", "calls", str(uuid.UUID(int=7)), 3, 41, b"C1", b"payload")


def test_a_publication_arrives_whole_and_in_order(play: Any) -> None:
    async def story(stage: Stage) -> None:
        outbox = await stage.outbox()
        records = [(b"cC%d" % number, b"x" * 40_000) for number in range(60)] + [(b"p", b"position")]
        await outbox.publish(Publication(records, [an_alert(1), an_alert(2)], [a_refusal()]))
        rows = await stage.read(stage.names.customers, PARTITION, b"p")
        assert [(one.key, one.value) for one in rows] == [(NONCE_KEY, b"first"), *records]
        await outbox.publish(Publication([], [an_alert(3)]))
        alerts = await stage.read(stage.names.alerts, PARTITION, b"C1")
        assert dict(alerts[0].headers)["alert-id"] == an_alert(1).alert_id.encode()
        assert alerts[0].value == an_alert(1).to_msgpack()
        dead = await stage.read(stage.names.dead_letters, PARTITION, a_refusal().record_key)
        assert (dead[0].value, dict(dead[0].headers)["reason"]) == (b"payload", b"future")

    play(story)


def test_what_is_held_and_what_is_said_of_all_go_out_with_the_rows(play: Any) -> None:
    """Held alerts, their incident and the insights go out with the rows; an insight that is gone is empty."""
    held = replace(an_alert(1), held=True, incident_id=INCIDENT.incident_id)
    insights = [Insight(b"curve/1", b"bins"), Insight(b"problem/1/00", None)]

    async def story(stage: Stage) -> None:
        outbox = await stage.outbox()
        await outbox.publish(
            Publication([(b"p", b"position")], held=[held], incidents=[INCIDENT], insights=insights)
        )
        (alert,) = await stage.read(stage.names.alerts_held, PARTITION, b"C1")
        assert (alert.value, dict(alert.headers)) == (held.to_msgpack(), {"alert-id": held.alert_id.encode()})
        (incident,) = await stage.read(stage.names.incidents, PARTITION, INCIDENT.incident_id.encode())
        assert incident.value == INCIDENT.to_msgpack()
        told = await stage.read(stage.names.insights, PARTITION, insights[-1].key)
        assert [(one.key, one.value) for one in told] == insights

    play(story)


def test_whoever_opens_the_outbox_fences_the_one_before(play: Any) -> None:
    async def story(stage: Stage) -> None:
        old = await stage.outbox(b"old")
        await old.publish(Publication([(b"p", b"old position")]))
        await stage.outbox(b"new")
        with pytest.raises(Fenced):
            await old.publish(Publication([(b"p", b"a zombie's position")]))
        heard = Heard()
        await restore(stage.kafka, stage.names.customers, PARTITION, Awaited(b"new"), heard)
        assert heard.records == [(b"p", b"old position")]
        assert heard.complete

    play(story)


def test_what_a_dead_worker_had_begun_is_never_seen(play: Any) -> None:
    async def story(stage: Stage) -> None:
        dead = await stage.outbox(b"dead")
        await dead.publish(Publication([(b"p", b"committed")]))
        # It dies after its rows have reached the broker and before it could commit them.
        await dead._producer.begin_transaction()
        sent = await dead._producer.send(stage.names.customers, b"half", b"cC1", partition=PARTITION)
        await asyncio.wait_for(sent, 20)
        await stage.outbox(b"heir")
        heard = Heard()
        assert await restore(stage.kafka, stage.names.customers, PARTITION, Awaited(b"heir"), heard) == 1
        assert heard.records == [(b"p", b"committed")]

    play(story)


def test_a_restore_ends_at_its_nonce_and_at_no_other(play: Any) -> None:
    async def story(stage: Stage) -> None:
        outbox = await stage.outbox(b"first")
        await outbox.publish(Publication([(b"cC1", b"1"), (b"p", b"2")]))
        again = await stage.outbox(b"second")
        heard = Heard()
        assert await restore(stage.kafka, stage.names.customers, PARTITION, Awaited(b"second"), heard) == 2
        await again.publish(Publication([(b"cC2", b"3"), (b"p", b"4")]))
        await stage.outbox(b"third")
        heard = Heard()
        await restore(stage.kafka, stage.names.customers, PARTITION, Awaited(b"third"), heard)
        assert [value for _, value in heard.records] == [b"1", b"2", b"3", b"4"]

    play(story)


def test_a_restore_whose_end_never_comes_gives_up(play: Any) -> None:
    async def story(stage: Stage) -> None:
        await stage.outbox(b"first")
        heard = Heard()
        with pytest.raises(RestoreStuck):
            await restore(
                stage.kafka, stage.names.customers, PARTITION, Awaited(b"unheard of"), heard, stuck_s=1.0
            )
        assert heard.complete is None

    play(story)


def test_a_pipeline_comes_back_as_it_was(play: Any) -> None:
    async def story(stage: Stage) -> None:
        pipeline, snapshot = snapshot_of_a_day()
        outbox = await stage.outbox(b"first")
        await outbox.publish(Publication(snapshot.records))
        await stage.outbox(b"second")
        back = Pipeline("exactly", PARTITION, PARTITIONS)
        await restore(stage.kafka, stage.names.customers, PARTITION, Awaited(b"second"), back)
        assert back.next_offset == pipeline.next_offset
        rows = {key: row.tobytes() for key, row in pipeline.settled_rows().items()}
        assert {key: row.tobytes() for key, row in back.settled_rows().items()} == rows
        assert rows

    play(story)


def test_half_a_publication_is_refused(play: Any) -> None:
    async def story(stage: Stage) -> None:
        _, snapshot = snapshot_of_a_day()
        outbox = await stage.outbox(b"first")
        await outbox.publish(Publication(snapshot.records))
        # Rows without the position that belongs to them: whoever wrote this was not whole.
        await outbox.publish(Publication(snapshot.records[:-1]))
        await stage.outbox(b"second")
        back = Pipeline("exactly", PARTITION, PARTITIONS)
        with pytest.raises(RestoreError):
            await restore(stage.kafka, stage.names.customers, PARTITION, Awaited(b"second"), back)

    play(story)


def test_the_transactional_id_names_the_app_the_ledger_and_the_partition() -> None:
    one, other = uuid.UUID(int=1), uuid.UUID(int=2)
    ids = {transactional_id(app, ledger, p) for app in ("a", "b") for ledger in (one, other) for p in (0, 1)}
    assert len(ids) == 8
