"""``make schedules SEEDS=100000``: many schedules, and the seeds of those in which something was wrong."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import click

from tests.sim.run import wrong
from tests.sim.worker import FAULTS

AT_ONCE = 50
SHOWN = 10


def some(first: int, fault: str) -> list[tuple[int, str]]:
    """The seeds from ``first`` on in which something is wrong, and what."""
    return [(seed, said) for seed in range(first, first + AT_ONCE) if (said := wrong(seed, fault))]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--seeds", type=click.IntRange(1), default=1_000, show_default=True, help="How many schedules.")
@click.option("--first", type=int, default=0, show_default=True, help="The first seed.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option("--fault", type=click.Choice(["", *sorted(FAULTS)]), default="", help="Plant a fault, to be found.")
def main(seeds: int, first: int, jobs: int, fault: str) -> None:
    """Live through schedules of crashes, zombies and moves with the real intake and the real judge.

    Each seed is one schedule. The exit code is 0 only if nothing was wrong in any.
    """
    starts = range(first, first + seeds, AT_ONCE)
    found: list[tuple[int, str]] = []
    hidden = not sys.stderr.isatty()
    with ProcessPoolExecutor(jobs) as pool:
        lives = pool.map(partial(some, fault=fault), starts)
        with click.progressbar(
            lives, length=len(starts), label="schedules", file=sys.stderr, hidden=hidden
        ) as bar:
            for one in bar:
                found += one
    for seed, said in found[:SHOWN]:
        click.echo(f"seed {seed}: {said}")
    click.echo(f"{len(starts) * AT_ONCE} schedules, {len(found)} wrong")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
