"""The command line: ``whaleline COMMAND``. Heavy modules are imported by the command that needs them."""

import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread

import click

from streams.cli_admin import config, incidents, ledger, policy, topics
from streams.cli_archive import archive
from streams.cli_bench import backtest, explain, import_tables
from streams.cli_desk import desk, labels
from streams.cli_dlq import dlq
from streams.cli_insights import curve, problems, win_back
from streams.cli_notify import notify
from streams.cli_parts import (
    FILE,
    NOT_USABLE,
    PACKAGES,
    PAST,
    broker_option,
    config_option,
    day,
    duration,
    examples,
    fail,
    in_a_sentence,
    moment,
    read_config,
    read_policy,
    tell_late,
)
from streams.cli_privacy import erase, export
from streams.cli_shadow import shadow
from streams.cli_watch import canary, doctor, simulate, stress

PROGRESS_S = 0.2


def _version() -> str:
    try:
        return importlib.metadata.version("whaleline")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def strangers(packages: Sequence[str] = PACKAGES) -> list[str]:
    """Say which of our packages do not lie beside the others; public packages with these names exist."""
    places = {}
    for name in packages:
        spec = importlib.util.find_spec(name)
        found = list(spec.submodule_search_locations or ()) if spec else []
        places[name] = Path(found[0]).resolve().parent if found else None
    if None not in places.values() and len(set(places.values())) == 1:
        return []
    return [f"{name} comes from {place or 'nowhere'}" for name, place in places.items()]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "whaleline demo --for 60s       see it work, with nothing else installed",
        "whaleline topics apply         make the topics on your Kafka",
        "whaleline worker               take part in the work, until stopped",
        "whaleline replay events.jsonl --alerts alerts.jsonl --states states.jsonl",
    ),
)
@click.version_option(_version(), prog_name="whaleline")
def main() -> None:
    """Support calls and purchases become one fair judgement per customer, and few alerts worth answering."""
    odd = strangers()
    if odd:
        fail(f"the three packages must lie side by side, but {', '.join(odd)}: reinstall whaleline", NOT_USABLE)


@main.command(
    "compile", epilog=examples("whaleline compile       once after installing, or while an image is built")
)
def compile_kernels() -> None:
    """Compile every kernel now, so that no worker compiles at its start.

    The machine code is kept in numba's cache, beside the code or in NUMBA_CACHE_DIR.
    """
    from kernels._jit import KERNELS, compiled_so_far
    from streams.clock import monotonic_s
    from streams.warmup import warm, warm_files

    label = "Compiling the kernels; about a minute where nothing is cached yet"
    begun, ready = monotonic_s(), Event()

    def show() -> None:
        with click.progressbar(length=len(KERNELS), label=label) as bar:
            while not ready.wait(PROGRESS_S):
                bar.update(compiled_so_far() - bar.pos)

    showing = Thread(target=show, daemon=True)
    showing.start()
    try:
        warm()
        warm_files()
    finally:
        ready.set()
        showing.join()
    click.echo(f"All kernels are compiled: {monotonic_s() - begun:.1f} s.")


@main.command(
    epilog=examples(
        "whaleline demo                        until Ctrl-C",
        "whaleline demo --for 30s --json       a check: the last line says what was seen",
        "whaleline demo --desk                 and with the desk, in a browser",
        "whaleline demo --story printer        one story alone with the crowd",
        "whaleline demo --broker localhost:9092    on a real Kafka",
    )
)
@click.option(
    "--for",
    "for_s",
    callback=duration,
    metavar="TIME",
    help="End after this time, as in 30s, but not before there was something to see.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON at the end, and nothing else there.")
@click.option("--broker", metavar="HOST:PORT", help="Use this Kafka, with new topics under a name of their own.")
@click.option("--speed", type=click.FloatRange(0), default=20.0, show_default=True, metavar="DAYS",
              help="Days of history in a second; 0 is as fast as it goes.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other ordinary customers.")
@click.option("--customers", type=click.IntRange(0, 100_000), default=400, show_default=True,
              help="How many ordinary customers there are.")  # fmt: skip
