"""Slow twins: each kernel a second time, from its formula, in Python that nobody would run in production.

Also the proof that compiling changes nothing: the same calls in a process without a compiler.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Call = tuple[str, tuple[Any, ...]]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
from tests.oracle import answers, packed, unpacked
module, calls, written = json.load(sys.stdin)
said = answers(module, [(name, tuple(unpacked(arguments))) for name, arguments in calls], written)
json.dump(packed(said), sys.stdout)
"""


def answers(module: str, calls: Sequence[Call], written: Sequence[int] = ()) -> list[Any]:
    """What each kernel of ``kernels.<module>`` says to its arguments, in this process.

    ``written`` are the places of arguments that a kernel writes to: what then stands there belongs to its answer.
    """
    room = import_module(f"kernels.{module}")
    said = []
    for name, arguments in calls:
        mine = [one.copy() if isinstance(one, np.ndarray) else one for one in arguments]
        answer = getattr(room, name)(*mine)
        said.append([answer, *(mine[place].tolist() for place in written)] if written else answer)
    return said


def plain_answers(module: str, calls: Sequence[Call], written: Sequence[int] = ()) -> list[Any]:
    """The same answers from plain Python: compiler off, every warning an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        input=json.dumps([module, packed([[name, list(arguments)] for name, arguments in calls]), list(written)]),
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result = unpacked(json.loads(done.stdout))
    assert isinstance(result, list)
    return result


def bits(value: Any) -> Any:
    """A value in a form in which equal means equal to the last bit, nan and the sign of zero included."""
    if isinstance(value, tuple | list):
        return [bits(part) for part in value]
    return float(value).hex() if isinstance(value, float) else int(value)


def packed(value: Any) -> Any:
    """A value as JSON can carry it; floats travel by their shortest exact decimal."""
    if isinstance(value, tuple | list):
        return [packed(part) for part in value]
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.name, "values": value.tolist()}
    if isinstance(value, np.uint64):
        return {"uint64": int(value)}
    return value


def unpacked(value: Any) -> Any:
    """The value that was ``packed``."""
    if isinstance(value, list):
        return [unpacked(part) for part in value]
    if isinstance(value, dict):
        return np.uint64(value["uint64"]) if "uint64" in value else np.array(value["values"], value["dtype"])
    return value
