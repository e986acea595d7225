"""Commands for whoever looks after the judgement: history in, two policies compared, one customer explained."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from streams.cli_parts import (
    BAD,
    FILE,
    PAST,
    config_option,
    examples,
    fail,
    in_a_sentence,
    moment,
    read_config,
    read_policy,
    tell_late,
)  # fmt: skip

HOLDS = 1
"""Exit code of a condition of ``--fail-if`` that holds."""

WHOLE = 1000
FIRST_REFUSED = 5


@click.command(
    epilog=examples(
        "whaleline backtest events.jsonl --policy now.toml --against new.toml --report report.html",
        "whaleline backtest ledger.wll --against new.toml --fail-if 'b.alerts_per_day > 40'",
    )
)
@click.argument("events", type=PAST)
@click.option("--policy", "policy_file", type=FILE, metavar="FILE",
              help="Policy A; without it, those of the ledger, or the default one.")  # fmt: skip
@click.option("--against", type=FILE, required=True, metavar="FILE", help="Policy B.")
@click.option("--report", type=FILE, metavar="FILE", help="The report goes here, as one HTML page.")
@click.option("--json", "told", type=FILE, metavar="FILE", help="All figures and who moves go here, as JSON.")
@click.option("--fail-if", "conditions", multiple=True, metavar="EXPR",
              help="End with code 1 if this holds: 'b.precision < a.precision'; may be repeated.")  # fmt: skip
@click.option("--capacity", type=click.IntRange(1), metavar="N",
              help="Alerts a day the floors can act on; else A's [service] budget_per_day.")  # fmt: skip
@click.option("--segments", "segment_file", type=FILE, metavar="CSV",
              help="Compare by segment: a file with the columns customer_id and segment.")  # fmt: skip
@click.option("--labels", "label_file", type=FILE, metavar="FILE",
              help="How right the alerts were called by people (`whaleline labels export`).")  # fmt: skip
@click.option(
    "--partitions", type=click.IntRange(1, 1024), default=1, show_default=True, help="Ledger partitions."
)
@click.option("--currency", default="USD", show_default=True, help="Events in another currency are refused.")
@click.option("--app-id", default="whaleline", show_default=True, help="Part of every alert's id.")
@click.option("--as-of", callback=moment, metavar="TIME", help="Judge as if it were this time, as in 2025-12-01.")
def backtest(
    events: Path, policy_file: Path | None, against: Path, report: Path | None, told: Path | None,
    conditions: tuple[str, ...], capacity: int | None, segment_file: Path | None, label_file: Path | None,
    partitions: int, currency: str, app_id: str, as_of: int | None,
) -> None:  # fmt: skip
    """Judge EVENTS under two policies and say what would change.

    EVENTS is a file as `whaleline replay` takes it, or a recorded ledger, in which policy A or B then stands in
    place of its own. What is compared: who enters and leaves, alerts a day against what the floor can act on,
    how right the alerts were where the history tells, money, and how fair it is.
    """
    with in_a_sentence():
        from streams.conditions import condition

        unwanted = [condition(one) for one in conditions]
        policies = None if policy_file is None else read_policy(policy_file), read_policy(against)
        from streams.backtestrun import Asked, read_segments, run_backtest
        from streams.comparedwords import summary
        from streams.desk.labelread import read_labels

        labels = () if label_file is None else read_labels(label_file)
        segments = None if segment_file is None else read_segments(segment_file)
        names = "its own policies" if policy_file is None else policy_file.name, against.name
        with _bar("backtest") as progress:
            found = run_backtest(
                events,
                *(Asked(policy, name) for policy, name in zip(policies, names, strict=True)),
                report=report,
                told=told,
                capacity=capacity,
                segments=segments,
                labels=labels,
                app_id=app_id,
                partitions=partitions,
                currency=currency,
                as_of_ms=as_of,
                progress=progress,
            )
    tell_late(events, found.late)
    for line in summary(found):
        click.echo(line)
    held = [said for said in (one.verdict(found) for one in unwanted) if said is not None]
    if held:
        fail(f"--fail-if: {'; '.join(held)}", HOLDS)


@click.command(
    epilog=examples(
        "whaleline explain C-17 events.jsonl",
        "whaleline explain C-17 ledger.wll --at 2025-11-01T08:00Z --svg c-17.svg",
    )
)
@click.argument("customer")
@click.argument("events", type=PAST)
@click.option("--at", callback=moment, metavar="TIME", help="Tell how it was then, as in 2025-12-01T08:00Z.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the row and every day.")
@click.option("--svg", type=FILE, metavar="FILE", help="The history goes here as a picture.")
@click.option("--policy", "policy_file", type=FILE, metavar="FILE",
              help="Judge by this policy instead of the ledger's, or the default one.")  # fmt: skip
@click.option("--currency", default="USD", show_default=True, help="Events in another currency are refused.")
@click.option("--app-id", default="whaleline", show_default=True, help="Part of every alert's id.")
def explain(
    customer: str, events: Path, at: int | None, as_json: bool, svg: Path | None, policy_file: Path | None,
    currency: str, app_id: str,
) -> None:  # fmt: skip
    """Say how CUSTOMER stood at a time, and how it came to that.

    EVENTS is a file as `whaleline replay` takes it, or a recorded ledger; everything in it before that time is
    judged as it was live. Told are the states, each transition with its evidence and arithmetic, and what would
    clear each state, found by trying.
    """
    with in_a_sentence():
        policy = None if policy_file is None else read_policy(policy_file)
        from streams import accounts
        from streams.ledgerfile import FileError, whole_file
        from streams.recorded import size_of
        from streams.timeline import timeline
        from streams.witness import explain as tell

        if svg is not None and svg.resolve() == events.resolve():
            raise FileError(f"{events}: the input and the picture must be different files")
        size = size_of(events)
        with _bar("explain") as progress:
            account = tell(
                *(customer, events, policy),
                app_id=app_id,
                currency=currency,
                as_of_ms=at,
                progress=lambda done: progress(done / size),
            )
        if svg is not None:
            with whole_file(svg) as out:
                out.write(timeline(account, currency).encode())
    tell_late(events, account.late)
    if as_json:
        click.echo(accounts.as_json(account), nl=False)
    else:
        for line in accounts.lines(account, currency):
            click.echo(line)


@click.command(
    "import",
    epilog=examples(
        "whaleline import mapping.toml --dry-run",
        "whaleline import mapping.toml --out events.jsonl --rejects rejects.jsonl",
        "whaleline import mapping.toml --broker localhost:9092",
    ),
)
@click.argument("mapping", type=FILE)
@click.option("--out", type=FILE, metavar="FILE", help="The events go here, as `whaleline replay` takes them.")
@click.option("--rejects", type=FILE, metavar="FILE",
              help="Rows that are no events go here, with why; without it they stop the import.")  # fmt: skip
@click.option("--broker", metavar="HOST:PORT", help="Send the events to the source topics of this Kafka.")
@click.option("--late", is_flag=True, help="Send them although workers judge there already.")
@click.option("--dry-run", is_flag=True, help="Read and check everything; write and send nothing.")
@click.option("--currency", default="USD", show_default=True, help="What the amounts are in.")
@config_option
def import_tables(
    mapping: Path, out: Path | None, rejects: Path | None, broker: str | None, late: bool, dry_run: bool,
    currency: str, config_file: Path | None,
) -> None:  # fmt: skip
    """Turn a company's own tables of calls and purchases into events.

    MAPPING is a TOML file that says which columns of which CSV or Parquet files are which fields (docs/import.md).
    Each row is checked as an event is; the events are put in order of time, for `replay`, `fit` and `backtest`,
    or sent to the source topics.
    """
    if dry_run == bool(out or broker):
        fail("say --out FILE or --broker HOST:PORT for what becomes of the events, or --dry-run alone", BAD)
    with in_a_sentence():
        from streams import importing
        from streams.mapping import read_mapping

        plan = read_mapping(mapping)
        with _bar("import") as progress:
            found = importing.read_tables(plan, currency, progress)
        if dry_run:
            for one in found.refused[:FIRST_REFUSED]:
                click.echo(f"whaleline: {one.file}, row {one.row}: {one.detail}", err=True)
        else:
            importing.write(found, plan, out, rejects)
        if broker is not None:
            config = read_config(config_file, broker)
            from streams.importsend import send

            with _bar("send") as progress:
                send(config, found.events, progress, late=late)
        click.echo(json.dumps(found.summary.as_map(), ensure_ascii=False))


@contextmanager
def _bar(label: str) -> Iterator[Callable[[float], None]]:
    """A progress bar where somebody looks, told of shares."""
    with click.progressbar(length=WHOLE, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield lambda share: bar.update(int(share * WHOLE) - bar.pos)
