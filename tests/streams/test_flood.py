"""A source that has gone wrong is not drained into the dead letters, nor into memory; a wrong clock is told."""

from __future__ import annotations

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.block import Source
from streams.app import App
from streams.config import Config
from streams.exits import Exit
from streams.flood import SPAN, Flood
from streams.ingest import CLOCK_OFF_MS, clock_off_ms

CALLS, OTHER = Source(UUID(int=1), 0), Source(UUID(int=1), 1)


def test_a_hundred_of_ten_thousand_pass_and_one_more_does_not() -> None:
    flood = Flood(1)
    assert flood.hear((CALLS, at) for at in range(100)) is None
    assert flood.hear((OTHER, at) for at in range(100)) is None
    assert flood.hear([(CALLS, SPAN - 1)]) == CALLS


def test_what_is_long_ago_is_forgotten() -> None:
    flood = Flood(1)
    assert all(flood.hear([(CALLS, at)]) is None for at in range(0, 1_000_000, SPAN // 100))


def test_what_is_read_again_counts_once() -> None:
    flood = Flood(1)
    assert all(flood.hear((CALLS, at) for at in range(100)) is None for _ in range(5))


def test_a_person_may_let_everything_pass_or_nothing() -> None:
    assert Flood(100).hear((CALLS, at) for at in range(50_000)) is None
    assert Flood(0).hear([(CALLS, 7)]) == CALLS


@given(st.lists(st.integers(0, 40_000), max_size=600), st.integers(1, 4))
def test_it_stops_exactly_where_a_slow_count_does(offsets: list[int], percent: int) -> None:
    """Against counting all refused offsets within the last ten thousand, at each of them."""
    flood, seen, said = Flood(percent), deque[int](), []
    for offset in sorted(set(offsets)):
        seen.append(offset)
        said.append(sum(at > offset - SPAN for at in seen) > SPAN * percent // 100)
        assert (flood.hear([(CALLS, offset)]) is not None) == said[-1]


@pytest.mark.parametrize(
    ("ours", "theirs", "off"),
    [(5_000, 5_010, 0), (5_000, 4_000, 1_000), (5_000, 9_000, -3_900), (CLOCK_OFF_MS + 9, 8, CLOCK_OFF_MS + 1)],
)
def test_a_clock_is_off_by_what_lies_outside_the_question_and_its_answer(ours: int, theirs: int, off: int) -> None:
    """Asked at ``ours``, answered 100 ms later: a stamp in between proves nothing wrong."""
    heard = [SimpleNamespace(timestamp=theirs, timestamp_type=1)]
    assert clock_off_ms(heard, ours, ours + 100) == off


def test_a_broker_that_stamps_nothing_proves_nothing() -> None:
    assert clock_off_ms([SimpleNamespace(timestamp=-1, timestamp_type=0)], 5_000, 5_100) == 0
    assert clock_off_ms([], 5_000, 5_100) == 0


@pytest.mark.parametrize(("held", "ends"), [(3, False), (4, True)])
def test_more_customers_than_a_worker_may_hold_end_it(
    held: int, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[Exit, str]] = []
    monkeypatch.setattr("streams.app.stop_now", lambda *what: said.append(what))
    worker: Any = SimpleNamespace(customers=range(held), config=Config(max_customers=3))
    asyncio.run(App.look_at_room(worker))
    assert [code for code, _ in said] == [Exit.CONFIGURATION] * ends
    assert all("holds 4 customers, and max_customers is 3" in words for _, words in said)
