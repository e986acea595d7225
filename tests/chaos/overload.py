"""``make overload``: a worker is sent twice what it can do; it must not grow, must keep the order, and catch up.

What it can do is measured first, in the same run: a backlog is worked off. The worker gets only a share of a core
(it is stopped whenever it has had more), so that the sender beside it can send twice as much, and so that
what was sent can be judged again in some minutes.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.broker.cluster import Cluster
from tests.broker.deployment import Deployment
from tests.broker.kafka import HOST, free_port
from tests.chaos import verdict
from tests.chaos.feed import AT_ONCE, Sender, history
from tests.chaos.memory import Samples, rss_mb
from tests.chaos.moves import ready
from tests.chaos.soak import POLICY
from tests.worlds import HOUR, START_MS

PARTITIONS = 4
SHARE = 0.15
SLICE_S, SAVED_S = 0.01, 0.05
IDLE_S, LOOK_S = 0.1, 1.0
MOST_EVENTS = 10_000_000
"""The history is drawn for so many, of which a run sends a part."""

WARM_S, CAPACITY_S, AT_CAPACITY_S = 20.0, 20.0, 60.0
WARM_RATE, BACKLOG_RATE = 1_000.0, 40_000.0
AHEAD = 30_000
PATIENCE_S = 900.0
NEARLY = 0.95
"""What is sent to a worker at its capacity, so that its lag stays what it is."""

SLOWLY = 0
"""The ledger partition that the oracle judges too; all of them would take it an hour."""

TIMES = 2.0
MOST_RSS = 1.3
LEAST_TIMES = 1.8
"""The sender may fall a little short of what it should send; with less than this nothing is shown."""


JUDGED = r'^whaleline_judged_events_total\{outcome="(?!redelivered)[a-z]+"\} ([0-9.e+]+)$'
"""What was read from a source again, after a worker was replaced, counts once."""


@dataclass(slots=True)
class Plan:
    """What a run is to be."""

    seconds: float
    seed: int
    share: float
    warm_s: float = WARM_S
    capacity_s: float = CAPACITY_S
    at_capacity_s: float = AT_CAPACITY_S


class Throttle(threading.Thread):
    """Stops a process whenever it has had more than its share of a core, until ``close``.

    What it did not use for want of anything to do is not saved up for longer than ``SAVED_S``.
    """

    def __init__(self, pid: int, share: float) -> None:
        super().__init__(name="throttle", daemon=True)
        self._pid, self._share, self._over = pid, share, threading.Event()

    def run(self) -> None:
        """Stop and let go."""
        left_s, then, had_s, stopped = 0.0, time.monotonic(), cpu_s(self._pid), False
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            while not self._over.wait(SLICE_S):
                now, used_s = time.monotonic(), cpu_s(self._pid)
                left_s = min(SAVED_S, left_s + self._share * (now - then) - (used_s - had_s))
                then, had_s = now, used_s
                if stopped != (left_s < 0):
                    stopped = not stopped
                    os.kill(self._pid, signal.SIGSTOP if stopped else signal.SIGCONT)
            os.kill(self._pid, signal.SIGCONT)

    def close(self) -> None:
        """Let it run freely."""
        self._over.set()
        self.join()


def cpu_s(pid: int) -> float:
    """Processor time that a process has had, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Faucet(Sender):
    """Sends a seeded history at a rate that can be changed while it runs."""

    def __init__(self, deployment: Deployment, seed: int) -> None:
        super().__init__("faucet", deployment, seed)
        self.rate, self._over = 0.0, threading.Event()

    def _send(self) -> None:
        events, until_ms, due, promised_ms = history(self._seed, MOST_EVENTS), START_MS, time.monotonic(), 0
        while not self._over.is_set():
            rate, now = self.rate, time.monotonic()
            if not rate or due > now:
                if not rate and promised_ms <= until_ms:
                    # A merge by time waits for what may still come: nothing does, for now.
                    promised_ms = until_ms + 1
                    self._deployment.progress(promised_ms)
                self._over.wait(min(due - now, IDLE_S) if rate else IDLE_S)
                due = due if rate else now
                continue
            some = [next(events) for _ in range(AT_ONCE)]
            until_ms = max(until_ms, *(fields["ts_ms"] for _, fields in some))
            self._deployment.send(some, flush=False)
            self._deployment.progress(until_ms - HOUR, flush=False)
            self.sent += AT_ONCE
            # A sender that falls behind for a moment catches up, one that cannot keep up does not run away.
            due = max(due + AT_ONCE / rate, time.monotonic() - 1.0)
        self._deployment.send([])
        self._deployment.progress(until_ms + 1)

    def close(self) -> None:
        """Send no more; what was sent is in the topics."""
        self._over.set()
        self.join()
        self.check()

    def check(self) -> None:
        """Raise if the sender has failed."""
        if self.failed is not None:
            raise RuntimeError("the sender failed") from self.failed


