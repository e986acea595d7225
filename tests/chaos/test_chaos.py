"""A short run of chaos, and the proof that its verdict can fail."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.chaos.__main__ import control, main
from tests.chaos.failpoints import GAP, POINTS
from tests.chaos.planted import WITHOUT
from tests.chaos.report import figures
from tests.chaos.run import Plan, Result, Run

FIELDS = {
    *("kills", "zombies", "broker_kills", "events", "seed"),
    *("rows_wrong", "lost", "doubled", "alerts_missing", "alerts_phantom", "stuck"),
}


def lived(plan: Plan, place: Path, jars: Path) -> Result:
    return Run(plan, place, lambda what, share: None, jars).live()


def test_kills_zombies_and_a_broker_kill_change_nothing(kafka_jars: Path, tmp_path: Path) -> None:
    """Eight kill -9, two zombies, one broker kill, workers that come and go: what is due, and nothing else."""
    plan = Plan(8, 2, 1, 6_000, random.SystemRandom().randrange(10**6), 120.0, (2, 3), moves=2, refusals=1)
    result = lived(plan, tmp_path, kafka_jars)
    found = figures(result)
    assert result.clean, (found, result.complaints)
    assert (found["kills"], found["zombies"], found["broker_kills"]) >= (8, 2, 1)
    assert found["events"] >= plan.events
    assert found.keys() == FIELDS


def test_without_atomic_publication_the_verdict_fails(kafka_jars: Path, tmp_path: Path) -> None:
    """Negative control: alerts and rows in two transactions, and a kill between them."""
    plan = replace(control("atomicity", 1), events=2_000, rate=100.0)
    assert not lived(plan, tmp_path, kafka_jars).clean


@pytest.mark.parametrize("seed", range(3))
def test_one_seed_draws_the_same_faults(seed: int) -> None:
    plan = Plan(20, 4, 2, 1_000, seed, moves=5, refusals=2)
    acts = plan.acts(random.Random(seed))
    assert acts == plan.acts(random.Random(seed))
    assert acts != plan.acts(random.Random(seed + 1))
    assert len(acts) == 33
    assert {place for _, place, _ in acts if place} <= POINTS.keys()


def test_the_command_makes_the_plan_it_tells_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts that follow from the kills, the workers and brokers asked for, and what to do without."""
    plans: list[Plan] = []

    def lived(plan: Plan, keep: bool) -> Result:
        plans.append(plan)
        raise SystemExit

    monkeypatch.setattr("tests.chaos.__main__.lived", lived)
    command = ["run", "--kills", "20", "--seed", "7", "--workers", "3", "--brokers", "2", "--without", "marks"]
    said = CliRunner().invoke(main, command).output
    (plan,) = plans
    assert said == f"seed 7: 33 faults, 100000 events at {plan.rate:.0f} a second\n"
    assert len(plan.acts(random.Random(7))) == 33
    asked = replace(Plan(20, 4, 2, 100_000, 7), workers=(2, 3), brokers=2, refusals=2, moves=5, without="marks")
    assert replace(plan, rate=asked.rate) == asked


def test_every_named_place_is_used_by_a_long_run() -> None:
    acts = Plan(200, 40, 20, 1_000_000, 1).acts(random.Random(1))
    assert {place for kind, place, _ in acts if kind == "place"} == POINTS.keys()


def test_every_safeguard_has_faults_that_bring_it_to_light() -> None:
    assert all(acts and {place for place, _ in acts} <= {*POINTS, GAP} for _, acts in WITHOUT.values())
