"""Named places in a worker where it can be made to die, to freeze, or to be refused a write.

A worker is armed while it runs, by a file that names the place, the how-manieth visit from then on, and what is to
happen. Nothing of this is in the product: the places are found by wrapping its methods in the launcher's process.
"""

from __future__ import annotations

import functools
import os
import signal
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError

from streams.app import App
from streams.ingest import Ingest
from streams.judge import Judge
from streams.pipeline import Pipeline
from streams.transport import Thread

KILL, FREEZE, REFUSE = "kill", "freeze", "refuse"
TELL = signal.SIGRTMIN
"""Makes a worker write down what each of its tasks waits for."""

POINTS = {
    "ingest-opened": "sources and policy are told to the ledger, events not yet",
    "ingest-before-write": "a batch has its order and is not yet sent",
    "ingest-sent": "a batch is sent and not yet acknowledged",
    "ingest-acknowledged": "a batch is in the ledger, its source offsets are not yet called durable",
    "commit-before": "offsets are about to be committed",
    "commit-after": "offsets have just been committed",
    "judge-step": "a ledger record is about to be judged",
    "publish-begun": "a transaction has begun",
    "publish-sent": "everything of a publication is sent, nothing committed",
    "publish-committed": "a publication is committed, and its judge does not know it yet",
    "fence-before": "a partition is assigned, its predecessor not yet fenced",
    "fence-opened": "the predecessor is fenced, the nonce not yet written",
    "restore-record": "in the middle of a restore",
    "restored": "rows are restored, the ledger not yet sought",
    "giving-up": "partitions are about to be given up in a rebalance",
    "gave-up": "everything is published, the partitions not yet given up",
}
GAP = "between-two-transactions"
"""A place that only a worker without atomic publication has."""

RARE = {GAP, "ingest-opened", "fence-before", "fence-opened", "restored", "giving-up", "gave-up"}
"""Visited once in a rebalance: the first visit is the one."""

REFUSED = ("publish-sent", "ingest-sent")
"""Where a write can be refused."""


def arming(folder: Path, pid: int) -> Path:
    """The file that arms a worker."""
    return folder / f"armed-{pid}"


def ready(folder: Path, pid: int) -> Path:
    """The file that says that a worker listens to ``TELL``."""
    return folder / f"ready-{pid}"


class Armed:
    """Looks at its own file at each visit, and does what it says at the right one."""

    def __init__(self, folder: Path) -> None:
        self._file = arming(folder, os.getpid())
        self._left: dict[str, tuple[int, str]] = {}

    def visit(self, point: str) -> None:
        """Pass by a place; return only if this was not the visit that was meant."""
        if self._file.exists():
            name, visits, act = self._file.read_text(encoding="ascii").split()
            self._file.unlink()
            self._left = {name: (int(visits), act)}
        visits, act = self._left.get(point, (0, ""))
        if not act:
            return
        if visits > 1:
            self._left[point] = (visits - 1, act)
            return
        del self._left[point]
        os.write(2, f"failpoint: {act} at {point}\n".encode())
        if act == REFUSE:
            raise KafkaTimeoutError(f"refused at {point}")
        os.kill(os.getpid(), signal.SIGKILL if act == KILL else signal.SIGSTOP)


_HERE: list[Armed] = []


def visit(point: str) -> None:
    """Pass by a place of this process."""
    for one in _HERE:
        one.visit(point)


def install(folder: Path) -> None:
    """Put the places into this process."""
    _HERE.append(Armed(folder))
    _around(Ingest, "_open", after="ingest-opened")
    _around(Ingest, "_write", before="ingest-before-write")
    _around(Ingest, "_acknowledged", before="ingest-sent", after="ingest-acknowledged")
    _around(Thread, "commit", before="commit-before", after="commit-after")
    _around(AIOKafkaProducer, "begin_transaction", after="publish-begun")
    _around(AIOKafkaProducer, "commit_transaction", before="publish-sent", after="publish-committed")
    _around(Judge, "_begin", before="restored")
    _around(App, "give_up", before="giving-up", after="gave-up")
    _before(Pipeline, "step", "judge-step")
    _before(Pipeline, "restore", "restore-record")
    _before(Pipeline, "restore_rows", "restore-record")
    start = AIOKafkaProducer.start

    async def started(self: Any) -> None:
        transactional = self._txn_manager is not None and self._txn_manager.transactional_id
        if transactional:
            visit("fence-before")
        await start(self)
        if transactional:
            visit("fence-opened")

    AIOKafkaProducer.start = started


def _around(owner: Any, name: str, before: str = "", after: str = "") -> None:
    static = isinstance(owner.__dict__.get(name), staticmethod)
    method = getattr(owner, name)

    @functools.wraps(method)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            visit(before)
        found = await method(*args, **kwargs)
        if after:
            visit(after)
        return found

    setattr(owner, name, staticmethod(wrapped) if static else wrapped)


def _before(owner: Any, name: str, point: str) -> None:
    method = getattr(owner, name)

    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        visit(point)
        return method(*args, **kwargs)

    setattr(owner, name, wrapped)
