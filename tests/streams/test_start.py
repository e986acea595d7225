"""What a worker looks at before it starts, and how it says no."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from streams.exits import Exit
from tests.broker.kafka import free_port

ROOT = Path(__file__).resolve().parents[2]


WORKER = ("-m", "streams.cli", "worker")
LATER = """
import sys
from streams import app, config
app.check_topics = lambda _: None
sys.exit(app.run(config.load(None, __import__("os").environ)))
"""
"""A worker whose broker goes away after it has looked at the topics."""


def worker(program: Sequence[str] = WORKER, **settings: str) -> tuple[int, str]:
    """Run a worker that will not start; its exit code and what it said."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WHALELINE_")}
    given = {f"WHALELINE_{key.upper()}": value for key, value in settings.items()}
    done = subprocess.run(
        [sys.executable, *program], env={**kept, **given, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize("program", [WORKER, ("-c", LATER)], ids=["at once", "later"])
def test_a_broker_that_is_away_is_waited_for_by_restarts_not_by_a_person(program: Sequence[str]) -> None:
    """A worker that starts during an outage ends with a code that a supervisor answers with a restart."""
    code, said = worker(program, broker=f"127.0.0.1:{free_port()}")
    assert code == Exit.STUCK, said
    assert "restart" in said
    assert "Traceback" not in said
