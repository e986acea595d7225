"""One run: brokers, a feed and a crew, faults drawn from a seed, then calm, and the verdict of the topics."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.secret import new_key
from tests.broker.cluster import Cluster
from tests.broker.deployment import Deployment
from tests.chaos import verdict
from tests.chaos.crew import Crew
from tests.chaos.failpoints import FREEZE, KILL, POINTS, REFUSE, REFUSED
from tests.chaos.feed import END_MS, Feed
from tests.chaos.watch import Watch

LOOK_S = 0.05
STUCK_S = 60.0
EXPLAINED_S = 15.0
"""When nothing has moved for so long, the workers write into their logs what they wait for."""

SETTLE_S = 900.0
FIRST_S = 60.0
AWAY_S = (1.0, 6.0)
"""How long a broker is away."""

RETURNS = 3
PAUSES_S = (0.3, 1.5, 3.0, 5.0, 8.0)
"""Before the next fault; each may be shorter or longer by a plan's jitter, which is a share of it."""

STAND_BY = 0.5
"""The share of workers that read along what the others publish."""

AT_A_PLACE = 0.5
"""The share of kills and zombies that happen at a named place instead of at any moment."""

Act = tuple[str, str, str]
"""What happens: kind, and for one at a named place the place and the act."""


@dataclass(slots=True)
class Plan:
    """What a run is to be; every draw comes from ``seed``."""

    kills: int = 0
    zombies: int = 0
    broker_kills: int = 0
    events: int = 1_000
    seed: int = 0
    rate: float = 400.0
    workers: tuple[int, int] = (2, 4)
    brokers: int = 1
    refusals: int = 0
    moves: int = 0
    without: str = ""
    only: tuple[tuple[str, str], ...] = ()
    pauses_s: tuple[float, ...] = PAUSES_S
    jitter: float = 0.5
    naps: int = 0

    def acts(self, rng: random.Random) -> list[Act]:
        """Everything that is going to happen, shuffled."""
        if self.only:
            return [("place", *one) for one in self.only]
        places = sorted(POINTS)
        rng.shuffle(places)
        named, frozen = round(self.kills * AT_A_PLACE), round(self.zombies * AT_A_PLACE)
        out = [("place", places[at % len(places)], KILL) for at in range(named)]
        out += [("kill", "", "")] * (self.kills - named)
        out += [("place", rng.choice(places), FREEZE) for _ in range(frozen)]
        out += [("zombie", "", "")] * (self.zombies - frozen)
        out += [("place", REFUSED[at % len(REFUSED)], REFUSE) for at in range(self.refusals)]
        out += [("broker", "", "")] * self.broker_kills + [("move", "", "")] * self.moves
        out += [("nap", "", "")] * self.naps
        rng.shuffle(out)
        return out


