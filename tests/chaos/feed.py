"""What the workers are fed with: a seeded stream of well-formed events, producers' repeats included."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from schemas.codes import Kind
from schemas.events import SHAPES
from tests.broker.deployment import Deployment
from tests.worlds import DAY, HOUR, START_MS, event

REPEATED = 0.01
"""So many events are sent once more by their producer: the same event id at another offset."""

DISORDER = 0.1
AT_ONCE = 200
"""Events between two promises of progress."""

CUSTOMER_EVENTS = 1_000
LEAST_CUSTOMERS = 40
ERASED_EVERY = 1_000
"""So often a customer is erased; most come back, for the history goes on with them."""
SPAN_DAYS = 30
OFTEN = [Kind.CALL_CLOSED, Kind.PURCHASE, Kind.TICKET_OPENED, Kind.TICKET_REPLY, Kind.TICKET_RESOLVED, Kind.CHAT]
ANY = [kind for kind in SHAPES if kind is not Kind.PROGRESS]


def history(seed: int, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """``count`` events in order of arrival over a month; some lag by up to an hour, some come twice."""
    rng = random.Random(seed)
    customers = max(LEAST_CUSTOMERS, count // CUSTOMER_EVENTS)
    for number in range(count):
        late = rng.randrange(HOUR) if rng.random() < DISORDER else 0
        ts_ms = START_MS + number * SPAN_DAYS * DAY // count - late
        kind = rng.choice(OFTEN if rng.random() < 0.6 else ANY)
        yield event(kind, f"C{rng.randrange(customers)}", ts_ms, number, rng)


class Sender(threading.Thread, ABC):
    """Sends into a deployment until all is sent; ``sent`` says how far it is, ``failed`` why it is no further."""

    def __init__(self, name: str, deployment: Deployment, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.sent = 0
        self.failed: BaseException | None = None
        self._deployment, self._seed = deployment, seed

    def run(self) -> None:
        """Send everything, and in the end that nothing more will come."""
        try:
            self._send()
        except BaseException as error:
            self.failed = error

    @abstractmethod
    def _send(self) -> None:
        """What ``run`` does."""


class Feed(Sender):
    """Produces a history at a steady rate; ``rush`` sends what is left at once, ``sent`` says how far it is."""

    def __init__(self, deployment: Deployment, seed: int, count: int, rate: float) -> None:
        super().__init__("feed", deployment, seed)
        self._count, self._rate = count, rate
        self._rush = threading.Event()

    def rush(self) -> None:
        """Keep to the rate no longer."""
        self._rush.set()

    def _send(self) -> None:
        begun, rng = time.monotonic(), random.Random(self._seed + 1)
        some: list[tuple[str, dict[str, Any]]] = []
        until_ms = START_MS
        for one in history(self._seed, self._count):
            some.append(one)
            if rng.random() < REPEATED:
                some.append(rng.choice(some))
            until_ms = max(until_ms, one[1]["ts_ms"])
            self.sent += 1
            if self.sent % ERASED_EVERY == ERASED_EVERY // 2:
                self._deployment.erase(one[1]["customer_id"])
            if self.sent % AT_ONCE == 0:
                self._deployment.send(some, flush=False)
                self._deployment.progress(until_ms - HOUR, flush=False)
                some = []
                self._rush.wait(max(0.0, begun + self.sent / self._rate - time.monotonic()))
        self._deployment.send(some)
        self._deployment.progress(END_MS)


END_MS = START_MS + (SPAN_DAYS + 5) * DAY
"""What every source promises at last, so that time goes on a little after the last event."""
