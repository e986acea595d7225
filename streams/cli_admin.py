"""Commands that look after a deployment: its topics, policy, settings, ledger and incidents."""

import asyncio
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli_parts import (
    FILE,
    NOT_USABLE,
    PROCESSES,
    broker_option,
    client_of,
    config_option,
    counting,
    examples,
    in_a_sentence,
    read_config,
    read_policy,
)

if TYPE_CHECKING:
    from schemas.alerts import Incident


@click.group()
def topics() -> None:
    """Make and check the topics on Kafka."""


@topics.command("plan", epilog=examples("whaleline topics plan", "whaleline topics plan --json"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@config_option
def topics_plan(as_json: bool, config_file: Path | None) -> None:
    """Say which topics these settings want, with partitions, replicas and settings; asks no broker."""
    with in_a_sentence():
        plans = read_config(config_file).plan()
    for one in plans:
        if as_json:
            click.echo(json.dumps(asdict(one)))
        else:
            settings = "".join(f" {key}={value}" for key, value in one.config.items())
            click.echo(f"{one.name}  {one.partitions} partitions, {one.replication} replicas{settings}")


@topics.command("apply", epilog=examples("whaleline topics apply --broker localhost:9092"))
@config_option
@broker_option
def topics_apply(config_file: Path | None, broker: str | None) -> None:
    """Create the topics that are missing; one that exists is never changed."""
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.topics import apply

        for change in apply(config.broker, config.plan(), **client_of(config)):
            click.echo(change.sentence)


@topics.command("check", epilog=examples("whaleline topics check --config whaleline.toml"))
@config_option
@broker_option
def topics_check(config_file: Path | None, broker: str | None) -> None:
    """Say what about the topics is not as planned; exit code 76 if a worker would not start."""
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.topics import check

        findings = check(config.broker, config.plan(), **client_of(config))
    for finding in findings:
        click.echo(f"{'must change' if finding.fatal else 'note'}: {finding.sentence}")
    if not findings:
        click.echo("all topics are as planned")
    if any(finding.fatal for finding in findings):
        sys.exit(NOT_USABLE)


@topics.command(
    "rights",
    epilog=examples(
        "whaleline topics rights",
        "whaleline topics rights --for worker --principal 'User:CN=whaleline-{}'",
    ),
)
@click.option("--for", "process", type=click.Choice(PROCESSES), help="Of one kind of process only.")
@click.option(
    "--principal",
    default="User:whaleline-{}",
    show_default=True,
    metavar="NAME",
    help="How the brokers know a user; {} stands for the kind of process.",
)
@config_option
def topics_rights(process: str | None, principal: str, config_file: Path | None) -> None:
    """Print who may do what, as commands of Kafka's own tool: for each kind of process no more than it needs.

    Asks no broker. `feed` is whoever sends events, `operator` whoever gives the commands that look after a
    deployment, `scaler` whatever starts workers by lag.
    """
    with in_a_sentence():
        config = read_config(config_file)
        from streams.rights import commands

        for line in commands(config.topics, config.app_id, principal, process):
            click.echo(f'{line} --bootstrap-server "$BROKER"')


@click.group()
def policy() -> None:
    """Show, check, compare and change a policy, the numbers of every judgement."""


@policy.command("show", epilog=examples("whaleline policy show > policy.toml"))
@click.argument("file", type=FILE, required=False)
def policy_show(file: Path | None) -> None:
    """Print the default policy with comments, or FILE once it is checked."""
    with in_a_sentence():
        from schemas.policy import default_toml

        click.echo(default_toml() if file is None else read_policy(file).toml, nl=False)


@policy.command("check", epilog=examples("whaleline policy check policy.toml"))
@click.argument("file", type=FILE)
def policy_check(file: Path) -> None:
    """Check a policy FILE: every key known, every number allowed, borders in order."""
    with in_a_sentence():
        found = read_policy(file)
        click.echo(f"{file}: version {found.version}, digest {found.digest}: usable")


@policy.command("diff", epilog=examples("whaleline policy diff now.toml new.toml"))
@click.argument("before", type=FILE)
@click.argument("after", type=FILE)
def policy_diff(before: Path, after: Path) -> None:
    """Say which settings differ between two policies, defaults filled in. Exit code 1 if any does."""
    with in_a_sentence():
        from streams.policychange import changed

        found = changed(read_policy(before), read_policy(after))
        for one in found:
            click.echo(str(one))
        if not found:
            click.echo("no setting differs")
    if found:
        sys.exit(1)


@policy.command(
    "push",
    epilog=examples(
        "whaleline policy push new.toml --dry-run",
        "whaleline policy push new.toml --author jo --reason 'fitted to the first half of the year'",
    ),
)
@click.argument("file", type=FILE)
@click.option("--author", help="Who decided it; kept in the ledger.")
@click.option("--reason", help="Why; kept in the ledger.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@config_option
@broker_option
def policy_push(
    file: Path, author: str | None, reason: str | None, dry_run: bool, config_file: Path | None, broker: str | None
) -> None:
    """Let FILE be the policy from here on: write it into every ledger partition, with author and reason.

    What was judged stays as it is. Give your workers the file too: one that starts with an older version tells it,
    and a conflict is noted each time.
    """
    with in_a_sentence():
        if not dry_run and not (author and reason):
            raise click.UsageError("a policy needs --author and --reason; --dry-run says what would change")
        wanted = read_policy(file)
        config = read_config(config_file, broker)
        from streams import policychange

        before = policychange.in_force(config, **client_of(config))
        for one in policychange.changed(before, wanted) if before is not None else ():
            click.echo(str(one))
        now = "none yet" if before is None else f"version {before.version}, digest {before.digest}"
        policychange.check(wanted, before)
        if dry_run:
            click.echo(f"in force: {now}; version {wanted.version}, digest {wanted.digest} would follow")
            return
        asyncio.run(policychange.push(config, wanted, str(author), str(reason)))
        click.echo(
            f"version {wanted.version}, digest {wanted.digest}, is in all {config.ledger_partitions} partitions "
            f"of the ledger and counts from there on (before: {now})"
        )


@click.group()
def config() -> None:
    """Show the settings in force."""


@config.command("show", epilog=examples("WHALELINE_BROKER=localhost:9092 whaleline config show"))
@config_option
def config_show(config_file: Path | None) -> None:
    """Print every setting, its value and where it came from."""
    with in_a_sentence():
        shown = read_config(config_file).show()
    width = max(len(one.key) for one in shown)
    for one in shown:
        click.echo(f"{one.key:<{width}} = {one.value}  ({one.origin})")


@click.group()
def ledger() -> None:
    """Record the ledger, or write a decision into it."""


@ledger.command("dump", epilog=examples("whaleline ledger dump --out ledger.wll --broker localhost:9092"))
@click.option("--out", type=FILE, required=True, metavar="FILE", help="Where the recording goes.")
@config_option
@broker_option
def ledger_dump(out: Path, config_file: Path | None, broker: str | None) -> None:
    """Record the ledger topic as it is now into FILE, for `whaleline replay`."""
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.ledgerfile import dump

        with counting("dump") as progress:
            count = dump(config.broker, config.topics.ledger, out, progress=progress, **client_of(config))
        click.echo(f"{out}: {count} records of {config.topics.ledger}")


@ledger.command("retire", epilog=examples("whaleline ledger retire old-calls --author jo --reason 'feed moved'"))
@click.argument("topic")
@click.option("--id", "topic_id", metavar="UUID", help="The topic's UUID, if the topic no longer exists.")
@click.option("--author", required=True, help="Who decided it; kept in the ledger.")
@click.option("--reason", required=True, help="Why; kept in the ledger.")
@config_option
@broker_option
def ledger_retire(
    topic: str, topic_id: str | None, author: str, reason: str, config_file: Path | None, broker: str | None
) -> None:
    """Let time no longer wait for a source TOPIC that will send no more.

    Ticks follow the slowest source, so a dead one stops them. This writes the decision into every ledger
    partition, where a replay finds it too.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.retire import retire

        known = asyncio.run(retire(config, topic, topic_id, author, reason, **client_of(config)))
        click.echo(f"{topic} ({known}) is retired in all {config.ledger_partitions} partitions of the ledger")


@click.group()
def incidents() -> None:
    """Show waves of alerts that are held, and let them go."""


@incidents.command("list", epilog=examples("whaleline incidents list", "whaleline incidents list --all --json"))
@click.option("--all", "everything", is_flag=True, help="Those that were released, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@config_option
@broker_option
def incidents_list(everything: bool, as_json: bool, config_file: Path | None, broker: str | None) -> None:
    """Say which incidents hold alerts back, oldest first.

    The held alerts themselves are on the topic `alerts-held`, each with the id of its incident.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.incidents import read

        found = [one for one in read(config, **client_of(config)) if everything or one.released_ms is None]
    for one in found:
        click.echo(one.to_json() if as_json else _incident_line(one))
    if not found and not as_json:
        click.echo("no incident holds anything")


def _incident_line(one: "Incident") -> str:
    since = datetime.fromtimestamp(one.since_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    cause = f", {one.cause}" if one.cause else ""
    ended = f", released by {one.released_by}: {one.released_because}" if one.released_ms is not None else ""
    limit = f"more than {one.allowed} ({one.limit})" if one.allowed else one.limit
    return f"{one.incident_id}  since {since}  {one.count} alerts{cause}, {limit}{ended}"


@incidents.command(
    "release",
    epilog=examples("whaleline incidents release churn_risk-3-1 --author jo --reason 'outage of Monday, known'"),
)
@click.argument("incident")
@click.option("--author", required=True, help="Who decided it; kept in the ledger and told with the incident.")
@click.option("--reason", required=True, help="Why; kept in the ledger and told with the incident.")
@config_option
@broker_option
def incidents_release(
    incident: str, author: str, reason: str, config_file: Path | None, broker: str | None
) -> None:
    """Let the alerts that INCIDENT holds go out, in their order, and close it.

    This cannot be taken back: the decision is written into the ledger, where a replay finds it too.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.incidents import release

        found = release(config, incident, author, reason, **client_of(config))
        where = f"ledger partition {found.partition}"
        click.echo(f"{incident}: {found.count} alerts go out once the judge of {where} has read it")
