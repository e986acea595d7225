"""What the consumer believes of a log's end, after a pause of any length; and a fetch that partitions outlive."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import NoOffsetForPartitionError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.transport import Thread

SOURCE = TP("support-calls", 0)


def thread_that_hears(answers: list[tuple[int, int, int]]) -> Thread:
    """A consumer thread whose partition state is, call by call, (stamp, position, highwater)."""
    thread = Thread.__new__(Thread)
    thread._answered = {}
    thread._consumer = object()
    left = iter(answers)

    def state(*_: object) -> SimpleNamespace:
        stamp, position, highwater = next(left)
        return SimpleNamespace(has_valid_position=True, timestamp=stamp, position=position, highwater=highwater)

    thread._state = state
    return thread


def test_an_answer_proves_only_the_moment_before_its_request() -> None:
    """A worker that slept 21 s between answer and processing must not believe it is 21 s further."""
    thread = thread_that_hears([(1_000, 5, 5), (1_020, 5, 5), (22_000, 5, 5), (22_000, 5, 5), (22_030, 6, 6)])
    heard = [thread.end(SOURCE).heard_ms for _ in range(5)]
    assert heard == [0, 1_000, 1_020, 1_020, 22_000]


def test_a_fetch_across_a_rebalance_brings_nothing_and_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new partition has no position until we set one; aiokafka's own vain search for one is no error of ours."""

    async def nowhere(*_: Any) -> Any:
        raise NoOffsetForPartitionError(SOURCE)

    async def fetched() -> Any:
        thread = Thread.__new__(Thread)
        thread.held, thread._fetching = frozenset(), asyncio.Lock()
        thread.app = SimpleNamespace(whole_topics=())
        return await thread._fetch_records(SimpleNamespace(_fetcher=SimpleNamespace()), {SOURCE})

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", nowhere)
    assert asyncio.run(fetched()) == {}
