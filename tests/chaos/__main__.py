"""``make chaos``: run workers on a Kafka of their own, harm them, and say what the topics say afterwards."""

from __future__ import annotations

import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from tests.broker.kafka import Unavailable
from tests.chaos import moves, overload, report, soak
from tests.chaos.planted import WITHOUT
from tests.chaos.run import Plan, Run

EVENTS_A_KILL = 5_000
SECONDS_A_FAULT = 7
BAR = 24
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Progress:
    """One line on a terminal that says how far it is; on anything else, a line whenever it says something new."""

    def __init__(self) -> None:
        self._begun, self._last, self._live = time.monotonic(), "", sys.stderr.isatty()

    def tell(self, what: str, share: float) -> None:
        """Say what is done now and how much of it."""
        if self._live:
            filled = round(share * BAR)
            seconds = time.monotonic() - self._begun
            line = f"[{'#' * filled}{'.' * (BAR - filled)}] {share:4.0%} {seconds:5.0f} s  {what}"
            sys.stderr.write(f"\r{line:<78}"[:79])
            sys.stderr.flush()
        elif (short := what.split(",", maxsplit=1)[0]) != self._last:
            self._last = short
            click.echo(f"{time.monotonic() - self._begun:5.0f} s  {what}", err=True)

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            sys.stderr.write("\r" + " " * 79 + "\r")


@click.group(context_settings=CONTEXT)
def main() -> None:
    """Harm workers on a real Kafka, and compare what is in the topics with what must be there."""
    # SIGTERM as Ctrl-C, so that either way brokers and workers end before we do.
    for how in (signal.SIGINT, signal.SIGTERM):
        signal.signal(how, signal.default_int_handler)


SEED = click.option("--seed", type=int, help="The same seed draws the same; else a new one, told.")
KEEP = click.option("--keep", is_flag=True, help="Keep the workers' logs although nothing was wrong.")


@main.command()
@click.option("--kills", type=click.IntRange(0, 10_000), default=20, show_default=True, help="kill -9 of workers.")
@click.option("--zombies", type=click.IntRange(0, 1_000), help="Frozen workers; a fifth of the kills.")
@click.option("--broker-kills", type=click.IntRange(0, 1_000), help="kill -9 of a broker; a tenth of the kills.")
@click.option("--events", type=click.IntRange(100, 10_000_000), help=f"How many events; {EVENTS_A_KILL} a kill.")
@click.option("--rate", type=click.FloatRange(1), help="Events a second; so that they last as long as the faults.")
@click.option("--workers", type=click.IntRange(1, 8), default=4, show_default=True, help="Workers at most.")
@click.option("--brokers", type=click.IntRange(1, 5), default=1, show_default=True, help="Brokers of the cluster.")
@SEED
@click.option(
    "--without", type=click.Choice(sorted(WITHOUT)), help="Do without a safeguard; the verdict must fail."
)
@KEEP
def run(
    kills: int, zombies: int | None, broker_kills: int | None, events: int | None, rate: float | None,
    workers: int, brokers: int, seed: int | None, without: str | None, keep: bool,
) -> None:  # fmt: skip
    """Live through kills, zombies, moves and broker kills, and write build/chaos.json.

    Starts its own Kafka and its own workers on loopback, and ends them. The exit code is 0 only if nothing was
    lost, doubled, wrong or stuck.
    """
    seed = drawn(seed)
    zombies = kills // 5 if zombies is None else zombies
    broker_kills = kills // 10 if broker_kills is None else broker_kills
    events = max(2_000, kills * EVENTS_A_KILL) if events is None else events
    moves, refusals = kills // 4, kills // 10
    faults = kills + zombies + broker_kills + moves + refusals
    plan = Plan(
        kills=kills, zombies=zombies, broker_kills=broker_kills, refusals=refusals, moves=moves, seed=seed,
        events=events, rate=rate or max(100.0, events / (SECONDS_A_FAULT * faults + 10)),
        workers=(min(2, workers), workers), brokers=brokers, without=without or "",
    )  # fmt: skip
    click.echo(f"seed {seed}: {faults} faults, {events} events at {plan.rate:.0f} a second")
    result = lived(plan, keep)
    click.echo(report.sentence(report.figures(result)))
    for complaint in result.complaints:
        click.echo(f"stuck: {complaint}")
    if not without:
        report.write(report.RESULTS, report.figures(result))
        report.write(report.DETAILS, report.details(result))
    sys.exit(0 if result.clean else 1)


@main.command()
@click.option("--only", type=click.Choice(sorted(WITHOUT)), multiple=True, help="Only this safeguard.")
@click.option("--seed", type=int, default=1, show_default=True)
def controls(only: tuple[str, ...], seed: int) -> None:
    """Do without each safeguard in turn; say whether the verdict fails each time, as it must."""
    found, blind = report.controls_so_far() if only else {}, []
    for name in only or WITHOUT:
        result = lived(control(name, seed), keep=False)
        found[name] = report.figures(result)
        click.echo(f"without {name}: {report.sentence(found[name])}")
        if result.clean:
            blind.append(name)
        report.write(report.CONTROLS, found)
    if blind:
        click.echo(f"The verdict did not notice what was missing: {', '.join(blind)}")
    sys.exit(1 if blind else 0)


