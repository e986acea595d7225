"""Lines for people, JSON for machines; nothing repeated in a hurry, nothing of an exception but its type."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.exits import Exit
from streams.logs import set_up_logging

ROOT = Path(__file__).resolve().parents[2]
log = logging.getLogger("whaleline")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, ours = root.handlers[:], root.level, log.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    log.setLevel(ours)


@pytest.mark.parametrize(
    ("style", "stream", "as_json"),
    [
        ("auto", io.StringIO, True),
        ("auto", Terminal, False),
        ("lines", io.StringIO, False),
        ("json", Terminal, True),
    ],
)
def test_a_terminal_gets_lines_and_a_collector_json(style: str, stream: type[io.StringIO], as_json: bool) -> None:
    out = stream()
    set_up_logging(style=style, stream=out)
    log.info("ledger partition %d: %d records restored", 3, 17)
    line = out.getvalue().rstrip("\n")
    assert "ledger partition 3: 17 records restored" in line
    assert line.startswith("{") is as_json
    if as_json:
        told = json.loads(line)
        assert (told["level"], told["logger"]) == ("info", "whaleline")
        assert told["message"] == "ledger partition 3: 17 records restored"
        assert told["time"].endswith("Z")


def test_an_exceptions_text_is_not_told() -> None:
    out = io.StringIO()
    set_up_logging(style="json", stream=out)
    try:
        raise ValueError("C-17 said: never again\nand more")
    except ValueError:
        log.exception("judging raised")
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [one["exception"] for one in told] == ["ValueError"]
    assert "C-17" not in out.getvalue()


def test_a_library_that_repeats_itself_is_heard_once() -> None:
    out = io.StringIO()
    set_up_logging(style="lines", stream=out)
    for _ in range(50):
        logging.getLogger("aiokafka").warning("Unable to connect")
        log.warning("ours")
    assert out.getvalue().count("Unable to connect") == 1
    assert out.getvalue().count("ours") == 50


def test_the_last_word_of_a_worker_has_its_code_as_a_field() -> None:
    script = (
        "from streams.logs import set_up_logging; from streams.exits import Exit, stop_now;"
        "set_up_logging(style='json'); stop_now(Exit.FENCED, 'Ledger partition 3.')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    told = json.loads(ended.stderr)
    assert ended.returncode == told["exit_code"] == Exit.FENCED
    assert told["message"].endswith("Ledger partition 3.")
