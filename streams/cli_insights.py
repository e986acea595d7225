"""Commands that look at all customers together: the whale curve, and the problems that cost most."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli_parts import broker_option, client_of, config_option, examples, fail, in_a_sentence, read_config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from schemas.insights import Problem
    from streams.config import Config
    from streams.whale import Whale

NOTHING_YET = 1


def _read(config: "Config") -> "tuple[Whale | None, list[Problem]]":
    from streams.reading import latest
    from streams.whale import of_insights

    return of_insights(latest(config.broker, config.topics.insights, **client_of(config)))


def _row(config: "Config", customer: str) -> "NDArray[np.void] | None":
    """The customer's row as the judge published it last, shape (); None for somebody nobody has heard of."""
    from schemas import state
    from streams.pipeline import ROW_KEY
    from streams.reading import reading

    key, value = ROW_KEY + customer.encode(), None
    with reading(config.broker, config.topics.customers, **client_of(config)) as (_, messages):
        for _, message in messages:
            if message.key == key:
                value = message.value
    return None if value is None else state.unpack(value)[1][0]


@click.command(
    epilog=examples(
        "whaleline curve --broker localhost:9092",
        "whaleline curve --without-destroyers    and what if nobody were below zero",
        "whaleline curve --customer C-17         where one customer stands on it",
        "whaleline curve --json > curve.json",
    )
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--without-destroyers", is_flag=True, help="Say what the profit were without customers below zero.")
@click.option("--customer", metavar="ID", help="Say where one customer stands, and what if they were not there.")
@config_option
@broker_option
def curve(
    as_json: bool, without_destroyers: bool, customer: str | None, config_file: Path | None, broker: str | None
) -> None:
    """Show who brings the profit, from the best customer to the worst, as of last midnight.

    Beside it stands the same without the cost that the company caused; the difference is the prize for fixing
    our own faults. Removing customers is a what-if, not a forecast.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.reading import latest
        from streams.whale import of_insights, what_if

        insights = latest(config.broker, config.topics.insights, **client_of(config))
        whale, _ = of_insights(insights)
        row = None if customer is None else _row(config, customer)
    if whale is None:
        fail(f"topic {config.topics.insights} holds no curve yet: the first comes with a midnight", NOTHING_YET)
        return
    if customer is not None:
        found = None if row is None else what_if(insights, row)
        if found is None:
            fail(f"topic {config.topics.customers} knows no such customer", NOTHING_YET)
            return
        if as_json:
            click.echo(json.dumps(asdict(found)))
        else:
            from streams.chart import what_if_lines

            click.echo("\n".join(what_if_lines(found, config.currency)))
        return
    if as_json:
        click.echo(json.dumps(whale.as_map()))
        return
    from streams.chart import curve_lines

    click.echo("\n".join(curve_lines(whale, config.currency, without_destroyers)))


@click.command(epilog=examples("whaleline problems --broker localhost:9092", "whaleline problems --top 3 --json"))
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


@click.command(
    "win-back", epilog=examples("whaleline win-back --broker localhost:9092", "whaleline win-back --json")
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="So many, most money first.")
@config_option
@broker_option
def win_back(as_json: bool, top: int, config_file: Path | None, broker: str | None) -> None:
    """List whom it is worth winning back, as of last midnight, most money first.

    A deal that went elsewhere, half a year that brought half of the one before, or a product line that was left.
    Nobody is listed who must be left in peace for now.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.prospects import lines, of_insights
        from streams.reading import latest

        found = of_insights(latest(config.broker, config.topics.insights, **client_of(config)))[:top]
    if not found:
        click.echo("whaleline: as of last midnight nobody is worth asking again, or none has passed yet", err=True)
    from streams.words import money

    told = (
        (json.dumps(asdict(one), ensure_ascii=False) for one in found)
        if as_json
        else lines(found, lambda cents: money(cents, config.currency))
    )
    for line in told:
        click.echo(line)