class Gauge:
    """One worker looked at from outside: what it has judged, and what it holds in memory."""

    def __init__(self, pid: int, port: int) -> None:
        self.samples: Samples = []
        self._pid, self._url, self._judged = pid, f"http://{HOST}:{port}/metrics", 0

    def judged(self) -> int:
        """Events of the ledger that it has judged, whatever became of them, when it was last heard of."""
        with contextlib.suppress(OSError), urllib.request.urlopen(self._url, timeout=30) as answer:
            found = re.findall(JUDGED, answer.read().decode(), re.MULTILINE)
            self._judged = round(sum(map(float, found)))
        return self._judged

    def look(self) -> None:
        """Take a sample of its memory."""
        held = rss_mb(self._pid)
        if held:
            self.samples.append((time.monotonic(), held))


@dataclass(slots=True)
class Result:
    """What was measured, and the topics' verdict."""

    plan: Plan
    found: verdict.Verdict | None = None
    measured: dict[str, Any] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong, memory stayed, lag drained, and it was an overload at all."""
        return self.found is not None and self.found.clean and stood(self.measured)


def stood(measured: dict[str, Any]) -> bool:
    """Whether a worker under such a load was as it should be."""
    return bool(
        measured["times"] >= LEAST_TIMES
        and measured["lag_grew"] > 0
        and measured["rss_ratio"] <= MOST_RSS
        and measured["lag"] == 0
        and measured["disordered"] == 0
    )


class Overload:
    """A deployment of its own with one worker. ``tell`` hears how far it is."""

    def __init__(
        self, plan: Plan, place: Path, tell: Callable[[str, float], None], jars: Path | None = None
    ) -> None:
        self._plan, self._place, self._tell, self._jars = plan, place, tell, jars
        self._nobody, self._before = threading.Event(), 0

    def live(self) -> Result:
        """Do everything."""
        result = Result(self._plan)
        self._tell("starting the broker", 0.0)
        self._place.mkdir(parents=True, exist_ok=True)
        policy = self._place / "policy.toml"
        policy.write_text(POLICY, encoding="utf-8")
        settings = {
            "ledger_partitions": str(PARTITIONS), "source_partitions": str(PARTITIONS), "policy": str(policy),
            "session_timeout_s": "30",
        }  # fmt: skip
        with (
            Cluster(1, self._jars) as cluster,
            Deployment(cluster.bootstrap, "overload-", self._place, **settings) as self._deployment,
        ):
            self._faucet = Faucet(self._deployment, self._plan.seed)
            self._faucet.start()
            try:
                capacity = self._capacity()
                result.measured = self._under(capacity)
            finally:
                self._faucet.close()
            self._tell("reading the topics", 1.0)
            result.measured["disordered"] = verdict.disordered(self._deployment.ledger())
            tell = partial(self._tell, share=1.0)
            result.found = verdict.judge(self._deployment, 2, tell, slowly={SLOWLY})
        return result

    @contextlib.contextmanager
    def _worker(self) -> Iterator[Gauge]:
        """A worker with its share of a core, which is stopped in order at the end."""
        port = free_port()
        worker = self._deployment.start(WHALELINE_METRICS_PORT=str(port))
        gauge, throttle = Gauge(worker.pid, port), Throttle(worker.pid, self._plan.share)
        self._until("the worker to be ready", lambda: ready(port))
        throttle.start()
        try:
            yield gauge
        finally:
            throttle.close()
        worker.terminate()
        if worker.wait(60) != 0:
            raise RuntimeError(f"the worker did not stop in order\n{self._deployment.log()[-4_000:]}")

    def _capacity(self) -> float:
        """Events a second of a worker that always has more to do."""
        with self._worker() as gauge:
            self._faucet.rate = WARM_RATE
            self._for("warming up", self._plan.warm_s, gauge)
            self._for("measuring what it can do", self._plan.capacity_s / 3, gauge, self._ahead)
            begun, had = time.monotonic(), gauge.judged()
            self._for("measuring what it can do", self._plan.capacity_s, gauge, self._ahead)
            capacity = (gauge.judged() - had) / (time.monotonic() - begun)
            self._faucet.rate = 0.0
            self._until("the backlog to be worked off", lambda: self._lag(gauge) == 0)
        self._before = self._faucet.sent
        return capacity

    def _under(self, capacity: float) -> dict[str, Any]:
        """A fresh worker at what it can do, then at twice that, then left to catch up; what was measured."""
        with self._worker() as gauge:
            self._faucet.rate = NEARLY * capacity
            self._for("what it can do", self._plan.at_capacity_s, gauge)
            usual, lag_before = gauge.samples[len(gauge.samples) // 2 :], self._lag(gauge)
            gauge.samples.clear()
            sent, begun = self._faucet.sent, time.monotonic()
            self._faucet.rate = TIMES * capacity
            self._for(f"{TIMES:g} times that", self._plan.seconds, gauge)
            fed_s, lag = time.monotonic() - begun, self._lag(gauge)
            rate = (self._faucet.sent - sent) / fed_s
            self._faucet.close()
            begun = time.monotonic()
            self._until("the lag to drain", lambda: self._lag(gauge) == 0, gauge)
            drained_s = time.monotonic() - begun
            left = self._lag(gauge)
        usual_mb, most_mb = statistics.median(mb for _, mb in usual), max(mb for _, mb in gauge.samples)
        return {
            "share_of_a_core": self._plan.share, "capacity_eps": round(capacity), "sent_eps": round(rate),
            "times": round(rate / capacity, 2), "seconds": round(fed_s), "lag_before": lag_before,
            "lag_most": lag, "lag_grew": lag - lag_before, "drained_s": round(drained_s), "lag": left,
            "rss_mb": round(usual_mb), "rss_most_mb": round(most_mb), "rss_ratio": round(most_mb / usual_mb, 3),
        }  # fmt: skip

    def _check(self) -> None:
        """Raise if the sender or the worker has ended."""
        self._faucet.check()
        code = self._deployment.workers[-1].poll()
        if code is not None:
            raise RuntimeError(f"the worker ended with {code}\n{self._deployment.log()[-4_000:]}")

    def _lag(self, gauge: Gauge) -> int:
        """Events that were sent since the worker started, and not judged by it."""
        return self._faucet.sent - self._before - gauge.judged()

    def _ahead(self, gauge: Gauge) -> None:
        """Keep it busy, with no more ahead of it than is soon worked off."""
        self._faucet.rate = BACKLOG_RATE if self._lag(gauge) < AHEAD else 0.0

    def _for(
        self, what: str, seconds: float, gauge: Gauge, at_each_look: Callable[[Gauge], None] = Gauge.look
    ) -> None:
        """Let time pass, and look at the worker meanwhile."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            at_each_look(gauge)
            self._check()
            self._tell(f"{what}, {self._faucet.sent} events sent", passed / seconds)
            self._nobody.wait(LOOK_S)

    def _until(self, what: str, holds: Callable[[], bool], gauge: Gauge | None = None) -> None:
        begun = time.monotonic()
        while not holds():
            self._check()
            if gauge is not None:
                gauge.look()
            self._tell(f"waiting for {what}", 0.5)
            if time.monotonic() - begun > PATIENCE_S:
                last = self._deployment.log()[-4_000:]
                raise RuntimeError(f"{what} did not come within {PATIENCE_S:g} s\n{last}")
            self._nobody.wait(LOOK_S)
