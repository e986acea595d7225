"""What a customer may ask for: everything that is held about them, and that it be forgotten."""

import json
import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from streams.cli_parts import FILE, broker_option, client_of, config_option, examples, in_a_sentence, read_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.erasures import Receipt
    from streams.config import Config
    from streams.erasing import Status

LOOK_S = 0.5
WAIT_S = 30
KEEP_SAFE = """It is a secret, and it is needed for as long as erasures are remembered: keep a copy. Whoever has it
can test whether a customer was erased. Set erasure_key to where it lies, for every worker and desk."""


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


@click.command(
    epilog=examples(
        "whaleline erase --new-key erasure.key    once, for the deployment: a key for erasure_key",
        "whaleline erase C-17 --author jo --reason 'asked by letter of 3 March'",
        "whaleline erase C-17 --status            how far it has come",
        "whaleline erase --status                 every erasure there was, by keyed hash",
    )
)
@click.argument("customer", required=False)
@click.option("--author", help="Who decided it; kept in the receipt.")
@click.option("--reason", help="Why, without the customer's id; kept in the receipt.")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@click.option("--status", "ask_status", is_flag=True, help="Only say how far the erasure has come.")
@click.option("--json", "as_json", is_flag=True, help="With --status: one JSON object a line.")
@click.option("--new-key", type=FILE, metavar="FILE", help="Only make a key, into a file that is not there yet.")
@click.option("--wait", type=click.IntRange(0, 3_600), default=WAIT_S, show_default=True, metavar="SECONDS",
              help="How long to wait for the worker that applies it.")  # fmt: skip
@config_option
@broker_option
def erase(
    customer: str | None, author: str | None, reason: str | None, yes: bool, ask_status: bool, as_json: bool,
    new_key: Path | None, wait: int, config_file: Path | None, broker: str | None,
) -> None:  # fmt: skip
    """Have everything that is held about CUSTOMER forgotten. It cannot be taken back.

    The decision goes into the ledger. Row, alerts that wait or are held, hold and card go at once; what Kafka
    holds of the past goes with its retention, and --status says when the last of it has gone. Events of before
    that come late count for nothing; a customer who comes back begins afresh.
    """
    with in_a_sentence():
        if new_key is not None:
            _make_key(new_key)
            return
        config = read_config(config_file, broker)
        if ask_status:
            for line in _status_lines(config, customer, as_json):
                click.echo(line)
            return
        if customer is None or author is None or reason is None:
            raise click.UsageError("name the CUSTOMER, --author and --reason; or use --status or --new-key")
        from streams.erasing import ask, key_of

        key_of(config)
        if not yes:
            click.confirm(
                f"Everything that is held about {customer} is deleted, for good. Go on?", abort=True, err=True
            )
        offset = ask(config, customer, author, reason, **client_of(config))
        _finish(config, customer, offset, wait)


def _make_key(file: Path) -> None:
    from streams.privatefile import PrivateFileError, write
    from streams.secret import new_key

    if file.exists():
        raise PrivateFileError(f"{file} is there already: another key would not recognise who was erased under it")
    write(file, new_key() + "\n")
    click.echo(f"{file}: a new erasure key. {' '.join(KEEP_SAFE.split())}")


def _finish(config: "Config", customer: str, offset: int, wait: int) -> None:
    """Wait for the receipt, then take away what people did on the desk."""
    from streams.erasing import forget_actions, receipt_of

    client = client_of(config)
    hidden, looks, pause = not sys.stderr.isatty(), int(wait / LOOK_S), Event()
    with click.progressbar(length=looks, label="waiting for the judge", file=sys.stderr, hidden=hidden) as bar:
        for _ in range(looks + 1):
            receipt = receipt_of(config, customer, **client)
            if receipt is not None and receipt.offset >= offset:
                break
            pause.wait(LOOK_S)
            bar.update(1)
        else:
            click.echo(
                "accepted: it stands in the ledger, and no worker has come to it yet. One will by itself; "
                "then run this command once more, for what people did on the desk, or ask with --status"
            )
            return
    actions = forget_actions(config, customer, receipt, **client)
    for line in _receipt_lines(receipt, actions):
        click.echo(line)
    for line in _status_lines(config, customer, as_json=False):
        click.echo(line)


def _receipt_lines(receipt: "Receipt", actions: int) -> "Iterator[str]":
    yield "a row was deleted" if receipt.known else "there was no row under this id"
    if receipt.withdrawn:
        yield f"{receipt.withdrawn} alerts that were kept back are withdrawn"
    if actions:
        yield f"{actions} actions on the desk are deleted"


def _status_lines(config: "Config", customer: str | None, as_json: bool) -> "Iterator[str]":
    from streams.erasing import receipts, status

    if customer is not None:
        found = status(config, customer, **client_of(config))
        yield from [json.dumps(_as_map(found))] if as_json else _told(found)
        return
    every = list(receipts(config, **client_of(config)))
    for one in every:
        where = f"partition {one.partition}, offset {one.offset}"
        line = f"{_when(one.asked_ms)}  {one.marker}  {where}  {one.author}"
        yield json.dumps(one.as_map(), ensure_ascii=False) if as_json else f"{line}: {one.reason}"
    if not as_json:
        yield f"{len(every)} erasures" if every else "nobody was erased"


def _told(found: "Status") -> "Iterator[str]":
    from streams.erasing import SOURCES
    from streams.keeping import days

    one = found.receipt
    if one is None:
        yield (
            "no erasure of this customer is known, or it is more than 400 days ago"
            if found.waiting_offset is None
            else f"accepted: it waits in the ledger at offset {found.waiting_offset} for a worker"
        )
        return
    where = f"partition {one.partition} at offset {one.offset}"
    yield f"accepted {_when(one.asked_ms)} from {one.author}, applied in {where}"
    yield f"events up to {_when(one.erased_ms)} never count again"
    if found.actions_left:
        yield f"{found.actions_left} actions on the desk are still there: run `whaleline erase` once more"
    if found.complete_ms is None:
        forever = sorted(kept.topic for role, kept in found.keeping.items() if kept.gone_ms is None)
        yield f"never complete: {', '.join(forever)} keep what they have for ever; give them a retention"
    else:
        yield f"complete after {_when(found.complete_ms)}, when retention and compaction have taken the last of it"
    for role in SOURCES:
        kept = found.keeping[role]
        until = "for ever: have it deleted there" if kept.gone_ms is None else f"for {days(kept.gone_ms)} at most"
        yield f"source topic {kept.topic} keeps what its producers sent {until}"


def _as_map(found: "Status") -> dict[str, object]:
    state = "applied" if found.receipt else "unknown" if found.waiting_offset is None else "accepted"
    return {
        "state": state,
        "receipt": found.receipt.as_map() if found.receipt else None,
        "waiting_offset": found.waiting_offset,
        "actions_left": found.actions_left,
        "complete_ms": found.complete_ms,
    }


def _when(ms: int) -> str:
    from streams.accounts import when

    return f"{when(ms)} UTC" if ms >= 0 else "the beginning"
