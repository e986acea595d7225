"""Bytes that were once written stay readable, and what is written stays the same, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.codes import Control
from tests.vectors import VECTORS, frozen, frozen_numbers, numbers
from tests.vectors.__main__ import add

if TYPE_CHECKING:
    from pathlib import Path


def test_no_vector_is_ever_dropped_or_left_unfrozen() -> None:
    assert set(frozen()) == set(VECTORS), "after adding a vector: python -m tests.vectors"


def test_every_control_entry_has_a_vector() -> None:
    assert {f"control {control.name.lower()}" for control in Control} <= set(VECTORS)


@pytest.mark.parametrize("name", VECTORS)
def test_todays_bytes_are_the_frozen_ones(name: str) -> None:
    assert VECTORS[name].write().hex() == frozen()[name]


@pytest.mark.parametrize("name", VECTORS)
def test_frozen_bytes_keep_their_meaning(name: str) -> None:
    assert VECTORS[name].read(bytes.fromhex(frozen()[name])) == VECTORS[name].meaning


def test_codes_and_columns_are_only_ever_appended() -> None:
    assert numbers() == frozen_numbers(), "after appending a code or a field: python -m tests.vectors"
    assert len(numbers()) > 180


def test_the_command_that_freezes_refuses_to_rewrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One changed or dropped value, and the command says so and writes nothing."""
    place = tmp_path / "some.json"
    for today in ({"a": 2, "b": 1}, {"b": 1}):
        assert not add(place, {"a": 1}, today)
        assert "'a' is frozen and would change" in capsys.readouterr().out
    assert not place.exists()


def test_the_command_adds_what_is_new(tmp_path: Path) -> None:
    place = tmp_path / "some.json"
    assert add(place, {"a": 1}, {"a": 1, "b": 2})
    assert place.read_text(encoding="utf-8") == '{\n "a": 1,\n "b": 2\n}\n'
