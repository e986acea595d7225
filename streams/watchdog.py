"""A thread that ends a worker which lives but does nothing.

It is a thread because the event loop is one of the things that can stand still, and it looks at progress
because a worker whose group membership has died still answers, still heartbeats to nobody, and never
crashes. Owning nothing is no fault: a spare worker waits.
"""

import threading
from collections.abc import Callable
from typing import Any

from faust.types import TP

from streams.clock import monotonic_s, rest
from streams.exits import Exit, stop_now

LOOK_EVERY_S = 1.0
LOOP_S = 30.0
UNSETTLED_S = 120.0
UNTAKEN_S = 60.0
STOP_S = 10.0


class Watchdog(threading.Thread):
    """Watches one app. Start it once the app's event loop exists; it dies with the process.

    ``stop`` is what ends the process, a replacement for tests.
    """

    def __init__(
        self,
        app: Any,
        *,
        loop_s: float = LOOP_S,
        unsettled_s: float = UNSETTLED_S,
        untaken_s: float = UNTAKEN_S,
        stop_s: float = STOP_S,
        look_every_s: float = LOOK_EVERY_S,
        stop: Callable[[Exit, str], Any] = stop_now,
    ) -> None:
        super().__init__(name="whaleline-watchdog", daemon=True)
        self._app = app
        self._loop_s, self._unsettled_s, self._stop_s = loop_s, unsettled_s, stop_s
        self._untaken_s, self._look_every_s = untaken_s, look_every_s
        self._stop = stop
        self._beat: float | None = None
        self._stopping_since: float | None = None
        self._taken: dict[TP, tuple[int, float]] = {}

    def stopping(self) -> None:
        """The worker was asked to stop, and now has ``stop_s`` seconds to do so."""
        if self._stopping_since is None:
            self._stopping_since = monotonic_s()

    def run(self) -> None:
        """Look every second until something is wrong."""
        while True:
            fault = self.fault(monotonic_s())
            if fault is not None:
                self._stop(*fault)
                return
            rest(self._look_every_s)

    def standstill(self) -> str | None:
        """What is wrong now, as a sentence, or None; what ``/livez`` answers."""
        fault = self.fault(monotonic_s())
        return fault[1] if fault is not None else None

    def fault(self, now: float) -> tuple[Exit, str] | None:
        """What is wrong at ``now`` (monotonic seconds), or None."""
        if self._app.should_stop:
            self.stopping()
        if self._stopping_since is not None:
            if now - self._stopping_since > self._stop_s:
                return Exit.NO_PROGRESS, f"Stopping took longer than {self._stop_s:g} s."
            return None
        if self._beat is not None and now - self._beat > self._loop_s:
            return Exit.NO_PROGRESS, f"The event loop has stood still for {self._loop_s:g} s."
        self._ask_loop(now)
        consumer = getattr(self._app, "_consumer", None)
        if consumer is None:
            return None
        task = coordination_task(consumer)
        if task is not None and task.done():
            return Exit.NO_PROGRESS, "The task that keeps the group membership has ended."
        since = consumer.unsettled_since
        if since is not None and now - since > self._unsettled_s:
            return Exit.STUCK, f"An assignment had no positions for {self._unsettled_s:g} s."
        if self._app.judge.waiting_s() > self._unsettled_s:
            return Exit.STUCK, f"A restored partition waited {self._unsettled_s:g} s for its position."
        return self._untaken(now, consumer.thread)

    def _untaken(self, now: float, thread: Any) -> tuple[Exit, str] | None:
        """Records of a partition that were fetched, and of which none is taken for too long."""
        taken: dict[TP, tuple[int, float]] = {}
        for tp, at in self._app.places().items():
            before, since = self._taken.get(tp, (at, now))
            taken[tp] = (at, since if at == before and thread.waits(tp, at) else now)
        self._taken = taken
        for tp, (at, since) in taken.items():
            if now - since > self._untaken_s:
                where = f"{tp.topic}/{tp.partition} at offset {at}"
                return (
                    Exit.NO_PROGRESS,
                    f"Nothing was taken for {self._untaken_s:g} s of what was fetched of {where}.",
                )
        return None

    def _ask_loop(self, now: float) -> None:
        """Let the event loop say that it turns; its first answer starts the watch."""
        loop = self._app.loop
        if loop.is_running():
            loop.call_soon_threadsafe(self._answer)
        elif self._beat is not None:
            self._beat = now

    def _answer(self) -> None:
        self._beat = monotonic_s()


def coordination_task(consumer: Any) -> Any:
    """The task of aiokafka that keeps the consumer in its group; None before there is one."""
    client = getattr(getattr(consumer, "_thread", None), "_consumer", None)
    return getattr(getattr(client, "_coordinator", None), "_coordination_task", None)
