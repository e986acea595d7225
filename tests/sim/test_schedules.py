"""Whatever the order of crashes, zombies and moves, nothing is lost, doubled or wrong; and this can fail."""

from __future__ import annotations

import pytest

from tests.sim import told
from tests.sim.feed import FEEDS, feed
from tests.sim.run import first_wrong, wrong
from tests.sim.worker import FAULTS

SEEDS = 1_000
WITHIN = 1_000


@pytest.mark.parametrize("first", range(0, SEEDS, 250))
def test_no_schedule_loses_or_doubles_anything(first: int) -> None:
    """The real intake and the real judge, interleaved step by step, and what the topics say in the end."""
    assert [(seed, said) for seed in range(first, first + 250) if (said := wrong(seed))] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    """Negative controls: each fault of the protocol shows within a thousand schedules."""
    assert first_wrong(WITHIN, fault) is not None


def test_one_seed_is_one_schedule() -> None:
    assert {wrong(3, "alerts first") for _ in range(3)} == {wrong(3, "alerts first")}


def test_the_feeds_have_what_can_go_wrong() -> None:
    """Few events each, but among all: alerts, several customers, events sent twice, late ones."""
    feeds = [feed(number) for number in range(FEEDS)]
    assert sum(bool(one.alerts) for one in feeds) > FEEDS // 2
    assert sum(len(one.rows) > 1 for one in feeds) > FEEDS // 2
    values = [[record.value for log in one.logs.values() for record in log if record.key] for one in feeds]
    assert any(len(set(one)) < len(one) for one in values)
    assert sum(one.late for one in feeds) == FEEDS // 4


def test_seeds_that_were_lived_through_count_once() -> None:
    assert told.union([[500, 700], [0, 200], [200, 400], [100, 150]]) == [[0, 400], [500, 700]]
