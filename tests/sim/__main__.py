"""``make schedules SEEDS=100000``: many schedules, and the seeds of those in which something was wrong."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import click

from tests.sim import told
from tests.sim.run import first_wrong, wrong
from tests.sim.worker import FAULTS

AT_ONCE = 200
WITHIN = 1_000
SHOWN = 10


def some(first: int, end: int, fault: str) -> list[tuple[int, str]]:
    """The seeds from ``first`` on, at most ``AT_ONCE``, in which something is wrong, and what."""
    seeds = range(first, min(first + AT_ONCE, end))
    return [(seed, said) for seed in seeds if (said := wrong(seed, fault))]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--seeds", type=click.IntRange(1), default=1_000, show_default=True, help="How many schedules.")
@click.option("--first", type=int, default=0, show_default=True, help="The first seed; runs of others add up.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option("--fault", type=click.Choice(["", *sorted(FAULTS)]), default="", help="Plant a fault, to be found.")
@click.option("--controls", is_flag=True, help=f"Plant each fault in turn: each must be found within {WITHIN:,}.")
@click.option("--page", is_flag=True, help="Write what build/schedules.json has into docs/reliability.md, too.")
def main(seeds: int, first: int, jobs: int, fault: str, controls: bool, page: bool) -> None:
    """Live through schedules of crashes, zombies and moves with the real intake and the real judge.

    Each seed is one schedule. The exit code is 0 only if nothing was wrong in any. build/schedules.json adds up
    which seeds were lived through.
    """
    failed = plant(jobs) if controls else live(seeds, first, jobs, fault)
    if page:
        told.write_page()
    sys.exit(1 if failed else 0)


def live(seeds: int, first: int, jobs: int, fault: str) -> bool:
    """Live through the seeds from ``first`` on; whether anything was wrong."""
    starts = range(first, first + seeds, AT_ONCE)
    found: list[tuple[int, str]] = []
    hidden = not sys.stderr.isatty()
    with ProcessPoolExecutor(min(jobs, len(starts))) as pool:
        lives = pool.map(partial(some, end=first + seeds, fault=fault), starts)
        with click.progressbar(
            lives, length=len(starts), label="schedules", file=sys.stderr, hidden=hidden
        ) as bar:
            for start, one in zip(starts, bar, strict=True):
                found += one
                if not fault:
                    told.note(start, min(start + AT_ONCE, first + seeds), len(one))
    for seed, said in found[:SHOWN]:
        click.echo(f"seed {seed}: {said}")
    click.echo(f"{seeds} schedules, {len(found)} wrong")
    return bool(found)


def plant(jobs: int) -> bool:
    """Plant each fault in turn and say at which seed it is found; whether one was not."""
    with ProcessPoolExecutor(jobs) as pool:
        seeds = pool.map(partial(first_wrong, WITHIN), FAULTS)
        found = {}
        for fault, seed in zip(FAULTS, seeds, strict=True):
            found[fault] = seed
            click.echo(f"{fault}: {'NOT FOUND' if seed is None else f'found at seed {seed}'}")
    told.note_found(found)
    return None in found.values()


if __name__ == "__main__":
    main()
