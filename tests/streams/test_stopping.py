"""A worker that is asked to stop stops, whatever comes at the same moment."""

from __future__ import annotations

import asyncio

import pytest

from schemas.policy import parse
from streams.config import load
from streams.ingest import Ingest
from streams.metrics import Metrics


@pytest.mark.parametrize("steps", range(8))
def test_ingest_ends_although_an_event_wakes_it_so_many_steps_before(steps: int) -> None:
    async def story() -> None:
        ingest = Ingest(load(None, {}), parse(""), Metrics(), lambda: None)
        ingest._task = asyncio.create_task(ingest._flushing())
        for _ in range(8):
            await asyncio.sleep(0)
        ingest._wake.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await ingest.finish()

    asyncio.run(story())
