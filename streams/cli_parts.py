"""What every command shares: options, settings, one sentence for each error."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from schemas.policy import Policy
    from streams.config import Config

PACKAGES = ("schemas", "kernels", "streams")
BAD = 2
"""Exit code for something the caller can put right: an option, a file, an address."""

NOT_USABLE = 76
"""Exit code of a configuration, policy or topics that are not usable; ``streams.exits`` has the table."""

PROCESSES = ("worker", "desk", "notify", "canary", "feed", "operator", "scaler")
"""Kinds of processes, each of which has rights of its own on Kafka."""

FILE = click.Path(path_type=Path, dir_okay=False)
PAST = click.Path(path_type=Path)
"""A file of events, a recorded ledger, or the directory of an archive."""

config_option = click.option(
    "--config", "config_file", type=FILE, envvar="WHALELINE_CONFIG", metavar="FILE",
    help="Settings as TOML; WHALELINE_* variables overrule it.",
)  # fmt: skip
broker_option = click.option("--broker", metavar="HOST:PORT", help="Kafka, instead of the setting's.")


@contextmanager
def in_a_sentence(code: int = BAD) -> Iterator[None]:
    """Turn an error of ours into its one sentence and ``code``; a bug of ours keeps its traceback."""
    try:
        yield
    except Exception as error:
        ours = type(error).__module__.split(".")[0] in PACKAGES
        if not ours:
            raise
        fail(str(error), code)


def examples(*lines: str) -> str:
    """What stands below a command's options; the mark keeps click from joining the lines."""
    return "\n".join(("\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)))


def duration(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Seconds of ``30``, ``30s``, ``2m`` or ``1h``."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h)?", text.strip())
    if found is None or not 0 < float(found[1]) < 1e6:
        raise click.BadParameter(f"{text!r} is not a duration such as 30s, 2m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]


def moment(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """Milliseconds of an ISO date or time; without a zone it is UTC."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time such as 2025-12-01 or 2025-12-01T08:00Z") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def day(context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """Milliseconds of the midnight, UTC, with which a day begins."""
    found = moment(context, option, text)
    if found is not None and found % 86_400_000:
        raise click.BadParameter(f"{text!r} is not a day such as 2025-12-01")
    return found


def fail(sentence: str, code: int) -> None:
    """Say the sentence and end with the code."""
    click.echo(f"whaleline: {sentence}", err=True)
    sys.exit(code)


@contextmanager
def counting(label: str) -> Iterator[Callable[[int], None]]:
    """A count of records where somebody looks, for what has no end to be told beforehand."""
    shown = sys.stderr.isatty()

    def progress(count: int) -> None:
        if shown and count % 1_000 == 0:
            click.echo(f"\r{label}: {count:,} records", nl=False, err=True)

    yield progress
    if shown:
        click.echo("\r", nl=False, err=True)


def tell_late(events: Path, late: int) -> None:
    """Say that a file is not in the order of time, where it is not."""
    if late:
        click.echo(
            f"whaleline: {events}: {late} events stand behind one of a later hour, so that theirs was concluded "
            "without them, as live; if they did not come in this order, sort the file by ts_ms",
            err=True,
        )


def read_config(file: Path | None, broker: str | None = None) -> "Config":
    """The settings of a file and the environment, ``broker`` above both; raises ``ConfigError``."""
    from streams.config import ConfigError, load

    if broker is None:
        return load(file, os.environ)
    try:
        return load(file, {**os.environ, "WHALELINE_BROKER": broker})
    except ConfigError as error:
        raise ConfigError(str(error).replace("environment: WHALELINE_BROKER", "--broker")) from None


def client_of(config: "Config") -> dict[str, Any]:
    """What a client of kafka-python is told of the brokers beside their address; raises ``ConfigError``."""
    from streams import connection

    return connection.client_of(config)


def read_policy(file: Path | None) -> "Policy":
    """The policy of a file, or the default; raises ``PolicyError``."""
    from schemas.policy import PolicyError, parse

    if file is None:
        return parse("")
    try:
        return parse(file.read_text(encoding="utf-8"), str(file))
    except OSError as error:
        raise PolicyError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PolicyError(f"{file} is not text in UTF-8") from None
