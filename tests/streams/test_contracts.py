"""What the worker leans on in Faust and aiokafka beyond their promises, one line each.

Both are pinned. When one of these fails, a new release has changed something under our feet: read its
source at the place named, adapt ``streams/transport.py`` (or the module the line names), then change the pin.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import aiokafka
import faust
import faust.worker
import pytest
from aiokafka.consumer import fetcher, group_coordinator, subscription_state
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import TopicPartition
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.app import create_app
from streams.config import Config
from streams.exits import Exit
from streams.transport import Chunk, Consumer, Thread
from streams.watchdog import Watchdog

# Method -> its parameters as we call or override it.
SIGNATURES: dict[Callable[..., Any], str] = {
    driver.AIOKafkaConsumerThread._create_worker_consumer: "self transport",
    driver.AIOKafkaConsumerThread._fetch_records: "self consumer active_partitions timeout max_records",
    driver.AIOKafkaConsumerThread._seek_wait: "self consumer partitions",
    driver.AIOKafkaConsumerThread._ensure_consumer: "self",
    driver.AIOKafkaConsumerThread.__post_init__: "self",
    driver.AIOKafkaConsumerThread.call_thread: "self fun args kwargs",
    driver.Consumer._new_consumer_thread: "self",
    driver.Consumer._to_message: "self tp record",
    faust_consumer.Consumer.ack: "self message",
    faust_consumer.Consumer._add_gap: "self tp offset_from offset_to",
    faust_consumer.Consumer._filter_tps_with_pending_acks: "self topics",
    faust_consumer.Consumer._filter_committable_offsets: "self tps",
    faust_consumer.Consumer._should_commit: "self tp offset",
    faust_consumer.Consumer.on_buffer_full: "self tp",
    faust_consumer.Consumer.perform_seek: "self",
    faust_consumer.Consumer.on_partitions_revoked: "self revoked",
    faust_consumer.Consumer.on_partitions_assigned: "self assigned generation_id",
    faust_consumer.Consumer.commit: "self topics start_new_transaction",
    faust_consumer.Consumer.on_stop: "self",
    faust_consumer.ThreadDelegateConsumer.seek_wait: "self partitions",
    faust.App._new_transport: "self",
    faust.worker.Worker._schedule_shutdown: "self signal",
    fetcher.Fetcher.fetched_records: "self partitions timeout max_records",
    fetcher.Fetcher.seek_to: "self tp offset",
    fetcher.Fetcher._proc_fetch_request: "self assignment node_id request",
    fetcher.PartitionRecords.__init__: "self tp records aborted_transactions fetch_offset key_deserializer"
    " value_deserializer check_crcs isolation_level",
    fetcher.PartitionRecords._unpack_records: "self",
    fetcher.PartitionRecords._consume_aborted_up_to: "self batch_offset",
    fetcher.PartitionRecords._contains_abort_marker: "self next_batch",
    aiokafka.AIOKafkaConsumer.committed: "self partition",
    aiokafka.AIOKafkaConsumer.beginning_offsets: "self partitions",
    aiokafka.AIOKafkaConsumer.end_offsets: "self partitions",
    aiokafka.AIOKafkaProducer.create_batch: "self",
    aiokafka.AIOKafkaProducer.send_batch: "self batch topic partition",
    BatchBuilder.append: "self timestamp key value headers",
}

# Place -> what must stand in its source, because we rely on it happening there.
SENTENCES: dict[Any, list[str]] = {
    # Our overrides of the commit are only asked because these two ask them.
    faust_consumer.Consumer.force_commit: ["_filter_tps_with_pending_acks(topics)", "_commit_tps("],
    faust_consumer.Consumer._commit_tps: ["_filter_committable_offsets(tps)"],
    faust_consumer.Consumer._commit_offsets: ["assignment = self.assignment()", "if tp in assignment:"],
    # The generation check that keeps chunks of an older assignment from a newer reader.
    faust_consumer.Consumer.getmany: ["if self.flow_active:", "consumer_generation_id", "self.perform_seek()"],
    faust_consumer.Consumer._drain_messages: ["offset >= r_offset", "set_read_offset(tp, offset)"],
    driver.ConsumerRebalanceListener.on_partitions_assigned: ["consumer_generation_id = generation"],
    driver.AIOKafkaConsumerThread._seek_wait: ["consumer.seek(tp, offset)", "_read_offset[tp] = offset"],
    driver.AIOKafkaConsumerThread._create_worker_consumer: ["enable_auto_commit=False", "group_id=conf.id"],
    # These are read when the consumer starts, after we have changed them.
    aiokafka.AIOKafkaConsumer.start: [
        "isolation_level=self._isolation_level",
        "fetch_max_wait_ms=self._fetch_max_wait_ms",
        "fetch_min_bytes=self._fetch_min_bytes",
        "auto_offset_reset=self._auto_offset_reset",
    ],
    # A reset policy of none makes an offset outside the log an error; a seek clears an older error.
    fetcher.Fetcher._proc_fetch_request: [
        "self._default_reset_strategy != OffsetResetStrategy.NONE",
        "OffsetOutOfRangeError({tp: fetch_offset})",
        "tp_state.timestamp = now_ms",
        "tp_state.highwater = highwater",
        # Two names that streams/fetched.py puts others behind.
        "records = MemoryRecords(part_data[-1])",
        "partition_records = PartitionRecords(",
    ],
    # What was fetched and nobody has taken yet, which the watchdog looks at.
    fetcher.Fetcher.__init__: ["self._records = collections.OrderedDict()"],
    fetcher.Fetcher._fetch_requests_routine: ["self._proc_fetch_request("],
    # Which batches count is told again, batch by batch, in streams/fetched.py.
    fetcher.PartitionRecords._unpack_records: [
        "if self._check_crcs and not next_batch.validate_crc():",
        "self._isolation_level == READ_COMMITTED\n                and next_batch.producer_id is not None",
        "self._consume_aborted_up_to(next_batch.base_offset)",
        "self._aborted_producers.discard(next_batch.producer_id)",
        "next_batch.is_transactional\n                    and next_batch.producer_id in self._aborted_producers",
        "if next_batch.is_control_batch:",
        "if record.offset < self.next_fetch_offset:",
        "self.next_fetch_offset = next_batch.next_offset",
    ],
    fetcher.PartitionRecords.__next__: ["next(self._records_iterator)"],
    fetcher.PartitionRecords.__init__: ["self._records_iterator = self._unpack_records()"],
    fetcher.Fetcher.seek_to: ["del self._records[tp]"],
    # Records leave together with the position behind them, markers included.
    fetcher.FetchResult.getall: ["for msg in self._partition_records:", "self._update_position()"],
    fetcher.Fetcher.fetched_records: ["if partitions and tp not in partitions:"],
    group_coordinator.GroupCoordinator.__init__: ["self._coordination_task = "],
}

# Class -> the attributes and properties we read.
ATTRIBUTES: dict[type, list[str]] = {
    subscription_state.TopicPartitionState: ["position", "has_valid_position"],
    subscription_state.Subscription: ["assignment"],
    subscription_state.Assignment: ["tps", "active", "state_value"],
    aiokafka.AIOKafkaProducer: ["begin_transaction", "commit_transaction", "send", "start", "stop"],
    faust_consumer.Consumer: ["flow_active", "seek_wait", "assignment"],
}


def label(place: Any) -> str:
    return str(place.__qualname__)


@pytest.mark.parametrize(("package", "release"), [("faust-streaming", "0.15.3"), ("aiokafka", "0.14.0")])
def test_the_release_is_the_one_we_have_read(package: str, release: str) -> None:
    assert version(package) == release, f"{package} is {version(package)}; all of this was read in {release}"


@pytest.mark.parametrize("place", SIGNATURES, ids=label)
def test_signature(place: Callable[..., Any]) -> None:
    found = " ".join(inspect.signature(place).parameters)
    assert found == SIGNATURES[place], f"{label(place)} now takes ({found}): adapt what overrides or calls it"


@pytest.mark.parametrize("place", SENTENCES, ids=label)
def test_behaviour(place: Any) -> None:
    source = inspect.getsource(place)
    gone = [one for one in SENTENCES[place] if one not in source]
    assert not gone, f"{label(place)} no longer says {gone}: read it again before trusting the transport"


@pytest.mark.parametrize("owner", ATTRIBUTES, ids=label)
def test_attributes(owner: type) -> None:
    gone = [name for name in ATTRIBUTES[owner] if not hasattr(owner, name)]
    assert not gone, f"{label(owner)} has lost {gone}"


def test_partition_state_has_what_the_end_of_a_log_is_told_by() -> None:
    names = inspect.getsource(subscription_state.TopicPartitionState.__init__)
    assert all(f"self.{name} = None" in names for name in ("highwater", "timestamp"))


def test_both_libraries_mean_the_same_by_a_partition() -> None:
    assert {TP("t", 1)} == {TopicPartition("t", 1)}


def test_an_offset_outside_the_log_says_where() -> None:
    assert OffsetOutOfRangeError({TopicPartition("t", 1): 5}).args[0] == {TP("t", 1): 5}


def test_a_message_takes_what_we_give_it() -> None:
    names = list(inspect.signature(ConsumerMessage.__init__).parameters)
    assert names[:4] == ["self", "topic", "partition", "offset"]
    assert {"timestamp", "timestamp_type", "headers", "key", "value", "checksum", "tp", "generation_id"} <= {
        *names
    }


def test_our_classes_override_what_is_there_to_override() -> None:
    for ours, theirs in ((Consumer, driver.Consumer), (Thread, driver.AIOKafkaConsumerThread)):
        private = [name for name, one in vars(ours).items() if name.startswith("_") and inspect.isfunction(one)]
        own = {"_settle", "_stop_settling", "_chunks", "_position", "_standing"}
        missing = [name for name in private if name not in own and not hasattr(theirs, name)]
        assert not missing, f"{label(theirs)} no longer has {missing}, so our version is never called"


TP_CALLS = TP("support-calls", 3)


@pytest.fixture
def consumer() -> Iterator[Consumer]:
    """The worker's consumer, connected to nothing."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    found = create_app(Config(app_id="contract")).consumer
    assert isinstance(found, Consumer)
    yield found
    found.thread.thread_loop.close()
    loop.close()
    asyncio.set_event_loop(None)