@dataclass(slots=True)
class Result:
    """What happened, and what is wrong because of it."""

    plan: Plan
    kills: int = 0
    zombies: int = 0
    broker_kills: int = 0
    stuck: int = 0
    seconds: float = 0.0
    found: verdict.Verdict | None = None
    complaints: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled, wrong or stuck."""
        return self.found is not None and self.found.clean and self.stuck == 0


class Run:
    """A deployment of its own that lives through a plan. ``tell`` hears how far it is."""

    def __init__(
        self, plan: Plan, place: Path, tell: Callable[[str, float], None], jars: Path | None = None
    ) -> None:
        self.plan, self._place, self._tell, self._jars = plan, place, tell, jars
        self._rng = random.Random(plan.seed)
        self._acts = plan.acts(self._rng)
        self._many = len(self._acts)
        self._result = Result(plan)
        self._returning: threading.Thread | None = None
        self._explained = False

    def live(self) -> Result:
        """Do everything; the verdict is in the result."""
        begun = time.monotonic()
        self._place.mkdir(parents=True, exist_ok=True)
        self._tell("starting the broker", 0.0)
        with (
            Cluster(self.plan.brokers, self._jars) as self._cluster,
            Deployment(self._cluster.bootstrap, "chaos-", self._place, **self._settings()) as deployment,
        ):
            self._crew = self._crew_of(deployment)
            try:
                self._through(deployment)
            finally:
                self._crew.end()
                self._await_broker()
        self._result.seconds = time.monotonic() - begun
        return self._result

    def _settings(self) -> dict[str, str]:
        key = self._place / "erasure.key"
        key.write_text(new_key())
        return {"replication": str(min(3, self.plan.brokers)), "erasure_key": str(key)}

    def _crew_of(self, deployment: Deployment) -> Crew:
        standby = 0.0 if self.plan.without else STAND_BY
        return Crew(deployment, self._place, self._rng, self.plan.without, standby=standby)

    def _through(self, deployment: Deployment) -> None:
        feed = Feed(deployment, self.plan.seed, self.plan.events, self.plan.rate)
        with Watch(deployment) as self._watch:
            self._crew.wanted = self.plan.workers[0]
            feed.start()
            self._until("the first events to be judged", lambda: any(self._watch.next.values()), FIRST_S)
            self._faults(feed)
            self._calm(feed)
            self._settle(feed)
        crew, result = self._crew, self._result
        result.kills, result.zombies = crew.done["kills"], crew.done["zombies"]
        result.complaints += crew.complaints
        result.stuck += len(crew.complaints)
        result.found = verdict.judge(deployment, 2, lambda what: self._tell(what, 1.0))
        result.told = {
            "places": dict(sorted(crew.places.items())),
            "exits": {str(code): count for code, count in sorted(crew.exits.items())},
            "leaves": crew.done["leaves"],
            "refusals": crew.done["refusals"],
            "longest_pause_s": round(self._watch.longest_s, 1),
        }
        result.measured = self._read(deployment, result)

    def _read(self, deployment: Deployment, result: Result) -> dict[str, Any]:
        """What a kind of run measures beside the verdict."""
        return {}

    # ---------------------------------------------------------------- faults

    def _faults(self, feed: Feed) -> None:
        """Let everything happen that is planned, while the feed goes on."""
        at = time.monotonic()
        while self._acts or self._crew.owed or self._crew.busy() or self._returning is not None:
            self._tend()
            while self._crew.owed:
                self._acts.append(("place", *self._crew.owed.pop()))
            if self._acts and time.monotonic() >= at and self._act(self._acts[-1]):
                self._acts.pop()
                at = time.monotonic() + self._pause_s()
            done = max(0, self._many - len(self._acts))
            self._tell(f"fault {done} of {self._many}, lag {self._watch.lag}", done / max(1, self._many))

    def _pause_s(self) -> float:
        return self._rng.choice(self.plan.pauses_s) * (1 + self.plan.jitter * (2 * self._rng.random() - 1))

    def _act(self, act: Act) -> bool:
        """Let it happen if it can now; whether it did."""
        kind, place, what = act
        crew = self._crew
        if kind == "broker":
            return self._kill_broker()
        if kind == "nap":
            return crew.nap()
        one = crew.pick()
        if one is None:
            return False
        if kind == "kill":
            crew.kill(one)
        elif kind == "zombie":
            crew.freeze(one)
        elif kind == "place":
            crew.arm(one, place, what)
        elif crew.wanted > self.plan.workers[0] and self._rng.random() < 0.5:
            crew.wanted -= 1
            crew.ask_to_leave(one)
        else:
            crew.wanted = min(crew.wanted + 1, self.plan.workers[1])
        return True

    def _kill_broker(self) -> bool:
        if self._returning is not None:
            return False
        node = self._rng.choice(self._cluster.nodes)
        away_s = self._rng.uniform(*AWAY_S)
        node.kill()
        self._result.broker_kills += 1

        def come_back() -> None:
            threading.Event().wait(away_s)
            for _ in range(RETURNS):
                with contextlib.suppress(RuntimeError):  # a busy machine: a broker that is slow is started again
                    node.start()
                    return

        self._returning = threading.Thread(target=come_back, name="broker", daemon=True)
        self._returning.start()
        return True

    def _await_broker(self) -> None:
        if self._returning is not None:
            self._returning.join()
            self._returning = None

    def _tend(self) -> None:
        if self._returning is not None and not self._returning.is_alive():
            self._returning = None
        self._crew.tend()
        still = self._watch.still_s() > EXPLAINED_S
        if still and not self._explained:
            self._crew.tell()
        self._explained = still
        threading.Event().wait(LOOK_S)

    # ---------------------------------------------------------------- calm

    def _until(self, what: str, holds: Callable[[], bool], most_s: float) -> bool:
        begun = time.monotonic()
        while not holds():
            self._tend()
            self._tell(f"waiting for {what}, lag {self._watch.lag}", 1.0 - len(self._acts) / max(1, self._many))
            if time.monotonic() - begun > most_s:
                self._stuck(f"{what} did not come within {most_s:g} s")
                return False
        return True

    def _calm(self, feed: Feed) -> None:
        self._await_broker()
        self._crew.calm()
        feed.rush()
        self._until("the feed", lambda: not feed.is_alive(), SETTLE_S)
        if feed.failed is not None:
            raise RuntimeError("the feed failed") from feed.failed

    def _settle(self, feed: Feed) -> None:
        """Wait until everything is judged, as long as something moves."""
        begun = moved = time.monotonic()
        stood: list[int] = []
        while not self._watch.settled(END_MS):
            self._tend()
            self._tell(f"settling, {feed.sent} events sent, lag {self._watch.lag}", 1.0)
            now, stands = time.monotonic(), [*self._watch.next.values(), *self._watch.tick_ms.values()]
            if stands != stood:
                moved, stood = now, stands
            if now - moved > STUCK_S or now - begun > SETTLE_S:
                self._stuck(f"lag {self._watch.lag} remains, nothing has moved for {now - moved:.0f} s")
                return

    def _stuck(self, why: str) -> None:
        self._result.stuck += 1
        self._result.complaints.append(why)
