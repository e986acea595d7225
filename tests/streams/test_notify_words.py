"""What whoever runs the post office is told: why a target is left alone, and that its settings miss alerts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from streams.cli import main
from streams.config import Config
from streams.notify import guard
from streams.notify.metrics import DeliveryMetrics
from streams.notify.post import Office, Told, begins
from streams.notify.sample import SAMPLE
from tests.desks import stage
from tests.streams.test_notify import HOOK, TARGETS


def test_why_a_target_is_left_alone_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """By what it answers, or by what keeps us from it; never by its address, which may be a secret."""
    office = Office(Config(), [], {}, DeliveryMetrics(CollectorRegistry(), ["floor"]))
    inward = replace(HOOK, url="https://localhost/services/T0/B0/x")

    async def tried() -> None:
        async with guard.session(inside=False) as client:
            await office._sender(inward, client)(SAMPLE)

    with pytest.raises(aiohttp.ClientError):
        asyncio.run(tried())
    office._fuse(inward, is_open=True)
    assert "floor failed again and again (the name leads inside: give the target `inside = true`" in caplog.text
    assert "services" not in caplog.text


def test_alerts_of_partitions_that_the_settings_do_not_know_are_not_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(TARGETS.format(port=1))
    with stage() as on:
        settings = {**on.environment, "WHALELINE_LEDGER_PARTITIONS": "2", "KEY": "x"}
        run = CliRunner().invoke(main, ["notify", "run", str(file)], env=settings)
    assert run.exit_code == 76
    assert "topic alerts has 4 partitions where the settings say 2: use the workers' settings" in run.stderr


@pytest.mark.parametrize(
    ("told", "topic_id", "end", "first"),
    [
        (None, "a", 9, 9),
        (Told(5, "a"), "a", 9, 5),
        (Told(5, "a"), "a", 5, 5),
        (Told(5, "a"), "b", 9, 0),
        (Told(5, "a"), "b", 3, 0),
        (Told(5, "a"), "a", 3, 0),
        (Told(5, ""), "a", 9, 5),
        (Told(5, ""), "a", 3, 0),
    ],
)
def test_an_alerts_topic_made_anew_is_told_from_its_beginning(
    told: Told | None, topic_id: str, end: int, first: int
) -> None:
    """Its offsets are not those that were reached on the one before, be they smaller or greater."""
    assert begins(told, topic_id, end) == first
