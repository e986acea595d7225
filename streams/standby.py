"""Standing by: the state of partitions that other workers judge is read along, so that taking one over is quick.

What is read is what a restore reads, by the same code; only its end, the nonce, is not known before the partition
is taken over. Whatever goes wrong here ends nothing: a restore from the beginning takes its place.
"""

import asyncio
import logging
from collections.abc import Callable, Collection

from streams.config import Config
from streams.connection import aiokafka_of
from streams.metrics import Metrics
from streams.pipeline import Pipeline
from streams.restore import Awaited, restore

log = logging.getLogger("whaleline")

AGAIN_S = 60.0
"""After a failure."""

NEAR = 1_000
"""So many offsets are read in no time."""


class Follower:
    """Reads one partition along. Set ``until.nonce`` before it is committed, then await ``caught_up``.

    ``near`` is set once it has read nearly all there is, or has failed.
    """

    def __init__(self, partition: int, pipeline: Pipeline) -> None:
        self.partition, self.pipeline, self.until = partition, pipeline, Awaited()
        self.task: asyncio.Task[int] | None = None
        self.near = asyncio.Event()

    async def caught_up(self) -> int | None:
        """How many records ``pipeline`` was restored from; None where that failed."""
        assert self.task is not None
        try:
            return await self.task
        except Exception as error:
            _say(self.partition, error)
            return None

    async def leave(self) -> None:
        """Read no more."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})


class Standby:
    """All followers of a worker; none where ``standby`` is off."""

    def __init__(self, config: Config, pipeline_of: Callable[[int], Pipeline], metrics: Metrics) -> None:
        self._config, self._pipeline_of, self._metrics = config, pipeline_of, metrics
        self._followers: dict[int, Follower] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def follow(self, partitions: Collection[int]) -> None:
        """Follow exactly these partitions, as far as it is wanted."""
        topic = self._config.topics.customers
        let_go = {one.partition for one in self._config.accepted() if one.topic == topic}
        wanted = set(partitions) - let_go if self._config.standby and self._config.shadow_of is None else set()
        for partition in set(self._followers) - wanted:
            self._drop(self._followers.pop(partition))
        for partition in sorted(wanted - set(self._followers)):
            self._start(partition)

    def take(self, partition: int) -> Follower | None:
        """The follower of a partition, which is now its taker's; None where nobody stands by."""
        one = self._followers.pop(partition, None)
        if one is not None:
            self._metrics.standing_by(partition, None)
        return one if one is not None and one.task is not None and not one.task.done() else None

    async def near(self) -> None:
        """Wait until nearly all has been read that there is."""
        for one in list(self._followers.values()):
            await one.near.wait()

    async def close(self) -> None:
        """Follow nobody any more."""
        self.follow(())
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _start(self, partition: int) -> None:
        one = self._followers[partition] = Follower(partition, self._pipeline_of(partition))
        one.task = asyncio.create_task(self._read(one), name=f"whaleline-standby-{partition}")
        one.task.add_done_callback(lambda _: self._ended(one))

    def _drop(self, one: Follower) -> None:
        self._metrics.standing_by(one.partition, None)
        leaving = asyncio.create_task(one.leave())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _read(self, one: Follower) -> int:
        config = self._config
        return await restore(
            aiokafka_of(config),
            config.topics.customers,
            one.partition,
            one.until,
            one.pipeline,
            check_crcs=not config.embedded_broker,
            tell=lambda left, _: self._tell(one, left),
        )

    def _tell(self, one: Follower, left: int) -> None:
        if left <= NEAR:
            one.near.set()
        if self._followers.get(one.partition) is one:
            self._metrics.standing_by(one.partition, left)

    def _ended(self, one: Follower) -> None:
        """One that failed while nobody waited for it begins anew after a while."""
        one.near.set()
        if self._followers.get(one.partition) is not one or one.task is None or one.task.cancelled():
            return
        error = one.task.exception()
        if error is not None:
            _say(one.partition, error)
            self._metrics.standing_by(one.partition, None)
        asyncio.get_running_loop().call_later(AGAIN_S, self._again, one)

    def _again(self, one: Follower) -> None:
        if self._followers.get(one.partition) is one:
            self._start(one.partition)


def _say(partition: int, error: BaseException) -> None:
    log.warning("ledger partition %d: no longer standing by: %s", partition, type(error).__name__)
