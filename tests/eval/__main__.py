"""``make eval``: run every world on some seeds, and write build/eval.json and the tables of docs/evaluation.md.

make eval ARGS="--seeds 5 --customers 4000"
make eval ARGS="--seeds 5 --customers 1000,failure_driven=4000 --fit --jobs 2"
make eval ARGS="--worlds failure_driven,sparse --tuning --no-docs"
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.eval import fitted, report
from tests.eval.bound import Exam, upper_bound
from tests.eval.measure import MODELS, measure
from tests.eval.metrics import Figures
from tests.eval.targets import judged, shown
from tests.eval.worlds import DAYS, WORLDS, Truth, make

REPORT_FIRST, TUNE_FIRST = 101, 1
"""Seeds from 101 on are only ever reported on; models are tuned on those from 1 to 99."""

BAR = 24

Measured = dict[str, list[Figures]]
"""By model, the figures of each seed."""


class Progress:
    """One line on a terminal that says how far it is; on anything else, one line a world."""

    def __init__(self, parts: int) -> None:
        self.parts, self.done, self.begun = parts, 0, time.monotonic()
        self.live = sys.stderr.isatty()

    def tell(self, what: str, share: float) -> None:
        """Say what is done now; ``share`` is of the present part."""
        if self.live:
            at = min(1.0, (self.done + share) / self.parts)
            filled = round(at * BAR)
            seconds = time.monotonic() - self.begun
            line = f"[{'#' * filled}{'.' * (BAR - filled)}] {at:4.0%} {seconds:4.0f} s  {what}"
            sys.stderr.write(f"\r{line:<78}"[:79])
            sys.stderr.flush()

    def finish(self, what: str) -> None:
        """One part is done."""
        self.done += 1
        self.tell(what, 0.0)

    def say(self, sentence: str) -> None:
        """A line that stays."""
        if self.live:
            sys.stderr.write("\r" + " " * 79 + "\r")
        print(sentence, file=sys.stderr, flush=True)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; refuse with one sentence what cannot be."""
    parser = argparse.ArgumentParser(prog="make eval", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds (default 3)")
    parser.add_argument(
        "--customers", default="1500", help="customers of each world (default 1500), or of one: 1000,sparse=4000"
    )
    parser.add_argument("--jobs", type=int, default=1, help="how many worlds at once, a process each (default 1)")
    parser.add_argument("--worlds", default=",".join(WORLDS), help="which worlds, with commas between")
    parser.add_argument("--policy", type=Path, help="policy file of `whaleline`; `cold_start` has the defaults")
    parser.add_argument("--fit", action="store_true", help="fit `whaleline` to each history before its test")
    parser.add_argument("--tuning", action="store_true", help="use the seeds for tuning, from 1 on")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/evaluation.md alone")
    found = parser.parse_args(argv)
    found.worlds = [name for name in found.worlds.split(",") if name]
    unknown = [name for name in found.worlds if name not in WORLDS]
    if unknown or not found.worlds:
        parser.error(f"--worlds {','.join(unknown)!r}: known are {', '.join(WORLDS)}")
    if not 1 <= found.seeds <= 99 or not 1 <= found.jobs <= 99:
        parser.error("--seeds and --jobs must lie between 1 and 99")
    try:
        found.sizes = sizes(found.customers, found.worlds)
    except ValueError:
        parser.error("--customers is a number from 50 to 100000, and after it NAME=NUMBER for some of the worlds")
    if found.policy is not None and not found.policy.is_file():
        parser.error(f"--policy {found.policy}: there is no such file")
    if found.policy is not None and found.fit:
        parser.error("--policy and --fit both say what whaleline's policy is: give one of them")
    return found


def sizes(asked: str, worlds: list[str]) -> dict[str, int]:
    """Customers of each world: one number for all, then others by a world's name. Raises ``ValueError``."""
    first, *others = asked.split(",")
    found = dict.fromkeys(worlds, int(first))
    for world, number in (one.split("=") for one in others):
        if world not in WORLDS:
            raise ValueError(world)
        if world in found:
            found[world] = int(number)
    if not all(50 <= number <= 100_000 for number in found.values()):
        raise ValueError(asked)
    return found


def facts(world: str, truths: list[dict[str, float]]) -> str:
    """What the world turned out to be, in one sentence."""
    mean = {name: sum(one[name] for one in truths) / len(truths) for name in truths[0]}
    return (
        f"{WORLDS[world]().doc.capitalize()}. {mean['customers']:,.0f} customers. Measured: "
        f"{mean['hazard']:.1%} leave a year, "
        f"{mean['failures']:.0%} of that hazard by failures, {mean['events']:.0f} events a customer, "
        f"{mean['destroyers']:.1%} truly destroy value, {mean['victims']:.1%} are victims."
    )


def found_out(truth: Truth) -> dict[str, float]:
    """What one history turned out to be."""
    return {
        "customers": float(len(truth.lives)),
        "hazard": truth.hazard_per_year,
        "failures": truth.failure_share,
        "events": len(truth.events) / len(truth.lives),
        "destroyers": float(truth.destroys.mean()),
        "victims": float(truth.victims.mean()),
    }


def whose(asked: argparse.Namespace) -> str:
    """Which policy whaleline had."""
    if asked.fit:
        return "whaleline fitted to each history before its test"
    return f"whaleline with {asked.policy.name}" if asked.policy else "whaleline with the defaults, as cold_start"


def policies(asked: argparse.Namespace, truth: Truth, progress: Progress, label: str) -> dict[str, str]:
    """The TOML of both our models for one history; a fit that is refused leaves the defaults, and is told."""
    toml = asked.policy.read_text(encoding="utf-8") if asked.policy else ""
    if asked.fit:
        progress.tell(f"{label}: fitting", 0.0)
        toml, refused = fitted.policy(truth)
        if refused:
            progress.say(f"{label}: the fit is refused, the defaults stand: {refused}")
    return {"cold_start": "", "whaleline": toml}


def run(asked: argparse.Namespace, world: str, seeds: list[int], progress: Progress) -> tuple[Measured, str]:
    """One world on all seeds: each model's figures by seed, and what the world turned out to be."""
    measured: Measured = {model: [] for model in MODELS}
    exams: list[Exam] = []
    truths: list[dict[str, float]] = []
    for seed in seeds:
        label = f"{world}, seed {seed}"
        progress.tell(f"{label}: living", 0.0)
        truth = make(WORLDS[world](), asked.sizes[world], seed)
        truths.append(found_out(truth))
        rules = policies(asked, truth, progress, label)
        found, exam = measure(truth, rules, lambda step, share, at=label: progress.tell(f"{at}: {step}", share))
        for model, one in found.items():
            measured[model].append(one)
        exams.append(exam)
        progress.finish(label)
    measured["upper_bound"] = upper_bound(exams)
    return measured, facts(world, truths)


def all_of(asked: argparse.Namespace, seeds: list[int], progress: Progress) -> Iterator[tuple[Measured, str]]:
    """``run`` of each world, in their order."""
    if asked.jobs == 1:
        yield from (run(asked, world, seeds, progress) for world in asked.worlds)
        return
    progress.live = False
    with ProcessPoolExecutor(asked.jobs) as pool:
        yield from pool.map(partial(run, asked, seeds=seeds, progress=progress), asked.worlds)


def main(argv: list[str] | None = None) -> None:
    """Run what the arguments ask for, write it down, and say what is short of its target."""
    given = sys.argv[1:] if argv is None else argv
    asked = arguments(argv)
    first = TUNE_FIRST if asked.tuning else REPORT_FIRST
    seeds = list(range(first, first + asked.seeds))
    progress = Progress(len(asked.worlds) * len(seeds))
    figures: dict[str, Measured] = {}
    what: dict[str, str] = {}
    for world, (figures[world], what[world]) in zip(asked.worlds, all_of(asked, seeds, progress), strict=True):
        auc = report.summed_up({world: figures[world]})[world]["whaleline"]["auc"]["mean"]
        progress.say(f"{world}: done, AUC of whaleline {shown(auc)}")
    results = report.summed_up(figures)
    report.write_json(seeds, results)
    told = f"seeds {seeds[0]} to {seeds[-1]}, {DAYS} days, {whose(asked)}"
    words = [Path(word).name if "/" in word else word for word in given]  # a folder is somebody's own business
    command = f'make eval ARGS="{" ".join(words)}"' if words else "make eval"
    page = report.results_page(command, told, results, what)
    if not asked.no_docs:
        text = report.replaced(report.PAGE.read_text(encoding="utf-8"), "results", page)
        report.PAGE.write_text(report.replaced(text, "worlds", report.worlds_page()), encoding="utf-8")
    print(page)
    found = list(judged(results))
    print(f"\n{sum(not met for met, _ in found)} of {len(found)} targets are missed; figures: {report.JSON.name}.")


if __name__ == "__main__":
    main()