@main.command(name="moves")
@click.option("--moves", "many", type=click.IntRange(2, 1_000), default=50, show_default=True, help="How many.")
@click.option("--rate", type=click.FloatRange(1), default=moves.RATE, show_default=True, help="Events a second.")
@SEED
@KEEP
def moved(many: int, rate: float, seed: int | None, keep: bool) -> None:
    """Let workers come and go in order between 1 and 4 under load, and write build/moves.json.

    About 14 s a move. A partition's pause is the time in which it judges nothing although events wait in a source
    topic. The exit code is 0 only if nothing was lost, doubled, wrong or stuck, and in nineteen moves of twenty no
    partition paused for more than 5 s.
    """
    plan = moves.plan(many, drawn(seed), rate)
    click.echo(f"seed {plan.seed}: {many} moves, {plan.events} events at {rate:.0f} a second")
    result = lived(plan, keep, moves.Moves)
    sys.exit(0 if told(result, report.MOVES) and moves.is_quick(result.measured) else 1)


@main.command(name="soak")
@click.option("--minutes", type=click.IntRange(1, 10_000), default=30, show_default=True, help="How long.")
@click.option("--rate", type=click.FloatRange(1), default=soak.RATE, show_default=True, help="Events a second.")
@SEED
@KEEP
def soaked(minutes: int, rate: float, seed: int | None, keep: bool) -> None:
    """Live for long under a steady load with a fault each minute, and write build/soak.json.

    One worker is never killed, so that its memory can be followed. The exit code is 0 only if nothing was lost,
    doubled, wrong or stuck, no worker that was there for long grew, and no lag is left.
    """
    plan = soak.plan(minutes, drawn(seed), rate)
    click.echo(f"seed {plan.seed}: {minutes} min, {plan.events} events at {rate:.0f} a second")
    result = lived(plan, keep, soak.Soak)
    sys.exit(0 if told(result, report.SOAK) and soak.is_steady(result.measured) else 1)


@main.command(name="overload")
@click.option("--seconds", type=click.FloatRange(5), default=300, show_default=True, help="How long.")
@click.option(
    "--share", type=click.FloatRange(0.05, 1), default=overload.SHARE, show_default=True,
    help="Of a core, for the worker: a sender beside it must be able to send twice what it can do.",
)  # fmt: skip
@SEED
@KEEP
def overloaded(seconds: float, share: float, seed: int | None, keep: bool) -> None:
    """Send a worker twice what it can do, then let it catch up, and write build/overload.json.

    What it can do is measured first. The exit code is 0 only if every event was judged once and in order, rows
    and alerts are an undisturbed judge's (in one partition the oracle's too), memory stayed within 1.3 times of
    what it is at capacity, and the lag that grew has drained.
    """
    plan = overload.Plan(seconds, drawn(seed), share)
    click.echo(f"seed {plan.seed}: {share:.0%} of a core for the worker, {seconds:.0f} s of overload")
    result = lived(plan, keep, overload.Overload)
    sys.exit(0 if told(result, report.OVERLOAD) else 1)


def drawn(seed: int | None) -> int:
    """The seed that was asked for, or a new one."""
    return random.SystemRandom().randrange(10**6) if seed is None else seed


def told(result: Any, where: Path) -> bool:
    """Say what a run came to and write it down; whether its topics are as they must be."""
    found = report.with_measured(result)
    report.write(where, found)
    click.echo(report.measured_sentence(found))
    for complaint in getattr(result, "complaints", ()):
        click.echo(f"stuck: {complaint}")
    return bool(result.clean)


@main.command()
def docs() -> None:
    """Write the figures of the last runs into docs/reliability.md."""
    for name in report.write_page():
        click.echo(f"build/{name} is not there, so its table stays as it is", err=True)


def control(name: str, seed: int) -> Plan:
    """A short run without a safeguard, with the faults that bring it to light."""
    acts = WITHOUT[name][1]
    return Plan(len(acts), 0, 0, 4_000, seed, 200.0, (2, 2), without=name, only=acts, pauses_s=(2.0,))


def lived(plan: Any, keep: bool, kind: Any = Run) -> Any:
    """Live through a plan of a kind; the logs are kept where something was wrong, and where they are is said."""
    place, progress = Path(tempfile.mkdtemp(prefix="whaleline-chaos-")), Progress()
    try:
        result = kind(plan, place, progress.tell).live()
    except Unavailable as reason:
        raise click.ClickException(str(reason)) from None
    except BaseException:
        progress.end()
        click.echo(f"the workers' logs: {place}", err=True)
        raise
    progress.end()
    if keep or not (result.clean or getattr(plan, "without", "")):
        click.echo(f"the workers' logs: {place}", err=True)
    else:
        shutil.rmtree(place, ignore_errors=True)
    return result


if __name__ == "__main__":
    main()
