"""Commands of the archive: the ledger beyond Kafka's retention."""

import sys
from pathlib import Path

import click

from streams.cli_parts import (
    broker_option,
    client_of,
    config_option,
    counting,
    examples,
    in_a_sentence,
    moment,
    read_config,
)

DIRECTORY = click.Path(path_type=Path, file_okay=False)


@click.group()
def archive() -> None:
    """Keep the ledger beyond Kafka's retention, as Parquet by day and partition."""


@archive.command(
    "update",
    epilog=examples(
        "whaleline archive update /var/lib/whaleline/archive --broker localhost:9092",
        "whaleline replay /var/lib/whaleline/archive --alerts a.parquet --states s.parquet",
    ),
)
@click.argument("directory", type=DIRECTORY)
@click.option("--no-events", is_flag=True, help="Only the records, without the table of their events.")
@click.option("--rows-every", type=click.IntRange(1), default=7, show_default=True, metavar="DAYS",
              help="Keep all customers' rows too, when the newest kept are so many days old.")  # fmt: skip
@click.option("--no-rows", is_flag=True, help="Keep no rows.")
@config_option
@broker_option
def archive_update(
    directory: Path, no_events: bool, rows_every: int, no_rows: bool, config_file: Path | None, broker: str | None
) -> None:
    """Append to the archive in DIRECTORY what the ledger topic holds now; make it, if there is none.

    Now and then all rows are kept beside the records, so that `whaleline replay --from DAY` need not begin with
    the first of them. Let it run more often than the ledger's retention deletes. Whatever ends it, the next run
    goes on behind the last file that is whole.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams import archive

        with counting("archive") as progress:
            count, states = archive.archive(
                config,
                directory,
                events=not no_events,
                rows_days=None if no_rows else rows_every,
                progress=progress,
                **client_of(config),
            )
        rows = f"; rows kept of {states} partitions" if states else ""
        click.echo(f"{directory}: {count} records more of {config.topics.ledger}{rows}")


@archive.command("check", epilog=examples("whaleline archive check /var/lib/whaleline/archive"))
@click.argument("directory", type=DIRECTORY)
def archive_check(directory: Path) -> None:
    """Read the archive in DIRECTORY through: every file, every record, no gap between them.

    The table of events must say what the records say, in every column; rows must be whole.
    """
    with in_a_sentence():
        from streams import archivecheck

        hidden = not sys.stderr.isatty()
        size = archivecheck.size_of(directory)
        with click.progressbar(length=size, label="checking", file=sys.stderr, hidden=hidden) as bar:
            found = archivecheck.check(directory, bar.update)
        for partition, (first, last, files) in sorted(found.records.items()):
            click.echo(f"partition {partition}: records {first} to {last} in {files} files")
        count = sum(last - first + 1 for first, last, _ in found.records.values())
        beside = f"{found.tables} of {sum(files for _, _, files in found.records.values())} with their events"
        click.echo(f"{directory}: {count} records, whole; of their files {beside}; {found.states} files of rows")


@archive.command(
    "forget",
    epilog=examples(
        "whaleline archive forget /var/lib/whaleline/archive C-17",
        "whaleline archive forget /var/lib/whaleline/archive C-17 --until 2025-12-01T08:00",
    ),
)
@click.argument("directory", type=DIRECTORY)
@click.argument("customer")
@click.option(
    "--until", callback=moment, metavar="TIME", help="Only what was up to then, if they came back since."
)
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
def archive_forget(directory: Path, customer: str, until: int | None, yes: bool) -> None:
    """Take CUSTOMER out of the archive in DIRECTORY: the part of an erasure that lies there.

    Files that speak of them are written anew; offsets stay, so the rest is judged as before. It cannot be taken
    back. Whatever ends it, run it again.
    """
    with in_a_sentence():
        from streams.archiveforget import files_of, forget

        whole = files_of(directory)
        if not yes:
            click.confirm(f"{customer} is taken out of {directory}, for good. Go on?", abort=True, err=True)
        hidden = not sys.stderr.isatty()
        with click.progressbar(length=whole, label="forgetting", file=sys.stderr, hidden=hidden) as bar:
            found = forget(directory, customer, until, bar.update)
        click.echo(
            f"{directory}: {found.events} events taken out, {found.mentions} of others no longer name them, "
            f"{found.files} of {whole} files written anew"
        )