def test_an_acknowledged_chunk_is_not_committed_before_it_is_durable(consumer: Consumer) -> None:
    message = consumer._to_message(TP_CALLS, Chunk(10, 20, ()))
    assert message.offset == 19
    consumer.ack(message)
    assert list(consumer._filter_tps_with_pending_acks()) == []
    assert consumer._filter_committable_offsets([TP_CALLS]) == {}
    consumer.durable[TP_CALLS] = 15
    assert list(consumer._filter_tps_with_pending_acks()) == [TP_CALLS]
    assert consumer._filter_committable_offsets([TP_CALLS]) == {TP_CALLS: 15}


def test_what_is_committed_is_not_committed_again_nor_taken_back(consumer: Consumer) -> None:
    consumer.durable[TP_CALLS] = 15
    for committed, due in ((None, {TP_CALLS: 15}), (14, {TP_CALLS: 15}), (15, {}), (16, {})):
        consumer._committed_offset[TP_CALLS] = committed
        assert consumer._filter_committable_offsets([TP_CALLS]) == due


def test_held_partitions_are_let_go_one_by_one(consumer: Consumer) -> None:
    other = TP("support-calls", 4)
    consumer.hold([TP_CALLS, other])
    consumer.release([TP_CALLS])
    assert consumer.thread.held == {other}


