"""One schedule from a seed: two workers, events, erasures, crashes, zombies, moves; then calm, and the verdict."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

from schemas.block import Block, Source, decode, erase_entry
from schemas.codec import encode
from schemas.codes import Kind
from streams.outbox import NONCE_KEY
from streams.pipeline import Pipeline
from tests.driver import PURCHASES, SUPPORT, TOPIC_IDS
from tests.sim.broker import Broker, Fenced
from tests.sim.worker import APP, Refused, Worker
from tests.worlds import DAY, HOUR, START_MS, event

EVENTS = 24
CUSTOMERS = 3
KINDS = [Kind.RUDE_CALL, Kind.TICKET_OPENED, Kind.CALL_CLOSED, Kind.PURCHASE, Kind.CANCEL_REQUEST, Kind.CHAT]
END_MS = START_MS + 12 * DAY
HAPPENS = 0.12
STEPS = 160
CALM_STEPS = 20_000


def sources(rng: Random) -> dict[Source, list[tuple[bytes | None, bytes]]]:
    """Two source logs with some events each, promises of progress between, some events sent twice."""
    logs: dict[Source, list[tuple[bytes | None, bytes]]] = {
        Source(TOPIC_IDS[topic], 0): [] for topic in (SUPPORT, PURCHASES)
    }
    ts_ms = START_MS
    for number in range(EVENTS):
        ts_ms += rng.randrange(12 * HOUR)
        topic, fields = event(rng.choice(KINDS), f"C{rng.randrange(CUSTOMERS)}", ts_ms, number, rng)
        name = SUPPORT if topic == "support" else PURCHASES
        one = (str(fields["customer_id"]).encode(), encode(fields))
        log = logs[Source(TOPIC_IDS[name], 0)]
        log += [one] * (1 + (rng.random() < 0.05))
        if rng.random() < 0.3:
            for other in logs.values():
                other.append((None, encode({"kind": "progress", "ts_ms": ts_ms})))
    for log in logs.values():
        log.append((None, encode({"kind": "progress", "ts_ms": END_MS})))
    return logs


class Schedule:
    """Two workers and a broker; ``run`` gives what is wrong in the end, in words, or nothing."""

    def __init__(self, seed: int, fault: str = "") -> None:
        self._rng, self._fault = Random(seed), fault
        self._broker = Broker(sources(self._rng), fences=fault != "no fencing")
        self._workers = [Worker(self._broker, self._rng, fault) for _ in range(2)]
        self._owner = {"sources": 0, "ledger": 0}
        self._begin("sources", 0)
        self._begin("ledger", 0)

    def run(self) -> str:
        """Live through everything, then look."""
        for _ in range(STEPS):
            if self._rng.random() < HAPPENS:
                self._happen()
            self._advance(self._rng.choice(self._workers))
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
        elif what == "erase":
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
            self._step(one, self._rng.choice(("ingester", "judge")))

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
            self._advance(self._workers[0])
            if self._workers[0].done:
                return

    def _wrong(self) -> str:
        broker = self._broker
        wanted, alerts, written = Pipeline(APP), Counter[bytes](), set()
        for record in broker.ledger:
            alerts.update(one.alert_id.encode() for one in wanted.step(record).alerts)
            content = decode(record.value)
            if isinstance(content, Block):
                written |= {
                    (content.sources[int(which)], int(offset))
                    for which, offset in zip(content.source, content.offset, strict=True)
                }
        lost = [
            (source, at)
            for source, log in broker.sources.items()
            for at, (key, _) in enumerate(log)
            if key is not None and (source, at) not in written
        ]
        if lost:
            return f"{len(lost)} source events are not in the ledger"
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
        rows = [{name: row.tobytes() for name, row in one.settled_rows().items()} for one in (found, wanted)]
        return "" if rows[0] == rows[1] else "rows differ"


def wrong(seed: int, fault: str = "") -> str:
    """What is wrong with one schedule; an exception of the judge's own is a fault found, too."""
    try:
        return Schedule(seed, fault).run()
    except Exception as error:
        if not fault:
            raise
        return f"{type(error).__name__}: {error}"
