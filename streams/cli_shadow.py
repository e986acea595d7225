"""Commands of a shadow: a second policy, judged live beside the first."""

import json
import sys
from dataclasses import asdict
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
    moment,
    read_config,
    read_policy,
)


@click.group(
    epilog=examples(
        "whaleline shadow topics --broker localhost:9092       once: make the shadow's topics",
        "whaleline shadow run new.toml                     as many processes as you like",
        "whaleline shadow compare                          who is entered by one of the two alone",
        "whaleline policy push new.toml --author jo --reason 'two weeks beside the old one'",
    )
)
def shadow() -> None:
    """Judge a second policy live, beside the first, and let nobody act on it."""


@shadow.command("topics", epilog=examples("whaleline shadow topics --broker localhost:9092"))
@config_option
@broker_option
def shadow_topics(config_file: Path | None, broker: str | None) -> None:
    """Make the topics that a shadow writes; what exists stays as it is.

    To begin anew from the live state, delete them and make them again.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.shadow import shadow_of
        from streams.topics import apply

        for change in apply(config.broker, shadow_of(config, "").plan(), **client_of(config)):
            click.echo(change.sentence)


@shadow.command("run", epilog=examples("whaleline shadow run new.toml --config whaleline.toml"))
@click.argument("policy", type=FILE)
@config_option
@broker_option
def shadow_run(policy: Path, config_file: Path | None, broker: str | None) -> None:
    """Judge the live ledger under POLICY until stopped, and publish to the shadow's own topics.

    Settings are those of the live workers; give it a metrics port of its own where both share a machine. The first
    start copies the live state. Any number of these share the partitions; exit codes are those of a worker.
    """
    with in_a_sentence(NOT_USABLE):
        read_policy(policy)
        from streams.app import run
        from streams.shadow import shadow_of

        sys.exit(run(shadow_of(read_config(config_file, broker), str(policy))))


@shadow.command(
    "compare", epilog=examples("whaleline shadow compare --since 2026-11-01", "whaleline shadow compare --json")
)
@click.option(
    "--since",
    callback=moment,
    metavar="TIME",
    help="Only alerts of this time or later; else since the shadow began.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a kind, with the customers.")
@config_option
@broker_option
def shadow_compare(since: int | None, as_json: bool, config_file: Path | None, broker: str | None) -> None:
    """Say by kind of alert how many customers both policies entered, and how many only one of them."""
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.shadow import beside

        found = beside(config, since)
    if as_json:
        for one in found:
            click.echo(json.dumps(asdict(one), ensure_ascii=False))
        return
    width = max((len(one.kind) for one in found), default=4)
    click.echo(f"{'kind':<{width}}  {'both':>8}  {'only live':>9}  {'only shadow':>11}")
    for one in found:
        click.echo(f"{one.kind:<{width}}  {len(one.both):>8}  {len(one.only_live):>9}  {len(one.only_shadow):>11}")