# What the watchdog sees -> the fault it must find. Seconds are the watchdog's own limits.
class Task:
    def __init__(self, done: bool) -> None:
        self._done = done

    def done(self) -> bool:
        return self._done


def watched(**seen: Any) -> SimpleNamespace:
    coordinator = SimpleNamespace(_coordination_task=Task(seen.get("coordination_ended", False)))
    client = SimpleNamespace(_coordinator=coordinator)
    thread = SimpleNamespace(_consumer=client, waits=lambda tp, at: seen.get("waits", False))
    consumer = SimpleNamespace(_thread=thread, thread=thread, unsettled_since=seen.get("unsettled_since"))
    return SimpleNamespace(
        should_stop=seen.get("should_stop", False),
        loop=SimpleNamespace(is_running=lambda: True, call_soon_threadsafe=seen.get("answers", lambda call: None)),
        _consumer=consumer,
        judge=SimpleNamespace(waiting_s=lambda: seen.get("waiting_s", 0.0)),
        places=lambda: {TP_CALLS: seen.get("places", iter(lambda: 7, None)).__next__()},
    )


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        ({}, None),
        ({"coordination_ended": True}, Exit.NO_PROGRESS),
        ({"unsettled_since": 0.0}, Exit.STUCK),
        ({"waiting_s": 121.0}, Exit.STUCK),
    ],
    ids=["nothing", "membership died", "no positions", "never began"],
)
def test_the_watchdog_finds(seen: dict[str, Any], code: Exit | None) -> None:
    found = Watchdog(watched(**seen)).fault(now=1_000.0)
    assert (found[0] if found else None) == code


