"""``whaleline dlq``: look at what was refused, and send it back once its cause is mended."""

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from streams.cli_parts import broker_option, client_of, config_option, examples, in_a_sentence, read_config

if TYPE_CHECKING:
    from pathlib import Path

    from streams.dlq import Letter

reason_option = click.option("--reason", help="Only those refused for this reason, as in docs/wire.md.")
topic_option = click.option("--topic", help="Only those from this source topic.")


@click.group()
def dlq() -> None:
    """Look at dead letters, and send them back once their cause is mended."""


@dlq.command("list", epilog=examples("whaleline dlq list", "whaleline dlq list --reason currency --json"))
@reason_option
@topic_option
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show the newest so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, and no limit.")
@config_option
@broker_option
def dlq_list(
    reason: str | None, topic: str | None, limit: int, as_json: bool,
    config_file: "Path | None", broker: str | None,
) -> None:  # fmt: skip
    """Say what was refused, when and why; not what it says, which `dlq show` tells of one."""
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.dlq import chosen, read

        found = chosen(read(config, **client_of(config)), (), reason, topic)
    for one in found if as_json else found[-limit:]:
        click.echo(json.dumps(one.as_map()) if as_json else _line(one))
    if not as_json:
        counts = Counter(one.reason for one in found)
        said = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        click.echo(f"{len(found)} dead letters: {said}" if found else "no dead letters")


def _line(one: "Letter") -> str:
    when = datetime.fromtimestamp(one.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    where = f"{one.topic}/{one.partition}@{one.offset}"
    return f"{one.place}  {when}  {one.reason:<14} {where}, {one.whole_bytes} bytes: {one.detail}"


@dlq.command("show", epilog=examples("whaleline dlq show 6f1c…:0:4711", "whaleline dlq show PLACE --raw > record"))
@click.argument("place")
@click.option("--raw", is_flag=True, help="Only the original bytes, as they are.")
@config_option
@broker_option
def dlq_show(place: str, raw: bool, config_file: "Path | None", broker: str | None) -> None:
    """Show the dead letter PLACE with what it says. This may be a customer's data: mind where it goes."""
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.dlq import chosen, read, readable

        (one,) = chosen(read(config, **client_of(config)), [place])
    if raw:
        sys.stdout.buffer.write(one.value)
        return
    for name, value in one.as_map().items():
        click.echo(f"{name:<10} {value}")
    click.echo(f"{'key':<10} {one.key.decode(errors='backslashreplace')}")
    click.echo(readable(one.value))


@dlq.command(
    "replay",
    epilog=examples("whaleline dlq replay --reason currency", "whaleline dlq replay --reason currency --yes"),
)
@click.argument("places", nargs=-1)
@reason_option
@topic_option
@click.option("--yes", is_flag=True, help="Send them; without it, only say which would go.")
@config_option
@broker_option
def dlq_replay(
    places: tuple[str, ...], reason: str | None, topic: str | None, yes: bool,
    config_file: "Path | None", broker: str | None,
) -> None:  # fmt: skip
    """Send dead letters back to their source, by PLACE, reason or topic, oldest first.

    Mend the cause first: their bytes go back as they are. An event that was taken in meanwhile under the same
    event id does no harm, a second time it does not count.
    """
    with in_a_sentence():
        if not (places or reason or topic):
            raise click.UsageError(
                "name PLACEs, a --reason or a --topic: `whaleline dlq list` shows what there is"
            )
        config = read_config(config_file, broker)
        from streams.dlq import chosen, read, send_back

        found = chosen(read(config, **client_of(config)), places, reason, topic)
        if not yes:
            for one in found:
                click.echo(_line(one))
            click.echo(f"{len(found)} dead letters would go back; --yes sends them")
            return
        click.echo(f"{send_back(config, found)} dead letters went back to their sources")
