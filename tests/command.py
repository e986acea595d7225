"""The command line as tests call it, and a file for it to read."""

from __future__ import annotations

import json
from pathlib import Path

import msgpack
from click.testing import CliRunner, Result

from streams.cli import main
from streams.simulate import Simulation


def whaleline(*arguments: str | Path, **environment: str) -> Result:
    """What one command comes to, in this process."""
    return CliRunner().invoke(main, [str(one) for one in arguments], env=environment)


def stories_file(file: Path, customers: int) -> Path:
    """The seed stories and so many others, as JSON lines."""
    sent = (msgpack.unpackb(fed.value) for fed in Simulation(customers=customers).feed() if not fed.everywhere)
    file.write_text("".join(json.dumps(fields) + "\n" for fields in sent))
    return file
