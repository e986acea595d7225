"""Whatever the order of crashes, zombies and moves, nothing is lost, doubled or wrong; and this can fail."""

from __future__ import annotations

import pytest

from tests.sim.run import wrong
from tests.sim.worker import FAULTS

SEEDS = 200
WITHIN = 1_000


@pytest.mark.parametrize("first", range(0, SEEDS, 50))
def test_no_schedule_loses_or_doubles_anything(first: int) -> None:
    """The real intake and the real judge, interleaved step by step, and what the topics say in the end."""
    assert [(seed, said) for seed in range(first, first + 50) if (said := wrong(seed))] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    """Negative controls: each fault of the protocol shows within a thousand schedules."""
    assert any(wrong(seed, fault) for seed in range(WITHIN))


def test_one_seed_is_one_schedule() -> None:
    assert {wrong(3, "alerts first") for _ in range(3)} == {wrong(3, "alerts first")}
