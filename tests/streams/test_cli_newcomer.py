"""The command line as somebody meets it who has read the docs and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import click

from streams.cli import main


def test_whoever_talks_to_a_broker_can_be_told_which() -> None:
    """Every command with settings takes --broker, but for those that ask no broker."""

    def options(group: click.Group, *above: str) -> Iterator[tuple[str, set[str]]]:
        for name, command in group.commands.items():
            if isinstance(command, click.Group):
                yield from options(command, *above, name)
            yield " ".join((*above, name)), {one for param in command.params for one in param.opts}

    without = {name for name, has in options(main) if "--config" in has and "--broker" not in has}
    assert without == {"topics plan", "topics rights", "config show"}
