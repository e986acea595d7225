"""Each planted fault is named, with what to do about it; a healthy deployment has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from streams.config import Config
from streams.doctor import CHECKS, Bounds, Copy, Gravity, Member, Seen, diagnose
from streams.topics import Finding

NOW_MS = 1_700_000_000_000
CONFIG = Config(ledger_partitions=2, source_partitions=1, replication=3)
NAMES = CONFIG.topics
PLACES = [(NAMES.support_calls, 0), (NAMES.purchases, 0), (NAMES.ledger, 0), (NAMES.ledger, 1)]
HEALTHY = Seen(
    brokers=3,
    topics={plan.name: dict.fromkeys(range(plan.partitions), Copy(1, 3, 3)) for plan in CONFIG.plan()},
    planned=(),
    settings={
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "transaction.state.log.replication.factor": "3",
        "group.min.session.timeout.ms": "6000",
        "group.max.session.timeout.ms": "1800000",
    },
    members=(
        Member("whaleline-0", "10.0.0.1", frozenset(PLACES[:3])),
        Member("whaleline-1", "10.0.0.2", frozenset(PLACES[3:])),
    ),
    bounds={place: Bounds(0, 500, 480, 500) for place in PLACES},
    now_ms=NOW_MS,
    newest_ms=NOW_MS - 60_000,
)


def planned(kind: Any, sentence: str, fatal: bool = True) -> Callable[[Seen], Seen]:
    return lambda seen: replace(seen, planned=(Finding(NAMES.ledger, kind, sentence, fatal),))


def copies(copy: Copy) -> Callable[[Seen], Seen]:
    return lambda seen: replace(seen, topics={**seen.topics, NAMES.ledger: {0: Copy(1, 3, 3), 1: copy}})


def setting(name: str, value: str) -> Callable[[Seen], Seen]:
    return lambda seen: replace(seen, settings={**seen.settings, name: value})


def bounds(place: tuple[str, int], one: Bounds) -> Callable[[Seen], Seen]:
    return lambda seen: replace(seen, bounds={**seen.bounds, place: one})


def members(*more: Member, without: int = 0) -> Callable[[Seen], Seen]:
    return lambda seen: replace(seen, members=(*seen.members[: len(seen.members) - without], *more))


def so(**changed: Any) -> Callable[[Seen], Seen]:
    return lambda seen: replace(seen, **changed)


STRANGER = Member("other", "10.0.0.9", frozenset({("orders", 0)}))
SPARE = Member("whaleline-2", "10.0.0.3", frozenset())
CHANGED = f"topic {NAMES.ledger} has cleanup.policy=compact where the plan says delete"

# What is planted, how grave it is, and what is said of it and of what to do.
FAULTS: dict[str, tuple[Callable[[Seen], Seen], Gravity, str, str]] = {
    "a topic is missing": (
        planned("missing", "topic whaleline-ledger (x) does not exist: run it"),
        *(Gravity.FAULT, "does not exist", "whaleline topics apply"),
    ),
    "a topic has other partitions": (
        planned("partitions", "topic whaleline-ledger has 8 partitions where the plan says 2"),
        *(Gravity.FAULT, "has 8 partitions", "ledger_partitions"),
    ),
    "a topic is compacted that must not be": (
        planned("config", CHANGED),
        *(Gravity.FAULT, "cleanup.policy=compact", "--add-config cleanup.policy=delete"),
    ),
    "a topic's settings are not told": (
        planned("unread", "topic x could not be checked", fatal=False),
        *(Gravity.NOTE, "could not be checked", "DescribeConfigs"),
    ),
    "a partition has no leader": (
        copies(Copy(-1, 3, 0)),
        Gravity.FAULT,
        "have no leader",
        "Bring the brokers back",
    ),
    "a replica lags": (copies(Copy(1, 3, 2)), Gravity.WARNING, "fewer replicas in sync", "a broker that is down"),
    "too few replicas": (copies(Copy(1, 1, 1)), Gravity.WARNING, "fewer than 3 replicas", "replication = 3"),
    "one broker": (so(brokers=1), Gravity.NOTE, "brokers: 1", "three brokers"),
    "transactions in one replica": (
        setting("transaction.state.log.replication.factor", "1"),
        *(Gravity.WARNING, "transactions in 1 replicas", "transaction.state.log.replication.factor=3"),
    ),
    "an old broker": (so(topic_ids=False), Gravity.FAULT, "older than Kafka 2.8", "Use Kafka 4.x"),
    "topics make themselves": (
        setting("auto.create.topics.enable", "true"),
        *(Gravity.WARNING, "misspelt", "auto.create.topics.enable=false"),
    ),
    "unclean elections": (
        setting("unclean.leader.election.enable", "true"),
        *(Gravity.WARNING, "lose its tail", "unclean.leader.election.enable=false"),
    ),
    "a session time-out that brokers refuse": (
        setting("group.min.session.timeout.ms", "30000"),
        *(Gravity.FAULT, "session_timeout_s = 10 is refused", "Set session_timeout_s"),
    ),
    "no worker": (members(without=2), Gravity.FAULT, "has no member", "Start workers"),
    "a partition without a worker": (members(without=1), Gravity.FAULT, "have no worker", "/readyz"),
    "a stranger in the group": (members(STRANGER), Gravity.FAULT, "reads orders", "group of its own"),
    "a worker too many": (members(SPARE), Gravity.NOTE, "judge nothing", "stand by"),
    "an offset that is deleted": (
        bounds(PLACES[0], Bounds(600, 900, 500, 500)),
        *(Gravity.FAULT, "offset 500 comes next", "Lost records"),
    ),
    "an offset that is not written yet": (
        bounds(PLACES[2], Bounds(0, 300, 400, 400)),
        *(Gravity.FAULT, "offset 400 comes next", "older than its readers"),
    ),
    "a position that is stuck": (
        bounds(PLACES[2], Bounds(0, 900, 500, 500)),
        *(Gravity.FAULT, "lag and do not move", "lag-growing.md"),
    ),
    "a backlog that is worked off": (
        bounds(PLACES[2], Bounds(0, 900, 500, 600)),
        *(Gravity.NOTE, "300 records are being worked off", "Nothing"),
    ),
    "time that stands still": (
        so(newest_ms=NOW_MS - 3 * 3_600_000),
        *(Gravity.FAULT, "for 180 minutes", "ledger retire"),
    ),
    "a clock that is ahead": (so(newest_ms=NOW_MS + 90_000), Gravity.FAULT, "90 s ahead", "NTP"),
    "a transaction that hangs": (so(hanging=("alerts/3",)), Gravity.FAULT, "hangs open on alerts/3", "abort"),
    "nobody says whether one hangs": (so(hanging=None), Gravity.NOTE, "could not be asked", "Describe"),
    "kernels not compiled": (so(kernels_compiled=False), Gravity.WARNING, "not compiled", "whaleline compile"),
    "kernels not kept": (so(kernels_kept=False), Gravity.WARNING, "cannot be kept", "NUMBA_CACHE_DIR"),
    "a policy that cannot be used": (
        so(policy="policy.toml: not valid TOML"),
        *(Gravity.FAULT, "not valid TOML", "whaleline policy check"),
    ),
}


def test_a_healthy_deployment_has_no_ailment() -> None:
    assert diagnose(CONFIG, HEALTHY) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named_with_its_remedy(name: str) -> None:
    plant, gravity, what, remedy = FAULTS[name]
    found = [one for one in diagnose(CONFIG, plant(HEALTHY)) if what in one.what]
    assert len(found) == 1, diagnose(CONFIG, plant(HEALTHY))
    assert found[0].gravity is gravity
    assert remedy in found[0].remedy
    assert found[0].remedy.endswith(".")


def test_every_check_has_a_planted_fault() -> None:
    found = {
        check.__name__ for check in CHECKS for plant, *_ in FAULTS.values() if list(check(CONFIG, plant(HEALTHY)))
    }
    assert found == {check.__name__ for check in CHECKS}


def test_the_worst_comes_first() -> None:
    both = FAULTS["kernels not kept"][0](FAULTS["a clock that is ahead"][0](replace(HEALTHY, brokers=1)))
    assert [one.gravity for one in diagnose(CONFIG, both)] == [Gravity.FAULT, Gravity.WARNING, Gravity.NOTE]


def test_a_recordings_clock_may_stand_still() -> None:
    old = replace(HEALTHY, newest_ms=NOW_MS - 10**9)
    assert diagnose(replace(CONFIG, source_clock="source"), old) == []
