"""``make soak``: a steady load with a fault each minute; nothing may be wrong, nothing may grow."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from tests.broker.deployment import Deployment
from tests.chaos.crew import Crew
from tests.chaos.feed import Feed
from tests.chaos.memory import Life, Memory, long_lives
from tests.chaos.run import Plan, Result, Run

RATE = 200.0
SAMPLE_S = 2.0
WARM_SHARE, LEAST_SHARE = 1 / 6, 1 / 3
"""Of the whole time: for so long a worker warms up, and for so long it must have been there afterwards."""

FAULTS = ("kills", "moves", "zombies", "naps", "broker_kills", "kills", "refusals", "moves")
"""How many of which there are: so many of eight minutes."""

POLICY = """\
[policy]
version = 1
[breaker]
same_cause = 1000000
churn_share_per_hour = 1.0
entries_per_hour = 1000000
entries_per_day = 1000000
"""
"""Nobody releases incidents here, and what they hold would grow for ever, as it must."""


def plan(minutes: int, seed: int, rate: float = RATE) -> Plan:
    """A fault each minute, in an order drawn from the seed."""
    faults = Counter(FAULTS[minute % len(FAULTS)] for minute in range(minutes))
    events = round(60 * minutes * rate)
    return Plan(**faults, events=events, seed=seed, rate=rate, pauses_s=(60.0,), jitter=0.0)


class Soak(Run):
    """A run whose load lasts, whose eldest worker is spared, and in which memory is looked at meanwhile."""

    def _settings(self) -> dict[str, str]:
        policy = self._place / "policy.toml"
        policy.write_text(POLICY, encoding="utf-8")
        return {**super()._settings(), "policy": str(policy)}

    def _crew_of(self, deployment: Deployment) -> Crew:
        self._memory, self._looked = Memory(), 0.0
        return Crew(deployment, self._place, self._rng, spares=True)

    def _tend(self) -> None:
        super()._tend()
        now = time.monotonic()
        if now - self._looked >= SAMPLE_S:
            self._looked = now
            self._memory.look(now, (one.process.pid for one in self._crew.living()))

    def _calm(self, feed: Feed) -> None:
        self._until("the end of the load", lambda: not feed.is_alive(), self.plan.events / self.plan.rate + 60)
        super()._calm(feed)
        self._fed = time.monotonic()

    def _read(self, deployment: Deployment, result: Result) -> dict[str, Any]:
        lasted_s = self.plan.events / self.plan.rate
        lives = long_lives(self._memory.lives.values(), WARM_SHARE * lasted_s, LEAST_SHARE * lasted_s)
        return told(self.plan, self._crew, lives, self._watch.lag, self._drained - self._fed)

    def _settle(self, feed: Feed) -> None:
        super()._settle(feed)
        self._drained = time.monotonic()


def told(plan: Plan, crew: Crew, lives: list[Life], lag: int, drained_s: float) -> dict[str, Any]:
    """What was measured beside the verdict."""
    return {
        "minutes": round(plan.events / plan.rate / 60, 1),
        "naps": crew.done["naps"],
        "lag": lag,
        "drained_s": round(drained_s, 1),
        "lives": [[round(one.minutes, 1), round(one.median_mb), round(one.slope_mb_per_h, 1)] for one in lives],
        "grow": sum(one.grows for one in lives),
    }


def is_steady(measured: dict[str, Any]) -> bool:
    """Whether there was a worker to look at, none grew, and nothing is left to do."""
    return bool(measured["lives"]) and measured["grow"] == 0 and measured["lag"] == 0
