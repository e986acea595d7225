"""Standing by: whoever has read along has, when it takes over, exactly what a restore from the beginning has."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from schemas.block import Source, Sourced, encode_events
from streams.config import Config
from streams.metrics import Metrics
from streams.outbox import Publication
from streams.pipeline import Pipeline, Record
from streams.restore import Awaited, restore
from streams.standby import Standby
from tests.broker.test_exactly_once_units import (
    PARTITION,
    PARTITIONS,
    Stage,
    chat,
    play,
    snapshot_of_a_day,
)

__all__ = ["play"]
MOST_S = 30.0
SOURCE = Source(uuid.UUID(int=9), 0)


class Told(Metrics):
    """Metrics that say when a follower has nothing left to read."""

    def __init__(self) -> None:
        super().__init__()
        self.followed = asyncio.Event()

    def standing_by(self, partition: int, left: int | None) -> None:
        super().standing_by(partition, left)
        if left == 0:
            self.followed.set()


def standby_of(stage: Stage, **settings: Any) -> tuple[Standby, Told]:
    config = Config(
        broker=stage.broker, topics=stage.names, ledger_partitions=PARTITIONS, standby=True, **settings
    )
    metrics = Told()
    return Standby(config, lambda partition: Pipeline("exactly", partition, PARTITIONS), metrics), metrics


async def has_followed(metrics: Told) -> None:
    """Wait until the follower has said that nothing is left to read."""
    async with asyncio.timeout(MOST_S):
        await metrics.followed.wait()


def rows_of(pipeline: Pipeline) -> dict[bytes, bytes]:
    return {key: row.tobytes() for key, row in pipeline.settled_rows().items()}


def one_more(pipeline: Pipeline) -> Any:
    """What a further event changes."""
    more = encode_events([Sourced(SOURCE, 100, chat(100))])
    pipeline.step(Record(pipeline.next_offset, None, more))
    return pipeline.snapshot()


def test_whoever_stood_by_has_what_was_published_before_and_since(play: Any) -> None:
    async def story(stage: Stage) -> None:
        pipeline, snapshot = snapshot_of_a_day()
        outbox = await stage.outbox(b"first")
        await outbox.publish(Publication(snapshot.records))
        standby, metrics = standby_of(stage)
        standby.follow([PARTITION])
        await has_followed(metrics)
        await outbox.publish(Publication(one_more(pipeline).records))
        follower = standby.take(PARTITION)
        assert follower is not None
        assert standby.take(PARTITION) is None
        follower.until.nonce = b"second"
        heir = await stage.outbox(b"second")
        assert await follower.caught_up()
        back = Pipeline("exactly", PARTITION, PARTITIONS)
        await restore(stage.kafka, stage.names.customers, PARTITION, Awaited(b"second"), back)
        assert rows_of(follower.pipeline) == rows_of(back) == rows_of(pipeline)
        assert follower.pipeline.next_offset == back.next_offset == pipeline.next_offset
        # It goes on as its own: what it says next is taken for whole.
        await heir.publish(Publication(one_more(follower.pipeline).records))
        await stage.outbox(b"third")
        await restore(stage.kafka, stage.names.customers, PARTITION, Awaited(b"third"), Pipeline("exactly", 1, 2))

    play(story)


@pytest.mark.parametrize("harm", [lambda records: records[:-1], lambda records: [(b"cC1", b"no row"), *records]])
def test_what_a_restore_refuses_a_follower_leaves_to_it(harm: Callable[[Any], Any], play: Any) -> None:
    async def story(stage: Stage) -> None:
        outbox = await stage.outbox(b"first")
        standby, _ = standby_of(stage)
        standby.follow([PARTITION])
        follower = standby.take(PARTITION)
        assert follower is not None
        await outbox.publish(Publication(harm(snapshot_of_a_day()[1].records)))
        follower.until.nonce = b"second"
        await stage.outbox(b"second")
        assert await follower.caught_up() is None

    play(story)


def test_nobody_follows_where_it_is_not_wanted(play: Any) -> None:
    """Own partitions, such of which a person let records go, and all of them once it is closed."""

    async def story(stage: Stage) -> None:
        standby, metrics = standby_of(stage, accept_lost=f"{stage.names.customers}/0:3")
        standby.follow([0, PARTITION])
        assert standby.take(0) is None
        await has_followed(metrics)
        standby.follow([0])
        assert standby.take(PARTITION) is None
        standby.follow([PARTITION])
        await standby.close()
        assert standby.take(PARTITION) is None
        left = [one for one in asyncio.all_tasks() if one.get_name().startswith("whaleline-standby")]
        assert not left

    play(story)