@click.option("--floor", is_flag=True, help="Read alerts out as the floor sees them: no money, no word on value.")
@click.option("--desk", is_flag=True, help="Open the desk too, on which the stories become cards.")
@click.option("--story", "stories", multiple=True, metavar="KEY", help="Tell only this story; may be repeated.")
def demo(
    for_s: float | None, as_json: bool, broker: str | None, speed: float, seed: int, customers: int,
    floor: bool, desk: bool, stories: tuple[str, ...],
) -> None:  # fmt: skip
    """Watch true stories and a small crowd become alerts, live.

    Starts a broker of its own (in memory, gone afterwards), one real worker and a simulated year.
    """
    with in_a_sentence():
        from streams.demo import Demo
        from streams.stories import STORIES

        unknown = [key for key in stories if key not in STORIES]
        if unknown:
            raise click.BadParameter(f"there is no story {unknown[0]!r}; there are {', '.join(STORIES)}")
        chosen = {key: story for key, story in STORIES.items() if not stories or key in stories}
        sys.exit(Demo(broker, for_s, as_json, speed, seed, customers, chosen, floor, desk).run())


@main.command(
    epilog=examples("whaleline worker --broker localhost:9092", "whaleline worker --config whaleline.toml")
)
@config_option
@broker_option
def worker(config_file: Path | None, broker: str | None) -> None:
    """Take part in the work until stopped.

    A worker takes in events, judges customers and publishes alerts. Any number of workers share the work;
    start and stop them as you like. Ctrl-C or SIGTERM stops in order. Exit codes from 70 on say why a
    worker ended itself.
    """
    with in_a_sentence(NOT_USABLE):
        config = read_config(config_file, broker)
        from streams.app import run

        sys.exit(run(config))


