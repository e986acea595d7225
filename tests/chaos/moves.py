"""``make moves``: workers come and go in order under load; nothing may change, nobody may wait for long."""

from __future__ import annotations

import urllib.error
import urllib.request
from itertools import pairwise
from typing import Any, NamedTuple

from streams.clock import now_ms
from tests.broker.deployment import Deployment
from tests.broker.kafka import HOST
from tests.chaos.crew import Crew
from tests.chaos.feed import Feed
from tests.chaos.pauses import arrivals, longest_s, pauses, quantile
from tests.chaos.run import Plan, Result, Run

WORKERS = (1, 4)
RATE = 400.0
SECONDS_A_MOVE = 14
ARRIVES_S = 60.0
"""So long a move may take: a process starts, restores and is ready, or publishes and ends."""

RESTS_S = 4.0
"""Between two moves, in which pauses are those of every day."""

WANTED_P95_S = 5.0


class Move(NamedTuple):
    """One worker more or less: from when it was asked for until it was done."""

    begin_ms: int
    done_ms: int
    workers: int
    up: bool


def plan(moves: int, seed: int, rate: float = RATE) -> Plan:
    """A plan of nothing but moves."""
    events = round((moves * SECONDS_A_MOVE + 10) * rate)
    return Plan(0, 0, 0, events, seed, rate, WORKERS, moves=moves)


class Moves(Run):
    """A run in which workers only come and leave in order; ``moves`` has what was done and when."""

    moves: list[Move]

    def _crew_of(self, deployment: Deployment) -> Crew:
        return Crew(deployment, self._place, self._rng, ports=True)

    def _faults(self, feed: Feed) -> None:
        self.moves = []
        self._rest()
        while self._acts:
            low, high = self.plan.workers
            had = self._crew.wanted
            up = had == low or (had < high and self._rng.random() < 0.5)
            begin_ms = now_ms()
            self._crew.wanted += 1 if up else -1
            if not up and (one := self._crew.pick()) is not None:
                self._crew.ask_to_leave(one)
            self._until(f"move {self._many - len(self._acts) + 1} of {self._many}", self._arrived, ARRIVES_S)
            self.moves.append(Move(begin_ms, now_ms(), self._crew.wanted, up))
            self._acts.pop()
            self._rest()
        self._end_ms = now_ms()

    def _rest(self) -> None:
        until_ms = now_ms() + round(1_000 * RESTS_S)
        self._until(f"move {self._many - len(self._acts)}", lambda: now_ms() > until_ms, ARRIVES_S)

    def _arrived(self) -> bool:
        living = self._crew.living()
        return len(living) == self._crew.wanted and all(one.free and ready(one.port) for one in living)

    def _read(self, deployment: Deployment, result: Result) -> dict[str, Any]:
        self._tell("measuring the pauses", 1.0)
        trace = self._watch.trace
        found = [pauses(trace[at], come) for at, come in enumerate(arrivals(deployment))]
        return told(self.moves, self._end_ms, found)


def told(moves: list[Move], end_ms: int, found: list[Any]) -> dict[str, Any]:
    """Of each move and of each rest between two the longest pause, and what they come to."""
    spans = pairwise([*(one.begin_ms for one in moves), end_ms])
    of_moves = [longest_s(found, begin, end) for begin, end in spans]
    rests = pairwise([one for move in moves for one in (move.begin_ms, move.done_ms)])
    of_rests = [longest_s(found, done, begin) for done, begin in list(rests)[1::2]]
    return {
        "moves": len(moves),
        "ups": sum(one.up for one in moves),
        "downs": sum(not one.up for one in moves),
        "pause_p50_s": round(quantile(of_moves, 0.5), 2),
        "pause_p95_s": round(quantile(of_moves, 0.95), 2),
        "pause_most_s": round(max(of_moves, default=0.0), 2),
        "up_p50_s": round(quantile([one for one, of in zip(of_moves, moves, strict=True) if of.up], 0.5), 2),
        "down_p50_s": round(quantile([one for one, of in zip(of_moves, moves, strict=True) if not of.up], 0.5), 2),
        "rest_p50_s": round(quantile(of_rests, 0.5), 2),
        "move_p50_s": round(quantile([(one.done_ms - one.begin_ms) / 1_000 for one in moves], 0.5), 1),
        "pauses_s": [round(one, 2) for one in of_moves],
    }


def is_quick(measured: dict[str, Any]) -> bool:
    """Whether a move makes nobody wait for long, in nineteen cases of twenty."""
    return bool(measured["pause_p95_s"] <= WANTED_P95_S)


def ready(port: int) -> bool:
    """What a worker says of itself."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=2):
            return True
    except (OSError, urllib.error.URLError):
        return False