@pytest.mark.parametrize(
    ("places", "waits", "found"),
    [
        ((7, 7, 7), True, True),
        ((7, 7, 7), False, False),
        ((7, 7, 8), True, False),
        ((7, 8, 8), True, False),
    ],
    ids=["stands", "nothing waits", "goes on", "went on"],
)
def test_the_watchdog_finds_fetched_records_that_nobody_takes(
    places: tuple[int, ...], waits: bool, found: bool
) -> None:
    dog = Watchdog(watched(places=iter(places), waits=waits), untaken_s=60.0)
    assert [dog.fault(now) for now in (0.0, 40.0)] == [None, None]
    fault = dog.fault(70.0)
    assert (fault is not None) is found
    if fault is not None:
        assert fault[0] is Exit.NO_PROGRESS
        assert "support-calls/3 at offset 7" in fault[1]


def test_a_partition_waits_while_it_was_fetched_or_handed_out_and_is_not_held(consumer: Consumer) -> None:
    thread, other = consumer.thread, TP("support-calls", 4)
    consumer.release([TP_CALLS])
    thread._consumer = SimpleNamespace(_fetcher=SimpleNamespace(_records={other: None}))
    thread._handed[TP_CALLS] = 10
    assert [thread.waits(TP_CALLS, at) for at in (9, 10)] == [True, False]
    assert thread.waits(other, 5)
    consumer.hold([TP_CALLS, other])
    assert not any(thread.waits(tp, 0) for tp in (TP_CALLS, other))


def test_the_watchdog_ends_a_worker_whose_loop_stands_still_or_that_does_not_stop() -> None:
    answered = Watchdog(watched(answers=lambda call: call()), loop_s=5.0)
    assert answered.fault(now=0.0) is None
    long_after = 10.0**9
    fault = answered.fault(now=long_after)
    assert fault is not None
    assert fault[0] is Exit.NO_PROGRESS
    slow = Watchdog(watched(should_stop=True), stop_s=5.0)
    assert slow.fault(now=0.0) is None
    fault = slow.fault(now=long_after)
    assert fault is not None
    assert fault[0] is Exit.NO_PROGRESS