@main.command(
    epilog=examples(
        "whaleline replay events.jsonl --alerts alerts.jsonl --states states.jsonl",
        "whaleline replay ledger.wll --alerts a.jsonl --states s.jsonl --as-of 2025-12-01",
        "whaleline replay archive/ --alerts a.parquet --states s.parquet --daily d.parquet",
    )
)
@click.argument("events", type=PAST)
@click.option("--alerts", type=FILE, required=True, metavar="OUT", help="Alerts go here, as JSON lines.")
@click.option(
    "--states", type=FILE, required=True, metavar="OUT", help="Final customer rows go here, as JSON lines."
)
@click.option("--dead-letters", type=FILE, metavar="OUT", help="Refused payloads go here, with the reason.")
@click.option("--held", type=FILE, metavar="OUT", help="Alerts that an incident holds go here, as JSON lines.")
@click.option("--incidents", type=FILE, metavar="OUT", help="The last word on each incident goes here.")
@click.option("--curve", type=FILE, metavar="OUT", help="The whale curve goes here, as JSON.")
@click.option("--problems", type=FILE, metavar="OUT", help="The glaring problems go here, as JSON lines.")
@click.option("--daily", type=FILE, metavar="OUT", help="Every customer at every midnight goes here, as Parquet.")
@click.option("--policy", "policy_file", type=FILE, metavar="FILE", help="Judge by this policy.")
@click.option(
    "--partitions", type=click.IntRange(1, 1024), default=1, show_default=True, help="Ledger partitions."
)
@click.option(
    "--jobs", type=click.IntRange(1, 1024), metavar="N",
    help="Processes that share the partitions; as many as there are processors, unless named.",
)  # fmt: skip
@click.option("--resume", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Keep here what is needed to go on after an interruption, and go on from it.")  # fmt: skip
@click.option("--currency", default="USD", show_default=True, help="Events in another currency are refused.")
@click.option("--app-id", default="whaleline", show_default=True, help="Part of every alert's id.")
@click.option("--as-of", callback=moment, metavar="TIME", help="Judge as if it were this time, as in 2025-12-01.")
@click.option(
    "--from",
    "since",
    callback=day,
    metavar="DAY",
    help="Write what comes of a ledger from this day on; an archive's rows spare judging the days before.",
)
@click.option(
    "--erasure-key",
    type=FILE,
    metavar="FILE",
    help="The deployment's, where an archive's rows remember erased customers.",
)
def replay(
    events: Path, alerts: Path, states: Path, dead_letters: Path | None, held: Path | None,
    incidents: Path | None, curve: Path | None, problems: Path | None, daily: Path | None,
    policy_file: Path | None, partitions: int, jobs: int | None, resume: Path | None, currency: str, app_id: str,
    as_of: int | None, since: int | None, erasure_key: Path | None,
) -> None:  # fmt: skip
    """Judge a file of EVENTS again, without any broker.

    EVENTS holds events of both streams in their order: JSON lines, msgpack values one after another, or Parquet
    or CSV whose columns are the wire's fields. Or it is a ledger, recorded by `whaleline ledger dump` or archived
    by `whaleline archive update`. The same input gives the same bytes, and the same alert ids as live. Alerts and
    states whose file is named *.parquet become Parquet.
    """
    with in_a_sentence():
        policy = None if policy_file is None else read_policy(policy_file)
        from streams.config import Config
        from streams.recorded import size_of
        from streams.replay import Outputs, run_replay
        from streams.secret import load_key

        key = load_key(Config(erasure_key=str(erasure_key or "")))
        size = size_of(events)
        hidden = not sys.stderr.isatty()
        with click.progressbar(length=size, label="replay", file=sys.stderr, hidden=hidden) as bar:
            try:
                summary = run_replay(
                    events,
                    Outputs(alerts, states, dead_letters, held, incidents, curve, problems, daily),
                    policy,
                    app_id=app_id,
                    partitions=partitions,
                    jobs=jobs,
                    resume=resume,
                    currency=currency,
                    as_of_ms=as_of,
                    from_ms=since,
                    **({} if key is None else {"erasure_key": key}),
                    progress=lambda done: bar.update(done - bar.pos),
                )
            except KeyboardInterrupt:
                goes_on = (
                    "there is no --resume FOLDER to go on from" if resume is None else "the same command goes on"
                )
                click.echo(f"\nwhaleline: interrupted, nothing is written; {goes_on}", err=True)
                raise
        if summary.dead_letters and dead_letters is None:
            refused = f"refused: {summary.dead_letters} of {summary.records} payloads"
            click.echo(f"whaleline: {refused}; --dead-letters OUT keeps them, each with the reason", err=True)
        tell_late(events, summary.late)
        click.echo(json.dumps(summary.as_map()))


@main.command(
    epilog=examples(
        "whaleline fit events.jsonl --out fitted.toml --report fitted.md",
        "whaleline fit events.jsonl --labels labels.jsonl --precision 0.6 --out fitted.toml --report fitted.md",
    )
)
@click.argument("events", type=PAST)
@click.option("--out", type=FILE, required=True, metavar="FILE", help="The fitted piece of policy goes here.")
@click.option("--report", type=FILE, metavar="FILE", help="The findings go here: JSON for *.json, or Markdown.")
@click.option(
    "--labels", type=FILE, metavar="FILE", help="What people said of alerts (`whaleline labels export`)."
)
@click.option("--precision", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
              help="Propose borders from which on alerts are right this often, as in 0.6.")  # fmt: skip
@click.option("--currency", default="USD", show_default=True, help="Events in another currency are left out.")
@click.option("--as-of", callback=moment, metavar="TIME", help="Fit as if it were this time, as in 2025-12-01.")
def fit(
    events: Path, out: Path, report: Path | None, labels: Path | None, precision: float | None, currency: str,
    as_of: int | None,
) -> None:  # fmt: skip
    """Fit purchases, spend and the risk of leaving to a history, as settings for a policy.

    EVENTS is a file as `whaleline replay` takes it; who left need not be in it, hindsight tells. A history that is
    too thin for purchases or spend, or that these models do not describe, is refused in a sentence, and nothing
    is written. One that teaches too little of leaving keeps the defaults of the risk, and a warning says why. The
    same file gives the same bytes.
    """
    if precision is not None and labels is None:
        raise click.UsageError("--precision needs --labels FILE: without labels nobody knows how right alerts are")
    with in_a_sentence():
        from streams.fit import run_fit

        whole = 1000
        with click.progressbar(length=whole, label="fit", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
            found = run_fit(
                *(events, out, report),
                labels=labels,
                precision=precision,
                currency=currency,
                as_of_ms=as_of,
                progress=lambda share: bar.update(int(share * whole) - bar.pos),
            )
        for warning in found.warnings:
            click.echo(f"whaleline: {warning}", err=True)
        counts = {"customers": found.customers, "repeaters": found.repeaters, "purchases": found.purchases}
        click.echo(json.dumps(counts | found.settings()))


BENCH, FLOOR, WATCH, PRIVACY = (
    (archive, backtest, explain, import_tables, shadow),
    (desk, labels, notify),
    (canary, doctor, simulate, stress),
    (erase, export),
)
ADMIN = (topics, policy, config, ledger, incidents, dlq)
for group in (*ADMIN, curve, problems, win_back, *BENCH, *FLOOR, *WATCH, *PRIVACY):
    main.add_command(group)


if __name__ == "__main__":
    main()
