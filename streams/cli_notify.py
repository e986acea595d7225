"""Commands that tell other systems of alerts: signed webhooks, and the forms of a few products."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

import click

from streams.cli_parts import (
    FILE,
    NOT_USABLE,
    broker_option,
    client_of,
    config_option,
    examples,
    fail,
    in_a_sentence,
    read_config,
)

NOT_TAKEN = 1


@click.group()
def notify() -> None:
    """Tell other systems of alerts: webhooks, Slack, PagerDuty, Zendesk, a CRM."""


@notify.command("targets", epilog=examples("whaleline notify targets > targets.toml"))
def notify_targets() -> None:
    """Print a file of targets to begin with."""
    from streams.notify.targets import EXAMPLE

    click.echo(EXAMPLE, nl=False)


@notify.command("check", epilog=examples("whaleline notify check targets.toml"))
@click.argument("file", type=FILE)
def notify_check(file: Path) -> None:
    """Check a FILE of targets: every key known, every variable of the environment set."""
    with in_a_sentence():
        from streams.notify.targets import load_targets

        for one in load_targets(file, os.environ):
            what = ", ".join(one.kinds) or "every kind"
            click.echo(f"{one.name}: {one.form}, {what}{', with money' if one.money else ''}")


@notify.command("try", epilog=examples("whaleline notify try targets.toml floor"))
@click.argument("file", type=FILE)
@click.argument("name")
def notify_try(file: Path, name: str) -> None:
    """Send the target NAME of a FILE a sample alert of nobody, and say what it answers."""
    with in_a_sentence():
        from streams.notify.targets import TargetError, load_targets

        found = next((one for one in load_targets(file, os.environ) if one.name == name), None)
        if found is None:
            raise TargetError(f"{file} has no target {name}")
    from streams.notify import guard
    from streams.notify.post import send
    from streams.notify.sample import SAMPLE

    async def sent() -> int:
        async with guard.session(found.inside) as client:
            return await send(SAMPLE, found, client, "USD")

    try:
        status = asyncio.run(sent())
    except Exception as error:
        fail(f"{name} was not reached: {type(error).__name__}: {error}", NOT_TAKEN)
        return
    if not 200 <= status < 300:
        fail(f"{name} answers {status}: it did not take the sample", NOT_TAKEN)
    click.echo(f"{name} answers {status}: it took the sample")


@notify.command(
    "run", epilog=examples("FLOOR_SECRET=... whaleline notify run targets.toml --config whaleline.toml")
)
@click.argument("file", type=FILE)
@config_option
@broker_option
def notify_run(file: Path, config_file: Path | None, broker: str | None) -> None:
    """Tell the targets of a FILE every alert from now on, each once, until stopped.

    How far each target is stands in Kafka: start it again and it goes on. Run one of it.
    """
    with in_a_sentence(NOT_USABLE):
        config = read_config(config_file, broker)
        from streams.notify.targets import load_targets

        targets = load_targets(file, os.environ)
        from prometheus_client import CollectorRegistry

        from streams.health import Health
        from streams.logs import set_up_logging
        from streams.notify.metrics import DeliveryMetrics
        from streams.notify.post import Office
        from streams.topics import TopicError

        registry = CollectorRegistry()
        metrics, health = DeliveryMetrics(registry, [one.name for one in targets]), Health(registry)
        try:
            health.serve(config.metrics_bind, config.metrics_port)
        except OSError as error:
            raise TopicError(f"metrics_port {config.metrics_port} cannot be had: {error.strerror}") from None

    set_up_logging(style=config.log_style)
    for name in ("aiokafka", "kafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)

    async def run() -> None:
        task = asyncio.ensure_future(Office(config, targets, client_of(config), metrics).run(ready))
        for which in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(which, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def ready() -> None:
        health.ready = lambda: None
        click.echo(f"Telling {', '.join(one.name for one in targets)} of alerts from {config.broker}")
        sys.stdout.flush()

    with in_a_sentence(NOT_USABLE):
        asyncio.run(run())
