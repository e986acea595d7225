"""How soon the judge of a partition says what it has concluded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streams import judge
from streams.config import Config
from streams.judge import LONG_PAST_MS, Judge
from streams.metrics import Metrics
from streams.outcome import Outcome

NOW_MS = 1_800_000_000_000


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "now_ms", lambda: NOW_MS)


def heard(passed_ms: int, clock: str, end: int) -> tuple[bool, float]:
    """Whether an alert leaves at once, and after how long the rest does."""
    config = Config(source_clock=clock)
    one = Judge(config, Metrics())
    pipeline = SimpleNamespace(passed_ms=passed_ms, next_offset=7, step=lambda _: Outcome(rolls=True))
    owned: Any = judge.Owned(pipeline, SimpleNamespace())  # type: ignore[arg-type]
    one.owned[0] = owned
    one._consumer = SimpleNamespace(thread=SimpleNamespace(end=lambda _: SimpleNamespace(end=end)))  # type: ignore[assignment]
    one._step(0, owned, SimpleNamespace(offset=7, timestamp=NOW_MS, timestamp_type=1, value=b""))
    assert owned.unsaid
    return owned.urgent.is_set(), one._interval_s(0)


@pytest.mark.parametrize(
    ("passed_ms", "clock", "end", "at_once", "after_s"),
    [
        (NOW_MS - 5_000, "wall", 7, True, 0.1),
        (NOW_MS - 5_000, "wall", 900, True, 1.0),
        (NOW_MS - LONG_PAST_MS - 1, "wall", 7, False, 1.0),  # a backlog of sources: the ledger's records are new
        (-1, "wall", 7, False, 1.0),
        (-1, "source", 7, True, 0.1),  # a recorded past is told as if it were now
    ],
)
def test_alerts_leave_at_once_but_for_a_long_past_that_is_worked_off(
    passed_ms: int, clock: str, end: int, at_once: bool, after_s: float
) -> None:
    assert heard(passed_ms, clock, end) == (at_once, after_s)
