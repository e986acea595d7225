"""Commands around the desk: the desk itself, tokens for machines, and the labels that people give on it."""

import asyncio
import json
import logging
import os
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from streams.cli_parts import (
    FILE,
    NOT_USABLE,
    broker_option,
    client_of,
    config_option,
    examples,
    in_a_sentence,
    read_config,
)

ROLES = ("viewer", "agent", "manager", "admin")


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "whaleline desk                                  on http://127.0.0.1:8080, for this machine alone",
        "whaleline desk --broker localhost:9092 --port 0     on any free port; the first line says which",
        "whaleline desk --bind 0.0.0.0 --access access.toml",
        "whaleline desk access > access.toml             a file of rights to begin with",
        "whaleline desk token --name crm --role agent",
    ),
)
@click.option("--bind", metavar="ADDRESS", help="Listen here, instead of the setting desk_bind.")
@click.option("--port", type=click.IntRange(0, 65_535), metavar="PORT", help="Instead of the setting desk_port.")
@click.option("--access", type=FILE, metavar="FILE", help="Who may do what, instead of the setting desk_access.")
@config_option
@broker_option
@click.pass_context
def desk(
    context: click.Context, bind: str | None, port: int | None, access: Path | None, config_file: Path | None,
    broker: str | None,
) -> None:  # fmt: skip
    """Show the support floor its alerts, and take what people do about them.

    A web page, a stream of changes and an API; start as many as you like. It keeps nothing of its own: what it
    shows is in Kafka, and what people do goes there before they are told that it is done. Ctrl-C stops it.
    """
    if context.invoked_subcommand is not None:
        return
    with in_a_sentence(NOT_USABLE):
        config = read_config(config_file, broker)
        from streams.desk.access import load_access

        bind = bind or config.desk_bind
        roles = load_access(str(access or config.desk_access), bind)
        from streams.rights import rights
        from streams.topics import TopicError, describe

        mine = {right.name for right in rights(config.topics, config.app_id)["desk"]}
        plans = [one for one in config.plan() if one.fixed and one.name in mine]
        found = describe(config.broker, [one.name for one in plans], **client_of(config))
        missing = [one.name for one in plans if one.name not in found]
        if missing:
            raise TopicError(f"topic {missing[0]} does not exist at {config.broker}: run `whaleline topics apply`")
        odd = next((one for one in plans if found[one.name].partitions != one.partitions), None)
        if odd is not None:
            raise TopicError(
                f"topic {odd.name} has {found[odd.name].partitions} partitions where the settings say"
                f" {odd.partitions}: give the desk the workers' settings"
            )
    from streams.desk.server import PortTaken, serve
    from streams.logs import set_up_logging

    set_up_logging(style=config.log_style)
    for name in ("aiokafka", "kafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with in_a_sentence(NOT_USABLE):
        try:
            asyncio.run(
                serve(
                    config,
                    roles,
                    bind,
                    config.desk_port if port is None else port,
                    lambda url: _say(url, roles.open),
                )
            )
        except OSError as error:
            raise PortTaken(f"cannot listen on {bind}: {error.strerror or error}") from None


def _say(url: str, everybody: bool) -> None:
    click.echo(f"The desk is at {url}")
    if everybody:
        click.echo(
            "It serves this machine alone, and everyone on it may do everything; --access FILE gives roles."
        )
    sys.stdout.flush()


@desk.command("access", epilog=examples("whaleline desk access > access.toml"))
def desk_access() -> None:
    """Print a file of rights to begin with."""
    from streams.desk.access import EXAMPLE

    click.echo(EXAMPLE, nl=False)


@desk.command("token", epilog=examples("whaleline desk token --name crm --role agent --days 90"))
@click.option("--name", required=True, help="What the machine is called; its actions are told under this name.")
@click.option("--role", required=True, type=click.Choice(ROLES), help="What it may do.")
@click.option(
    "--days", type=click.IntRange(1, 3_650), default=90, show_default=True, help="How long it is good for."
)
def desk_token(name: str, role: str, days: int) -> None:
    """Make a token for a machine: the secret once, and what to put into the file of rights."""
    from streams.clock import now_ms
    from streams.desk.access import digest_of

    secret = secrets.token_urlsafe(32)
    ends = datetime.fromtimestamp(now_ms() / 1000, UTC).replace(microsecond=0) + timedelta(days=days)
    click.echo(f"Authorization: Bearer {secret}", err=True)
    click.echo("Keep it: it is not shown again. What follows goes into the file of rights.", err=True)
    click.echo(
        f'[[tokens]]\nname = {json.dumps(name, ensure_ascii=False)}\nrole = "{role}"\n'
        f'sha256 = "{digest_of(secret)}"\nexpires = {ends.isoformat()}'
    )


@click.group()
def labels() -> None:
    """What people said of the alerts: right, or not right."""


@labels.command(
    "export", epilog=examples("whaleline labels export > labels.jsonl", "whaleline labels export --summary")
)
@click.option(
    "--summary", is_flag=True, help="Print how often each kind was called right, with a 95 % interval, instead."
)
@config_option
@broker_option
def labels_export(summary: bool, config_file: Path | None, broker: str | None) -> None:
    """Print one JSON line for each alert on which a person decided, oldest decision first.

    `whaleline fit --labels FILE` and `whaleline backtest --labels FILE` learn from them.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.desk.labelread import read
        from streams.desk.labels import summed

        found = read(config, **client_of(config))
        told = [one.as_map() for one in (summed(found) if summary else found)]
    if not found:
        click.echo(f"whaleline: nobody has decided on an alert yet (topic {config.topics.desk_actions})", err=True)
    try:
        for one in told:
            click.echo(json.dumps(one, ensure_ascii=False))
    except BrokenPipeError:
        os._exit(0)
