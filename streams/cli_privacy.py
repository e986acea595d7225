"""What a customer may ask for: everything that is held about them."""

import json
import sys
from pathlib import Path

import click

from streams.cli_parts import FILE, broker_option, client_of, config_option, examples, in_a_sentence, read_config


@click.command(
    epilog=examples(
        "whaleline export C-17                          in plain words, to hand out",
        "whaleline export C-17 --json --out C-17.json   every field, for a machine",
    )
)
@click.argument("customer")
@click.option("--json", "as_json", is_flag=True, help="One JSON document with every field, instead of words.")
@click.option("--out", type=FILE, metavar="FILE", help="Write it here, readable for you alone.")
@config_option
@broker_option
def export(customer: str, as_json: bool, out: Path | None, config_file: Path | None, broker: str | None) -> None:
    """Gather everything that is held about CUSTOMER: for somebody who asks for their data.

    In plain words: what each thing means, where it came from, how long it is kept, what was decided by machine and
    how to have a person look. The source topics are not read: they are their producers'.
    """
    with in_a_sentence():
        config = read_config(config_file, broker)
        from streams.clock import now_ms
        from streams.held import STEPS, as_map, look
        from streams.heldwords import lines
        from streams.privatefile import write

        hidden = not sys.stderr.isatty()
        with click.progressbar(length=STEPS, label="looking", file=sys.stderr, hidden=hidden) as bar:
            held = look(config, customer, bar.update, **client_of(config))
        whole = json.dumps(as_map(held), ensure_ascii=False, indent=1) if as_json else None
        text = whole or "\n".join(lines(held, config.currency, now_ms()))
        if out is None:
            click.echo(text)
        else:
            write(out, text + "\n")
            click.echo(f"{out}: what is held about the customer; it is personal data")
