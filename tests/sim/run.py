"""One schedule from a seed: two workers, a feed, erasures, crashes, zombies, moves; then calm, and the verdict."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import pairwise
from random import Random

from schemas.block import Block, Source, decode, erase_entry
from streams.outbox import NONCE_KEY
from streams.pipeline import Pipeline
from tests.sim.broker import Broker, Fenced
from tests.sim.feed import APP, CUSTOMERS, FEEDS, feed, judged, rows_of
from tests.sim.worker import CALM_AT_ONCE, Refused, Worker

HAPPENS = 0.15
ERASING = 0.25
STEPS = 100
CALM_STEPS = 2_000


class Schedule:
    """Two workers and a broker; ``run`` gives what is wrong in the end, in words, or nothing."""

    def __init__(self, seed: int, fault: str = "") -> None:
        self._rng, self._fault = Random(seed), fault
        self._feed = feed(seed % FEEDS)
        self._broker = Broker(self._feed.logs, fences=fault != "no fencing")
        self._erases = self._rng.random() < ERASING
        self._erased = False
        self._workers = [Worker(self._broker, self._rng, fault) for _ in range(2)]
        self._owner = {"sources": 0, "ledger": 0}
        self._begin("sources", 0)
        self._begin("ledger", 0)

    def run(self) -> str:
        """Live through everything, then look."""
        for _ in range(STEPS):
            if self._rng.random() < HAPPENS:
                self._happen()
            self._advance(self._workers[self._rng.random() < 0.5])
        self._calm()
        return self._wrong()

    # ---------------------------------------------------------------- what happens

    def _happen(self) -> None:
        rng, at = self._rng, self._rng.randrange(2)
        what = rng.choice(("crash", "sleep", "sleep", "move", "move", "compact", "erase"))
        one = self._workers[at]
        if what == "crash":
            self._crash(at)
        elif what == "sleep":
            one.asleep = rng.choice((4, 8, 16, 60))
            if rng.random() < 0.7:  # beyond its session: what it had goes to the other
                for role, owner in list(self._owner.items()):
                    if owner == at:
                        self._move(role, 1 - at)
        elif what == "move":
            self._move(rng.choice(("sources", "ledger")), at)
        elif what == "erase" and self._erases:
            self._erased = True
            self._broker.append(erase_entry(f"C{rng.randrange(CUSTOMERS)}", 0, "dpo", "asked"))
        else:
            self._broker.compact()

    def _crash(self, at: int) -> None:
        """The process is gone; a new one takes over where the group says so."""
        self._workers[at] = Worker(self._broker, self._rng, self._fault)
        for role, owner in list(self._owner.items()):
            if owner == at:
                self._begin(role, self._rng.randrange(len(self._workers)))

    def _move(self, role: str, to: int) -> None:
        """A rebalance: who is awake publishes first; who sleeps goes on later, as if nothing had happened."""
        had = self._workers[self._owner[role]]
        if not had.asleep:
            self._give_up(role, had)
        self._begin(role, to)

    def _give_up(self, role: str, one: Worker) -> None:
        if role == "sources":
            one.ingester = None
            return
        one.leaving = True
        steps = self._rng.choice((0, 3, 10**6))
        while one.judge is not None and steps:
            self._step(one, "judge")
            steps -= 1
        one.judge, one.leaving = None, False

    def _begin(self, role: str, at: int) -> None:
        one, self._owner[role] = self._workers[at], at
        self._broker.generation += 1
        if role == "sources":
            one.take_sources()
        else:
            one.take_ledger()
        # Whoever keeps the sources goes on in the new generation.
        if role == "ledger":
            self._workers[self._owner["sources"]].take_sources()

    def _advance(self, one: Worker) -> None:
        if one.asleep:
            one.asleep -= 1
        else:
            self._step(one, "judge" if self._rng.random() < 0.5 else "ingester")

    def _step(self, one: Worker, which: str) -> None:
        life = getattr(one, which)
        if life is None:
            return
        try:
            next(life)
        except StopIteration:
            setattr(one, which, None)
        except (Fenced, Refused):
            # The process ends itself; where it still owned something, someone begins anew.
            if one in self._workers:
                self._crash(self._workers.index(one))

    # ---------------------------------------------------------------- the end

    def _calm(self) -> None:
        """Everyone wakes, the zombies meet their fate, and a last worker brings it to an end."""
        for at, one in enumerate(list(self._workers)):
            one.asleep = 0
            for _ in range(30):
                self._advance(self._workers[at])
        self._broker.time_out()
        self._workers = [Worker(self._broker, self._rng, self._fault)]
        self._begin("sources", 0)
        self._begin("ledger", 0)
        for _ in range(CALM_STEPS):
            (last,) = self._workers  # another one after each write that did not arrive
            last.at_once = CALM_AT_ONCE
            if last.done:
                return
            self._step(last, "judge" if last.taken_in else "ingester")

    def _wrong(self) -> str:
        broker, whole = self._broker, self._feed
        written = set().union(*(_events(record.value) for record in broker.ledger))
        if len(written) < whole.events:
            return f"{whole.events - len(written)} source events are not in the ledger"
        # Where in the order an erasure or a late event stands is the schedule's own.
        own = self._erased or whole.late
        alerts, rows = judged(broker.ledger) if own else (whole.alerts, whole.rows)
        out = Counter(one.key for one in broker.seen(broker.alerts))
        if out != alerts:
            return f"{len(alerts - out)} alerts are missing, {len(out - alerts)} are too many"
        if any(later <= earlier for earlier, later in pairwise(broker.published)):
            return "a ledger record was published twice"
        found = Pipeline(APP)
        for one in broker.seen(broker.changelog):
            if one.key != NONCE_KEY:
                found.restore(one.key, one.value)
        found.restored()
        if found.next_offset != len(broker.ledger):
            return "the ledger is not judged to its end"
        return "" if rows_of(found) == rows else "rows differ"


@lru_cache(maxsize=20_000)
def _events(value: bytes) -> frozenset[tuple[Source, int]]:
    """Which source events a ledger record holds."""
    content = decode(value)
    if not isinstance(content, Block):
        return frozenset()
    pairs = zip(content.source.tolist(), content.offset.tolist(), strict=True)
    return frozenset((content.sources[which], offset) for which, offset in pairs)


def wrong(seed: int, fault: str = "") -> str:
    """What is wrong with one schedule; an exception of the judge's own is a fault found, too."""
    try:
        return Schedule(seed, fault).run()
    except Exception as error:
        if not fault:
            raise
        return f"{type(error).__name__}: {error}"


def first_wrong(within: int, fault: str) -> int | None:
    """The first seed that finds a planted fault; None if none does."""
    return next((seed for seed in range(within) if wrong(seed, fault)), None)
