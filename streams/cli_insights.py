"""Commands that look at all customers together: the whale curve, and the problems that cost most."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli_parts import broker_option, client_of, config_option, examples, fail, in_a_sentence, read_config

if TYPE_CHECKING:
    from schemas.insights import Problem
    from streams.config import Config
    from streams.whale import Whale

NOTHING_YET = 1


def _read(config: "Config") -> "tuple[Whale | None, list[Problem]]":
    from streams.reading import latest
    from streams.whale import of_insights

    return of_insights(latest(config.broker, config.topics.insights, **client_of(config)))


@click.command(
    epilog=examples(
        "whaleline curve --broker kafka:9092",
        "whaleline curve --without-destroyers    and what if nobody were below zero",
        "whaleline curve --json > curve.json",
    )
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--without-destroyers", is_flag=True, help="Say what the profit were without customers below zero.")
@config_option
@broker_option
def curve(as_json: bool, without_destroyers: bool, config_file: Path | None, broker: str | None) -> None:
    """Show who brings the profit, from the best customer to the worst, as of last midnight.

    Beside it stands the same without the cost that the company caused; the difference is the prize for fixing
    our own faults. Removing customers is a what-if, not a forecast.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        whale, _ = _read(config)
    if whale is None:
        fail(f"topic {config.topics.insights} holds no curve yet: the first comes with a midnight", NOTHING_YET)
        return
    if as_json:
        click.echo(json.dumps(whale.as_map()))
        return
    from streams.chart import curve_lines

    click.echo("\n".join(curve_lines(whale, config.currency, without_destroyers)))


@click.command(epilog=examples("whaleline problems --broker kafka:9092", "whaleline problems --top 3 --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="So many, most money first.")
@config_option
@broker_option
def problems(as_json: bool, top: int, config_file: Path | None, broker: str | None) -> None:
    """Rank the problems of our own making by money, over all customers, as of last midnight.

    Money is what a problem cost us, and what may leave with the customers who have an open case of it. An alert
    names the problem it is one case of, by the same id.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        _, found = _read(config)
    if as_json:
        for one in found[:top]:
            sys.stdout.write(json.dumps(one.as_map(), ensure_ascii=False) + "\n")
        return
    from streams.chart import problem_lines

    click.echo("\n".join(problem_lines(found[:top], config.currency)))
