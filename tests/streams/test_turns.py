"""A judge with a backlog leaves the event loop to others, and to a publication that takes long altogether."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.clock import monotonic_s
from streams.config import Config
from streams.judge import SLOW_S, Judge
from streams.metrics import Metrics

LEDGER = TP("whaleline-ledger", 0)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A judge of one partition whose every record takes its whole turn; ``judged`` has those it came to."""
    found: Any = Judge(Config(), Metrics())
    found.owned[0] = SimpleNamespace(ready=True)
    found.judged = []
    found._step = lambda partition, one, record: found.judged.append(record)
    monkeypatch.setattr("streams.judge.TURN_S", -1.0)
    return found


def test_a_slow_publication_is_waited_for_and_a_quick_one_is_not(judge: Any) -> None:
    """Of whatever partition it is: one event loop serves them all."""

    async def hear() -> None:
        judge._publishing_since[1] = monotonic_s()
        await judge.hear(LEDGER, SimpleNamespace(records=(1, 2)))
        judge._publishing_since[1] = monotonic_s() - 2 * SLOW_S
        hearing = asyncio.ensure_future(judge.hear(LEDGER, SimpleNamespace(records=(3, 4))))
        for _ in range(100):
            await asyncio.sleep(0)
        assert judge.judged == [1, 2, 3]
        del judge._publishing_since[1]
        judge._published.set()
        await hearing

    asyncio.run(asyncio.wait_for(hear(), 10))
    assert judge.judged == [1, 2, 3, 4]
