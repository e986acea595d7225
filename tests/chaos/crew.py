"""The workers of a run: who lives, who is frozen, who is leaving; those that end are started again."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from streams.exits import Exit
from tests.broker.deployment import Deployment
from tests.broker.kafka import free_port
from tests.chaos.failpoints import FREEZE, KILL, RARE, REFUSE, TELL, arming, ready

LAUNCHER = "tests.chaos.launcher"
SLEEP_S = 4.0
"""A zombie sleeps for so much longer than its session, and for up to as long again."""

NAP_S = 3.0
"""A nap is shorter than a session: nobody takes over meanwhile."""

STOP_S = 20.0
"""A worker that is asked to stop has ten seconds of its own; this is twice that, for a busy machine."""

PATIENCE_S = 20.0
"""So long a named place may stay unvisited; then it happens at any other."""

AGAIN_S = 2.0
LAST_LINES = 30
MOST_COMPLAINTS = 10
"""After so many a run has nothing more to tell."""

HOW_IT_ENDS = {KILL: -signal.SIGKILL, REFUSE: int(Exit.WRITE_FAILED)}
RESTARTED = {int(code) for code in (Exit.WRITE_FAILED, Exit.STUCK, Exit.FENCED, Exit.NO_PROGRESS)}
"""Exit codes after which a worker is simply started again; any other one waits for a person."""


@dataclass(slots=True)
class Worker:
    """One process, and what is going to happen to it."""

    process: subprocess.Popen[bytes]
    begun: float
    port: int = 0
    armed: tuple[str, str] | None = None
    disarm_at: float = 0.0
    wake_at: float | None = None
    end_by: float | None = None

    @property
    def free(self) -> bool:
        """Whether nothing is about to happen to it."""
        return self.armed is None and self.wake_at is None and self.end_by is None


class Crew:
    """Starts workers, harms them, and keeps as many alive as there should be."""

    def __init__(
        self,
        deployment: Deployment,
        folder: Path,
        rng: random.Random,
        without: str = "",
        *,
        ports: bool = False,
        spares: bool = False,
        standby: float = 0.0,
    ) -> None:
        """With ``ports`` each worker answers on one of its own; with ``spares`` the eldest is not harmed.

        A share of ``standby`` of the workers stand by.
        """
        self.wanted = 0
        self.exits: Counter[int] = Counter()
        self.done: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.owed: list[tuple[str, str]] = []
        self._deployment, self._folder, self._rng = deployment, folder, rng
        self._ports, self._spares, self._standby = ports, spares, standby
        self._environment = {"CHAOS_FOLDER": str(folder), **({"CHAOS_WITHOUT": without} if without else {})}
        self._session_s = float(deployment.environment["WHALELINE_SESSION_TIMEOUT_S"])
        self._workers: list[Worker] = []
        self._start_at: list[float] = []

    def living(self) -> list[Worker]:
        """Every worker whose process has not ended."""
        return list(self._workers)

    def frozen(self) -> bool:
        """Whether a zombie sleeps."""
        return any(one.wake_at is not None for one in self._workers)

    def busy(self) -> bool:
        """Whether a fault is under way."""
        return any(not one.free for one in self._workers)

    def pick(self) -> Worker | None:
        """A worker nothing is about to happen to, and that may be harmed."""
        free = [one for one in self._workers[self._spares :] if one.free]
        return self._rng.choice(free) if free else None

    # ---------------------------------------------------------------- harm

    def kill(self, one: Worker) -> None:
        """End it as a power cut would."""
        one.process.kill()
        self.done["kills"] += 1

    def freeze(self, one: Worker) -> None:
        """Stop it for longer than its session lasts."""
        one.process.send_signal(signal.SIGSTOP)
        self._fell_asleep(one)

    def nap(self) -> bool:
        """Stop the eldest for less than its session; whether that was possible."""
        if not self._workers or not self._workers[0].free:
            return False
        self._workers[0].process.send_signal(signal.SIGSTOP)
        self._workers[0].wake_at = time.monotonic() + NAP_S
        self.done["naps"] += 1
        return True

    def arm(self, one: Worker, point: str, act: str) -> None:
        """Let something happen to it when it comes to a named place."""
        visits = 1 if point in RARE else self._rng.randrange(1, 6)
        one.armed, one.disarm_at = (point, act), time.monotonic() + PATIENCE_S
        file = arming(self._folder, one.process.pid)
        fresh = file.with_suffix(".new")
        fresh.write_text(f"{point} {visits} {act}", encoding="ascii")
        fresh.rename(file)

    def ask_to_leave(self, one: Worker) -> None:
        """Let it stop in order (SIGTERM)."""
        one.process.terminate()
        one.end_by = time.monotonic() + STOP_S
        self.done["leaves"] += 1

    def _fell_asleep(self, one: Worker) -> None:
        one.wake_at = time.monotonic() + self._session_s + SLEEP_S * (1 + self._rng.random())
        self.done["zombies"] += 1

    # ---------------------------------------------------------------- care

    def tend(self) -> None:
        """Note who has ended, wake who has slept enough, start who is missing."""
        now = time.monotonic()
        for one in list(self._workers):
            code = one.process.poll()
            if code is not None:
                self._workers.remove(one)
                self._ended(one, code, now)
            else:
                self._attend(one, now)
        staying = sum(one.end_by is None for one in self._workers)
        self._start_at = self._start_at[: max(0, self.wanted - staying)]
        while staying + len(self._start_at) < self.wanted:
            self._start_at.append(now + self._rng.random() * AGAIN_S)
        for at in [at for at in self._start_at if at <= now]:
            self._start_at.remove(at)
            port = free_port() if self._ports else 0
            own = {"WHALELINE_METRICS_PORT": str(port)} if port else {}
            if self._rng.random() < self._standby:
                own["WHALELINE_STANDBY"] = "true"
            process = self._deployment.start(LAUNCHER, **self._environment, **own)
            self._workers.append(Worker(process, now, port))

    def _attend(self, one: Worker, now: float) -> None:
        if one.armed is not None and one.armed[1] == FREEZE and _stopped(one.process.pid):
            self.places[one.armed[0]] += 1
            one.armed = None
            self._fell_asleep(one)
        if one.armed is not None and now > one.disarm_at:
            self._give_up_waiting(one)
        if one.wake_at is not None and now > one.wake_at:
            one.wake_at = None
            one.process.send_signal(signal.SIGCONT)
        if one.end_by is not None and now > one.end_by:
            self.complaints.append(f"a worker asked to stop was still there after {STOP_S:g} s")
            one.end_by = None
            one.process.kill()

    def _give_up_waiting(self, one: Worker) -> None:
        """It never came to the named place: let the same happen where it is."""
        assert one.armed is not None
        act, one.armed = one.armed[1], None
        arming(self._folder, one.process.pid).unlink(missing_ok=True)
        if act == KILL:
            self.kill(one)
        elif act == FREEZE:
            self.freeze(one)

    def _ended(self, one: Worker, code: int, now: float) -> None:
        self.exits[code] += 1
        if one.armed is not None and code == HOW_IT_ENDS.get(one.armed[1]):
            self.places[one.armed[0]] += 1
            self.done["kills" if one.armed[1] == KILL else "refusals"] += 1
        elif one.armed is not None:
            self.owed.append(one.armed)
        for file in (arming, ready):  # a later worker may get the same process id
            file(self._folder, one.process.pid).unlink(missing_ok=True)
        asked = one.end_by is not None and code == -signal.SIGTERM  # before it had set up its signals
        if code not in {0, -signal.SIGKILL, *RESTARTED} and not asked:
            number = self._deployment.workers.index(one.process)
            last = self._deployment.log_of(number).strip().splitlines()[-LAST_LINES:]
            self.complaints.append("\n".join([f"a worker ended with exit code {code}", *last]))
        elif code == 0 and one.end_by is None:
            self.complaints.append("a worker ended although nobody asked it to")
        if len(self.complaints) > MOST_COMPLAINTS:
            raise RuntimeError(f"{'; '.join(self.complaints)}\n{self._deployment.log()[-4_000:]}")

    def tell(self) -> None:
        """Let every worker that has started log what it waits for."""
        for one in self._workers:
            if ready(self._folder, one.process.pid).exists():
                one.process.send_signal(TELL)

    def calm(self) -> None:
        """Do no more harm: wake everyone and disarm everyone."""
        for one in self._workers:
            arming(self._folder, one.process.pid).unlink(missing_ok=True)
            one.armed = None
            if one.wake_at is not None:
                one.process.send_signal(signal.SIGCONT)
                one.wake_at = None

    def end(self) -> None:
        """End every process; each is ours."""
        for one in self._workers:
            one.process.kill()
            one.process.wait()


def _stopped(pid: int) -> bool:
    """Whether the process is frozen by a signal."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "T"
