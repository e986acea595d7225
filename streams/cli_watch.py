"""Commands that try a deployment and watch it from outside."""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli_parts import (
    NOT_USABLE,
    PROCESSES,
    broker_option,
    client_of,
    config_option,
    duration,
    examples,
    fail,
    in_a_sentence,
    read_config,
)

if TYPE_CHECKING:
    from streams.config import Config
    from streams.doctor import Ailment

BREACH = 1
"""Exit code of a measure that is not as it must be, or of a fault that can wait."""
LOOKERS = {"worker", "operator"}
"""Whose rights are enough to look at everything."""

rate_option = click.option(
    "--rate", type=click.FloatRange(0, min_open=True), default=50.0, show_default=True, metavar="EVENTS",
    help="Events a second.",
)  # fmt: skip
customers_option = click.option(
    "--customers", type=click.IntRange(1, 10_000_000), default=2_000, show_default=True,
    help="How many customers are made up.",
)  # fmt: skip
yes_option = click.option("--yes", is_flag=True, help="Yes, made-up customers may be judged in this deployment.")


def _quiet() -> None:
    """Keep the client's own words back: what matters is said in one sentence."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _agreed(yes: bool, config_prefixed: bool) -> None:
    """End with a sentence unless somebody said yes, or the topics have names of their own."""
    if not (yes or config_prefixed):
        fail(
            "made-up customers stay in the figures of the deployment that judges them: use one whose topics "
            "have a prefix of their own (WHALELINE_TOPICS_PREFIX), or say --yes",
            2,
        )


@click.command(epilog=examples("whaleline canary --config whaleline.toml", "whaleline canary --every 10s"))
@config_option
@broker_option
@click.option(
    "--every", callback=duration, default="60s", show_default=True, metavar="TIME", help="How often it sends."
)
def canary(config_file: Path | None, broker: str | None, every: float) -> None:
    """Measure the whole way of an event, from outside, until stopped.

    Sends one event into each ledger partition and waits for the judge's answer. The events belong to no customer
    and count in no figure. Its metrics are served on `metrics_port`, as a worker's are.
    """
    with in_a_sentence(NOT_USABLE):
        config = read_config(config_file, broker)
        from streams.canary import run
        from streams.logs import set_up_logging

        set_up_logging(style=config.log_style)
        sys.exit(run(config, every))


def _looked_at(config: "Config", process: str) -> "tuple[list[Ailment], str]":
    """What is not as it should be, and what was looked at in a few words."""
    from streams import doctor as doctors
    from streams.examine import denied, examine
    from streams.topics import BrokerRefuses, BrokerUnreachable

    client = client_of(config)
    try:
        # The broker in memory knows of no rights.
        lacking = [] if config.embedded_broker else denied(config, process, **client)
        if lacking:
            return [doctors.lacking(lacking)], ""
        if process not in LOOKERS:
            return [], f"this user may do what a {process} does"
        seen = examine(config, **client)
    except BrokerUnreachable as error:
        remedy = f"Start Kafka, or set broker to where it is; it is {config.broker} now."
        return [doctors.Ailment(doctors.Gravity.FAULT, str(error), remedy)], ""
    except BrokerRefuses as error:
        remedy = "`whaleline config show` says what is set; docs/operations.md, Security, what it means."
        return [doctors.Ailment(doctors.Gravity.FAULT, str(error), remedy)], ""
    topics, workers, checks = len(seen.topics), len(seen.members), len(doctors.CHECKS)
    return doctors.diagnose(config, seen), f"{topics} topics, {workers} workers, {checks} checks"


@click.command(epilog=examples("whaleline doctor", "whaleline doctor --config whaleline.toml --json"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--as",
    "process",
    type=click.Choice(PROCESSES),
    default="worker",
    show_default=True,
    help="Whose rights this user should have.",
)
@config_option
@broker_option
def doctor(as_json: bool, process: str, config_file: Path | None, broker: str | None) -> None:
    """Say what of a deployment is not as it should be, and what to do about each.

    Looks at rights, topics, brokers, the workers' group, lag, clocks and this machine; changes nothing. With --as
    for another kind of process than worker or operator it looks at rights alone. Ends with 76 if something must
    change, with 1 if something should.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams import doctor as doctors

        found, well = _looked_at(config, process)
    words = {doctors.Gravity.FAULT: "must change", doctors.Gravity.WARNING: "should change"}
    for one in found:
        if as_json:
            told = {"gravity": one.gravity.name.lower(), "what": one.what, "remedy": one.remedy}
            click.echo(json.dumps(told, ensure_ascii=False))
        else:
            click.echo(f"{words.get(one.gravity, 'note')}: {one.what}.\n    {one.remedy}")
    worst = max((one.gravity for one in found), default=doctors.Gravity.NOTE)
    if worst is doctors.Gravity.NOTE and not as_json:
        click.echo(f"all is well: {well}")
    sys.exit({doctors.Gravity.FAULT: NOT_USABLE, doctors.Gravity.WARNING: BREACH}.get(worst, 0))


@click.command(epilog=examples("whaleline simulate --rate 50 --yes", "whaleline simulate --for 10m --yes"))
@rate_option
@customers_option
@click.option("--for", "for_s", callback=duration, metavar="TIME", help="End after this time, as in 10m.")
@yes_option
@config_option
@broker_option
def simulate(
    rate: float, customers: int, for_s: float | None, yes: bool, config_file: Path | None, broker: str | None
) -> None:
    """Let made-up customers call and buy, now and at a steady rate, until stopped."""
    with in_a_sentence():
        config = read_config(config_file, broker)
        _agreed(yes, bool(config.origins.get("topics.prefix")))
        _quiet()
        from streams import stress as loads

        click.echo(f"{rate:g} events a second of {customers} made-up customers to {config.broker}", err=True)
        click.echo(f"{loads.simulate(config, rate, customers, for_s)} events were sent")


@click.command(
    epilog=examples(
        "whaleline stress --rate 2000 --for 60s --yes",
        "whaleline stress --rate 500 --p99 2s --json --yes    a check: ends with 1 if p99 is above",
    )
)
@rate_option
@customers_option
@click.option("--for", "for_s", callback=duration, default="60s", show_default=True, metavar="TIME",
              help="For how long.")  # fmt: skip
@click.option("--p99", callback=duration, default="5s", show_default=True, metavar="TIME",
              help="The slowest hundredth may take no longer.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@yes_option
@config_option
@broker_option
def stress(
    rate: float, customers: int, for_s: float, p99: float, as_json: bool, yes: bool,
    config_file: Path | None, broker: str | None,
) -> None:  # fmt: skip
    """Load a deployment with made-up customers, and measure how long an event takes meanwhile.

    Measured is from sending an event to the source topic until a reader has the judge's answer. The exit code is 1
    if the slowest hundredth takes longer than --p99, if anything is lost, or if the rate could not be offered.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        _agreed(yes, bool(config.origins.get("topics.prefix")))
        _quiet()
        from streams import stress as loads

        line, breaches = loads.stress(config, rate, customers, for_s, p99, as_json)
    click.echo(line)
    for breach in breaches:
        click.echo(f"breach: {breach}", err=True)
    if breaches:
        sys.exit(BREACH)
