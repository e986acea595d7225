"""The command line as somebody meets it who has read the docs and nothing else."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import Result
from kafka import errors

from schemas.block import policy_entry
from schemas.state import CUSTOMER
from streams import examine, ledgerfile
from streams.cli import main
from streams.ledgerfile import Frame, Head
from streams.shares import ROWS, SpooledStates
from tests.command import stories_file, whaleline


def test_whoever_talks_to_a_broker_can_be_told_which() -> None:
    """Every command with settings takes --broker, but for those that ask no broker."""

    def options(group: click.Group, *above: str) -> Iterator[tuple[str, set[str]]]:
        for name, command in group.commands.items():
            if isinstance(command, click.Group):
                yield from options(command, *above, name)
            yield " ".join((*above, name)), {one for param in command.params for one in param.opts}

    without = {name for name, has in options(main) if "--config" in has and "--broker" not in has}
    assert without == {"topics plan", "topics rights", "config show"}


def test_a_file_that_is_not_in_the_order_of_time_is_said_to_be_so(tmp_path: Path) -> None:
    """Each hour was concluded without what stands behind it, so that alerts lack: nobody may take that for all."""
    lines = stories_file(tmp_path / "events.jsonl", customers=2).read_text().splitlines(keepends=True)[:300]
    last = json.loads(lines[-1])["customer_id"]
    for name, some in (("sorted", lines), ("cut", lines[150:] + lines[:150]), ("turned", lines[::-1])):
        (tmp_path / name).write_text("".join(some))
    (tmp_path / "new.toml").write_text("[policy]\nversion = 2\n")

    def replayed(name: str) -> Result:
        into = ("--alerts", tmp_path / "a.jsonl", "--states", tmp_path / "s.jsonl")
        return whaleline("replay", tmp_path / name, *into)

    well, ill = replayed("sorted"), replayed("cut")
    assert (well.stderr, json.loads(well.stdout)["late"]) == ("", 0)
    assert json.loads(ill.stdout)["late"] == 150
    others = (
        whaleline("backtest", tmp_path / "cut", "--against", tmp_path / "new.toml"),
        whaleline("explain", last, tmp_path / "cut"),
    )
    for result in (ill, *others):
        assert result.exit_code == 0, result.output
        assert "150 events stand behind one of a later hour" in result.stderr
    result = whaleline("backtest", tmp_path / "turned", "--against", tmp_path / "new.toml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "not in the order of time" in result.stderr


def test_a_ledger_of_a_newer_version_is_said_to_be_one(tmp_path: Path) -> None:
    """Its policy has a setting that this version does not know."""
    entry = policy_entry("[churn]\nwisdom = 3\n", 7)
    ledgerfile.write(tmp_path / "l.wll", Head("ledger", 1), [Frame(0, 0, 1, entry)])
    result = whaleline("explain", "C-1", tmp_path / "l.wll")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "[churn] wisdom is not known" in result.stderr
    assert "if a newer version wrote it, judge by that one" in result.stderr


def test_a_compressed_file_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl.gz").write_bytes(gzip.compress(b'{"kind": "praise"}'))
    result = whaleline("fit", tmp_path / "events.jsonl.gz", "--out", tmp_path / "fitted.toml")
    assert result.exit_code == 2
    assert "is compressed: unpack it first" in result.stderr


def test_a_full_disk_is_named_for_what_it_is(tmp_path: Path) -> None:
    """By the words of the system, not by how many bytes were to be written."""
    (tmp_path / ROWS).symlink_to("/dev/full")
    states = SpooledStates(tmp_path)
    try:
        with pytest.raises(OSError, match="No space left on device"):
            states.put([str(at) for at in range(64)], np.zeros(64, CUSTOMER))
    finally:
        with suppress(OSError):
            states.close()


def test_brokers_that_knew_no_group_yet_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first question about any group makes them make room, and fails meanwhile."""
    answers: list[Any] = [errors.CoordinatorNotAvailableError(), errors.CoordinatorLoadInProgressError(), {}]

    class Asked:
        def list_group_offsets(self, _group: str) -> dict[str, Any]:
            if isinstance(answer := answers.pop(0), Exception):
                raise answer
            return {"whaleline": answer}

    monkeypatch.setattr(examine, "rest", lambda _s: None)
    assert examine._committed(Asked(), "whaleline") == {}
    assert answers == []
