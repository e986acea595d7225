"""What a worker has of the ledger partitions it judges, and the customers in them."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from schemas.insights import Insight
from streams.clock import monotonic_s
from streams.outbox import Outbox
from streams.outcome import Outcome
from streams.pipeline import Pipeline
from streams.standby import Follower


class Owned:
    """One ledger partition of ours: its judge, its outbox and what it has still to say."""

    def __init__(self, pipeline: Pipeline, outbox: Outbox, follower: Follower | None = None) -> None:
        """``follower`` stood by for it until now; until it has caught up, ``pipeline`` is empty."""
        self.pipeline = pipeline
        self.outbox = outbox
        self.follower = follower
        self.ready = False
        self.unsaid: list[Outcome] = []
        self.insights: dict[bytes, Insight] = {}
        self.warned: set[str] = set()
        self.lock = asyncio.Lock()
        self.urgent = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.opened = False
        self.waiting_since = monotonic_s()


class Customers(Mapping[str, Any]):
    """The customers of all partitions this worker owns, read only; the face of a Faust table."""

    def __init__(self, owned: Mapping[int, Owned]) -> None:
        self._owned = owned

    def _parts(self) -> list[Mapping[str, Any]]:
        return [one.pipeline.customers() for _, one in sorted(self._owned.items()) if one.opened]

    def __getitem__(self, customer: str) -> Any:
        for part in self._parts():
            with contextlib.suppress(KeyError):
                return part[customer]
        raise KeyError(customer)

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._parts())

    def __len__(self) -> int:
        return sum(map(len, self._parts()))
